"""What a value is: numbers, days and times out of what databases, callers and JSON give.

Everything here raises `CannotSay` for a value that is not what it is asked to be.
"""

from __future__ import annotations

import functools
import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from ivr.errors import CannotSay
from ivr.sayas.english import ENGLISH
from ivr.sayas.language import Language
from ivr.sayas.turkish import TURKISH

LANGUAGES: dict[str, Language] = {spoken.code: spoken for spoken in (TURKISH, ENGLISH)}
_LARGEST = Decimal(10) ** 15
_LONGEST = 10_000 * 86_400
_NUMBER = re.compile(r"([+-]?)([0-9][0-9., \u00a0\u202f']*)")
_GROUPED = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")
_CLOCK = re.compile(r"(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?")


@functools.lru_cache(maxsize=64)
def language_of(code: str) -> Language:
    """The rules of `tr`, `en`, `tr-TR`, `en_GB` …"""
    spoken = LANGUAGES.get(re.split(r"[-_]", code, maxsplit=1)[0].lower())
    if spoken is None:
        known = ", ".join(LANGUAGES)
        raise CannotSay(f"values cannot be read out in {code!r}; there is {known}")
    return spoken


def shown(value: object) -> str:
    """A value's kind for a message, never the value: it may be secret, and messages are kept."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return f"a text of {len(value)} signs" if value else "an empty text"
    return f"a value of kind {type(value).__name__}"


def as_decimal(value: object, spoken: Language) -> Decimal:
    """A number out of an int, float, Decimal or text.

    Text may be written either way, `1.234,56` or `1,234.56`; where one sign alone stands before
    three digits (`1.234`) the language decides: in Turkish the dot groups, in English the comma.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise CannotSay(f"{shown(value)} is not a number")
    try:
        number = Decimal(_plain_number(value, spoken) if isinstance(value, str) else str(value))
    except InvalidOperation:
        raise CannotSay(f"{shown(value)} is not a number") from None
    if not number.is_finite():
        raise CannotSay(f"{shown(value)} is not a number")
    if abs(number) >= _LARGEST:
        raise CannotSay(f"{shown(value)} has more than 15 digits; say it as digits")
    return number


def _plain_number(text: str, spoken: Language) -> str:
    found = _NUMBER.fullmatch(text.strip())
    if not found:
        raise InvalidOperation
    sign, digits = found[1], re.sub(r"[ \u00a0\u202f']", "", found[2])
    last = max(digits.rfind("."), digits.rfind(","))
    if last < 0:
        return sign + digits
    mark = digits[last]
    groups = mark == ("." if spoken.code == "tr" else ",")
    if digits.count(mark) > 1 or (groups and _GROUPED.fullmatch(digits)):
        return sign + _ungrouped(digits, mark)
    other = "," if mark == "." else "."
    return f"{sign}{_ungrouped(digits[:last], other)}.{digits[last + 1 :]}"


def _ungrouped(digits: str, mark: str) -> str:
    first, *rest = digits.split(mark)
    if not first.isdigit() or not all(len(group) == 3 and group.isdigit() for group in rest):
        raise InvalidOperation
    return first + "".join(rest)


def as_whole(value: object, spoken: Language) -> int:
    """A whole number from 0."""
    number = as_decimal(value, spoken)
    if number != number.to_integral_value() or number < 0:
        raise CannotSay(f"{shown(value)} is not a whole number from 0")
    return int(number)


def as_datetime(value: object, zone: str | None) -> date | datetime:
    """A day, or a moment, out of a date, a datetime or ISO 8601 text; a moment moves to `zone`."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise CannotSay(f"{shown(value)} is not a date; write it as 2026-12-03") from None
    if not isinstance(value, date):
        raise CannotSay(f"{shown(value)} is not a date")
    if isinstance(value, datetime) and value.tzinfo is not None and zone is not None:
        return value.astimezone(_zone(zone))
    return value


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise CannotSay(f"there is no time zone {name!r}; write it as Europe/Istanbul") from None


def as_day(value: object, zone: str | None) -> date:
    """The day of a date, a datetime or ISO 8601 text."""
    when = as_datetime(value, zone)
    return when.date() if isinstance(when, datetime) else when


def as_time(value: object, zone: str | None) -> time:
    """The time of day of a time, a datetime, `14:30`, `14.30` or ISO 8601 text."""
    if isinstance(value, time):
        return value
    if isinstance(value, str) and (found := _CLOCK.fullmatch(value.strip())):
        try:
            return time(int(found[1]), int(found[2]), int(found[3] or 0))
        except ValueError:
            raise CannotSay(f"{shown(value)} is not a time of day") from None
    if isinstance(value, datetime) or (isinstance(value, str) and len(value.strip()) > 10):
        when = as_datetime(value, zone)
        if isinstance(when, datetime):
            return when.time()
    raise CannotSay(f"{shown(value)} is not a time of day")


def as_seconds(value: object, spoken: Language) -> Decimal:
    """A length of time from 0, out of a timedelta or a number of seconds."""
    if isinstance(value, timedelta):
        value = Decimal(value // timedelta(microseconds=1)) / 1_000_000
    seconds = as_decimal(value, spoken)
    if not 0 <= seconds < _LONGEST:
        raise CannotSay("a duration goes from 0 to 10,000 days")
    return seconds
