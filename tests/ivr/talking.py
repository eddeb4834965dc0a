"""A conversation in memory, for the tests of steps and engine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ivr.call import CallInfo
from ivr.engine import converse
from ivr.errors import LookupFailed
from ivr.events import CallEnded, StepEntered
from ivr.flow.loader import Library, load_text
from ivr.lab.script import Act, ListJournal, ScriptCall, Turn, VirtualClock
from ivr.services import Services


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
class Conversed:
    """What there is to look at after a call."""

    heard: list[str]
    went: tuple[str, str] | None
    journal: ListJournal
    answers: Answers

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
    """`"1"` presses keys, `"says:yes"` speaks, `""` is silence, `"hangup"` hangs up."""
    made = []
    for line in script:
        if line == "hangup":
            made.append(Turn(Act.HANGS_UP))
        elif line.startswith("says:"):
            made.append(Turn(Act.SAYS, line[5:]))
        else:
            made.append(Turn(Act.PRESSES, line) if line else Turn(Act.SILENT))
    return made


async def converse_with(
    *script: str,
    flow: str,
    given: Mapping[str, Any] | None = None,
    others: tuple[str, ...] = (),
    language: str = "en",
) -> Conversed:
    """Run a call on a flow (YAML text) with a caller who follows the script."""
    library = Library([load_text(text) for text in (*others, flow)])
    main = load_text(flow)
    clock, journal, answers = VirtualClock(), ListJournal(), Answers(given or {})
    call = ScriptCall(CallInfo("c-1", caller="+905321112233", dialled="100"), turns(*script), clock)
    services = Services(library, answers, journal, clock)
    await asyncio.wait_for(converse(call, services, main, language), 10)
    return Conversed(call.heard, call.went, journal, answers)
