"""`update`: write to the database, once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ivr.errors import ServiceFailed
from ivr.expressions import Template
from ivr.steps.base import Duration, Name, Outcome, Step, Target
from ivr.steps.facts import Reference, Source

if TYPE_CHECKING:
    from ivr.conversation import Conversation

DONE, UNCHANGED, ERROR = "done", "unchanged", "error"


class Update(Step):
    """Run a named write, once for this visit to the step even when the engine dies on the way.

    `unchanged` is for a write that found no row to change; without a way of its own it is `done`.
    """

    type: Literal["update"]
    query: Name
    with_: Mapping[Name, Template] = Field(default_factory=dict, alias="with")
    deadline: Duration = 5.0
    done: Target
    unchanged: Target | None = None
    error: Target

    def exits(self) -> Mapping[Outcome, Target]:
        return {DONE: self.done, UNCHANGED: self.unchanged or self.done, ERROR: self.error}

    def refers(self) -> Iterator[Reference]:
        yield Reference("updates", self.query, frozenset(self.with_), place=("query",))

    def exposes(self) -> Iterator[Source]:
        """Parameters are bound and go to the shop's own database; nothing writes them down."""
        yield from ()

    def takes_seconds(self) -> float:
        return self.deadline

    async def run(self, talk: Conversation) -> Outcome:
        parameters = talk.values(self.with_)

        async def write(key: str) -> tuple[Outcome, None]:
            work = talk.services.updates.write(self.query, parameters, key, self.deadline)
            rows = await talk.while_holding(work, self.deadline)
            return (DONE if rows else UNCHANGED), None

        try:
            outcome, _ = await talk.once("update", self.query, write)
        except (ServiceFailed, TimeoutError):
            return ERROR
        return outcome
