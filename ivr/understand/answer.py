"""What an answer was understood as, and the port of everything that understands answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Understood:
    """A value, the words that read it back to the caller, and how sure we are (0 to 1).

    `others` are further readings, the next likely first: what to offer when the caller says no.
    """

    value: Any
    said: str
    confidence: float = 1.0
    others: tuple[Understood, ...] = ()


class Wanted(Protocol):
    """A kind of answer. Languages are `tr` and `en`; `today` matters to days only."""

    def words(self, language: str) -> tuple[str, ...]:
        """The phrases that a recogniser should expect."""
        ...

    def spoken(self, text: str, language: str, today: date) -> Understood | None:
        """What the words mean; None when they are no such answer."""
        ...

    def keyed(self, keys: str, language: str, today: date) -> Understood | None:
        """What the keys mean; None when they are no such answer."""
        ...
