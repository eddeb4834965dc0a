"""Recording the call itself: announced, and where the flow asks, only with the caller's consent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import model_validator

from ivr.errors import ServiceFailed
from ivr.steps.base import Model, PromptName
from ivr.steps.putting import agree

if TYPE_CHECKING:
    from ivr.conversation import Conversation

ASKED = 2  # times that consent is asked for


class Taping(Model):
    """The call is recorded from its beginning, with what agents say later in it.

    `announce` says so; `consent` asks (yes: 1, no: 2, or by word), and nothing is recorded without
    a yes. One of them has to be there. Questions with `secret: true` are left out of the recording,
    and so is whatever reads a secret back.
    """

    announce: PromptName | None = None
    consent: PromptName | None = None

    @model_validator(mode="after")
    def _told(self) -> Taping:
        if not (self.announce or self.consent):
            raise ValueError("a call is recorded only where `announce` says so or `consent` asks")
        return self

    def prompts(self) -> Iterator[str]:
        yield from filter(None, (self.announce, self.consent))

    async def begin(self, talk: Conversation) -> None:
        """Announce, ask, record. A command of the flow's is no yes. What cannot be recorded is
        written down, and the call goes on."""
        if self.announce:
            await talk.say(self.announce)
        if self.consent:
            said = [talk.utterance(self.consent)] * ASKED
            if await agree(talk, said, talk.flow.listen) is not True:
                return
        try:
            await talk.tape_call()
        except ServiceFailed as error:
            talk.tape = ""
            talk.failed(error)
