"""`collect`: take a number by key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from ivr.call import Heard, HeardKind, Keys
from ivr.checks import CHECKS
from ivr.expressions import Expression
from ivr.steps.asking import Asking
from ivr.steps.base import NEXT, Duration, KeyText, Model, Name, Outcome, PromptName, Target

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


class Confirm(Model):
    """Read the number back and ask whether it is right. Silence is a yes: the number was keyed."""

    prompt: PromptName
    yes: KeyText = "1"
    no: KeyText = "2"


class Collect(Asking):
    """Ask for digits and keep them as text in a variable.

    What they have to be: `lowest` and `highest` as a number, a `check` digit (luhn, tckn, vkn), and
    a `rule` over the variable itself. `confirm` reads them back. Anything else is `no_match`.
    """

    type: Literal["collect"]
    digits: Digits = Digits()
    lowest: int | None = None
    highest: int | None = None
    check: Literal["luhn", "tckn", "vkn"] | None = None
    rule: Expression | None = None
    confirm: Confirm | None = None
    save: Name
    next: Target

    @model_validator(mode="after")
    def _range(self) -> Collect:
        if self.lowest is not None and self.highest is not None and self.lowest > self.highest:
            raise ValueError(f"lowest {self.lowest} is more than highest {self.highest}")
        return self

    def prompts(self) -> Iterator[str]:
        yield from super().prompts()
        if self.confirm:
            yield self.confirm.prompt

    def exits(self) -> Mapping[Outcome, Target]:
        return {NEXT: self.next} | dict(super().exits())

    def sets(self) -> Mapping[str, frozenset[Outcome] | None]:
        return {self.save: frozenset({NEXT})}

    def listens_seconds(self) -> float:
        return self.digits.first

    def secrets(self) -> frozenset[str]:
        return frozenset({self.save} if self.secret else ())

    async def run(self, talk: Conversation) -> Outcome:
        want = self.digits
        keys = Keys(want.min, want.max, want.finish, want.first, want.between)
        refused = 0
        while True:
            outcome, digits = await self.put(talk, keys, (), lambda heard: self._right(talk, heard))
            if outcome is not None:
                return outcome
            talk.set(self.save, digits, secret=self.secret)
            if self.confirm is None or await self._confirmed(talk, self.confirm):
                return NEXT
            refused += 1
            if refused >= self.retry(talk, "no_match").tries:
                return "no_match"

    def _right(self, talk: Conversation, heard: Heard) -> str | None:
        digits = heard.text if heard.kind is HeardKind.KEYS else ""
        if not (self.digits.min <= len(digits) <= self.digits.max and digits.isdecimal()):
            return None
        if self.lowest is not None and int(digits) < self.lowest:
            return None
        if self.highest is not None and int(digits) > self.highest:
            return None
        if self.check and not CHECKS[self.check](digits):
            return None
        if self.rule and not self.rule.holds({**talk.variables, self.save: digits}):
            return None
        return digits

    async def _confirmed(self, talk: Conversation, confirm: Confirm) -> bool:
        keys = Keys(1, max(len(confirm.yes), len(confirm.no)), "", 5.0, 3.0)
        for _ in range(3):
            heard = await talk.put_question(confirm.prompt, keys)
            pressed = heard.text if heard.kind is HeardKind.KEYS else confirm.yes
            talk.note_heard(heard, {confirm.yes: "yes", confirm.no: "no"}.get(pressed))
            if pressed in (confirm.yes, confirm.no):
                return pressed == confirm.yes
        return False
