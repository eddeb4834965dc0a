"""Tests that nobody has written yet: conversations are tried out until every way of a flow was
taken or no more are found, and those that took a new one are written down.

What a caller might do and what the world might answer are guesses (`guesses.py`). At each choice
an untried guess is taken, or one that is known to lead on to where something is missing. The
choices are random but always the same.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import yaml

from ivr import events
from ivr.call import CallInfo, Direction, Question
from ivr.engine import converse
from ivr.errors import LookupFailed, ServiceFailed
from ivr.flow.model import Flow
from ivr.lab.coverage import Coverage
from ivr.lab.guesses import MOMENTS, Guesses
from ivr.lab.script import Act, ListJournal, Moment, ScriptCall, Turn, VirtualClock
from ivr.lab.trial import Around, Line, Trial, come_back, run_trial
from ivr.services import HttpAnswer, Services
from ivr.steps.base import RETURN

MOST_TRIES: Final = 600
FRUITLESS: Final = 150  # conversations in a row that bring nothing new
LONGEST: Final = 40  # turns of one caller, who then hangs up
MOST_RETURNS: Final = 4  # from queues and transfers
HEARD: Final = 60  # characters of a prompt that a test asks for
Way = tuple[str, str, str]  # flow, step, outcome


@dataclass
class Memory:
    """What was learnt so far: where each choice led, and which ways nobody has taken."""

    missing: set[Way]
    led: dict[tuple[str, str, str], set[str]] = field(default_factory=dict)
    dice: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311

    def pick(self, flow: Flow, step: str, choices: Sequence[Any], last: Any) -> Any:
        """One of the choices at a step; `last` is what was chosen there a moment ago."""
        if last is not None and last in choices and self.dice.random() < 0.7:
            return last
        useful = self._useful(flow)
        weights = []
        for choice in choices:
            outcomes = self.led.get((flow.name, step, repr(choice)))
            if outcomes is None:
                weights.append(4.0)
            else:
                weights.append(3.0 if any((step, o) in useful for o in outcomes) else 0.2)
        return self.dice.choices(choices, weights)[0]

    def _useful(self, flow: Flow) -> set[tuple[str, str]]:
        """The ways of a flow that nobody has taken, or that lead on to one."""
        good = {step for name, step, _ in self.missing if name == flow.name}
        while True:
            more = {
                step for step, ways in flow.ways.items()
                if step not in good and good.intersection(ways.values())
            }  # fmt: skip
            if not more:
                break
            good |= more
        return {
            (step, outcome)
            for step, ways in flow.ways.items()
            for outcome, target in ways.items()
            if target in good or (flow.name, step, outcome) in self.missing
        }


class Explorer:
    """One conversation that finds its own way: the caller's part and the world's."""

    def __init__(self, flow: Flow, around: Around, guesses: Guesses, memory: Memory) -> None:
        self.flow, self.around, self.guesses, self.memory = flow, around, guesses, memory
        self.journal = ListJournal()
        self.clock = VirtualClock()
        self.given: dict[str, list[Any]] = {}
        self.last: dict[tuple[str, int], Any] = {}
        self.chosen: list[tuple[str, str, Any]] = []
        self.turns = self.returns = 0
        dice = memory.dice
        uses_time = any(named.table == "hours" for f in guesses.flows for s in f.steps.values()
                        for named in s.refers())  # fmt: skip
        if uses_time or any("now" in source.names for source in guesses.sources):
            self.clock.start = dice.choice(MOMENTS)
        self.language = dice.choice(flow.languages)
        self.facts = self._facts(dice)
        self.variables = {name: dice.choice(guesses.values(name)) for name in flow.takes}

    def _facts(self, dice: random.Random) -> dict[str, str]:
        facts = {"caller": f"+9053211122{dice.randrange(10, 99)}"}
        for name, values in self.guesses.compared.items():
            if name.startswith("call.") and dice.random() < 0.7:
                facts[name[5:]] = str(dice.choice(values))
        return facts

    def at(self) -> events.StepEntered:
        """Where the conversation stands."""
        return next(
            e.event for e in reversed(self.journal.entries)
            if isinstance(e.event, events.StepEntered)
        )  # fmt: skip

    def choose(self, choices: Sequence[Any]) -> Any:
        at = self.at()
        flow = self.around.library.get(at.flow)
        made = self.memory.pick(flow, at.step, choices, self.last.get((at.step, at.visit)))
        self.last[at.step, at.visit] = made
        self.chosen.append((at.flow, at.step, made))
        return made

    # The caller

    def turn(self, question: Question | None) -> Turn:
        self.turns += 1
        if self.turns > LONGEST:
            return Turn(Act.HANGS_UP)
        at = self.at()
        step = self.around.library.get(at.flow).steps[at.step]
        made = self.choose(self.guesses.turns(step, question, self.language))
        assert isinstance(made, Turn)
        return made

    # The world

    def keep(self, name: str, answer: Any) -> Any:
        self.given.setdefault(name, []).append(answer)
        return answer

    def results(self) -> list[Any]:
        at = self.at()
        step = self.around.library.get(at.flow).steps[at.step]
        names = step.sets() or {"": None}
        return [row for name in names for row in self.guesses.rows(name)]

    async def find(
        self, query: str, parameters: Mapping[str, Any], deadline: float
    ) -> Mapping[str, Any] | None:
        answer = self.keep(f"query.{query}", self.choose([*self.results(), "not_found", "error"]))
        if answer == "error":
            raise LookupFailed
        return answer if isinstance(answer, Mapping) else None

    async def write(
        self, name: str, parameters: Mapping[str, Any], key: str, deadline: float
    ) -> int:
        answer = self.keep(f"update.{name}", self.choose(["done", "unchanged", "error"]))
        if answer == "error":
            raise ServiceFailed
        return int(answer == "done")

    async def send(
        self, method: str, url: str, body: Any, headers: Mapping[str, str], deadline: float
    ) -> HttpAnswer:
        ways = self.around.library.get(self.at().flow).ways[self.at().step]
        statuses = [int(way.replace("x", "0")) for way in ways if way[:1].isdecimal()]
        answers = [{"status": 200, "body": row} for row in self.results()]
        answers += [{"status": status} for status in statuses]
        name = "http." + (url.partition("://")[2] or url)
        answer = self.keep(name, self.choose([*answers, "error"]))
        if answer == "error":
            raise ServiceFailed
        return HttpAnswer(answer["status"], answer.get("body"))

    async def invite(
        self, survey: str, call: str, phone: str, key: str, percent: float, every: float
    ) -> str:
        choices = ["asked", "not_chosen", "lately", "error"]
        answer = str(self.keep(f"survey.{survey}", self.choose(choices)))
        if answer == "error":
            raise ServiceFailed
        return answer

    async def notify(self, event: str, data: Mapping[str, Any], key: str) -> None:
        return

    def place(self, call: str, name: str) -> str:
        return f"recordings/{call}/{name}"

    def on(self, name: str) -> bool:
        return bool(self.keep(f"switch.{name}", self.choose([False, True])))

    # The conversation

    async def run(self) -> tuple[Trial, Coverage]:
        call = _Exploring(self)
        services = Services(
            self.around.library, self, self.journal, self.clock, self, self, self, self, self,
            self.around.hours, self,
        )  # fmt: skip
        await converse(call, services, self.flow, self.language, self.variables)
        await come_back(call, services, self.journal, lambda: self.back(call))
        self._learn()
        coverage = Coverage()
        coverage.add(self.journal.entries)
        return self._trial(call.moments), coverage

    async def back(self, call: ScriptCall) -> str:
        """How the caller comes back from where they went, if they do."""
        self.returns += 1
        at = self.at()
        ways = self.around.library.get(at.flow).ways[at.step]
        outcome = self.choose(["", *ways]) if self.returns < MOST_RETURNS else ""
        self.keep(".".join(call.went or ()), outcome)
        return str(outcome)

    def _learn(self) -> None:
        """Which outcome each choice had: that by which its step was left."""
        entered = [e.event for e in self.journal.entries if isinstance(e.event, events.StepEntered)]
        left = {(before.flow, before.step): after.via for before, after in pairwise(entered)}
        for flow, step, made in self.chosen:
            outcomes = self.memory.led.setdefault((flow, step, repr(made)), set())
            if (flow, step) in left:
                outcomes.add(left[flow, step])

    def _trial(self, moments: list[Moment]) -> Trial:
        given: dict[str, Any] = {f"call.{name}": value for name, value in self.facts.items()}
        for name, answers in self.given.items():
            back = name.partition(".")[0] in {"queue", "extension", "number"}
            if back and not any(answers):
                continue
            key = f"transfer.{name.partition('.')[2]}" if back else name
            same = all(answer == answers[0] for answer in answers)
            given[key] = answers[0] if same else answers
        return Trial(
            name="", flow=self.flow.name, language=self.language, now=self.clock.start,
            given=given, variables=self.variables, talk=tuple(_lines(moments)),
        )  # fmt: skip


class _Exploring(ScriptCall):
    """A caller who asks the explorer what to do."""

    def __init__(self, explorer: Explorer) -> None:
        facts = explorer.facts
        context = {name[8:]: value for name, value in facts.items() if name.startswith("context.")}
        direction = (
            Direction.OUTBOUND if facts.get("direction") == "outbound" else Direction.INBOUND
        )
        info = CallInfo(
            "try", caller=facts.get("caller", ""), dialled=facts.get("dialled", ""),
            direction=direction, context=context,
        )  # fmt: skip
        super().__init__(info, [], explorer.clock)
        self._explorer = explorer

    async def next_turn(self, question: Question | None) -> Turn:
        return self._explorer.turn(question)


def _lines(moments: list[Moment]) -> Iterator[Line]:
    """The talk as it is written: the last prompt before each turn, and the turn."""
    heard = ""
    for moment in moments:
        if moment.kind == "heard":
            heard = moment.text
            continue
        if heard:
            yield Line(hears=_short(heard))
        heard = ""
        match Act(moment.kind):
            case Act.PRESSES:
                yield Line(presses=moment.text)
            case Act.SAYS:
                yield Line(says=moment.text)
            case Act.SILENT:
                yield Line(silent=True)
            case Act.HANGS_UP:
                yield Line.model_validate({"hangs up": True})
    if heard:
        yield Line(hears=_short(heard))


def _short(text: str) -> str:
    return text if len(text) <= HEARD else text[:HEARD].rpartition(" ")[0]


def proposals(flow: Flow, around: Around, covered: Coverage) -> list[Trial]:
    """Tests for the ways of a flow that were not taken yet; all of them pass."""
    return asyncio.run(_proposals(flow, around, covered))


async def _proposals(flow: Flow, around: Around, covered: Coverage) -> list[Trial]:
    flows = list(_entered(flow, around))
    if any(RETURN in ways.values() for ways in flow.ways.values()):
        return []  # a sub-flow: it is tried with the flows that enter it
    memory = Memory(_missing(flows, covered))
    guesses = Guesses(flow, flows)
    kept: list[tuple[Trial, set[Way]]] = []
    fruitless = 0
    for _ in range(MOST_TRIES):
        if not memory.missing or fruitless > FRUITLESS:
            break
        trial, coverage = await Explorer(flow, around, guesses, memory).run()
        gone = memory.missing - _missing(flows, coverage)
        fruitless += 1
        if gone and (sure := await _sure(trial, around)) is not None:
            named = ", ".join(f"{step} ({outcome})" for _, step, outcome in sorted(gone)[:3])
            kept.append((sure.model_copy(update={"name": f"{flow.name}: {named}"}), gone))
            memory.missing -= gone
            fruitless = 0
    return [trial for trial, _ in kept]


def _entered(flow: Flow, around: Around) -> Iterator[Flow]:
    """A flow and all that can be entered from it."""
    found, waiting = set[str](), [flow.name]
    while waiting:
        name = waiting.pop()
        if name not in found and name in around.library:
            found.add(name)
            yield around.library.get(name)
            waiting += [step.enters() for step in around.library.get(name).steps.values()]


def _missing(flows: Sequence[Flow], coverage: Coverage) -> set[Way]:
    return {
        (flow.name, step, outcome) for flow in flows for step, outcome in coverage.missing(flow)[1]
    }


async def _sure(trial: Trial, around: Around) -> Trial | None:
    """The test with its end, when it passes as it is written."""
    talked = await run_trial(trial, around)
    if talked.end in {"", "failed"}:
        return None
    whole = trial.model_copy(update={"ends": talked.end})
    again = await run_trial(whole, around)
    return whole if again.passed else None


def written(trials: Sequence[Trial]) -> str:
    """The tests as YAML."""
    plain = [_plain(trial) for trial in trials]
    return yaml.safe_dump(plain, allow_unicode=True, sort_keys=False, width=100)


def _plain(trial: Trial) -> dict[str, Any]:
    data = trial.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    data["talk"] = [
        {key: value for key, value in line.items() if value is not None}
        for line in data.get("talk", [])
    ]
    return {key: value for key, value in data.items() if value not in ({}, [], "")}
