"""Conversations as tests: a caller's part is written down, the engine plays the other.

    - name: status of an order by key
      flow: order_line
      language: tr                      the flow's first, if none is named
      now: "2026-11-23T10:00:00+03:00"
      given: {call.caller: "+905321112233", query.order_by_number: {number: "1234", …}}
      variables: {order: "1234"}        what a sub-flow or an outbound job is given
      talk:
        - hears: hoş geldiniz           in any prompt since the caller's last turn, in this order
        - presses: 1
        - says: temsilci                confidence: 0.6, or: {tamam: 0.3} may stand beside it
        - silent: true                  or how many times
        - mumbles: true                 words that nobody expects; `talks on`: too many of them
        - unheard: true                 the recogniser is down, and no key is pressed
        - hears no: hata
        - hangs up: true
      ends: hangup                      hangup, hangs up, failed, or `queue support`, `number +90…`

The clock is virtual: silence takes no time. A caller whose part is over stays silent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from ivr import events
from ivr.call import CallInfo, Direction, Guess
from ivr.engine import converse, take_up
from ivr.events import Entry
from ivr.flow.finding import meant
from ivr.flow.loader import Library
from ivr.flow.model import Language
from ivr.flow.reader import Document, read_file, refused
from ivr.flow.schema import DRAFT
from ivr.hours import OpeningHours
from ivr.lab.given import AREAS, Given
from ivr.lab.script import Act, ListJournal, Moment, ScriptCall, Turn, VirtualClock
from ivr.resume import resumed
from ivr.services import Services
from ivr.steps.base import Model, Name
from ivr.words import fold

RECOGNISED: Final = frozenset({"confidence", "others"})
MOST_ENTRIES: Final = 20  # how often one caller comes back from a queue
SPOKEN: Final = {"heard": "hears", "presses": "presses", "says": "says", "silent": "is silent",
                 "hangs_up": "hangs up", "mumbles": "mumbles", "talks_on": "talks on",
                 "unheard": "unheard"}  # fmt: skip


class Line(Model):
    """One line of the talk: exactly one of these, and beside `says` how well it was recognised
    (`confidence`, from 0 to 1) and what else it might have been (`or: {words: confidence}`)."""

    hears: str | None = None
    hears_no: str | None = Field(None, alias="hears no")
    presses: str | int | None = None
    says: str | None = None
    silent: bool | int | None = None
    hangs_up: Literal[True] | None = Field(None, alias="hangs up")
    mumbles: Literal[True] | None = None
    talks_on: Literal[True] | None = Field(None, alias="talks on")
    unheard: Literal[True] | None = None
    confidence: float = Field(1.0, ge=0, le=1)
    others: Mapping[str, float] = Field(default_factory=dict, alias="or")

    @model_validator(mode="after")
    def _one(self) -> Line:
        given = [name for name, value in self if name not in RECOGNISED and value is not None]
        if len(given) != 1:
            raise ValueError("a line of the talk has one of: hears, hears no, presses, says, "
                             "silent, mumbles, talks on, unheard, hangs up")  # fmt: skip
        if self.says is None and self.model_fields_set & RECOGNISED:
            raise ValueError("confidence and or stand beside says")
        return self

    def turns(self) -> Iterator[Turn]:
        """What the caller does by it; nothing for what they hear."""
        if self.presses is not None:
            yield Turn(Act.PRESSES, str(self.presses))
        elif self.says is not None:
            others = tuple(Guess(text, sure) for text, sure in self.others.items())
            yield Turn(Act.SAYS, self.says, self.confidence, others)
        elif self.silent:
            yield from [Turn(Act.SILENT)] * int(self.silent)
        for act in (Act.HANGS_UP, Act.MUMBLES, Act.TALKS_ON, Act.UNHEARD):
            if getattr(self, act.value):
                yield Turn(act)


class Trial(Model):
    """One conversation that is expected."""

    name: str
    flow: Name
    language: Language | None = None
    now: datetime | None = None
    given: Mapping[str, Any] = Field(default_factory=dict)
    variables: Mapping[Name, Any] = Field(default_factory=dict)
    talk: tuple[Line, ...] = ()
    ends: str = ""

    @model_validator(mode="after")
    def _known(self) -> Trial:
        for name in self.given:
            if name.partition(".")[0] not in AREAS:
                raise ValueError(f"'{name}' is not given like this; begin with {', '.join(AREAS)}")
        return self

    def turns(self) -> list[Turn]:
        return [turn for line in self.talk for turn in line.turns()]


@dataclass(frozen=True)
class Around:
    """What all tests of a folder share."""

    library: Library
    hours: Mapping[str, OpeningHours] = field(default_factory=dict)


@dataclass
class Talked:
    """A conversation that was run: `moments` on the line, the journal, and how it ended."""

    trial: Trial
    moments: list[Moment]
    entries: Sequence[Entry]
    end: str
    given: Given
    wrong: str = ""
    until: int | None = None  # the moment up to which it went as expected
    file: str = ""
    line: int = 0

    @property
    def passed(self) -> bool:
        return not self.wrong

    def transcript(self) -> Iterator[str]:
        """The conversation as it is shown, up to where it went wrong."""
        moments = self.moments if self.until is None else self.moments[: self.until]
        for moment in moments:
            yield f"    {SPOKEN[moment.kind]:9} {moment.text}".rstrip()
        yield from (f"    (not given: {name})" for name in dict.fromkeys(self.given.asked))


def read_trials(path: Path) -> list[tuple[Trial, int]]:
    """The tests of a file with their lines; `FlowRefused` for what is wrong in it."""
    document = read_file(path)
    try:
        trials = _TRIALS.validate_python(document.data)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise refused(
            *(
                document.finding(d["loc"], *_mistake(d["type"], str(d["loc"][-1]), d["msg"]))
                for d in details
            )
        ) from error
    return [(trial, _line(document, index)) for index, trial in enumerate(trials)]


def _mistake(kind: str, name: str, message: str) -> tuple[str, str]:
    """A code and a message for one of pydantic's errors."""
    if kind == "extra_forbidden":
        known = [field.alias or of for m in (Trial, Line) for of, field in m.model_fields.items()]
        return "unknown-key", f"unknown key '{name}'{meant(name, known)}"
    if kind == "missing":
        return "missing", f"'{name}' is missing here"
    return "bad-value", message.removeprefix("Value error, ")


_TRIALS: Final = TypeAdapter(list[Trial])


def trial_schema() -> dict[str, Any]:
    """The JSON Schema of a file of tests."""
    return {"$schema": DRAFT, **_TRIALS.json_schema(by_alias=True), "title": "Tests of flows"}


def _line(document: Document, index: int) -> int:
    return document.place((index,))[0]


async def run_trial(
    trial: Trial, around: Around, call: ScriptCall | None = None, clock: VirtualClock | None = None
) -> Talked:
    """Run a conversation and judge it. A `call` of one's own may answer by other means."""
    flow = around.library.get(trial.flow)
    clock = clock or VirtualClock()
    clock.start = trial.now or clock.start
    given, journal = Given(trial.given, clock), ListJournal()
    call = call or ScriptCall(info_of(trial), trial.turns(), clock)
    services = services_of(around, given, journal, clock)
    language = trial.language or flow.languages[0]

    async def comes_back() -> str:
        return given.comes_back(*call.went) if call.went else ""

    await converse(call, services, flow, language, trial.variables)
    await come_back(call, services, journal, comes_back)
    talked = Talked(trial, call.moments, journal.entries, _end(call, journal), given)
    _judge(talked, language)
    return talked


def services_of(
    around: Around, given: Given, journal: ListJournal, clock: VirtualClock, lookup: Any = None
) -> Services:
    """Everything from `given`, but for lookups where they are brought along."""
    return Services(
        around.library, lookup or given, journal, clock,
        updates=given, http=given, notifier=given, recordings=given, switches=given,
        hours=around.hours, surveys=given,
    )  # fmt: skip


async def come_back(
    call: ScriptCall,
    services: Services,
    journal: ListJournal,
    outcome_of: Callable[[], Awaitable[str]],
) -> None:
    """Go on with a caller whom the dialplan brings back from a transfer, as often as it does."""
    for entry in range(2, MOST_ENTRIES):
        if not call.went or call.went[0] == "hangup" or journal.ended == "failed":
            return
        outcome = await outcome_of()
        if not outcome:
            return
        call.come_back(entry, outcome)
        talk = resumed(call, services, journal.entries)
        assert talk is not None, "the conversation was begun"
        await take_up(talk)


def info_of(trial: Trial) -> CallInfo:
    """Who calls, as `given` says."""
    facts = {name[5:]: str(value) for name, value in trial.given.items() if name[:5] == "call."}
    context = {name[8:]: facts.pop(name) for name in list(facts) if name.startswith("context.")}
    direction = Direction(facts.pop("direction", "inbound"))
    return CallInfo(
        id=facts.pop("id", "try"), caller=facts.pop("caller", ""),
        dialled=facts.pop("dialled", ""), direction=direction, context=context,
    )  # fmt: skip


def _end(call: ScriptCall, journal: ListJournal) -> str:
    why = journal.ended
    if why == "caller_hung_up":
        return "hangs up"
    if why == "failed":
        return "failed"
    return " ".join(part for part in call.went or (why,) if part)


def _judge(talked: Talked, language: str) -> None:
    """Walk through the talk beside what happened; the first difference is what went wrong."""
    position = 0  # in the moments
    for line in talked.trial.talk:
        wanted = line.hears if line.hears is not None else line.hears_no
        if wanted is not None:
            found = _heard(talked.moments, position, wanted, language)
            if line.hears is not None and found is None:
                talked.wrong = f"expected to hear: {wanted}; {_why(talked)}"
                talked.until = _turn_end(talked.moments, position)
                return
            if line.hears_no is not None and found is not None:
                talked.wrong, talked.until = f"expected not to hear: {wanted}", found + 1
                return
            position = found if found is not None else position
            continue
        for turn in line.turns():
            after = _turn_end(talked.moments, position)
            if after == len(talked.moments):
                talked.wrong = f"the caller could not go on ({SPOKEN[turn.act.value]} {turn.text})"
                talked.wrong += f"; {_why(talked)}"
                return
            position = after + 1
    expected = talked.trial.ends
    if expected and talked.end != expected and talked.end.partition(" ")[0] != expected:
        talked.wrong = f"expected to end with: {expected}; {_why(talked)}"
    elif not expected and talked.end == "failed":
        talked.wrong = f"the call failed: {_failure(talked.entries)}"


def _why(talked: Talked) -> str:
    """How the call ended, with what went wrong inside."""
    failure = _failure(talked.entries)
    return f"the call ended with: {talked.end}" + (f" ({failure})" if failure else "")


def _failure(entries: Sequence[Entry]) -> str:
    return next(
        (f"{e.event.step}: {e.event.message or e.event.error}"
         for e in entries if isinstance(e.event, events.Failed)), "",
    )  # fmt: skip


def _heard(moments: list[Moment], position: int, wanted: str, language: str) -> int | None:
    """The moment from `position` on, within this turn, in which the text is heard."""
    text = fold(wanted, language)
    for index in range(position, len(moments)):
        if moments[index].kind != "heard":
            return None
        if text in fold(moments[index].text, language):
            return index
    return None


def _turn_end(moments: list[Moment], position: int) -> int:
    """The caller's next moment, or the end."""
    while position < len(moments) and moments[position].kind == "heard":
        position += 1
    return position


def run_all(trials: Sequence[tuple[Trial, str, int]], around: Around) -> list[Talked]:
    """Run tests (with their file and line) one after the other."""

    async def run() -> list[Talked]:
        made = []
        for trial, file, line in trials:
            if trial.flow not in around.library:
                empty = Given({}, VirtualClock())
                talked = Talked(trial, [], (), "", empty, f"there is no good flow '{trial.flow}'")
            else:
                talked = await run_trial(trial, around)
            made.append(replace(talked, file=file, line=line))
        return made

    return asyncio.run(run())
