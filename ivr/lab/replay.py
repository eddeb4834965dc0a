"""A call that was, had again with a flow as it is now: where does it go another way?

What the caller keyed and said, what lookups and writes answered, and when it was all come from the
call's journal. Secret answers are not in a journal: in their place keys are pressed that the
question takes by their count, and that is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from ivr import events
from ivr.call import MS_PER_CHARACTER, CallInfo, Direction, Guess, HeardKind, Question, Trouble
from ivr.engine import converse
from ivr.errors import BadInput, LookupFailed, ServiceFailed
from ivr.events import Entry, Event
from ivr.flow.model import Flow
from ivr.lab.script import Act, ListJournal, ScriptCall, Turn, VirtualClock
from ivr.lab.trial import Around, Line, Trial, come_back
from ivr.services import HttpAnswer, Services


@dataclass(frozen=True, slots=True)
class Place:
    """A step as it was entered: by which outcome of the step before."""

    flow: str
    step: str
    via: str
    depth: int = 0

    def __str__(self) -> str:
        return f"{self.flow}.{self.step}" + (f" ({self.via})" if self.via else "")


@dataclass
class Replay:
    """How it went. `before` and `now` are the steps of both; `same` is how many of them are alike
    from the start, and `said` the prompts that differ until then: (step's place, then, now)."""

    before: list[Place]
    now: list[Place]
    same: int
    said: list[tuple[str, str]] = field(default_factory=list)
    ended: tuple[str, str] = ("", "")
    notes: list[str] = field(default_factory=list)

    @property
    def diverges(self) -> bool:
        return len(self.before) != len(self.now) or self.same < len(self.now)

    def told(self) -> Iterator[str]:
        """The replay as it is shown."""
        for place in self.before[: self.same]:
            yield f"    {'  ' * place.depth}{place}"
        if self.diverges:
            yield "  here it goes another way"
            yield f"    then: {_rest(self.before[self.same :], self.ended[0])}"
            yield f"    now:  {_rest(self.now[self.same :], self.ended[1])}"
        else:
            yield f"  the same steps; ended with {self.ended[1]}"
        for then, now in self.said:
            yield f"  said then: {then}"
            yield f"  said now:  {now}"
        yield from (f"  ({note})" for note in self.notes)


def _rest(places: Sequence[Place], end: str) -> str:
    return " > ".join([*map(str, places[:8]), "…" if len(places) > 8 else f"ended with {end}"])


async def replay(history: Sequence[Entry], flow: Flow, around: Around, zone: tzinfo) -> Replay:
    """Have a call again with `flow`, which may have been edited since. `zone` is the shop's."""
    was = [entry.event for entry in history]
    started = next((event for event in was if isinstance(event, events.CallStarted)), None)
    if started is None:
        raise BadInput("the call's journal does not tell how it began")
    clock = VirtualClock(datetime.fromtimestamp(history[0].at, zone))
    journal, world = ListJournal(), _Past(was)
    call = _PastCaller(_info(history[0].call, started), list(_turns(was)), clock)
    services = Services(
        around.library, world, journal, clock,
        updates=world, http=world, notifier=world, recordings=world, switches=world,
        hours=around.hours, surveys=world,
    )  # fmt: skip
    await converse(call, services, flow, started.language, _given(was, flow))
    returns = [event.outcome for event in was if isinstance(event, events.CallResumed)]

    async def comes_back() -> str:
        return returns.pop(0) if returns else ""

    await come_back(call, services, journal, comes_back)
    before, now = list(places(was)), list(places([entry.event for entry in journal.entries]))
    same = next(
        (n for n, (a, b) in enumerate(zip(before, now, strict=False)) if a != b),
        min(len(before), len(now)),
    )
    made = Replay(before, now, same, ended=(_end(was), _end([e.event for e in journal.entries])))
    made.said = list(_said(was, [entry.event for entry in journal.entries], same))
    made.notes = list(dict.fromkeys([*call.notes, *world.notes]))
    return made


def places(was: Sequence[Event]) -> Iterator[Place]:
    for event in was:
        if isinstance(event, events.StepEntered):
            yield Place(event.flow, event.step, event.via, event.depth)


def _end(was: Sequence[Event]) -> str:
    return next((e.why for e in reversed(was) if isinstance(e, events.CallEnded)), "nothing")


def _said(was: Sequence[Event], now: Sequence[Event], same: int) -> Iterator[tuple[str, str]]:
    """Prompts that sound different in the steps that are alike."""
    old, new = _by_step(was)[:same], _by_step(now)[:same]
    for then, since in zip(old, new, strict=False):
        for one, other in zip(then, since, strict=False):
            if one != other and one and other:
                yield one, other


def _by_step(was: Sequence[Event]) -> list[list[str]]:
    steps: list[list[str]] = []
    for event in was:
        if isinstance(event, events.StepEntered):
            steps.append([])
        elif isinstance(event, events.PromptPlayed) and steps and not event.interrupted:
            steps[-1].append(event.text or "")
    return steps


def _info(call: str, started: events.CallStarted) -> CallInfo:
    direction = Direction(started.direction)
    return CallInfo(call, started.channel, started.caller, started.dialled, direction,
                    context=dict(started.context))  # fmt: skip


def _given(was: Sequence[Event], flow: Flow) -> dict[str, Any]:
    """What the flow was given before its first step did anything."""
    given: dict[str, Any] = {}
    for event in was[2:]:
        if not isinstance(event, events.VariableSet) or event.name not in flow.takes:
            break
        given[event.name] = event.value
    return given


@dataclass(frozen=True, slots=True)
class _Message(Turn):
    """A message that the caller left."""


_TROUBLES = {
    Trouble.NO_MATCH: Act.MUMBLES,
    Trouble.TOO_MUCH: Act.TALKS_ON,
    Trouble.SPEECH_DOWN: Act.UNHEARD,
}


def _turns(was: Sequence[Event]) -> Iterator[Turn | None]:
    """What the caller did; None stands for a secret answer. A recording that was too short to be
    kept left no trace."""
    for event in was:
        if isinstance(event, events.Heard):
            if event.trouble and not (event.text or event.secret):
                yield Turn(_TROUBLES[Trouble(event.trouble)])
            elif event.kind == HeardKind.NOTHING:
                yield Turn(Act.SILENT)
            elif event.text is None:
                yield None
            else:
                act = Act.PRESSES if event.kind == HeardKind.KEYS else Act.SAYS
                others = tuple(Guess(text, sure) for text, sure in event.others.items())
                text = event.text or "#"  # nothing but the finish key
                yield Turn(act, text, event.confidence, others)
        elif isinstance(event, events.RecordingMade):
            yield _Message(Act.SAYS, "x" * max(16, event.ms // MS_PER_CHARACTER))
        elif isinstance(event, events.CallEnded) and event.why == "caller_hung_up":
            yield Turn(Act.HANGS_UP)


class _PastCaller(ScriptCall):
    """A caller who does what was done then."""

    def __init__(self, info: CallInfo, turns: list[Turn | None], clock: VirtualClock) -> None:
        super().__init__(info, [], clock)
        self._past = turns
        self.notes: list[str] = []

    async def next_turn(self, question: Question | None) -> Turn:
        if question is None and not (self._past and isinstance(self._past[0], _Message)):
            return Turn(Act.SILENT)
        if not self._past:
            self.notes.append("the caller's part was over; from there on they hung up")
            return Turn(Act.HANGS_UP)
        turn = self._past.pop(0)
        if turn is not None:
            return turn
        self.notes.append("a secret answer is not in the journal; zeros were pressed for it")
        keys = question.keys if question else None
        return Turn(Act.PRESSES, "0" * (keys.min if keys else 1) + (keys.finish if keys else ""))


class _Past:
    """What the world answered then, by name and in order."""

    def __init__(self, was: Sequence[Event]) -> None:
        self.notes: list[str] = []
        self.rows: dict[str, list[Any]] = {}
        self.effects: dict[tuple[str, str], list[events.EffectDone]] = {}
        for index, event in enumerate(was):
            if isinstance(event, events.LookupDone):
                self.rows.setdefault(event.query, []).append(_answer(event, was[index + 1 :]))
            elif isinstance(event, events.EffectDone):
                self.effects.setdefault((event.kind, event.name), []).append(event)

    def _next(self, kind: str, name: str) -> events.EffectDone | None:
        made = self.effects.get((kind, name))
        if made is None:
            self.notes.append(f"{kind} '{name}' was not asked for then; it fails now")
        return made.pop(0) if made else None

    async def find(
        self, query: str, parameters: Mapping[str, Any], deadline: float
    ) -> Mapping[str, Any] | None:
        answers = self.rows.get(query)
        if not answers:
            self.notes.append(f"query '{query}' was not asked for then; it finds nothing now")
        answer = answers.pop(0) if answers else None
        if answer == "error":
            raise LookupFailed
        return answer if isinstance(answer, Mapping) else None

    async def write(
        self, name: str, parameters: Mapping[str, Any], key: str, deadline: float
    ) -> int:
        done = self._next("update", name)
        if done is None:
            raise ServiceFailed
        return int(done.outcome == "done")

    async def send(
        self, method: str, url: str, body: Any, headers: Mapping[str, str], deadline: float
    ) -> HttpAnswer:
        names = [name for kind, name in self.effects if kind == "http"]
        done = self._next("http", next((n for n in names if self.effects["http", n]), url))
        if done is None:
            raise ServiceFailed
        status = done.outcome.replace("x", "0")
        known = {"ok": 200, "error": 500}
        return HttpAnswer(known.get(status) or int(status), done.result)

    async def invite(
        self, survey: str, call: str, phone: str, key: str, percent: float, every: float
    ) -> str:
        done = self._next("invite", survey)
        if done is None:
            raise ServiceFailed
        return str(done.result or ("asked" if done.outcome == "yes" else "not_chosen"))

    async def notify(self, event: str, data: Mapping[str, Any], key: str) -> None:
        return

    def place(self, call: str, name: str) -> str:
        return f"recordings/{call}/{name}"

    def on(self, name: str) -> bool:
        return False


def _answer(done: events.LookupDone, later: Sequence[Event]) -> Any:
    """What a lookup answered: its row is kept in the variable that is set next."""
    if done.outcome != "found":
        return done.outcome
    kept = next((event for event in later[:1] if isinstance(event, events.VariableSet)), None)
    return kept.value if kept is not None and isinstance(kept.value, Mapping) else {}


def _says(turn: Turn) -> Line:
    if turn.confidence == 1.0 and not turn.others:
        return Line(says=turn.text)
    others = {guess.text: guess.confidence for guess in turn.others}
    return Line.model_validate(
        {"says": turn.text, "confidence": turn.confidence, **({"or": others} if others else {})}
    )


def as_trial(history: Sequence[Entry], name: str) -> Trial:
    """The call as a test, as far as its journal tells it."""
    was = [entry.event for entry in history]
    started = next(event for event in was if isinstance(event, events.CallStarted))
    past = _Past(was)
    given: dict[str, Any] = {"call.caller": started.caller, "call.dialled": started.dialled}
    for query, answers in past.rows.items():
        given[f"query.{query}"] = answers[0] if len(answers) == 1 else answers
    for (kind, of), made in past.effects.items():
        if kind == "update":
            given[f"update.{of}"] = [effect.outcome for effect in made]
    lines = []
    for turn in _turns(was):
        match turn:
            case None | Turn(act=Act.PRESSES):
                lines.append(Line(presses="0000" if turn is None else turn.text))
            case Turn(act=Act.SAYS):
                lines.append(_says(turn))
            case Turn(act=Act.SILENT):
                lines.append(Line(silent=True))
            case Turn(act=Act.HANGS_UP):
                lines.append(Line.model_validate({"hangs up": True}))
            case Turn(act=act):
                lines.append(Line.model_validate({act.value.replace("_", " "): True}))
    return Trial(
        name=name, flow=started.flow, language=started.language,
        now=datetime.fromtimestamp(history[0].at).astimezone(), given=given, talk=tuple(lines),
    )  # fmt: skip
