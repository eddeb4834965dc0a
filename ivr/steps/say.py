"""`say`: play a prompt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from ivr.steps.base import NEXT, Onward, Outcome, PromptName

if TYPE_CHECKING:
    from ivr.conversation import Conversation


class Say(Onward):
    """Say a prompt and go on. A key cuts it short and counts for the question that follows."""

    type: Literal["say"]
    prompt: PromptName

    def prompts(self) -> Iterator[str]:
        yield self.prompt

    async def run(self, talk: Conversation) -> Outcome:
        frame = talk.frames[-1]
        turn = frame.visits.get(frame.step, 1) - 1
        await talk.say(self.prompt, turn=turn, barge_in=frame.flow.prompt(self.prompt).barge_in)
        return NEXT
