"""Words as they are compared: what a caller said against what a flow expects."""

from __future__ import annotations

import re

from ivr.sayas import lower

NOT_A_WORD = re.compile(r"[^\w\s]|_")


def fold(text: str, language: str) -> str:
    """Lower case by the language's own rules, no punctuation, single spaces."""
    return " ".join(NOT_A_WORD.sub(" ", lower(text, language)).split())
