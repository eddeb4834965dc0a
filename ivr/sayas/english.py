"""English, as it is read out: British dates, numbers without `and` (it belongs to the money)."""

from __future__ import annotations

from functools import cache
from types import MappingProxyType

from num2words import num2words

from ivr.sayas.language import Currency, Language


@cache
def _digit(digit: str) -> str:
    return str(num2words(int(digit), lang="en"))


def _plain(words: str) -> str:
    return words.replace(",", "").replace(" and ", " ")


def cardinal(number: int) -> str:
    """`459` -> `four hundred fifty-nine`."""
    return _plain(num2words(number, lang="en"))


def ordinal(number: int) -> str:
    """`21` -> `twenty-first`."""
    return _plain(num2words(number, lang="en", to="ordinal"))


def each_digit(digits: str) -> str:
    """`05` -> `zero five`."""
    return " ".join(_digit(digit) for digit in digits)


def clock(hour: int, minute: int) -> str:
    """`14:30` -> `two thirty PM`; 0:00 is midnight, 12:00 noon."""
    if minute == 0 and hour in (0, 12):
        return "midnight" if hour == 0 else "noon"
    said = [cardinal((hour - 1) % 12 + 1)]
    if minute:
        said.append(f"oh {cardinal(minute)}" if minute < 10 else cardinal(minute))
    return " ".join([*said, "AM" if hour < 12 else "PM"])


ENGLISH = Language(
    code="en",
    locale="en_GB",
    minus="minus",
    point="point",
    money_joint=" and ",
    duration_joint=" and ",
    alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    marks=MappingProxyType(
        {
            "@": "at",
            ".": "dot",
            ",": "comma",
            ":": "colon",
            "-": "dash",
            "_": "underscore",
            "/": "slash",
            "\\": "backslash",
            "+": "plus",
            "&": "and",
            "#": "hash",
            "*": "star",
            "'": "apostrophe",
            " ": "space",
        }
    ),
    currencies=MappingProxyType(
        {
            "TRY": Currency("lira", "lira", "kurus", "kurus"),
            "EUR": Currency("euro", "euros", "cent", "cents"),
            "USD": Currency("dollar", "dollars", "cent", "cents"),
            "GBP": Currency("pound", "pounds", "penny", "pence"),
        }
    ),
    near_days=MappingProxyType({-1: "yesterday", 0: "today", 1: "tomorrow"}),
    cardinal=cardinal,
    ordinal=ordinal,
    fraction=each_digit,
    clock=clock,
    phone_group=each_digit,
    upper=str.upper,
    lower=str.lower,
)
