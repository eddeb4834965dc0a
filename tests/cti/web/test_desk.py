"""The desk's commands, and everything that somebody might try with them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cti.ami import events as ami
from cti.bus import Place
from tests.cti.ami import captures
from tests.cti.web.site_room import Page, SiteRoom, Stream

CALL = "lab-850-05321112233"
READING = {
    "Challenge", "Login", "CoreShowChannels", "QueueStatus", "DeviceStateList", "ShowDialPlan",
    "QueueAdd", "QueueReload", "QueuePause", "QueueRemove", "Ping",
}  # fmt: skip


def acts(desk: SiteRoom) -> list[str]:
    """Everything Asterisk was asked that acts on a call."""
    return [one["Action"] for one in desk.fake.received if one["Action"] not in READING]


def of_the_talk() -> tuple[list[ami.Event], list[ami.Event]]:
    """Ayşe's call until they talk, and the rest of it."""
    events = list(captures.events("answered"))
    over = next(n for n, event in enumerate(events) if isinstance(event, ami.AgentComplete))
    events = [event for event in events if not isinstance(event, ami.Snapshot)]
    over = next(n for n, event in enumerate(events) if isinstance(event, ami.AgentComplete))
    return events[:over], events[over:]


async def works(desk: SiteRoom, login: str = "ayse") -> Page:
    page = await desk.signed_in(login)
    answer = await page.post("/api/agent/sign-in")
    assert answer.status == 200, await answer.text()
    return page


async def test_the_queue_agrees_with_what_the_desk_says(desk: SiteRoom) -> None:
    page = await works(desk)
    agents = desk.desk.site.tele.agents
    await agents.settled("ayse")
    member = desk.fake.queues["support"]["PJSIP/ayse"]
    assert (member.name, member.paused) == ("Ayşe <script>alert(1)</script>", False)
    answer = await page.post("/api/agent/pause", {"reason": "lunch"})
    assert (await answer.json())["state"] == "paused"
    await agents.settled("ayse")
    assert (member.paused, member.reason) == (True, "lunch")
    for bad in ({"reason": ""}, {"reason": "wrap_up"}, {}, {"reason": "x", "more": 1}, [1]):
        assert (await page.post("/api/agent/pause", bad)).status == 400
    assert (await (await page.post("/api/agent/sign-out")).json())["state"] == "signed_out"
    await agents.settled("ayse")
    assert "PJSIP/ayse" not in desk.fake.queues["support"]
    assert (await page.post("/api/agent/ready")).status == 409


async def test_a_pop_is_shown_acknowledged_and_not_shown_again(desk: SiteRoom) -> None:
    page = await works(desk)
    talk, rest = of_the_talk()
    async with page.events() as stream:
        await stream.until("hello")
        desk.take(talk)
        pop = await stream.until("pop", state="ringing")
        assert pop.data["ack"]
        assert pop.data["value"]["call"] == CALL
        assert pop.data["value"]["agent_name"]
        assert "crm" in pop.data["value"]
        await stream.until("presence", state="talking")
        last = [m for m in stream.seen if m.kind == "pop"][-1]
        assert (await page.post("/api/ack", {"sequence": last.data["sequence"]})).status == 204
    async with page.events() as fresh:  # a new tab, which has seen nothing
        await fresh.until("hello")
        desk.take(rest)
        over = await fresh.until("pop")
        assert over.data["value"]["state"] == "over"
    state = await page.read("/api/state")
    assert state["pops"] == []


async def test_what_was_missed_comes_once_and_in_order(desk: SiteRoom) -> None:
    page = await works(desk)
    talk, rest = of_the_talk()
    async with page.events() as stream:
        await stream.until("hello")
        desk.take(talk[: len(talk) // 2])
        first = await _until_quiet(stream)
    desk.take(talk[len(talk) // 2 :])
    desk.take(rest)
    place = first[-1].id
    async with page.events(last=place) as stream:
        missed = await _until_quiet(stream)
    told = [m.data["sequence"] for m in (*first, *missed) if m.id]
    assert told == sorted(set(told))
    kinds = [(m.data["value"] or {}).get("state") for m in missed if m.kind == "pop"]
    assert kinds[-1] == "over"
    topic = "agent:PJSIP/ayse"
    kept = [item.sequence for item in desk.bus._topics[topic].kept]
    numbers = (
        [item.sequence for item in desk.bus._topics["numbers"].kept]
        if "numbers" in desk.bus._topics
        else []
    )
    since = Place.parse(place)
    assert since is not None
    assert set(kept) - {n for n in kept if n <= since.sequence} <= set(told) | set(numbers)


async def _until_quiet(stream: Stream) -> list[Any]:
    """What it tells until nothing comes for a moment (the numbers come when they like)."""
    found = []
    while True:
        try:
            found.append(await stream.next(0.7))
        except TimeoutError:
            return [m for m in found if m.kind not in ("hello", "beat")]


async def test_an_unknown_place_is_answered_with_a_resync(desk: SiteRoom) -> None:
    page = await works(desk)
    async with page.events(last="another-17") as stream:
        await stream.until("resync")
    async with page.events("?after=another-17") as stream:
        await stream.until("resync")


@pytest.mark.parametrize(
    "to",
    ["102\r\nAction: Reload", "102\n", "\r102", "1 0 2\x00", "102,x", "${X}", "a" * 61, "",
     "<script>", "102&103", "4711"],
)  # fmt: skip
async def test_a_number_that_is_none_is_refused_logged_and_changes_nothing(
    desk: SiteRoom, to: str
) -> None:
    page = await works(desk)
    desk.take(of_the_talk()[0])
    before = acts(desk)
    for path in (f"/api/calls/{CALL}/transfer", f"/api/calls/{CALL}/consult", "/api/dial"):
        answer = await page.post(path, {"to": to})
        assert answer.status == 400, (path, await answer.text())
    assert acts(desk) == before
    assert await desk.audited("refused", actor="ayse") == 3


async def test_another_agents_call_is_not_theirs(desk: SiteRoom) -> None:
    bora = await works(desk, "bora")
    await works(desk)
    desk.take(of_the_talk()[0])
    before = acts(desk)
    for path, given in (
        ("hang-up", {}), ("transfer", {"to": "102"}), ("consult", {"to": "102"}), ("back", {}),
        ("complete", {}), ("three-way", {}), ("keep-off-record", {"on": True}),
        ("note", {"text": "mine now"}),
    ):  # fmt: skip
        answer = await bora.post(f"/api/calls/{CALL}/{path}", given)
        assert answer.status == 400, path
        answer = await bora.post(f"/api/calls/no-such-call/{path}", given)
        assert answer.status == 400, path
    wanted = {"call": CALL, "queue": "support", "number": "+905321112233"}
    assert (await bora.post("/api/callbacks", wanted)).status == 400
    assert acts(desk) == before
    assert await desk.audited("refused", actor="bora") == 17
    assert desk.desk.site.tele.callbacks.waiting() == ()


async def test_what_an_agent_may_not_do(desk: SiteRoom) -> None:
    bora = await works(desk, "bora")
    await works(desk)
    desk.take(of_the_talk()[0])
    before = acts(desk)
    listen = {"call": CALL, "agent": "PJSIP/ayse", "how": "whisper"}
    tries = [
        ("POST", "/api/listen", listen),
        ("POST", "/api/agents/ayse/pause", {"reason": "x"}),
        ("POST", "/api/agents/ayse/sign-out", {}),
        ("POST", "/api/agents/ayse/hang-up", {"call": CALL}),
        ("GET", "/api/users", None), ("GET", "/api/audit", None), ("GET", "/api/flows", None),
        ("GET", f"/api/calls/{CALL}/transcript", None),
    ]  # fmt: skip
    for method, path, given in tries:
        answer = await (bora.get(path) if method == "GET" else bora.post(path, given))
        assert answer.status == 403, path
        assert (await answer.json())["error"]["code"] == "not_allowed"
    for query in ("?view=floor", "?view=flows", f"?call={CALL}"):
        assert (await bora.get(f"/events{query}")).status == 403
    assert (await bora.get("/events?view=everything")).status == 400
    assert acts(desk) == before
    assert await desk.audited("refused", actor="bora") == len(tries) + 4
    assert desk.desk.site.tele.agents.presence("ayse").state == "talking"
    assert "floor" not in await bora.read("/api/state")


async def test_an_agents_own_token_does_no_more_than_they_may(desk: SiteRoom) -> None:
    accounts = desk.desk.site.accounts
    user = await accounts.people.find("bora")
    assert user is not None
    _, token = await accounts.make_token(user.id, "x", ["desk", "floor", "accounts"])
    page = desk.page()
    answer = await page.post("/api/agents/ayse/sign-out", Authorization=f"Bearer {token}")
    assert answer.status == 403
    phone = await page.post("/api/phone", {"tab": "t"}, Authorization=f"Bearer {token}")
    assert phone.status == 409  # a phone's password is for the page only


async def test_a_supervisor_sees_all_and_steps_in(desk: SiteRoom) -> None:
    await works(desk)
    sema = await desk.signed_in("sema")
    async with sema.events("?view=floor") as stream:
        await stream.until("hello")
        desk.take(of_the_talk()[0])
        await stream.until("presence", state="talking")
        listened = await sema.post(
            "/api/listen", {"call": CALL, "agent": "PJSIP/ayse", "how": "whisper"}
        )
        assert listened.status == 202
        (sent,) = desk.fake.actions("Originate")
        assert sent["Channel"] == "PJSIP/sema"
        assert sent["Data"].endswith(",qwES")
        answer = await sema.post("/api/agents/ayse/pause", {"reason": "meeting"})
        assert (await answer.json())["next_pause"] == "meeting"
        await stream.until("presence", next_pause="meeting")
    floor = (await sema.read("/api/state"))["floor"]
    assert [call["id"] for call in floor["calls"]] == [CALL]
    assert {person["login"] for person in floor["people"]} == {"ayse", "bora", "sema", "root"}
    assert await desk.audited("whisper", actor="sema") == 1
    assert await desk.audited("force-pause", actor="sema") == 1


async def test_names_are_data_and_never_markup(desk: SiteRoom) -> None:
    page = await desk.signed_in("bora")
    answer = await page.get("/api/targets?q=ay")
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    (ayse,) = (await answer.json())["agents"]
    assert ayse["name"] == "Ayşe <script>alert(1)</script>"
    text = (desk.settings.state / "etc/santral-phones.conf").read_text()
    assert 'callerid = "Ayşe scriptalert(1)/script" <ayse>' in text


async def test_a_note_is_kept_with_its_customer_and_shown_on_the_card(desk: SiteRoom) -> None:
    page = await works(desk)
    talk, rest = of_the_talk()
    desk.take(talk)
    note = {"text": "Yarın <b>aransın</b>", "disposition": "follow_up"}
    assert (await page.post(f"/api/calls/{CALL}/note", note)).status == 201
    assert (await page.post(f"/api/calls/{CALL}/note", {"text": " "})).status == 400
    bad = await page.post(f"/api/calls/{CALL}/note", {"text": "x", "disposition": "none"})
    assert bad.status == 400
    desk.take(rest)
    afterwards = await page.post(f"/api/calls/{CALL}/note", {"text": "ve bir not"})
    assert afterwards.status == 201
    await page.post("/api/customers/+905321112233/notes", {"text": "kapıda ödeme ister"})
    card = await page.read("/api/customers/+905321112233")
    assert card["customer"]["name"] == "Ayşe Yılmaz"
    assert card["tier"] in ("gold", "silver")
    assert {order["number"] for order in card["orders"]} >= {"1234", "1235", "1236"}
    assert "kapıda ödeme ister" in [one["text"] for one in card["notes"]]


@pytest.mark.parametrize(
    ("text", "names"),
    [("Ayşe Yı", ["Ayşe Yılmaz"]), ("0532 111 22 33", ["Ayşe Yılmaz"]), ("1234", ["Ayşe Yılmaz"]),
     ("%", []), ("zzz", []), ("' OR '1'='1", [])],
)  # fmt: skip
async def test_customers_are_found(desk: SiteRoom, text: str, names: list[str]) -> None:
    page = await desk.signed_in("ayse")
    answer = await page.get("/api/customers", params={"q": text})
    found = [customer["name"] for customer in (await answer.json())["customers"]]
    assert found[: len(names)] == names
    assert names or not found


async def test_the_phone_is_one_tabs_and_its_password_nobody_elses(desk: SiteRoom) -> None:
    page, bora = await desk.signed_in("ayse"), await desk.signed_in("bora")
    async with page.events() as stream:
        await stream.until("hello")
        first = await (await page.post("/api/phone", {"tab": "one"})).json()
        assert first["user"] == "ayse"
        assert len(first["password"]) == 40
        await stream.until("phone", tab="one")
        await page.post("/api/phone", {"tab": "two"})
        await stream.until("phone", tab="two")
        await page.post("/api/phone", {"tab": "one"}, method="DELETE")  # it is two's
        await page.post("/api/phone", {"tab": "two"}, method="DELETE")
        await stream.until("phone", tab="")
    other = await (await bora.post("/api/phone", {"tab": "x"})).json()
    assert other["user"] == "bora"
    assert other["password"] != first["password"]
    assert (await page.post("/api/phone", {"tab": "a b"})).status == 400


async def test_without_a_manager_there_is_a_desk_that_says_so(
    tmp_path: Any, sqlite_template: Any
) -> None:
    from tests.cti.web.site_room import site_room

    async with site_room(tmp_path, sqlite_template, manager=False) as room:
        page = await room.signed_in("ayse")
        state = await page.read("/api/state")
        assert state["live"] is False
        answer = await page.post("/api/agent/sign-in")
        assert (answer.status, (await answer.json())["error"]["code"]) == (503, "no_asterisk")


async def test_a_manager_that_goes_away_is_told_and_comes_back(desk: SiteRoom) -> None:
    page = await works(desk)
    await desk.desk.site.tele.agents.settled("ayse")
    async with page.events() as stream:
        await stream.until("hello")
        await desk.fake.stop()
        gone = await _live(stream)
        assert gone is False
        assert (await page.post("/api/dial", {"to": "102"})).status == 503
        desk.fake.queues["support"].clear()  # as after a restart of Asterisk without its database
        await desk.fake.start()
        assert await _live(stream) is True
    async with asyncio.timeout(2):
        while "PJSIP/ayse" not in desk.fake.queues["support"]:
            await asyncio.sleep(0.02)


async def _live(stream: Stream) -> bool:
    async with asyncio.timeout(10):
        while True:
            message = await stream.next()
            if message.kind == "live":
                return bool(message.data["value"])


async def test_the_flows_are_shown_with_their_callers_and_findings(desk: SiteRoom) -> None:
    emre = await desk.signed_in("emre")
    found = await emre.read("/api/flows")
    flow = next(one for one in found["flows"] if one["name"] == "order_line")
    assert flow["lines"] == ["100", "200"]
    assert "/" not in flow["file"]
    graph = await emre.read("/api/flows/order_line/graph?language=en")
    assert {edge["source"] for edge in graph["edges"]} <= {node["id"] for node in graph["nodes"]}
    assert graph["language"] == "en"
    assert (await emre.get("/api/flows/nothing/graph")).status == 404
    assert (await emre.get("/api/flows/order_line/graph?version=sha256:0")).status == 404
    assert (await emre.get("/api/calls/none/transcript")).status == 404


async def test_findings_of_a_bad_saved_file_are_told_at_once(desk: SiteRoom) -> None:
    from ivr.flow.finding import Finding

    sema = await desk.signed_in("sema")
    async with sema.events("?view=floor") as stream:
        await stream.until("hello")
        file = str(desk.settings.scenarios / "order_line.yaml")
        bad = Finding(file, 12, 3, "no-such-step", "there is no step 'fnd'; did you mean 'find'?")
        desk.desk.site.scenarios.findings = (bad,)
        async with asyncio.timeout(5):
            while True:
                told = await stream.next()
                if told.kind == "findings" and told.data["value"]:
                    break
    assert told.data["value"][0]["file"] == "order_line.yaml"
    found = await sema.read("/api/flows")
    flow = next(one for one in found["flows"] if one["name"] == "order_line")
    assert flow["good"] is False
    assert [one["line"] for one in found["findings"]] == [12]


async def test_a_page_that_does_not_read_costs_a_bounded_buffer_and_is_told(
    desk: SiteRoom,
) -> None:
    """It loses its queue and not the others their time; when it reads again it starts anew."""
    sema, ayse = await desk.signed_in("sema"), await works(desk)
    async with sema.events("?view=floor") as slow, ayse.events() as quick:
        await slow.until("hello")
        await quick.until("hello")
        for number in range(3_000):
            desk.bus.publish("floor", "test", "same", {"text": "x" * 1_000, "number": number})
        desk.bus.publish("agent:PJSIP/ayse", "test", "ayse", {"text": "prompt"})
        await quick.until("test", 5, text="prompt")
        told = []
        while not told or told[-1].kind != "resync":
            told.append(await slow.next())
    assert len(told) < 3_000
