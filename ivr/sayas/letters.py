"""Capital and small letters where the language matters: Turkish has two letters i."""

from __future__ import annotations

from ivr.errors import CannotSay

_LOWER = str.maketrans({"I": "ı", "İ": "i"})
_UPPER = str.maketrans({"i": "İ", "ı": "I"})


def turkish_lower(text: str) -> str:
    """Small letters as Turkish writes them: `IĞDIR` -> `ığdır`, `İZMİR` -> `izmir`."""
    return text.translate(_LOWER).lower()


def turkish_upper(text: str) -> str:
    """Capital letters as Turkish writes them: `izmir` -> `İZMİR`."""
    return text.translate(_UPPER).upper()


def lower(value: object, language: str) -> str:
    """A text in small letters, as its language writes them."""
    text = _text(value)
    return turkish_lower(text) if _turkish(language) else text.lower()


def upper(value: object, language: str) -> str:
    """A text in capital letters, as its language writes them."""
    text = _text(value)
    return turkish_upper(text) if _turkish(language) else text.upper()


def _turkish(language: str) -> bool:
    return language[:2].lower() == "tr"


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise CannotSay(f"{type(value).__name__} is not a text")
    return str(value)
