"""One scripted call against the demo: a caller who asks for the status of an order.

What the caller heard is measured: the sound that came in is compared with the prompts' own. What
the engine did is told as it happens, from the journal.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from aiohttp import ClientError, ClientSession
from sqlalchemy import select

from cti.db.engine import open_engine
from cti.db.lookup import open_lookup
from cti.db.models import call_events, calls
from cti.db.queries import load_queries
from cti.demo import Demo
from cti.demo_shop import CALLER, ORDER
from cti.softphone import Phone, Prompt, in_order, until
from cti.softphone.call import Call
from cti.softphone.correlation import Recording
from ivr import events
from ivr.audio import TELEPHONE_RATE, Samples, read_wav, resample, write_wav
from ivr.call import Utterance
from ivr.errors import ExpressionFault
from ivr.events import Entry
from ivr.flow.loader import load_flow
from ivr.prompts.opening import PromptSettings, open_prompts
from ivr.prompts.process import run_program

LINE: Final = "100"
LANGUAGE: Final = "tr"
WORDS: Final = "sipariş durumu"
VOICE: Final = "tr+f2"
LOOK_EVERY: Final = 0.1  # seconds
WARM: Final = 60.0  # seconds the recogniser may take to start
KNOWN: Final = 0.5  # a prompt is known by so much of it; then the caller presses
Tell = Callable[[str], None]
Pieces = Sequence[Prompt]


@dataclass(slots=True)
class Result:
    """What came of the call. `heard` has a row a prompt: when it began and how much was heard."""

    heard: list[dict[str, Any]] = field(default_factory=list)
    pressed: list[dict[str, Any]] = field(default_factory=list)
    said: list[dict[str, Any]] = field(default_factory=list)
    story: list[dict[str, Any]] = field(default_factory=list)
    heard_status: bool = False
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        return {
            "heard_status": self.heard_status,
            "seconds": round(self.seconds, 2),
            "heard": self.heard,
            "pressed": self.pressed,
            "said": self.said,
            "story": self.story,
        }


async def call_the_shop(
    demo: Demo, tell: Tell, record: Path | None = None, *, speak: bool = False
) -> Result:
    """Dial, listen, press (or `speak`), and hear the status of the demo's order."""
    result = Result()
    voice = await spoken(demo, WORDS) if speak else None
    sounds = await expected_sounds(demo)
    if speak:
        await _somebody_listens(demo, tell)
    async with (
        _telling(demo, tell, result),
        Phone(demo.account.name, server=demo.sip, password=demo.account.password) as phone,
    ):
        call = await phone.dial(LINE, ring_for=20)
        tell(f"{call.clock():6.2f}  caller dials {LINE} as {CALLER}: {call.code} {call.reason}")
        await _converse(call, sounds, tell, result, voice)
        result.seconds = call.clock()
    recording = Recording(call.heard)
    result.heard = [row for name in sounds for row in _hearing(recording, name, sounds[name])]
    result.heard.sort(key=lambda row: float(row["from"]))
    pieces = in_order(recording, sounds["status"])
    result.heard_status = all(piece.whole for piece in pieces)
    heard = sum(piece.whole for piece in pieces)
    tell(f"{result.seconds:6.2f}  heard {heard} of {len(pieces)} pieces of the order's status")
    if record is not None:
        await asyncio.to_thread(write_wav, record, call.heard)
    return result


async def _somebody_listens(demo: Demo, tell: Tell) -> None:
    """Wait for the recogniser: calls are taken, by keys, before it is warm."""
    url = f"http://127.0.0.1:{demo.settings.web_port}/readyz"
    async with ClientSession() as session:
        for _ in range(int(WARM / LOOK_EVERY)):
            with contextlib.suppress(ClientError, KeyError):
                async with session.get(url) as reply:
                    checks = (await reply.json())["checks"]
                if any(check["name"] == "speech" and check["ok"] for check in checks):
                    return
            await asyncio.sleep(LOOK_EVERY)
    tell(f"the recogniser is not ready after {WARM:g} s: the caller will be asked for keys")


async def _converse(
    call: Call,
    sounds: Mapping[str, Pieces],
    tell: Tell,
    result: Result,
    voice: Samples | None,
) -> None:
    for prompt, keys in (("main", "1"), ("ask_number", f"{ORDER}#")):
        await call.wait_for(until.prompt(sounds[prompt][0], least=KNOWN), 30, f"prompt {prompt}")
        if voice is not None and prompt == "main":
            result.said.append({"at": round(call.clock(), 2), "words": WORDS})
            tell(f"{call.clock():6.2f}  caller says “{WORDS}”")
            await call.play(voice)
            continue
        result.pressed.append({"at": round(call.clock(), 2), "keys": keys})
        tell(f"{call.clock():6.2f}  caller presses {keys}")
        await call.press(keys)
    await call.until_over(60)


@contextlib.asynccontextmanager
async def _telling(demo: Demo, tell: Tell, result: Result) -> AsyncIterator[None]:
    """Tell what the engine writes down while it happens, and what is still missing at the end."""
    settings = demo.settings
    ended, since = asyncio.Event(), datetime.now(UTC)

    async def listen() -> None:
        async for entry in _follow(settings.journal_database, since):
            result.story.append(entry.to_dict())
            tell(f"        {_line(entry)}")
            if entry.kind == "CallEnded":
                ended.set()

    task = asyncio.create_task(listen())
    try:
        yield
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), 5)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _follow(url: str, since: datetime) -> AsyncIterator[Entry]:
    """The events of the next call by the demo's caller, as they come into the database."""
    engine = open_engine(url)
    last, call = 0, None
    new = select(calls.c.id).where(calls.c.started_at >= since, calls.c.caller == CALLER)
    try:
        while True:
            async with engine.connect() as connection:
                call = call or await connection.scalar(new)
                mine = call_events.c.call == call
                rows = await connection.execute(
                    select(call_events)
                    .where(mine, call_events.c.sequence > last)
                    .order_by(call_events.c.sequence)
                )
                for row in rows.mappings():
                    last = row["sequence"]
                    yield Entry.from_dict(dict(row))
            await asyncio.sleep(LOOK_EVERY)
    finally:
        await engine.dispose()


def _line(entry: Entry) -> str:
    """An event in a few words."""
    match entry.event:
        case events.StepEntered(step=step, type=kind, via=via):
            return f"step {step} ({kind}), after {via}"
        case events.PromptPlayed(text=text, interrupted=cut):
            return f"played “{text}”" + (" - cut short by a key" if cut else "")
        case events.Heard(text=text, answer=answer):
            return f"heard {text!r}, understood as {answer!r}"
        case events.LookupDone(query=query, outcome=outcome, ms=ms):
            return f"lookup {query}: {outcome} in {ms:.1f} ms"
        case events.CallEnded(why=why):
            return f"call ended: {why}"
        case events.CallStarted(flow=flow, version=version, language=language):
            return f"flow {flow} (version {version}) in {language}"
        case events.VariableSet(name=name, value=value, secret=secret):
            return f"{name} = {'(secret)' if secret else _short(value)}"
        case event:
            return type(event).__name__


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


async def expected_sounds(demo: Demo, language: str = LANGUAGE) -> dict[str, Pieces]:
    """The sound of each prompt's pieces as this caller should hear them, values included."""
    files = await expected_files(demo, language)
    return {
        name: [await asyncio.to_thread(Prompt, piece) for piece in pieces]
        for name, pieces in files.items()
    }


async def expected_files(demo: Demo, language: str = LANGUAGE) -> dict[str, tuple[Path, ...]]:
    """The files that are played to this caller, by prompt."""
    settings = demo.settings
    flow = load_flow(settings.scenarios / "order_line.yaml")
    queries = load_queries(settings.scenarios / "queries.yaml")
    async with open_lookup(settings.lookup_database, queries) as lookup:
        order = await lookup.find("order_by_number", {"number": ORDER, "phone": CALLER}, 5.0)
    known = {"order": order, "number": ORDER, "language": language, "said": "x", "mi": "mi"}
    prompts = PromptSettings(settings.prompts, settings.sounds, espeak=demo.espeak)
    async with open_prompts(prompts) as library:
        files: dict[str, tuple[Path, ...]] = {}
        for name, prompt in {**flow.shared, **flow.prompts}.items():
            try:
                pieces = prompt.template(language).pieces(known)
            except ExpressionFault:
                continue  # it says what this call does not have: nobody hears it here
            files[name] = await library.files(Utterance(name, language, pieces, flow.name))
        return files


async def spoken(demo: Demo, words: str) -> Samples:
    """The caller's words in a voice that says none of our prompts."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        command = [*shlex.split(demo.espeak), "-v", VOICE, "-s", "140", "-w", str(path), "--stdin"]
        await run_program(command, words, {})
        samples, rate = await asyncio.to_thread(read_wav, path)
    return resample(samples, rate, TELEPHONE_RATE)


def _hearing(recording: Recording, name: str, pieces: Pieces) -> Iterator[dict[str, Any]]:
    """When a prompt was heard, and how much of it; nothing when it was not."""
    matches = [match for match in in_order(recording, pieces) if match]
    if matches and matches[0].fraction > KNOWN / 2:
        heard = sum(match.fraction for match in matches) / len(pieces)
        yield {
            "prompt": name,
            "from": round(matches[0].start, 2),
            "to": round(matches[-1].end, 2),
            "fraction": round(heard, 3),
        }
