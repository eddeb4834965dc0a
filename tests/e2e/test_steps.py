"""Every step in a real call; and a flow that is edited in front of callers who are on the line.

What a caller heard is measured by correlation with the prompts' own sound; what a step does to the
world is looked at in the world: database, file, queue, another machine's requests.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from aiohttp import web
from sqlalchemy import Select, select

from cti.db.engine import open_engine
from cti.db.models import call_events, calls, effects, orders, recordings, survey_answers
from cti.db.store.outbox import OutboxStore
from cti.demo import Demo, demo_running
from cti.demo_shop import CALLER, TO_CONFIRM
from cti.services.webhooks import is_genuine
from cti.settings import HOME
from cti.softphone import OutgoingCall, Phone, Prompt, in_order, until
from cti.status import read_status
from ivr import events
from ivr.audio import read_wav
from ivr.call import Utterance
from ivr.errors import CannotInstall
from ivr.events import Entry
from ivr.flow.folder import load_folder
from ivr.prompts.opening import PromptSettings, open_prompts
from ivr.steps import STEPS

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]
HERE = Path(__file__).parent
SECRET = "the secret of this test's webhook"
Sounds = Mapping[str, Sequence[Prompt]]

MARK = """
flow: every_mark
languages: [tr, en]
start: rate
takes: [about]
returns: [mark, about]
prompts:
  mark: {tr: "Bizi bir ile beş arasında puanlayın.", en: "Please rate us from one to five."}
steps:
  rate:
    type: rate
    prompt: mark
    question: every_step
    save: mark
    no_input: {tries: 2, next: return}
    no_match: {tries: 2, next: return}
    next: return
"""
TABLES = """
hours: {always: {weekly: {mon-sun: "00:00-24:00"}, switch: emergency}}
webhooks: {desk_system: {url: "http://127.0.0.1:PORT/hook", events: [order_confirmed]}}
"""
QUEUES = "queues: {support: {when_empty: wait}}\n"
LINES = """
lines:
  "1": {flow: every_step, language: en}
  "60": {flow: sixty, language: en}
default: {flow: every_step}
"""


def sixty(last: str) -> str:
    """A flow of 60 steps: a question, 57 that decide and keep, what is said last, the end."""
    middle = [
        f"  s{n}: {{type: set, values: {{count: '{n}'}}, next: s{n + 1}}}"
        if n % 2
        else f"  s{n}: {{type: branch, cases: [{{when: \"count == '{n - 1}'\", next: s{n + 1}}}],"
        " otherwise: bye}"
        for n in range(1, 58)
    ]
    return "\n".join([
        "flow: sixty", "languages: [en]", "start: wait", "prompts:",
        '  wait: {en: "Press one when you are ready."}', f'  last: {{en: "{last}"}}', "steps:",
        "  wait: {type: menu, prompt: wait, first: 90s, options: [{key: 1, next: s1}],",
        "    no_input: {tries: 1, next: bye}, no_match: {tries: 1, next: bye}}",
        *middle, "  s58: {type: say, prompt: last, next: bye}", "  bye: {type: hangup}", "",
    ])  # fmt: skip


@dataclass
class Machine:
    """Another machine: answers the `http` step, takes the webhook."""

    asked: list[tuple[dict[str, str], Any]] = field(default_factory=list)
    hooked: list[tuple[dict[str, str], bytes, Any]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        if request.path == "/stock":
            self.asked.append((headers, await request.json()))
            return web.json_response({"left": 3})
        self.hooked.append((headers, await request.read(), await request.json()))
        return web.Response(status=500 if len(self.hooked) == 1 else 200)


@dataclass
class Line:
    """The demo with scenarios of our own."""

    demo: Demo
    folder: Path
    machine: Machine

    async def rows(self, query: Select[Any]) -> list[Any]:
        engine = open_engine(self.demo.settings.journal_database)
        try:
            async with engine.connect() as connection:
                return list((await connection.execute(query)).mappings())
        finally:
            await engine.dispose()

    async def sounds(self, flow: str, language: str, **known: Any) -> Sounds:
        """The sound of a flow's prompts, with these values in them."""
        settings, made = self.demo.settings, dict[str, list[Prompt]]()
        library, _ = load_folder(self.folder)
        prompts = PromptSettings(settings.prompts, settings.sounds, espeak=self.demo.espeak)
        async with open_prompts(prompts) as opened:
            spoken = library.get(flow)
            for name, prompt in {**spoken.shared, **spoken.prompts}.items():
                if language in prompt.texts:
                    pieces = prompt.template(language).pieces(
                        {"said": "1", "mi": "mi", **known, "language": language}
                    )
                    files = await opened.files(Utterance(name, language, pieces, flow))
                    made[name] = [await asyncio.to_thread(Prompt, file) for file in files]
        return made

    async def status(self, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The engine's status, once it is as wanted."""
        async with asyncio.timeout(20):
            while True:
                status = await asyncio.to_thread(read_status, self.demo.settings.state)
                if status is not None and done(status):
                    return status
                await asyncio.sleep(0.1)

    async def story(self, wanted: int = 1, after: float = 0.0, ends: int = 1) -> list[list[Entry]]:
        """The journals of so many calls that began after a time, in their order, once they have
        left the engine so often."""
        async with asyncio.timeout(20):
            while True:
                found = await self.rows(select(call_events).order_by(call_events.c.sequence))
                by_call: dict[str, list[Entry]] = {}
                for row in found:
                    by_call.setdefault(row["call"], []).append(Entry.from_dict(dict(row)))
                over = [
                    entries
                    for entries in by_call.values()
                    if entries[0].at >= after
                    and sum(isinstance(e.event, events.CallEnded) for e in entries) >= ends
                ]
                if len(over) >= wanted:
                    return sorted(over, key=lambda entries: entries[0].at)
                await asyncio.sleep(0.2)


@asynccontextmanager
async def other_machine(machine: Machine) -> AsyncIterator[int]:
    application = web.Application()
    application.router.add_post("/{path:.*}", machine.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def line(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Line]:
    home, state, machine = tmp_path_factory.mktemp("steps"), HOME / ".santral", Machine()
    folder = home / "scenarios"
    folder.mkdir()
    async with AsyncExitStack() as stack:
        port = str(await stack.enter_async_context(other_machine(machine)))
        every = (HERE / "every_step.yaml").read_text("utf-8").replace("PORT", port)
        for name, text in {
            "every_step.yaml": every, "every_mark.yaml": MARK, "lines.yaml": LINES,
            "queues.yaml": QUEUES,
            "tables.yaml": TABLES.replace("PORT", port), "sixty.yaml": sixty("This is the old one."),
        }.items():  # fmt: skip
            (folder / name).write_text(text, "utf-8")
        shutil.copy(HOME / "scenarios" / "queries.yaml", folder)
        changes = {
            "scenarios": folder, "prompt_cache": state / "demo" / "prompts", "drain": 1.0,
            "http_hosts": f"127.0.0.1:{port}", "http_private": "127.0.0.1",
            "webhook_secret": SECRET,
        }  # fmt: skip
        try:
            demo = await stack.enter_async_context(
                demo_running(state, print, home=home / "demo", **changes)
            )
        except CannotInstall as reason:
            pytest.skip(str(reason))
        yield Line(demo, folder, machine)


@pytest_asyncio.fixture(loop_scope="session")
async def phone(line: Line) -> AsyncIterator[Phone]:
    account = line.demo.account
    async with Phone(account.name, server=line.demo.sip, password=account.password) as phone:
        yield phone


async def hears(call: OutgoingCall, prompt: Sequence[Prompt], *, after: float = 0.0) -> None:
    await call.wait_for(until.prompt(prompt[0], least=0.4, after=after), 20, "the prompt")


def heard_whole(call: OutgoingCall, prompt: Sequence[Prompt]) -> bool:
    return all(match.whole for match in in_order(call.heard, prompt))


async def in_queue(line: Line, queue: str) -> None:
    async with asyncio.timeout(20):
        while "PJSIP/demo" not in await line.demo.asterisk.command(f"queue show {queue}"):
            await asyncio.sleep(0.1)


async def test_every_step_works_in_a_real_call(line: Line, phone: Phone) -> None:
    known = {
        "number": TO_CONFIRM, "stock": {"left": 3}, "order": {"total": "249.50"},
        "result": {"mark": 4},
    }  # fmt: skip
    en, tr = (
        await line.sounds("every_step", "en", **known),
        await line.sounds("every_step", "tr", **known),
    )
    mark = await line.sounds("every_mark", "tr")
    began = time.time()
    call = await phone.dial("1")
    await hears(call, en["choose"])
    await call.press("1")
    await hears(call, en["key_it"])
    await call.press(f"{TO_CONFIRM}#")
    await hears(call, en["read_back"])
    await call.press("1")
    await hears(call, en["sure"])
    await call.press("1")
    await hears(call, tr["turkish"])
    await hears(call, mark["mark"])
    await call.press("4")
    await hears(call, tr["speak"])
    await call.pause(1.5)
    tone = (np.sin(np.arange(16000) * 0.35) * 9000).astype(np.int16)
    await call.play(tone)
    await call.press("#")
    await hears(call, tr["review"])
    pressed = call.clock()
    await call.press("1")
    await hears(call, tr["review"], after=pressed + 1.0)
    await call.press("3")
    await in_queue(line, "support")
    await hears(call, tr["thanks"])  # two seconds are over: back to the flow
    await in_queue(line, "support")
    await call.hangup()

    for name in ("hello", "summary"):
        assert heard_whole(call, en[name]), name
    for name in ("turkish", "thanks"):
        assert heard_whole(call, tr[name]), name
    (entries,) = await line.story(after=began - 1, ends=2)
    passed = {e.event.type for e in entries if isinstance(e.event, events.StepEntered)}
    every = {step.model_fields["type"].annotation.__args__[0] for step in STEPS}  # type: ignore[union-attr]
    assert passed == every - {"hangup"}, "hangup ends the calls of the flow of 60 steps"
    assert not [e.event for e in entries if isinstance(e.event, events.Failed)]
    await the_world_is_as_it_should_be(line, entries)


async def the_world_is_as_it_should_be(line: Line, entries: list[Entry]) -> None:
    call = entries[0].call
    (order,) = await line.rows(select(orders).where(orders.c.number == TO_CONFIRM))
    assert order["status"] == "confirmed"
    keys = [row["key"] for row in await line.rows(select(effects)) if row["key"].startswith(call)]
    assert keys == [f"{call}:0:every_step.update:1"]
    ((headers, body),) = line.machine.asked
    assert headers["idempotency-key"] == f"{call}:0:every_step.http:1"
    assert body == {"number": TO_CONFIRM, "total": "249.50"}
    engine = open_engine(line.demo.settings.journal_database)
    try:
        store, key = OutboxStore(engine), f"{call}:0:every_step.notify:1"
        async with asyncio.timeout(15):
            while set((await store.states(key)).values()) != {"done"}:
                await asyncio.sleep(0.1)
        tries = [one.status for one in await store.log(key) if one.place == "desk_system"]
        assert tries == [500, 200]
    finally:
        await engine.dispose()
    assert all(is_genuine(SECRET, head, raw, time.time()) for head, raw, _ in line.machine.hooked)
    assert {hook["data"]["number"] for *_, hook in line.machine.hooked} == {TO_CONFIRM}
    (answer,) = await line.rows(select(survey_answers).where(survey_answers.c.call == call))
    assert (answer["question"], answer["mark"]) == ("every_step", 4)
    (made,) = await line.rows(select(recordings).where(recordings.c.call == call))
    path = Path(made["path"])
    assert path.parent == line.demo.settings.recordings / call
    samples, rate = read_wav(path)
    assert rate == 8000
    spectrum = np.abs(np.fft.rfft(samples.astype(float)))
    loudest = float(np.argmax(spectrum)) * rate / len(samples)
    assert abs(loudest - 0.35 * 8000 / (2 * np.pi)) < 5, "what was recorded is what was said"
    started = entries[0].event
    assert isinstance(started, events.CallStarted)
    assert started.caller == CALLER


async def test_a_flow_of_60_steps_edited_in_front_of_20_calls(line: Line, phone: Phone) -> None:
    old = await line.sounds("sixty", "en")
    status = await line.status(lambda s: True)
    before = status["flows"]["sixty"]["version"]
    began = time.time()
    calls_ = await asyncio.gather(*(phone.dial("60") for _ in range(20)))
    await line.status(lambda s: s["calls"] == 20)

    file, good = line.folder / "sixty.yaml", sixty("And now the new one.")
    file.write_text(good[:900], "utf-8")  # half saved
    status = await line.status(lambda s: bool(s["findings"]))
    assert status["flows"]["sixty"]["version"] == before
    assert status["calls"] == 20
    file.write_text(good, "utf-8")
    status = await line.status(lambda s: s["flows"]["sixty"]["version"] != before)
    after = status["flows"]["sixty"]["version"]
    assert not status["findings"]
    new = await line.sounds("sixty", "en")
    last = await phone.dial("60")
    await hears(last, new["wait"])
    await asyncio.gather(*(call.press("1") for call in [*calls_, last]))
    await asyncio.gather(*(call.until_over(40) for call in [*calls_, last]))

    heard = [(heard_whole(call, old["last"]), heard_whole(call, new["last"])) for call in calls_]
    assert heard == [(True, False)] * 20
    assert (heard_whole(last, old["last"]), heard_whole(last, new["last"])) == (False, True)
    stories = await line.story(21, began - 1)
    versions = [
        {e.event.version for e in entries if isinstance(e.event, events.StepEntered)}
        for entries in stories
    ]
    assert versions == [{before}] * 20 + [{after}]
    assert {
        sum(isinstance(e.event, events.StepEntered) for e in entries) for entries in stories
    } == {60}
    rows = await line.rows(select(calls.c.version).where(calls.c.flow == "sixty"))
    assert sorted(row["version"] for row in rows) == sorted([before] * 20 + [after])


async def test_a_call_is_taken_up_on_a_version_that_is_on_no_disk_any_more(
    line: Line, phone: Phone
) -> None:
    said = await line.sounds("sixty", "en")
    before = (await line.status(lambda s: True))["flows"]["sixty"]["version"]
    call = await phone.dial("60")
    await hears(call, said["wait"])
    (line.folder / "sixty.yaml").write_text(sixty("A third one, for others."), "utf-8")
    await line.status(lambda s: s["flows"]["sixty"]["version"] != before)
    await line.demo.engine.kill()
    killed = call.clock()
    await line.demo.engine.start()
    await hears(call, said["wait"], after=killed)
    await call.press("1")
    await call.until_over(40)
    assert heard_whole(call, said["last"])
