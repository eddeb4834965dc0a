"""`hangup`: end the call."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from ivr.steps.base import Step

if TYPE_CHECKING:
    from ivr.conversation import Conversation


class Hangup(Step):
    """End the call. Say goodbye in a `say` step before it."""

    type: Literal["hangup"]
    ends: ClassVar[bool] = True

    async def run(self, talk: Conversation) -> None:
        await talk.call.hangup()
