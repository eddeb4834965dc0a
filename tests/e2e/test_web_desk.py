"""The desk at the server's level against a real Asterisk: telephones that ring, desks that read
events; and everything that may break between them. (`tests/browser` does it with real pages.)

After whatever broke is back, screen and queue have to agree within two seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from cti.db.engine import open_engine
from cti.db.store.people import PeopleStore
from cti.demo import Demo, demo_running
from cti.demo_shop import CALLER
from cti.settings import HOME
from cti.softphone import Phone, callees
from ivr.errors import CannotInstall
from tests.cti.web.site_room import Page, Stream

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]
BACK = 2.0  # seconds
Sit = Callable[..., Awaitable[tuple[Page, Phone]]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def demo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Demo]:
    """A demo of our own, whose agents have telephones on their desks."""
    state = HOME / ".santral"
    home = tmp_path_factory.mktemp("desk")
    try:
        async with demo_running(
            state, print, home=home, prompt_cache=state / "demo" / "prompts", drain=1.0
        ) as running:
            await _telephones(running)
            yield running
    except CannotInstall as reason:
        pytest.skip(str(reason))


async def _telephones(demo: Demo) -> None:
    """Accounts that are changed while everything runs: Asterisk has them seconds later."""
    engine = open_engine(demo.settings.journal_database)
    people = PeopleStore(engine)
    for login in ("ayse", "mehmet", "zeynep"):
        user = await people.find(login)
        assert user is not None
        assert user.desk is not None
        await people.seat(
            login, extension=login, phone="desk", skills=user.desk.skills, seats=user.desk.seats
        )
    await engine.dispose()
    async with asyncio.timeout(15):
        while "transport                          : udp" not in await demo.asterisk.command(
            "pjsip show endpoint zeynep"
        ):
            await asyncio.sleep(0.2)


def sip_password(demo: Demo, login: str) -> str:
    text = (demo.asterisk.settings.etc / "santral-phones.conf").read_text()
    after = text.partition(f"username = {login}\n")[2]
    return after.partition("password = ")[2].partition("\n")[0]


@pytest_asyncio.fixture(loop_scope="session")
async def sit(demo: Demo) -> AsyncIterator[Sit]:
    """`page, phone = await sit("ayse")`: signed in, registered, ready; gone with the test."""
    async with AsyncExitStack() as stack:

        async def at(login: str, on_call: Any = None, *, work: bool = True) -> tuple[Page, Phone]:
            phone = await stack.enter_async_context(
                Phone(
                    login, server=demo.sip, password=sip_password(demo, login), on_call=on_call,
                    register=True,
                )
            )  # fmt: skip
            http = await stack.enter_async_context(
                aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
            )
            page = Page(http, demo.url.rstrip("/"))
            answer = await page.sign_in(login, demo.passwords[login])
            assert answer.status == 200, await answer.text()
            if work:
                await is_state(page, "signed_out", "ready", "paused", "offline")
                assert (await page.post("/api/agent/sign-in")).status == 200
                await page.post("/api/agent/ready")
                await is_state(page, "ready")
            stack.push_async_callback(page.post, "/api/agent/sign-out")
            return page, phone

        yield at
    async with asyncio.timeout(10):
        while "0 active channels" not in await demo.asterisk.command("core show channels count"):
            await asyncio.sleep(0.1)


async def is_state(page: Page, *states: str, within: float = 10.0) -> dict[str, Any]:
    """Wait until the screen says so."""
    until = time.monotonic() + within
    while True:
        state = await page.read("/api/state")
        if state["presence"]["state"] in states:
            return dict(state)
        assert time.monotonic() < until, (states, state["presence"], state["agent"])
        await asyncio.sleep(0.02)


async def member(demo: Demo, login: str, queue: str = "support") -> str:
    """The line Asterisk's own console has of somebody in a queue; "" for none."""
    shown = await demo.asterisk.command(f"queue show {queue}")
    return next((line for line in shown.splitlines() if f"PJSIP/{login}" in line), "")


async def agrees(demo: Demo, page: Page, within: float = BACK) -> float:
    """How long it took until what the screen shows is what Asterisk's queue has."""
    began = time.monotonic()
    async with asyncio.timeout(within):
        while True:
            state = await page.read("/api/state")
            login, now = state["presence"]["login"], state["presence"]["state"]
            line = await member(demo, login)
            inside = bool(line)
            paused = "paused" in line
            wanted = now in ("paused", "wrap_up", "offline")
            if state["live"] and inside == (now != "signed_out") and paused == (inside and wanted):
                return time.monotonic() - began
            await asyncio.sleep(0.02)


async def to_an_agent(caller: Phone) -> Any:
    """Somebody asks for their order, gives it, and then wants a person."""
    call = await caller.dial("100")
    await call.pause(1.0)
    await call.press("0")
    return call


@pytest_asyncio.fixture(loop_scope="session")
async def caller(demo: Demo) -> AsyncIterator[Phone]:
    async with Phone(demo.account.name, server=demo.sip, password=demo.account.password) as phone:
        yield phone


async def test_a_call_from_pop_to_note(demo: Demo, sit: Sit, caller: Phone) -> None:
    rang: list[float] = []

    async def picks_up(call: Any) -> None:
        await call.pause(0.1)  # a telephone rings a moment after it was asked to
        rang.append(time.time())
        call.ring()
        await call.pause(0.5)
        await call.answer()
        await call.until_over(60)

    page, _ = await sit("ayse", picks_up)
    async with page.events() as stream:
        await stream.until("hello")
        call = await to_an_agent(caller)
        pop = await stream.until("pop", 30, state="ringing")
        shown = pop.data["value"]
        assert shown["caller"] == CALLER
        assert shown["queue"] == "support"
        assert [station["step"] for station in shown["path"]][-1] == "to_agent"
        assert shown["said"][-1]["text"] == "0"
        assert shown["card"]["customer"]["name"] == "Ayşe Yılmaz"
        assert "1234" in {order["number"] for order in shown["card"]["orders"]}
        await page.post("/api/ack", {"sequence": pop.data["sequence"]})
        await stream.until("presence", state="talking")
        id = shown["call"]
        note = {"text": "aradı", "disposition": "answered"}
        assert (await page.post(f"/api/calls/{id}/note", note)).status == 201
        await call.pause(0.5)
        assert (await page.post(f"/api/calls/{id}/hang-up")).status == 202
        wrap = await stream.until("presence", state="wrap_up")
        assert wrap.data["value"]["until"] > time.time()
    await agrees(demo, page)
    assert "paused:wrap_up" in await member(demo, "ayse")
    assert (await (await page.post("/api/agent/ready")).json())["state"] == "ready"
    await agrees(demo, page)
    if rang:
        assert shown["at"] <= rang[0], "the pop was made before the phone rang"
    async with asyncio.timeout(10):
        while True:
            card = await page.read(f"/api/customers/{CALLER}")
            if card["contacts"] and card["contacts"][0]["login"]:
                break
            await asyncio.sleep(0.2)
    assert card["contacts"][0]["login"] == "ayse"
    assert card["notes"][0]["text"] == "aradı"
    today = await page.read("/api/agent/today")
    assert today["answered"] >= 1
    numbers = (await page.read("/api/wallboard"))["numbers"]
    assert next(one for one in numbers if one["queue"] == "support")["answered"] >= 1
    await until_over(call)


async def until_over(call: Any) -> None:
    if not call.over:
        await call.hangup()


async def test_a_blind_transfer_takes_the_pop_along(demo: Demo, sit: Sit, caller: Phone) -> None:
    page, _ = await sit("ayse", callees.answers())
    other, _ = await sit("mehmet", callees.answers(), work=False)
    async with page.events() as stream, other.events() as theirs:
        await stream.until("hello")
        await theirs.until("hello")
        call = await to_an_agent(caller)
        pop = await stream.until("pop", 30, state="ringing")
        await stream.until("presence", state="talking")
        id = pop.data["value"]["call"]
        async with asyncio.timeout(5):  # "talking" is told a moment before the bridge is there
            while True:
                answer = await page.post(f"/api/calls/{id}/transfer", {"to": "mehmet"})
                if answer.status == 202:
                    break
                assert "not talking" in await answer.text()
                await asyncio.sleep(0.1)
        got = await theirs.until("pop", 15, call=id)
        assert got.data["value"]["caller"] == CALLER
        await stream.until("pop", 15, state="over")
    await until_over(call)


async def test_two_tabs_show_the_same_and_one_acknowledges(
    demo: Demo, sit: Sit, caller: Phone
) -> None:
    page, _ = await sit("ayse", callees.answers(after=1.0))
    async with page.events("?tab=one") as one, page.events("?tab=two") as two:
        await one.until("hello")
        await two.until("hello")
        call = await to_an_agent(caller)
        first, second = await one.until("pop", 30), await two.until("pop", 30)
        assert first.id == second.id
        await page.post("/api/ack", {"sequence": first.data["sequence"]})
        await page.post("/api/ack", {"sequence": first.data["sequence"]})
        await one.until("presence", state="talking")
        await two.until("presence", state="talking")
        assert (await page.post("/api/agent/pause", {"reason": "lunch"})).status == 200
        for tab in (one, two):
            await tab.until("presence", next_pause="lunch")
    await until_over(call)
    await is_state(page, "wrap_up", "paused")
    await agrees(demo, page)


async def test_a_cut_network_costs_no_pop(demo: Demo, sit: Sit, caller: Phone) -> None:
    page, _ = await sit("ayse", callees.answers(after=0.5))
    async with page.events() as stream:
        last = await _last_place(stream, page)
    call = await to_an_agent(caller)  # nobody listens meanwhile
    state = await is_state(page, "talking", within=30)
    async with page.events(last=last) as stream:
        told = [(await stream.until("pop")).data["value"]["state"]]
        while told[-1] != "answered":
            told.append((await stream.until("pop")).data["value"]["state"])
    assert told[0] == "ringing"
    assert state["pops"][0]["state"] in ("ringing", "answered")
    await until_over(call)


async def _last_place(stream: Stream, page: Page) -> str:
    hello = await stream.until("hello")
    del page
    return str(hello.data["place"])


async def test_a_phone_that_is_gone_is_offline_and_back_when_it_returns(
    demo: Demo, sit: Sit
) -> None:
    page, phone = await sit("ayse")
    await phone.register(expires=0)  # the page is closed
    await is_state(page, "offline", within=BACK)
    await agrees(demo, page)
    await phone.register()
    await is_state(page, "ready", within=BACK)
    took = await agrees(demo, page)
    assert took < BACK


async def test_the_manager_restarted(demo: Demo, sit: Sit) -> None:
    page, _ = await sit("ayse")
    async with page.events() as stream:
        await stream.until("hello")
        await demo.asterisk.command("module reload manager")
        sessions = await demo.asterisk.command("manager show connected")
        numbers = [
            line.split()[4]
            for line in sessions.splitlines()
            if line.strip().startswith(demo.asterisk.settings.ami_user)
        ]
        for number in numbers:
            await demo.asterisk.command(f"manager kick session {number}")
        assert await _live(stream) is False
        assert await _live(stream) is True
    took = await agrees(demo, page)
    assert took < BACK
    await is_state(page, "ready", within=BACK)


async def test_asterisk_restarted(demo: Demo, sit: Sit) -> None:
    page, phone = await sit("ayse")
    async with page.events() as stream:
        await stream.until("hello")
        await demo.asterisk.stop()
        assert await _live(stream) is False
        refused = await page.post("/api/dial", {"to": "mehmet"})
        assert refused.status == 503
        await demo.asterisk.start()
        assert await _live(stream, 20) is True
        back = time.monotonic()
        took = await agrees(demo, page)
        assert time.monotonic() - back < BACK
        assert took < BACK
        await phone.register()
        await is_state(page, "ready", within=BACK)
        await agrees(demo, page)


async def _live(stream: Stream, seconds: float = 10.0) -> bool:
    async with asyncio.timeout(seconds):
        while True:
            message = await stream.next(seconds)
            if message.kind == "live":
                return bool(message.data["value"])


async def test_the_engine_restarted_under_the_desk(demo: Demo, sit: Sit) -> None:
    """`kill -9`: the page comes back to the next engine, the agent is where they were."""
    page, _ = await sit("ayse")
    assert (await page.post("/api/agent/pause", {"reason": "lunch"})).status == 200
    await agrees(demo, page)
    before = len(demo.engine.returns)
    demo.engine.kill_worker()
    await demo.engine.returned(before + 1, 60)
    async with asyncio.timeout(10):
        while True:
            try:
                state = await page.read("/api/state")
                if state["live"]:
                    break
            except (aiohttp.ClientError, AssertionError):
                pass
            await asyncio.sleep(0.05)
    await is_state(page, "paused", within=BACK)
    assert (await page.read("/api/state"))["presence"]["reason"] == "lunch"
    await agrees(demo, page)
    async with page.events(last="gone-12") as stream:
        await stream.until("resync")


async def test_a_supervisor_hears_what_is_said(demo: Demo, sit: Sit, caller: Phone) -> None:
    heard: list[Any] = []

    async def listens(call: Any) -> None:
        heard.append(call)
        await call.answer()
        await call.until_over(60)

    page, _ = await sit("ayse", callees.answers())
    boss, _ = await sit("zeynep", listens, work=False)
    call = await to_an_agent(caller)
    state = await is_state(page, "talking", within=30)
    (pop,) = state["pops"]
    given = {"call": pop["call"], "agent": "PJSIP/ayse", "how": "listen"}
    answer = await boss.post("/api/listen", given)
    assert answer.status == 202, await answer.text()
    async with boss.events("?view=floor") as stream:
        async with asyncio.timeout(15):
            while not (listened := [
                one for one in (await boss.read("/api/state"))["floor"]["calls"] if one["listeners"]
            ]):  # fmt: skip
                await asyncio.sleep(0.1)
        del stream
    assert listened[0]["id"] == pop["call"]
    leg = (await answer.json())["id"]
    assert (await boss.post(f"/api/listen/{leg}", method="DELETE")).status == 202
    await heard[0].wait_for(lambda one: one.over, 10, "the end of the listening")
    shown = await boss.read(f"/api/calls/{pop['call']}/transcript")
    assert any(line["who"] == "caller" for line in shown["lines"])
    await until_over(call)


OPTIONS = (
    "OPTIONS sip:santral SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bK1\r\n"
    "Max-Forwards: 70\r\nFrom: <sip:admin@santral>;tag=1\r\nTo: <sip:santral>\r\n"
    "Call-ID: one\r\nCSeq: 1 OPTIONS\r\nContact: <sip:admin@x.invalid;transport=ws>\r\n"
    "Content-Length: 0\r\n\r\n"
)


async def test_the_pages_sip_goes_to_asterisk_for_its_own_tab_only(demo: Demo) -> None:
    url = demo.url.rstrip("/")
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        page = Page(http, url)
        with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
            await http.ws_connect(f"{url}/sip?tab=one", protocols=("sip",))
        await page.sign_in("admin", demo.passwords["admin"])
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await http.ws_connect(f"{url}/sip?tab=one", origin="https://evil.example")
        told = await (await page.post("/api/phone", {"tab": "one"})).json()
        async with http.ws_connect(f"{url}{told['path']}", protocols=("sip",)) as one:
            await one.send_str(OPTIONS)
            answer = await one.receive_str(timeout=5)
            assert answer.startswith("SIP/2.0 ")
            assert "CSeq: 1 OPTIONS" in answer
            async with http.ws_connect(f"{url}/sip?tab=two", protocols=("sip",)) as wrong:
                assert (await wrong.receive(timeout=5)).data == 4001
            await page.post("/api/phone", {"tab": "two"})
            assert (await one.receive(timeout=5)).data == 4001
        async with http.ws_connect(f"{url}/sip?tab=two", protocols=("sip",)) as two:
            await two.send_str(OPTIONS)
            await two.receive_str(timeout=5)
            await page.post("/api/session", method="DELETE")
            assert (await two.receive(timeout=5)).data == 4002
