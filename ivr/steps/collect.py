"""`collect`: take a number by key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from ivr.call import Heard, HeardKind, Keys
from ivr.steps.asking import Asking
from ivr.steps.base import NEXT, Duration, Model, Name, Outcome, Target

if TYPE_CHECKING:
    from ivr.conversation import Conversation


class Digits(Model):
    """How many keys, which key ends them, and how long we wait for the first and for each next."""

    min: Annotated[int, Field(ge=1, le=64)] = 1
    max: Annotated[int, Field(ge=1, le=64)] = 32
    finish: Annotated[str, BeforeValidator(str), Field(pattern=r"^[0-9*#]?$")] = "#"
    first: Duration = 5.0
    between: Duration = 3.0

    @model_validator(mode="after")
    def _sensible(self) -> Digits:
        if self.min > self.max:
            raise ValueError(f"min {self.min} is more than max {self.max}")
        if self.first < self.between:
            raise ValueError("first must be at least as long as between")
        return self


class Collect(Asking):
    """Ask for digits and keep them as text in a variable."""

    type: Literal["collect"]
    digits: Digits = Digits()
    save: Name
    next: Target

    def exits(self) -> Mapping[Outcome, Target]:
        return {NEXT: self.next} | dict(super().exits())

    def sets(self) -> Mapping[str, frozenset[Outcome] | None]:
        return {self.save: frozenset({NEXT})}

    def secrets(self) -> frozenset[str]:
        return frozenset({self.save} if self.secret else ())

    async def run(self, talk: Conversation) -> Outcome:
        want = self.digits
        keys = Keys(want.min, want.max, want.finish, want.first, want.between)
        outcome, digits = await self.put(talk, keys, (), self._understood)
        if outcome is None:
            talk.set(self.save, digits, secret=self.secret)
        return outcome or NEXT

    def _understood(self, heard: Heard) -> str | None:
        digits = heard.text if heard.kind is HeardKind.KEYS else ""
        right = self.digits.min <= len(digits) <= self.digits.max and digits.isdecimal()
        return digits if right else None
