"""What differs from one language to the next when values are read out, and who has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Currency:
    """How a currency is called: one of it, many of it, one hundredth of it, many hundredths."""

    unit: str
    units: str
    part: str
    parts: str


@dataclass(frozen=True, slots=True)
class Language:
    """One language's own rules; everything else about it comes from Babel (`locale`).

    `cardinal` and `ordinal` take whole numbers from 0; `fraction` takes the digits behind the
    decimal sign; `clock` an hour (0-23) and a minute; `phone_group` one group of a phone number.
    `alphabet` holds the capital letters that have a name; `marks` names what is not a letter.
    """

    code: str
    locale: str
    minus: str
    point: str
    money_joint: str
    duration_joint: str
    alphabet: str
    marks: Mapping[str, str]
    currencies: Mapping[str, Currency]
    near_days: Mapping[int, str]
    cardinal: Callable[[int], str]
    ordinal: Callable[[int], str]
    fraction: Callable[[str], str]
    clock: Callable[[int, int], str]
    phone_group: Callable[[str], str]
    upper: Callable[[str], str]
    lower: Callable[[str], str]
