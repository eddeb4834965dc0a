"""What is read out sign by sign: digits, order numbers, names that are spelled, phone numbers."""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal

import phonenumbers

from ivr.errors import CannotSay
from ivr.sayas.language import Language
from ivr.sayas.values import language_of, shown

LONGEST = 100
_SEPARATORS = frozenset(" \u00a0-–—./_:")
_PHONE_SIGNS = re.compile(r"\+?[\d\s()./-]*\d[\d\s()./-]*")


def digits(value: object, language: str, *, group: int | None = None) -> str:
    """Digit by digit: `1204` -> `bir iki sıfır dört`; `A-1204` keeps its letter, as `A`.

    A comma (a short pause) stands where the value has a separator, between letters and digits, and
    after every `group` digits. Left alone, runs of more than six digits are grouped in threes;
    `group: 0` never groups.
    """
    spoken = language_of(language)
    if group is not None and (isinstance(group, bool) or not isinstance(group, int) or group < 0):
        raise CannotSay(f"group must be a whole number from 0, not {group!r}")
    said: list[str] = []
    for word in _words(_text(value)):
        for numeric, run in itertools.groupby(word, _is_digit):
            words = _signs(run, spoken)
            said += _grouped(words, group) if numeric else [" ".join(words)]
    return ", ".join(said)


def spell(value: object, language: str) -> str:
    """Sign by sign, marks by name: `Ali@x.com` -> `A L İ, et, X, nokta, C O M`."""
    spoken = language_of(language)
    said: list[str] = []
    for mark, run in itertools.groupby(_text(value), spoken.marks.get):
        signs = list(run)
        said += [mark] * len(signs) if mark else [" ".join(_signs(signs, spoken))]
    return ", ".join(said)


def phone(value: object, language: str, *, region: str = "TR") -> str:
    """A phone number in the groups people say: `sıfır beş yüz otuz iki, yüz on bir, yirmi iki …`.

    A number of `region` (ISO 3166) is said as dialled inside it, any other with its country code. A
    number no country has, such as an extension, is said digit by digit.
    """
    spoken = language_of(language)
    text = _text(value)
    if not _PHONE_SIGNS.fullmatch(text):
        raise CannotSay(f"{shown(value)} is not a phone number")
    if region.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise CannotSay(f"{region!r} is not a country; write its code, as TR or DE")
    try:
        parsed = phonenumbers.parse(text, region.upper())
    except phonenumbers.NumberParseException:
        return digits(text.lstrip("+"), language)
    if not phonenumbers.is_possible_number(parsed):
        return digits(text.lstrip("+"), language)
    home = parsed.country_code == phonenumbers.country_code_for_region(region.upper())
    form = phonenumbers.PhoneNumberFormat
    written = phonenumbers.format_number(parsed, form.NATIONAL if home else form.INTERNATIONAL)
    groups = ", ".join(spoken.phone_group(group) for group in re.findall(r"\d+", written))
    return groups if home else f"{spoken.marks['+']} {groups}"


def _text(value: object) -> str:
    """The signs of a text or a whole number."""
    if isinstance(value, float):
        value = Decimal(value)
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise CannotSay(f"{shown(value)} cannot be read out sign by sign")
    if isinstance(value, int) and value < 0:
        raise CannotSay("a number below 0 cannot be read out as digits")
    text = unicodedata.normalize("NFC", str(value)).strip()
    if not text:
        raise CannotSay("there is nothing to read out")
    if len(text) > LONGEST:
        raise CannotSay(f"{shown(value)} is too long; at most {LONGEST} signs are read out")
    return text


def _words(text: str) -> list[str]:
    signs = "".join(" " if sign in _SEPARATORS else sign for sign in text)
    if not (words := signs.split()):
        raise CannotSay(f"{shown(text)} has neither letters nor digits")
    return words


def _is_digit(sign: str) -> bool:
    return unicodedata.digit(sign, None) is not None and sign.isdecimal()


def _signs(signs: Iterable[str], spoken: Language) -> list[str]:
    """Digits as words; letters as capitals of the language's alphabet, without foreign accents."""
    said: list[str] = []
    for sign in signs:
        if _is_digit(sign):
            said.append(_digit(unicodedata.digit(sign), spoken.code))
        else:
            said += [_letter(capital, spoken) for capital in spoken.upper(sign)]
    return said


@functools.lru_cache(maxsize=64)
def _digit(digit: int, language: str) -> str:
    return language_of(language).cardinal(digit)


def _letter(sign: str, spoken: Language) -> str:
    plain = sign if sign in spoken.alphabet else unicodedata.normalize("NFKD", sign)[0]
    if plain not in spoken.alphabet:
        raise CannotSay(f"{sign!r} has no name in the language {spoken.code!r}")
    return plain


def _grouped(words: list[str], group: int | None) -> list[str]:
    size = (3 if len(words) > 6 else 0) if group is None else group
    if size == 0:
        return [" ".join(words)]
    cuts = list(range(0, len(words), size))
    if len(cuts) > 1 and len(words) - cuts[-1] == 1:  # no lonely digit at the end
        cuts.pop()
    return [" ".join(words[at:to]) for at, to in zip(cuts, [*cuts[1:], len(words)], strict=True)]
