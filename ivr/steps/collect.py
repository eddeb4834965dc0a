"""`collect`: take a number, by key and, where it is listened to, by voice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from ivr import understand
from ivr.call import Heard, HeardKind, Keys
from ivr.checks import CHECKS
from ivr.expressions import Expression
from ivr.steps.asking import Asking
from ivr.steps.base import NEXT, Duration, KeyText, Model, Name, Outcome, PromptName, Target
from ivr.steps.listening import Taken
from ivr.steps.putting import agree

if TYPE_CHECKING:
    from ivr.conversation import Conversation

CONFIRMS = 3  # times the number is read back


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
    """Ask for digits and keep them as text in a variable. With `listen: {speech: true}` they can be
    spoken, too.

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
        wanted = understand.Digits(want.min, want.max)
        refused, count = set[str](), 0

        def right(heard: Heard) -> Taken | None:
            return self._right(talk, heard, wanted, refused)

        while True:
            outcome, digits = await self.put(
                talk, keys, wanted.words(talk.language), right, read_back=bool(self.confirm)
            )
            if outcome is not None:
                return outcome
            talk.set(self.save, digits, secret=self.secret)
            agreed = await self._confirmed(talk, self.confirm) if self.confirm else True
            if agreed is True:
                return NEXT
            if agreed:
                return agreed
            count += 1
            refused.add(digits)
            if count >= self.retry(talk, "no_match").tries:
                return "no_match"

    def _right(
        self, talk: Conversation, heard: Heard, wanted: understand.Digits, refused: set[str]
    ) -> Taken | None:
        """The first reading that is right. What was refused may be keyed again, not guessed."""
        if heard.kind is HeardKind.KEYS:
            return Taken(heard.text) if self._fits(talk, heard.text) else None
        read = wanted.spoken(heard.text, talk.language, talk.services.clock.now().date())
        readings = (read, *read.others) if read else ()
        right = [one for one in readings if self._fits(talk, one.value)]
        best = next((one for one in right if one.value not in refused), None)
        if best is not None:
            return Taken(best.value, best.said, best.confidence)
        return Taken(right[0].value, refused=True) if right else None

    def _fits(self, talk: Conversation, digits: str) -> bool:
        if not (self.digits.min <= len(digits) <= self.digits.max and digits.isdecimal()):
            return False
        if self.lowest is not None and int(digits) < self.lowest:
            return False
        if self.highest is not None and int(digits) > self.highest:
            return False
        if self.check and not CHECKS[self.check](digits):
            return False
        return not self.rule or self.rule.holds({**talk.variables, self.save: digits})

    async def _confirmed(self, talk: Conversation, confirm: Confirm) -> bool | Outcome:
        """Whether it is right, or the command that was given instead."""
        listen = self.listening(talk.flow.listen)
        yes_no = understand.YesNo(confirm.yes, confirm.no)
        said = [talk.utterance(confirm.prompt)] * CONFIRMS
        return (
            await agree(talk, said, listen, yes_no=yes_no, silence=True, speech=bool(listen.speech))
            or False
        )
