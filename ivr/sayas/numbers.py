"""Numbers and money in words."""

from __future__ import annotations

import functools
from decimal import ROUND_HALF_UP, Decimal

from babel.numbers import UnknownCurrencyError, get_currency_name, get_currency_precision

from ivr.errors import CannotSay
from ivr.sayas.language import Currency, Language
from ivr.sayas.values import as_decimal, as_whole, language_of


def number(value: object, language: str, *, decimals: int = 6) -> str:
    """A number: `3,14` -> `üç virgül on dört`, `three point one four`.

    Rounded half up to `decimals` places (6 when left alone); zeros at the end are not said.
    """
    spoken = language_of(language)
    amount = _rounded(as_decimal(value, spoken), decimals)
    return _signed(amount, _number(abs(amount), spoken), spoken)


def ordinal(value: object, language: str) -> str:
    """A place in a row: `3` -> `üçüncü`, `third`."""
    spoken = language_of(language)
    return spoken.ordinal(as_whole(value, spoken))


def money(value: object, language: str, *, currency: str = "TRY") -> str:
    """An amount: `459,90` -> `dört yüz elli dokuz lira doksan kuruş`.

    `currency` is an ISO 4217 code. The amount is rounded half up to what the currency has; a
    currency whose hundredths have no name here is said with Babel's name: `12,5 İsveç kronu`.
    """
    spoken = language_of(language)
    code = str(currency).upper()
    precision = _precision(code, spoken.locale)
    if precision is None:
        raise CannotSay(f"{currency!r} is not a currency; write its code, as TRY or EUR")
    amount = _rounded(as_decimal(value, spoken), precision)
    known = spoken.currencies.get(code)
    if known:
        said = _units(abs(amount), known, spoken)
    else:
        name = get_currency_name(code, count=abs(amount), locale=spoken.locale)
        said = f"{_number(abs(amount), spoken)} {name}"
    return _signed(amount, said, spoken)


@functools.lru_cache(maxsize=512)
def _precision(code: str, locale: str) -> int | None:
    """How many decimal places a currency has; None for what is no currency. Babel reads its tables
    anew for each question, which took a third as long as saying the whole amount."""
    try:
        name = get_currency_name(code, locale=locale)
        return None if name == code else get_currency_precision(code)
    except (UnknownCurrencyError, KeyError, ValueError):
        return None


def _units(amount: Decimal, currency: Currency, spoken: Language) -> str:
    units, parts = int(amount), int(amount * 100) % 100
    said = []
    if units or not parts:
        name = currency.unit if units == 1 else currency.units
        said.append(f"{spoken.cardinal(units)} {name}")
    if parts:
        name = currency.part if parts == 1 else currency.parts
        said.append(f"{spoken.cardinal(parts)} {name}")
    return spoken.money_joint.join(said)


def _number(amount: Decimal, spoken: Language) -> str:
    whole, _, behind = f"{amount:f}".partition(".")
    behind = behind.rstrip("0")
    said = spoken.cardinal(int(whole))
    return f"{said} {spoken.point} {spoken.fraction(behind)}" if behind else said


def _signed(amount: Decimal, said: str, spoken: Language) -> str:
    return f"{spoken.minus} {said}" if amount < 0 else said


def _rounded(amount: Decimal, decimals: int) -> Decimal:
    if isinstance(decimals, bool) or not isinstance(decimals, int) or not 0 <= decimals <= 9:
        raise CannotSay(f"decimals must be from 0 to 9, not {decimals!r}")
    return amount.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
