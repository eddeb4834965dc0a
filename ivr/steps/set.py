"""`set`: keep values for later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ivr.expressions import Template
from ivr.steps.base import NEXT, Name, Onward, Outcome
from ivr.steps.facts import Source

if TYPE_CHECKING:
    from ivr.conversation import Conversation


class Set(Onward):
    """Set variables, one after the other; a value made from something secret stays secret."""

    type: Literal["set"]
    values: Mapping[Name, Template] = Field(min_length=1)

    def sets(self) -> Mapping[str, frozenset[Outcome] | None]:
        return dict.fromkeys(self.values)

    def makes(self) -> Iterator[tuple[str, Source]]:
        yield from self.values.items()

    def exposes(self) -> Iterator[Source]:
        yield from ()

    async def run(self, talk: Conversation) -> Outcome:
        for name, template in self.values.items():
            talk.set(name, talk.value(template), secret=talk.is_secret(template))
        return NEXT
