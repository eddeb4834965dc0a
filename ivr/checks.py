"""Checksums of the numbers callers key: cards, Turkish identity and tax numbers. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final


def luhn(digits: str) -> bool:
    """Card numbers (ISO/IEC 7812-1, annex B)."""
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if index % 2 else 1)
        total += value - 9 if value > 9 else value
    return bool(digits) and total % 10 == 0


def tckn(digits: str) -> bool:
    """The Turkish identity number: eleven digits, the last two are check digits."""
    if len(digits) != 11 or digits[0] == "0":
        return False
    numbers = [int(digit) for digit in digits]
    tenth = (7 * sum(numbers[0:9:2]) - sum(numbers[1:8:2])) % 10
    return numbers[9] == tenth and numbers[10] == sum(numbers[:10]) % 10


def vkn(digits: str) -> bool:
    """The Turkish tax number: ten digits, the last is the check digit."""
    if len(digits) != 10:
        return False
    total = 0
    for index, digit in enumerate(digits[:9]):
        shifted = (int(digit) + 9 - index) % 10
        part = shifted * 2 ** (9 - index) % 9
        total += 9 if shifted and not part else part
    return int(digits[9]) == -total % 10


CHECKS: Final[Mapping[str, Callable[[str], bool]]] = {"luhn": luhn, "tckn": tckn, "vkn": vkn}
