"""What values sound like, as text: the filters that the expression language installs. Pure.

Every filter is `filter(value, language, **options) -> str` and raises `CannotSay` (a ValueError)
for a value it has no words for. A language is one file: see `turkish.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from ivr.errors import CannotSay
from ivr.sayas import lists, numbers, symbols, when
from ivr.sayas.letters import lower, turkish_lower, turkish_upper, upper
from ivr.sayas.values import LANGUAGES, language_of

Filter = Callable[..., str]
"""`filter(value, language, **options)`; `language` may be given by name. Options are by name."""

FILTERS: Mapping[str, Filter] = MappingProxyType(
    {
        "digits": symbols.digits,
        "spell": symbols.spell,
        "phone": symbols.phone,
        "number": numbers.number,
        "ordinal": numbers.ordinal,
        "money": numbers.money,
        "date": when.date,
        "time": when.time,
        "duration": when.duration,
        "list": lists.join,
        "lower": lower,
        "upper": upper,
    }
)
__all__ = [
    "FILTERS",
    "LANGUAGES",
    "CannotSay",
    "Filter",
    "language_of",
    "lower",
    "turkish_lower",
    "turkish_upper",
    "upper",
]
