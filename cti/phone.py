"""Telephone numbers: E.164 (`+905321112233`) everywhere inside, whatever people and lines write."""

from __future__ import annotations

import functools
import re
from typing import Final

from ivr.errors import BadInput

REGION: Final = "TR"  # whose rules read a number without a country
_E164: Final = re.compile(r"\+[1-9][0-9]{7,14}")


def e164(number: str, region: str = REGION) -> str:
    """The number in E.164; `BadInput` when it cannot be a telephone number (an extension, say).

    Source: ITU-T E.164; libphonenumber's numbering plans.
    """
    written = number.strip()
    if _E164.fullmatch(written):
        return written
    found = _read(written, region)
    if found is None:
        raise BadInput(f"{number!r} is not a telephone number; write it like +90 532 111 22 33")
    return found


def e164_or_same(number: str, region: str = REGION) -> str:
    """The number in E.164, or what was given when it is no telephone number: never raises."""
    written = number.strip()
    return written if _E164.fullmatch(written) else _read(written, region) or written


def national(number: str) -> str:
    """The digits of an E.164 number without its country: they are in every way of writing it."""
    import phonenumbers

    return str(phonenumbers.parse(number, None).national_number)


@functools.lru_cache(maxsize=4096)
def _read(number: str, region: str) -> str | None:
    import phonenumbers  # 50 ms and 10 MB; only who gets a number in another form needs it

    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
