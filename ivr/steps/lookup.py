"""`lookup`: ask the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ivr import events
from ivr.errors import LookupFailed
from ivr.expressions import Template
from ivr.steps.base import Duration, Name, Outcome, Step, Target
from ivr.steps.facts import Reference, Source

if TYPE_CHECKING:
    from ivr.conversation import Conversation

FOUND, NOT_FOUND, ERROR = "found", "not_found", "error"


class Lookup(Step):
    """Run a named query and keep its first row. After a second the caller is asked to hold on."""

    type: Literal["lookup"]
    query: Name
    with_: Mapping[Name, Template] = Field(default_factory=dict, alias="with")
    save: Name
    deadline: Duration = 5.0
    found: Target
    not_found: Target
    error: Target

    def exits(self) -> Mapping[Outcome, Target]:
        return {FOUND: self.found, NOT_FOUND: self.not_found, ERROR: self.error}

    def refers(self) -> Iterator[Reference]:
        yield Reference("queries", self.query, frozenset(self.with_), self.save, ("query",))

    def exposes(self) -> Iterator[Source]:
        """Parameters are bound and go to the shop's own database; nothing writes them down."""
        yield from ()

    def takes_seconds(self) -> float:
        return self.deadline

    def sets(self) -> Mapping[str, frozenset[Outcome] | None]:
        return {self.save: frozenset({FOUND})}

    async def run(self, talk: Conversation) -> Outcome:
        parameters = talk.values(self.with_)
        row = None
        with talk.timed() as spent:
            try:
                work = talk.services.lookup.find(self.query, parameters, self.deadline)
                row = await talk.while_holding(work, self.deadline)
                outcome = FOUND if row is not None else NOT_FOUND
            except (LookupFailed, TimeoutError):
                outcome = ERROR
        talk.note(events.LookupDone(self.query, outcome, spent[0]))
        if row is not None:
            talk.set(self.save, row)
        return outcome
