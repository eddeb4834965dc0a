"""Days, times and durations in words."""

from __future__ import annotations

import re
from datetime import date as Date
from datetime import timedelta
from decimal import ROUND_HALF_UP
from typing import Literal

from babel.dates import format_date, format_timedelta, get_date_format

from ivr.errors import CannotSay
from ivr.sayas.language import Language
from ivr.sayas.values import as_day, as_seconds, as_time, language_of, shown

_Unit = Literal["day", "hour", "minute", "second"]
_UNITS: tuple[tuple[_Unit, int], ...] = (
    ("day", 86_400),
    ("hour", 3_600),
    ("minute", 60),
    ("second", 1),
)


def date(
    value: object,
    language: str,
    *,
    today: Date | str | None = None,
    year: bool | None = None,
    zone: str | None = None,
) -> str:
    """A day: `2026-12-03` -> `3 Aralık Perşembe`, `Thursday, 3 December`.

    With `today` given, the days around it are `dün`, `bugün`, `yarın`, and the year is said when it
    is another one; `year` decides it by hand. `zone` (Europe/Istanbul) is where a moment's day is
    taken.
    """
    spoken = language_of(language)
    day = as_day(value, zone)
    if today is not None:
        now = as_day(today, zone)
        near = spoken.near_days.get((day - now).days)
        if near and not year:
            return near
        year = day.year != now.year if year is None else year
    pattern = get_date_format("full", locale=spoken.locale).pattern
    return format_date(day, pattern if year else pattern.replace(" y", ""), locale=spoken.locale)


def time(value: object, language: str, *, zone: str | None = None) -> str:
    """A time of day: `14:30` -> `on dört otuz`, `two thirty PM`. Seconds are not said."""
    spoken = language_of(language)
    when = as_time(value, zone)
    return spoken.clock(when.hour, when.minute)


def duration(value: object, language: str, *, units: int = 2) -> str:
    """A length of time in seconds, or a timedelta: `8100` -> `iki saat on beş dakika`.

    At most `units` units are said, the largest first, the rest rounded half up into the last.
    """
    spoken = language_of(language)
    if isinstance(units, bool) or not isinstance(units, int) or not 1 <= units <= len(_UNITS):
        raise CannotSay(f"units must be from 1 to {len(_UNITS)}, not {shown(units)}")
    left = int(as_seconds(value, spoken).to_integral_value(ROUND_HALF_UP))
    largest = _largest(left)
    smallest = _UNITS[min(largest + units, len(_UNITS)) - 1][1]
    left = (left + smallest // 2) // smallest * smallest
    said: list[str] = []
    for unit, seconds in _UNITS[_largest(left) :][:units]:
        count, left = divmod(left, seconds)
        if count or (not left and not said):
            said.append(_counted(count, unit, spoken))
    return spoken.duration_joint.join(said)


def _counted(count: int, unit: _Unit, spoken: Language) -> str:
    """`2`, `day` -> `iki gün`. (Babel's `format_unit` has no long Turkish day; this has.)"""
    length = timedelta(**{f"{unit}s": count})
    written = format_timedelta(length, unit, threshold=10**9, locale=spoken.locale)
    return re.sub(r"\d[\d.,]*", spoken.cardinal(count), written)


def _largest(seconds: int) -> int:
    """The place in `_UNITS` of the largest unit that fits; seconds when none does."""
    fits = (place for place, (_, size) in enumerate(_UNITS) if seconds >= size)
    return next(fits, len(_UNITS) - 1)
