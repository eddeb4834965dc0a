"""Where a telephone number is at home: its country, and the time zones people who have it live in.

Source: libphonenumber's metadata (the package phonenumbers).
"""

from __future__ import annotations

import functools
from typing import Final

NOWHERE: Final = frozenset({"Etc/Unknown"})


@functools.lru_cache(maxsize=4096)
def country_of(phone: str) -> str:
    """The country of an E.164 number as `TR`; empty for none (a satellite telephone, say)."""
    import phonenumbers

    code = phonenumbers.region_code_for_number(phonenumbers.parse(phone, None))
    return code if code and len(code) == 2 and code.isalpha() else ""


@functools.lru_cache(maxsize=4096)
def zones_of(phone: str) -> tuple[str, ...]:
    """Every time zone that an E.164 number may be in; empty when nothing is known of it."""
    import phonenumbers
    from phonenumbers import timezone

    found = timezone.time_zones_for_number(phonenumbers.parse(phone, None))
    return tuple(sorted(set(found) - NOWHERE))


@functools.lru_cache(maxsize=4096)
def is_premium(phone: str) -> bool:
    """Whether the call costs more than a call, and somebody may earn by it."""
    import phonenumbers

    kind = phonenumbers.number_type(phonenumbers.parse(phone, None))
    costly = phonenumbers.PhoneNumberType
    return kind in {costly.PREMIUM_RATE, costly.SHARED_COST}
