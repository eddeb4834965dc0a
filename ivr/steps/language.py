"""`language`: go on in another language."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ivr.steps.base import NEXT, Onward, Outcome

if TYPE_CHECKING:
    from ivr.conversation import Conversation


class Language(Onward):
    """Speak `to` from here on, sub-flows included."""

    type: Literal["language"]
    to: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]

    def speaks(self) -> Iterator[str]:
        yield self.to

    async def run(self, talk: Conversation) -> Outcome:
        talk.speak(self.to)
        return NEXT
