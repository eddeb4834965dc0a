"""Several things in one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from babel.lists import format_list

from ivr.errors import CannotSay
from ivr.sayas.values import language_of, shown


def join(value: object, language: str, *, last: str = "and") -> str:
    """Joins texts: `elma, armut ve muz`, `apples, pears and plums`; `last: or` says `veya`."""
    spoken = language_of(language)
    if last not in ("and", "or"):
        raise CannotSay(f"last must be `and` or `or`, not {last!r}")
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise CannotSay(f"{shown(value)} is not a list")
    items = [_item(item) for item in value]
    if not items:
        raise CannotSay("the list is empty; there is nothing to read out")
    return format_list(items, "standard" if last == "and" else "or", locale=spoken.locale)


def _item(item: object) -> str:
    if isinstance(item, bool) or not isinstance(item, str | int | Decimal):
        raise CannotSay(f"{shown(item)} in a list is neither a text nor a number")
    if not (text := str(item).strip()):
        raise CannotSay("a text in the list is empty")
    return text
