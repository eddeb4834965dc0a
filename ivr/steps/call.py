"""`call`: run another flow and come back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ivr.expressions import Template
from ivr.steps.base import ENTERED, NEXT, Name, Onward, Outcome
from ivr.steps.facts import Reference, Source

if TYPE_CHECKING:
    from ivr.conversation import Conversation


class CallFlow(Onward):
    """Run a sub-flow with its own variables. A step of it that leads to `return` comes back here.

    `with` gives the sub-flow its first variables; `save` keeps what it `returns`, by name.
    """

    type: Literal["call"]
    flow: Name
    with_: Mapping[Name, Template] = Field(default_factory=dict, alias="with")
    save: Name | None = None

    def refers(self) -> Iterator[Reference]:
        yield Reference("flows", self.flow, frozenset(self.with_), self.save or "", ("flow",))

    def enters(self) -> str:
        return self.flow

    def gives(self) -> Mapping[str, Template]:
        return self.with_

    def exposes(self) -> Iterator[Source]:
        yield from ()

    def sets(self) -> Mapping[str, frozenset[Outcome] | None]:
        return {self.save: frozenset({NEXT})} if self.save else {}

    async def run(self, talk: Conversation) -> Outcome:
        secrets = {name for name, template in self.with_.items() if talk.is_secret(template)}
        flow = talk.services.flows.get(self.flow)
        talk.enter(flow, talk.values(self.with_), secrets)
        return ENTERED

    def back(self, talk: Conversation, result: Mapping[str, object], secret: bool) -> Outcome:
        """The sub-flow has returned: keep its result and go on."""
        if self.save:
            talk.set(self.save, dict(result), secret=secret)
        return NEXT
