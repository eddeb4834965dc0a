"""`goto`: go on elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ivr.steps.base import NEXT, Onward, Outcome

if TYPE_CHECKING:
    from ivr.conversation import Conversation


class Goto(Onward):
    """A named way on, so that many steps can lead to one place that is easy to change."""

    type: Literal["goto"]

    async def run(self, talk: Conversation) -> Outcome:
        return NEXT
