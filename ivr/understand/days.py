"""Days out of words: `yarın`, `3 Aralık`, `gelecek salı`, `the day after tomorrow`. Pure.

Today is given. `candidates` gives every day that the words can mean, the likeliest first: a day and
month without a year can be this year's or the next's, and `gelecek salı` the coming one too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType

from ivr.understand.numerals import cardinal, number_words


@dataclass(frozen=True, slots=True)
class DayWords:
    """A language's words for days. `near` are whole expressions, in days from today."""

    near: Mapping[str, int]
    weekdays: Mapping[str, int]
    months: Mapping[str, int]
    ordinals: Mapping[str, int]
    units: Mapping[str, int]
    later: frozenset[str]
    ago: frozenset[str]
    next: frozenset[str]
    this: frozenset[str]
    next_week: frozenset[str]
    filler: frozenset[str]


def _numbered(*words: str) -> Mapping[str, int]:
    return MappingProxyType({word: number for number, word in enumerate(words, 1)})


_TURKISH_ORDINALS = "biri ikisi üçü dördü beşi altısı yedisi sekizi dokuzu onu"
TURKISH = DayWords(
    near=MappingProxyType(
        {
            "bugün": 0,
            "yarın": 1,
            "dün": -1,
            "öbür gün": 2,
            "ertesi gün": 2,
            "yarından sonra": 2,
            "evvelsi gün": -2,
            "haftaya": 7,
            "haftaya bugün": 7,
        }
    ),
    weekdays=MappingProxyType(
        {
            "pazartesi": 0,
            "salı": 1,
            "çarşamba": 2,
            "perşembe": 3,
            "cuma": 4,
            "cumartesi": 5,
            "pazar": 6,
        }
    ),
    months=_numbered(
        "ocak",
        "şubat",
        "mart",
        "nisan",
        "mayıs",
        "haziran",
        "temmuz",
        "ağustos",
        "eylül",
        "ekim",
        "kasım",
        "aralık",
    ),
    ordinals=MappingProxyType(
        {
            **_numbered(*_TURKISH_ORDINALS.split()),
            "yirmisi": 20,
            "otuzu": 30,
            "birinci": 1,
            "ikinci": 2,
            "üçüncü": 3,
        }
    ),
    units=MappingProxyType({"gün": 1, "hafta": 7}),
    later=frozenset({"sonra", "sonraya"}),
    ago=frozenset({"önce"}),
    next=frozenset({"gelecek"}),
    this=frozenset({"bu", "önümüzdeki"}),
    next_week=frozenset({"haftaya"}),
    filler=frozenset({"günü", "ayın", "ayının", "ta", "te", "da", "de", "için", "olsun", "ı", "i"}),
)
_ENGLISH_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
)
ENGLISH = DayWords(
    near=MappingProxyType(
        {
            "today": 0,
            "tomorrow": 1,
            "yesterday": -1,
            "day after tomorrow": 2,
            "day before yesterday": -2,
            "next week": 7,
        }
    ),
    weekdays=MappingProxyType(
        {
            "monday": 0,
            "tuesday": 1,
            "wednesday": 2,
            "thursday": 3,
            "friday": 4,
            "saturday": 5,
            "sunday": 6,
        }
    ),
    months=_numbered(
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ),
    ordinals=MappingProxyType({**_numbered(*_ENGLISH_ORDINALS.split()), "thirtieth": 30}),
    units=MappingProxyType({"day": 1, "days": 1, "week": 7, "weeks": 7}),
    later=frozenset({"later"}),
    ago=frozenset({"ago"}),
    next=frozenset({"next"}),
    this=frozenset({"this", "coming"}),
    next_week=frozenset(),
    filler=frozenset({"the", "of", "on", "please"}),
)
_TABLES: Mapping[str, DayWords] = MappingProxyType({"tr": TURKISH, "en": ENGLISH})
_WRITTEN_ORDINAL = re.compile(r"(\d{1,2})(?:st|nd|rd|th)")


def vocabulary(language: str) -> tuple[str, ...]:
    """The words a recogniser should expect in a day, besides number words."""
    words = _TABLES[language[:2]]
    tables = (words.near, words.weekdays, words.months, words.ordinals, words.units)
    found = dict.fromkeys(word for table in tables for word in table)
    loose = sorted(words.later | words.ago | words.next | words.this | words.filler)
    return tuple(dict.fromkeys([*found, *loose]))


def candidates(text: str, language: str, today: date) -> Iterator[date]:
    """The days a folded text can mean, the likeliest first."""
    words = _TABLES.get(language[:2])
    if words is None:
        return
    tokens = [token for token in text.split() if token not in words.filler]
    joined = " ".join(tokens)
    if joined in words.near:
        yield today + timedelta(days=words.near[joined])
        return
    yield from _some_days_from_now(tokens, words, language, today)
    yield from _weekday(tokens, words, today)
    yield from _calendar(tokens, words, language, today)


def _some_days_from_now(
    tokens: list[str], words: DayWords, language: str, today: date
) -> Iterator[date]:
    """`üç gün sonra`, `in three days`, `a week ago`."""
    ahead = tokens[:1] == ["in"]
    rest = tokens[1:] if ahead else tokens
    if rest[:1] == ["a"]:
        used, count = 1, 1
    else:
        used, count = cardinal(rest, language)
    unit = words.units.get(rest[used]) if used and used < len(rest) else None
    if unit is None or count > 3660:
        return
    tail = rest[used + 1 :]
    if (ahead and not tail) or (len(tail) == 1 and tail[0] in words.later):
        yield today + timedelta(days=count * unit)
    elif not ahead and len(tail) == 1 and tail[0] in words.ago:
        yield today - timedelta(days=count * unit)


def _weekday(tokens: list[str], words: DayWords, today: date) -> Iterator[date]:
    """`salı`, `bu salı`, `gelecek salı`, `haftaya salı`."""
    if not tokens or tokens[-1] not in words.weekdays or len(tokens) > 2:
        return
    weekday = words.weekdays[tokens[-1]]
    coming = today + timedelta(days=(weekday - today.weekday() - 1) % 7 + 1)
    monday = today + timedelta(days=7 - today.weekday())
    in_next_week = monday + timedelta(days=weekday)
    how = tokens[0] if len(tokens) == 2 else ""
    if how in words.next or how in words.next_week:
        yield in_next_week
        if coming != in_next_week:
            yield coming
    elif not how or how in words.this:
        if how in words.this and today.weekday() == weekday:
            yield today
        yield coming


def _calendar(tokens: list[str], words: DayWords, language: str, today: date) -> Iterator[date]:
    """`3 aralık`, `üç aralık iki bin yirmi altı cuma`, `december third`, `ayın üçü`."""
    weekday = next((words.weekdays[token] for token in tokens if token in words.weekdays), None)
    tokens = [token for token in tokens if token not in words.weekdays]
    months = [at for at, token in enumerate(tokens) if token in words.months]
    if len(months) > 1:
        return
    if not months:
        for number in _day_numbers(tokens, words, language):
            yield from _in_month(number, today)
        return
    at = months[0]
    month = words.months[tokens[at]]
    before, after = tokens[:at], tokens[at + 1 :]
    for number, year in _day_and_year(before, after, words, language):
        days = [day] if year and (day := _date(year, month, number)) else []
        if not year:
            days = years_of(number, month, today)
        if weekday is not None:
            days.sort(key=lambda day: day.weekday() != weekday)
        yield from days


def _day_and_year(
    before: list[str], after: list[str], words: DayWords, language: str
) -> Iterator[tuple[int, int | None]]:
    """The day stands before the month or after it; a year may follow."""
    if before:
        for number in _day_numbers(before, words, language):
            if not after:
                yield number, None
            elif (year := _year(after, language)) is not None:
                yield number, year
        return
    for split in range(len(after), 0, -1):
        for number in _day_numbers(after[:split], words, language):
            if split == len(after):
                yield number, None
            elif (year := _year(after[split:], language)) is not None:
                yield number, year


def _day_numbers(tokens: Sequence[str], words: DayWords, language: str) -> Iterator[int]:
    """A day of the month when all the words make one: `3`, `üç`, `on beşi`, `twenty first`."""
    if not tokens:
        return
    used, number = cardinal(tokens, language)
    if used == len(tokens):
        yield number
        return
    last = words.ordinals.get(tokens[-1]) or _written_ordinal(tokens[-1])
    if last is None:
        return
    tens = number_words(language).tens.get(tokens[0], 0) if len(tokens) == 2 else 0
    if len(tokens) == 1:
        yield last
    elif tens and last < 10:
        yield tens + last


def _written_ordinal(token: str) -> int | None:
    found = _WRITTEN_ORDINAL.fullmatch(token)
    return int(found[1]) if found else None


def _year(tokens: Sequence[str], language: str) -> int | None:
    """`2026`, `iki bin yirmi altı`, `twenty twenty six`; two digits are of this century."""
    used, number = cardinal(tokens, language)
    if used == len(tokens) and 1900 <= number <= 2199:
        return number
    if used == len(tokens) and 0 <= number <= 99 and number > 12:
        return 2000 + number
    for split in range(1, len(tokens)):
        one, century = cardinal(tokens[:split], language)
        two, rest = cardinal(tokens[split:], language)
        if one == split and two == len(tokens) - split and century in (19, 20, 21) and rest < 100:
            return century * 100 + rest
    return None


def _in_month(number: int, today: date) -> Iterator[date]:
    """`ayın üçü`: the next one, then the last one."""
    months = [(today.year, today.month + shift) for shift in (0, 1, 2, -1)]
    normal = [(year + (month - 1) // 12, (month - 1) % 12 + 1) for year, month in months]
    days = [day for year, month in normal if (day := _date(year, month, number)) is not None]
    days.sort(key=lambda day: (day < today, abs((day - today).days)))
    yield from days[:3]


def years_of(day: int, month: int, today: date) -> list[date]:
    """A day and month of this, the next or the last year: what is to come first, then the nearest.

    29 February is looked for in the leap years around.
    """
    reach = 4 if (day, month) == (29, 2) else 1
    years = range(today.year - reach, today.year + reach + 1)
    found = [one for year in years if (one := _date(year, month, day)) is not None]
    return sorted(found, key=lambda one: (one < today, abs((one - today).days)))


def _date(year: int, month: int, day: int) -> date | None:
    if not (1 <= day <= 31 and 1 <= year <= 9999):
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None
