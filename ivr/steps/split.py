"""`split`: send shares of the callers different ways."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from ivr.steps.base import Model, Outcome, Step, Target

if TYPE_CHECKING:
    from ivr.conversation import Conversation


class Share(Model):
    """`percent` of the callers go on with `next`."""

    percent: Annotated[int, Field(ge=1, le=100)]
    next: Target


class Split(Step):
    """Split callers by percentages that add up to 100. One caller always goes the same way: the
    share is taken from a hash of their number and of `name`. The outcome is the share's number."""

    type: Literal["split"]
    name: str = ""
    shares: tuple[Share, ...] = Field(min_length=2, max_length=20)

    @model_validator(mode="after")
    def _whole(self) -> Split:
        total = sum(share.percent for share in self.shares)
        if total != 100:
            raise ValueError(f"the shares add up to {total} percent, not 100")
        return self

    def exits(self) -> Mapping[Outcome, Target]:
        return {f"share {number}": share.next for number, share in enumerate(self.shares, 1)}

    async def run(self, talk: Conversation) -> Outcome:
        # A caller who hides their number is split by call.
        who = talk.call.info.caller or talk.call.info.id
        name = self.name or f"{talk.flow.name}.{talk.frame.step}"
        digest = hashlib.sha256(f"{name}\n{who}".encode()).digest()
        point = int.from_bytes(digest[:8], "big") * 100 >> 64
        for number, share in enumerate(self.shares, 1):
            point -= share.percent
            if point < 0:
                return f"share {number}"
        raise AssertionError("shares add up to 100")
