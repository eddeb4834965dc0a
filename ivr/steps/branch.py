"""`branch`: go one way or another by what is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field

from ivr.expressions import Expression
from ivr.steps.base import Model, Outcome, Step, Target
from ivr.steps.facts import Source

if TYPE_CHECKING:
    from ivr.conversation import Conversation

OTHERWISE: Final = "otherwise"


class Case(Model):
    """`when` an expression holds, go on with `next`."""

    when: Expression
    next: Target


class Branch(Step):
    """The first case that holds is taken, else `otherwise`. The outcome is the case's number."""

    type: Literal["branch"]
    cases: tuple[Case, ...] = Field(min_length=1, max_length=100)
    otherwise: Target

    def exits(self) -> Mapping[Outcome, Target]:
        cases = {f"case {number}": case.next for number, case in enumerate(self.cases, start=1)}
        return cases | {OTHERWISE: self.otherwise}

    def conditions(self) -> Mapping[Outcome, Expression]:
        return {f"case {number}": case.when for number, case in enumerate(self.cases, start=1)}

    def exposes(self) -> Iterator[Source]:
        yield from ()

    async def run(self, talk: Conversation) -> Outcome:
        known = talk.variables
        for number, case in enumerate(self.cases, start=1):
            if case.when.holds(known):
                return f"case {number}"
        return OTHERWISE
