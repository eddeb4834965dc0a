"""One of a list that is known only during the call, such as the rows of a lookup."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from difflib import SequenceMatcher

from ivr.understand.answer import Understood
from ivr.words import fold

CLOSE = 0.75  # a likeness below this is another word
_ASCII = str.maketrans("çğıöşüâîû", "cgiosuaiu")


@dataclass(frozen=True, slots=True)
class OneOf:
    """`options`: what each is called first, and what else it may be called.

    `{"kırmızı ayakkabı": ("ayakkabı",), "mavi gömlek": ()}`. The value is the first name. Keys
    count from 1 in the order given.
    """

    options: Mapping[str, tuple[str, ...]]
    close: float = CLOSE

    def words(self, language: str) -> tuple[str, ...]:
        found = [fold(name, language) for names in self._names() for name in names]
        return tuple(dict.fromkeys(filter(None, found)))

    def spoken(self, text: str, language: str, today: date) -> Understood | None:
        said = fold(text, language)
        if not said:
            return None
        scored = sorted(
            (
                (max(_likeness(said, fold(name, language)) for name in names), -at, names[0])
                for at, names in enumerate(self._names())
            ),
            reverse=True,
        )
        near = [(score, name) for score, _, name in scored if score >= self.close]
        if not near:
            return None
        (best, name), rest = near[0], near[1:]
        sure = best - (0.5 if rest and rest[0][0] >= best else 0.0)  # two fit as well: ask again
        others = tuple(Understood(other, other, round(score, 3)) for score, other in rest[:3])
        return Understood(name, name, round(sure, 3), others)

    def keyed(self, keys: str, language: str, today: date) -> Understood | None:
        if not keys.isdecimal() or not 1 <= int(keys) <= len(self.options):
            return None
        name = list(self.options)[int(keys) - 1]
        return Understood(name, name)

    def _names(self) -> list[tuple[str, ...]]:
        return [(name, *more) for name, more in self.options.items()]


def _likeness(said: str, name: str) -> float:
    """1 for the same words, less for one inside the other or for letters that are nearly so."""
    if said == name:
        return 1.0
    if not name:
        return 0.0
    if f" {name} " in f" {said} ":
        return 0.95
    if f" {said} " in f" {name} ":
        return 0.75 + 0.2 * len(said) / len(name)
    plain_said, plain_name = said.translate(_ASCII), name.translate(_ASCII)
    whole = SequenceMatcher(None, plain_said, plain_name, autojunk=False).ratio()
    return min(0.94, whole)
