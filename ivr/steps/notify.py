"""`notify`: tell the desk or a webhook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ivr.errors import ServiceFailed
from ivr.expressions import Template
from ivr.steps.base import NEXT, Name, Onward, Outcome

if TYPE_CHECKING:
    from ivr.conversation import Conversation


class Notify(Onward):
    """Hand an event on to whoever listens for it. The caller does not wait for its delivery."""

    type: Literal["notify"]
    event: Name
    data: Mapping[Name, Template] = Field(default_factory=dict)

    async def run(self, talk: Conversation) -> Outcome:
        data = talk.values(self.data)

        async def hand_on(key: str) -> tuple[Outcome, None]:
            await talk.services.notifier.notify(self.event, data, key)
            return NEXT, None

        try:
            await talk.once("notify", self.event, hand_on)
        except ServiceFailed as error:
            talk.failed(error)  # written down; the caller's way goes on
        return NEXT
