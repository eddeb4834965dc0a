"""Words as they are compared: what a caller said against what a flow expects."""

from __future__ import annotations

import re
import unicodedata

from ivr.sayas import lower

NOT_A_WORD = re.compile(r"[^\w\s]|_")


def fold(text: str, language: str) -> str:
    """Lower case by the language's own rules, no punctuation, single spaces."""
    text = lower(unicodedata.normalize("NFC", text), language)
    return " ".join(NOT_A_WORD.sub(" ", text).split())
