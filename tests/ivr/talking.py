"""A conversation in memory, for the tests of steps and engine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ivr.call import CallInfo, Guess
from ivr.engine import converse
from ivr.errors import LookupFailed, ServiceFailed
from ivr.events import CallEnded, StepEntered
from ivr.flow.loader import Library, load_text
from ivr.hours import OpeningHours
from ivr.lab.script import Act, ListJournal, ScriptCall, Turn, VirtualClock
from ivr.services import HttpAnswer, Services


@dataclass
class Answers:
    """Lookups answered from a mapping; None is not found, an exception is raised."""

    given: Mapping[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def find(
        self, query: str, parameters: Mapping[str, Any], deadline: float
    ) -> Mapping[str, Any] | None:
        self.asked.append((query, dict(parameters)))
        answer = self.given.get(query)
        if answer == "error":
            raise LookupFailed
        if answer == "never":
            await asyncio.sleep(3600)
        return answer


@dataclass
class World:
    """What effects a conversation had: every write, request and event, with its key."""

    given: Mapping[str, Any] = field(default_factory=dict)
    done: list[tuple[str, Any, str]] = field(default_factory=list)

    def answer(self, name: str, otherwise: Any) -> Any:
        answers = self.given.get(name, otherwise)
        answer = answers.pop(0) if isinstance(answers, list) else answers
        if answer == "error":
            raise ServiceFailed
        return answer

    async def write(
        self, name: str, parameters: Mapping[str, Any], key: str, deadline: float
    ) -> int:
        self.done.append((name, dict(parameters), key))
        return int(self.answer(name, 1))

    async def send(
        self, method: str, url: str, body: Any, headers: Mapping[str, str], deadline: float
    ) -> HttpAnswer:
        self.done.append((f"{method} {url}", body, headers["Idempotency-Key"]))
        answer = self.answer(url, {"status": 200, "body": None})
        return HttpAnswer(answer["status"], answer.get("body"))

    async def notify(self, event: str, data: Mapping[str, Any], key: str) -> None:
        self.answer(event, None)
        self.done.append((event, dict(data), key))

    async def invite(
        self, survey: str, call: str, phone: str, key: str, percent: float, every: float
    ) -> str:
        verdict = str(self.answer(survey, "asked"))
        self.done.append((f"invite {survey}", phone, key))
        return verdict

    def place(self, call: str, name: str) -> str:
        return f"/recordings/{call}/{name}.wav"

    def on(self, name: str) -> bool:
        return bool(self.given.get(name, False))


@dataclass
class Conversed:
    """What there is to look at after a call."""

    heard: list[str]
    went: tuple[str, str] | None
    journal: ListJournal
    answers: Answers
    world: World

    @property
    def path(self) -> list[str]:
        return [e.event.step for e in self.journal.entries if isinstance(e.event, StepEntered)]

    @property
    def ended(self) -> str:
        last = self.journal.entries[-1].event
        assert isinstance(last, CallEnded)
        return last.why

    def all(self, kind: type) -> list[Any]:
        return [e.event for e in self.journal.entries if isinstance(e.event, kind)]


def turns(*script: str) -> list[Turn]:
    """`"1"` presses keys, `"says:yes"` speaks, `""` is silence, `"hangup"` hangs up.

    `"says:yes@0.6|guess@0.3"` is how well it was recognised, and what else it might have been;
    `"mumbles"`, `"talks_on"` and `"unheard"` are `ivr.lab.script.Act`.
    """
    made = []
    for line in script:
        if line == "hangup":
            made.append(Turn(Act.HANGS_UP))
        elif line.startswith("says:"):
            best, *others = map(_guess, line[5:].split("|"))
            made.append(Turn(Act.SAYS, best.text, best.confidence, tuple(others)))
        elif line in (Act.MUMBLES, Act.TALKS_ON, Act.UNHEARD):
            made.append(Turn(Act(line)))
        else:
            made.append(Turn(Act.PRESSES, line) if line else Turn(Act.SILENT))
    return made


def _guess(text: str) -> Guess:
    words, _, confidence = text.partition("@")
    return Guess(words, float(confidence or 1))


async def converse_with(
    *script: str,
    flow: str,
    given: Mapping[str, Any] | None = None,
    others: tuple[str, ...] = (),
    language: str = "en",
    hours: Mapping[str, OpeningHours] | None = None,
    now: datetime | None = None,
) -> Conversed:
    """Run a call on a flow (YAML text) with a caller who follows the script."""
    library = Library([load_text(text) for text in (*others, flow)])
    main = load_text(flow)
    clock, journal, answers = VirtualClock(), ListJournal(), Answers(given or {})
    call = ScriptCall(CallInfo("c-1", caller="+905321112233", dialled="100"), turns(*script), clock)
    clock.start = now or clock.start
    world = World(given or {})
    services = Services(
        library,
        answers,
        journal,
        clock,
        world,
        world,
        world,
        world,
        world,
        dict(hours or {}),
        world,
    )
    await asyncio.wait_for(converse(call, services, main, language), 10)
    return Conversed(call.heard, call.went, journal, answers, world)
