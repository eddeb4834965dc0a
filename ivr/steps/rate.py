"""`rate`: take a survey answer."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from ivr import events
from ivr.call import Heard, HeardKind, Keys
from ivr.expressions import Template
from ivr.steps.asking import Asking
from ivr.steps.base import NEXT, Name, Outcome, Target
from ivr.steps.listening import Taken
from ivr.understand import Number

if TYPE_CHECKING:
    from ivr.conversation import Conversation

SCALES = {"1-5": range(1, 6), "0-10": range(11)}


class Rate(Asking):
    """Ask for a mark and keep it as a number: `1-5` for satisfaction, `0-10` for the net promoter
    score. `question` names the survey question in the reports, `product` what it is about."""

    type: Literal["rate"]
    question: Name
    scale: Literal["1-5", "0-10"] = "1-5"
    product: Template | None = None
    save: Name
    next: Target

    def exits(self) -> Mapping[Outcome, Target]:
        return {NEXT: self.next} | dict(super().exits())

    def sets(self) -> Mapping[str, frozenset[Outcome] | None]:
        return {self.save: frozenset({NEXT})}

    def keeps(self) -> frozenset[str]:
        return frozenset({self.save})

    def listens_seconds(self) -> float:
        return Keys().first

    async def run(self, talk: Conversation) -> Outcome:
        marks = SCALES[self.scale]
        longest = len(str(marks[-1]))
        keys = Keys(1, longest, "#" if longest > 1 else "", between=2.0)

        wanted = Number(Decimal(marks[0]), Decimal(marks[-1]))
        today = talk.services.clock.now().date()

        def understood(heard: Heard) -> Taken | None:
            read = wanted.keyed if heard.kind is HeardKind.KEYS else wanted.spoken
            found = read(heard.text.strip(), talk.language, today)
            return None if found is None else Taken(str(found.value), found.said)

        words = wanted.words(talk.language)
        outcome, mark = await self.put(talk, keys, words, understood)
        if outcome is None:
            about = str(talk.value(self.product) or "")[:200] if self.product else ""
            talk.note(events.Rated(self.question, self.scale, int(mark), about))
            talk.set(self.save, int(mark))
        return outcome or NEXT
