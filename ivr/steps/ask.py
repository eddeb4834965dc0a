"""`ask`: a question with a typed answer, spoken or keyed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from ivr import understand
from ivr.call import Heard, HeardKind, Keys
from ivr.expressions import Template
from ivr.steps.asking import Asking
from ivr.steps.base import NEXT, Duration, Name, Outcome, PromptName, Target
from ivr.steps.facts import Offer
from ivr.steps.listening import Taken
from ivr.steps.putting import agree
from ivr.understand import Understood, Wanted
from ivr.words import fold

if TYPE_CHECKING:
    from ivr.conversation import Conversation

YES, NO = "yes", "no"
CONFIRMS = 3  # times the answer is read back
ONE_KEY = frozenset({"yes_no"})
LEAST, MOST = Decimal(0), Decimal(10**12)


class FreeWords:
    """Whatever was said, as it was understood; no key means anything."""

    def words(self, language: str) -> tuple[str, ...]:
        return ()

    def spoken(self, text: str, language: str, today: date) -> Understood | None:
        return Understood(text, text) if fold(text, language) else None

    def keyed(self, keys: str, language: str, today: date) -> Understood | None:
        return None


class Ask(Asking):
    """Ask for a yes or no, digits, a number, a date, an amount, a phone number, one of a list, or
    free words, and keep the value with its type.

    `lowest` and `highest` bound numbers, amounts and dates (a date may be `today`), `min` and `max`
    the count of digits. `options` names the list (first name: other names), or `rows` takes it from
    a variable. `confirm` reads the answer back - `{{ NAME_said }}` is how it is said - and takes
    another answer when it was wrong. `yes` and `no` may have ways of their own.
    """

    type: Literal["ask"]
    kind: Literal["yes_no", "digits", "number", "date", "amount", "phone", "one_of", "words"]
    save: Name
    lowest: Template | None = None
    highest: Template | None = None
    min: int = Field(1, ge=1, le=32)
    max: int = Field(32, ge=1, le=32)
    options: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    rows: Template | None = None
    confirm: PromptName | None = None
    first: Duration = 6.0
    between: Duration = 3.0
    next: Target | None = None
    yes: Target | None = None
    no: Target | None = None

    spoken: ClassVar[bool] = True

    @model_validator(mode="after")
    def _fits(self) -> Ask:
        if self.next is None and not (self.yes and self.no):
            raise ValueError("'next' is missing (or both 'yes' and 'no')")
        if (self.yes or self.no) and self.kind != "yes_no":
            raise ValueError("'yes' and 'no' go with kind: yes_no only")
        if (self.kind == "one_of") != bool(self.options or self.rows):
            raise ValueError("kind: one_of and 'options' or 'rows' go together")
        return self

    def prompts(self) -> Iterator[str]:
        yield from super().prompts()
        if self.confirm:
            yield self.confirm

    def exits(self) -> Mapping[Outcome, Target]:
        own = {NEXT: self.next, YES: self.yes, NO: self.no}
        return {way: target for way, target in own.items() if target} | dict(super().exits())

    def sets(self) -> Mapping[str, frozenset[Outcome] | None]:
        given = frozenset({NEXT, YES, NO})
        return {self.save: given, f"{self.save}_said": given}

    def secrets(self) -> frozenset[str]:
        return frozenset({self.save, f"{self.save}_said"} if self.secret else ())

    def keeps(self) -> frozenset[str]:
        """How the answer is said; and the answer itself, where its ways tell it."""
        return frozenset({f"{self.save}_said"} | ({self.save} if self.yes or self.no else set()))

    def offers(self) -> Iterator[Offer]:
        for name, others in self.options.items():
            yield Offer(name, words={"": (name, *others)}, place=("options", name))

    def listens_seconds(self) -> float:
        return self.first

    async def run(self, talk: Conversation) -> Outcome:
        wanted, today = self._wanted(talk), talk.services.clock.now().date()
        refused: list[Any] = []
        found: Understood | None = None

        def understood(heard: Heard) -> Taken | None:
            nonlocal found
            found, again = _understood(wanted, heard, talk.language, today, refused)
            if found is None:
                return None
            return Taken(found.said, found.said, found.confidence, again)

        while len(refused) < self.retry(talk, "no_match").tries:
            outcome, _ = await self.put(
                talk, self._keys(), wanted.words(talk.language), understood,
                free=self.kind == "words", read_back=bool(self.confirm),
            )  # fmt: skip
            if outcome is not None:
                return outcome
            assert found is not None
            talk.set(self.save, found.value, secret=self.secret)
            talk.set(f"{self.save}_said", found.said, secret=self.secret)
            agreed = await self._confirmed(talk) if self.confirm else True
            if agreed is True:
                return self._way(found.value)
            if agreed:
                return agreed
            refused.append(found.value)  # not offered again
        return "no_match"

    def _way(self, value: Any) -> Outcome:
        if self.kind == "yes_no":
            way, target = (YES, self.yes) if value else (NO, self.no)
            return way if target else NEXT
        return NEXT

    def _keys(self) -> Keys:
        if self.kind in ONE_KEY:
            return Keys(1, 1, "", self.first, self.between)
        return Keys(1, max(self.max, 16), "#", max(self.first, self.between), self.between)

    def _wanted(self, talk: Conversation) -> Wanted:
        low = talk.value(self.lowest) if self.lowest else None
        high = talk.value(self.highest) if self.highest else None
        match self.kind:
            case "yes_no":
                return understand.YesNo()
            case "digits":
                return understand.Digits(self.min, self.max)
            case "number":
                return understand.Number(_decimal(low, LEAST), _decimal(high, MOST))
            case "amount":
                return understand.Amount(low=_decimal(low, LEAST), high=_decimal(high, MOST))
            case "phone":
                return understand.Phone()
            case "date":
                today = talk.services.clock.now().date()
                return understand.Day(_day(low, today), _day(high, today))
            case "one_of":
                return understand.OneOf(self._options(talk))
            case _:
                return FreeWords()

    def _options(self, talk: Conversation) -> Mapping[str, tuple[str, ...]]:
        if self.rows is None:
            return self.options
        rows = talk.value(self.rows)
        return {str(row): () for row in rows} if isinstance(rows, (list, tuple)) else {}

    async def _confirmed(self, talk: Conversation) -> bool | Outcome:
        """Whether the caller says it is right; silence after the read-back is a yes. A command of
        the flow's leads away."""
        assert self.confirm is not None
        said = [talk.utterance(self.confirm)] * CONFIRMS
        return await agree(talk, said, self.listening(talk.flow.listen), silence=True) or False


def _understood(
    wanted: Wanted, heard: Heard, language: str, today: date, refused: Any
) -> tuple[Understood | None, bool]:
    """The first reading of what was heard that the caller has not refused; when they have refused
    all that was said, the first one, and True."""
    if heard.kind is HeardKind.KEYS:
        reading = wanted.keyed(heard.text, language, today)
    else:
        reading = wanted.spoken(heard.text, language, today)
    for one in (reading, *reading.others) if reading else ():
        if one.value not in refused:
            return one, False
    return (None, False) if heard.kind is HeardKind.KEYS else (reading, reading is not None)


def _decimal(value: Any, otherwise: Decimal) -> Decimal:
    return otherwise if value is None else Decimal(str(value))


def _day(value: Any, today: date) -> date | None:
    if value is None or isinstance(value, date):
        return value
    return today if value == "today" else date.fromisoformat(str(value))
