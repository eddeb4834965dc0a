"""The kinds of answer a question can want, by word and by key: yes or no, digits, numbers, amounts,
phone numbers and days. (One of a list: `choice.py`.)"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from types import MappingProxyType

import phonenumbers

from ivr.sayas import FILTERS, LANGUAGES
from ivr.understand import days
from ivr.understand.answer import Understood
from ivr.understand.numerals import decimal, digit_readings, number_words
from ivr.words import fold

LONGEST_TEXT = 400  # characters; nobody says more in one answer that we could understand
MOST_OTHERS = 3  # further readings of a phone number that are offered

_YES = MappingProxyType(
    {
        "tr": "evet|tamam|olur|doğru|aynen|tabii|tabi|kabul|peki|onayla|onaylıyorum|hı hı|elbette",
        "en": "yes|yeah|yep|yup|correct|right|sure|ok|okay|confirm|of course|that s right|aye",
    }
)
_NO = MappingProxyType(
    {
        "tr": "hayır|yok|olmaz|yanlış|istemiyorum|istemem|değil|iptal|hiç",
        "en": "no|nope|nah|not|wrong|incorrect|cancel|never|don t",
    }
)
_SAID = MappingProxyType({"tr": ("evet", "hayır"), "en": ("yes", "no")})


def _table(tables: Mapping[str, str], language: str) -> tuple[str, ...]:
    return tuple(filter(None, tables.get(language[:2], "").split("|")))


def _plain(language: str) -> tuple[str, str]:
    """Yes and no as they are said back; in a language without words of ours, in English."""
    return _SAID.get(language[:2], _SAID["en"])


def _tokens(text: str, language: str) -> list[str]:
    return fold(text[:LONGEST_TEXT], language).split()


@dataclass(frozen=True, slots=True)
class YesNo:
    """True or False. A word of refusal wins over one of agreement: `doğru değil` is a no."""

    yes_key: str = "1"
    no_key: str = "2"

    def words(self, language: str) -> tuple[str, ...]:
        return (*_table(_YES, language), *_table(_NO, language))

    def spoken(self, text: str, language: str, today: date) -> Understood | None:
        padded = f" {' '.join(_tokens(text, language))} "
        yes = [word for word in _table(_YES, language) if f" {word} " in padded]
        no = [word for word in _table(_NO, language) if f" {word} " in padded]
        plain_yes, plain_no = _plain(language)
        if (plain_yes in yes and plain_no in no) or not (yes or no):
            return None
        return self._understood(not no, language)

    def keyed(self, keys: str, language: str, today: date) -> Understood | None:
        if keys not in (self.yes_key, self.no_key):
            return None
        return self._understood(keys == self.yes_key, language)

    def _understood(self, value: bool, language: str) -> Understood:
        return Understood(value, _plain(language)[0 if value else 1])


@dataclass(frozen=True, slots=True)
class Digits:
    """A string of digits, such as an order number; `beş yüz otuz iki` is 532."""

    min: int = 1
    max: int = 32

    def words(self, language: str) -> tuple[str, ...]:
        table = number_words(language)
        return (*table.vocabulary(), *table.times)

    def spoken(self, text: str, language: str, today: date) -> Understood | None:
        readings = digit_readings(_tokens(text, language), language)
        lengths = [found for length, found in readings.items() if self.min <= length <= self.max]
        right = [digits for found in lengths for digits in found]
        if not right:
            return None
        others = tuple(self._understood(digits, language) for digits in right[1:3])
        best = self._understood(right[0], language)
        return Understood(best.value, best.said, 1.0 if len(right) == 1 else 0.8, others)

    def keyed(self, keys: str, language: str, today: date) -> Understood | None:
        if not (keys.isascii() and keys.isdecimal() and self.min <= len(keys) <= self.max):
            return None
        return self._understood(keys, language)

    def _understood(self, digits: str, language: str) -> Understood:
        return Understood(digits, FILTERS["digits"](digits, language))


@dataclass(frozen=True, slots=True)
class Number:
    """A number between two bounds, both included. By key a star is the decimal sign."""

    low: Decimal = Decimal(0)
    high: Decimal = Decimal(10**15 - 1)
    whole: bool = True

    def words(self, language: str) -> tuple[str, ...]:
        table = number_words(language)
        signs: Iterable[str] = () if self.whole else sorted(table.point)
        minus: Iterable[str] = sorted(table.minus) if self.low < 0 else ()
        return (*table.vocabulary(), *signs, *minus)

    def spoken(self, text: str, language: str, today: date) -> Understood | None:
        tokens = _tokens(text, language)
        used, value = decimal(tokens, language)
        if not used or used < len(tokens):
            return None
        return self._understood(value, language)

    def keyed(self, keys: str, language: str, today: date) -> Understood | None:
        value = _keyed_decimal(keys)
        return None if value is None else self._understood(value, language)

    def _understood(self, value: Decimal, language: str) -> Understood | None:
        whole = value == value.to_integral_value()
        if not self.low <= value <= self.high or (self.whole and not whole):
            return None
        kept = int(value) if self.whole else value
        return Understood(kept, FILTERS["number"](value, language))


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of money: `dört yüz elli lira doksan kuruş`, `iki buçuk lira`, keys `450*90`."""

    currency: str = "TRY"
    low: Decimal = Decimal(0)
    high: Decimal = Decimal(10**12)

    def words(self, language: str) -> tuple[str, ...]:
        units, parts = self._names(language)
        table = number_words(language)
        extra = [*table.half_after, *sorted(table.point), table.half, *sorted(table.joints)]
        return tuple(dict.fromkeys([*table.vocabulary(), *units, *parts, *extra]))

    def spoken(self, text: str, language: str, today: date) -> Understood | None:
        units, parts = self._names(language)
        tokens = _tokens(text, language)
        used, first = decimal(tokens, language)
        if not used:
            return None
        name, rest = tokens[used : used + 1], tokens[used + 1 :]
        if not name:
            return self._understood(first, language)
        if name[0] in units:
            behind = self._behind(rest, parts, language)
            whole = first == first.to_integral_value()
            if behind is None or (behind and not whole):
                return None
            return self._understood(first + (behind if first >= 0 else -behind), language)
        return self._understood(first / 100, language) if name[0] in parts and not rest else None

    def _behind(self, tokens: list[str], parts: frozenset[str], language: str) -> Decimal | None:
        """What follows `lira`: nothing, a half, `doksan` or `doksan kuruş`; None for more."""
        table = number_words(language)
        if tuple(tokens) == table.half_after:
            return Decimal("0.5")
        tokens = [token for token in tokens if token not in table.joints]
        if not tokens:
            return Decimal(0)
        used, hundredths = decimal(tokens, language)
        tail = tokens[used:]
        if not used or not 0 <= hundredths < 100 or len(tail) > 1:
            return None
        return None if tail and tail[0] not in parts else hundredths / 100

    def keyed(self, keys: str, language: str, today: date) -> Understood | None:
        value = _keyed_decimal(keys)
        return None if value is None else self._understood(value, language)

    def _names(self, language: str) -> tuple[frozenset[str], frozenset[str]]:
        name = LANGUAGES[language[:2]].currencies.get(self.currency)
        if name is None:
            return frozenset(), frozenset()
        return frozenset({name.unit, name.units}), frozenset({name.part, name.parts})

    def _understood(self, value: Decimal, language: str) -> Understood | None:
        if not self.low <= value <= self.high:
            return None  # before it is rounded: quantize() refuses more digits than it can hold
        cents = value.quantize(Decimal("0.01"))
        if cents != value:
            return None
        return Understood(cents, FILTERS["money"](cents, language, currency=self.currency))


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone number that can exist, as E.164; `region` is where a number without `+` belongs."""

    region: str = "TR"

    def words(self, language: str) -> tuple[str, ...]:
        plus = LANGUAGES[language[:2]].marks["+"]
        return (*Digits().words(language), plus)

    def spoken(self, text: str, language: str, today: date) -> Understood | None:
        tokens = _tokens(text, language)
        plus = LANGUAGES[language[:2]].marks["+"]
        sign = "+" if tokens[:1] == [plus] else ""
        readings = digit_readings(tokens[1:] if sign else tokens, language)
        every = (
            self.keyed(sign + digits, language, today)
            for length, alternatives in readings.items()
            for digits in (alternatives if 4 <= length <= 16 else ())
        )
        found = list({one.value: one for one in every if one is not None}.values())
        if len(found) < 2:
            return found[0] if found else None
        # Üç yüz seksen iki yüz: 380 200 or 382 100. Said in groups again both would sound the same.
        first, *others = (_digit_by_digit(one, language, self.region) for one in found)
        return replace(first, confidence=0.8, others=tuple(others[:MOST_OTHERS]))

    def keyed(self, keys: str, language: str, today: date) -> Understood | None:
        if not re.fullmatch(r"\+?[0-9]{4,16}", keys):
            return None
        text = "+" + keys[2:] if keys.startswith("00") else keys
        try:
            number = phonenumbers.parse(text, self.region)
        except phonenumbers.NumberParseException:
            return None
        if not phonenumbers.is_valid_number(number):
            return None
        value = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        return Understood(value, FILTERS["phone"](value, language, region=self.region))


@dataclass(frozen=True, slots=True)
class Day:
    """A day between two bounds, both included. Keys: day, month and perhaps year, `0312[2026]`."""

    earliest: date | None = None
    latest: date | None = None

    def words(self, language: str) -> tuple[str, ...]:
        return tuple(
            dict.fromkeys([*days.vocabulary(language), *number_words(language).vocabulary()])
        )

    def spoken(self, text: str, language: str, today: date) -> Understood | None:
        found = days.candidates(" ".join(_tokens(text, language)), language, today)
        return self._understood(list(found), language, today)

    def keyed(self, keys: str, language: str, today: date) -> Understood | None:
        if not keys.isdecimal() or len(keys) not in (4, 6, 8):
            return None
        day, month, year = int(keys[:2]), int(keys[2:4]), keys[4:]
        if not year:
            return self._understood(days.years_of(day, month, today), language, today)
        try:
            found = date(int(year) if len(year) == 4 else 2000 + int(year), month, day)
        except ValueError:
            return None
        return self._understood([found], language, today)

    def _understood(self, found: list[date], language: str, today: date) -> Understood | None:
        first, last = self.earliest or date.min, self.latest or date.max
        allowed = list(dict.fromkeys(day for day in found if first <= day <= last))
        if not allowed:
            return None
        read = [Understood(day, FILTERS["date"](day, language, today=today)) for day in allowed]
        return Understood(read[0].value, read[0].said, 1.0, tuple(read[1:3]))


def _digit_by_digit(phone: Understood, language: str, region: str) -> Understood:
    number = phonenumbers.parse(phone.value)
    if phonenumbers.region_code_for_number(number) != region:
        return phone
    return replace(phone, said=FILTERS["digits"](f"0{number.national_number}", language))


def _keyed_decimal(keys: str) -> Decimal | None:
    """`450*90` is 450.90; a star is the decimal sign."""
    if not re.fullmatch(r"[0-9]{1,15}(\*[0-9]{1,6})?", keys):
        return None
    try:
        return Decimal(keys.replace("*", "."))
    except InvalidOperation:
        return None
