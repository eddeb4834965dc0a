"""An utterance cut into the sounds that are played one after another. Pure.

Where a sentence goes on after a sound, the engine is given a comma at its end: espeak-ng then lets
the voice rise (measured: 80 to 103 Hz, where it falls from 99 to 82 without), so that the pieces
are heard as one sentence. The pauses between sounds are ours, a little shorter than espeak-ng's
own (150-190 ms at a comma, 220 at a colon, 300 at a stop): callers wait for each of them.

Digits and spelled letters are sounds of their own, made ready before the first call: four digits
last 1.47 s that way and 1.57 s in one go, so nothing is lost, and no number is ever waited for.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache, lru_cache

from ivr.call import Piece
from ivr.sayas import LANGUAGES

GOES_ON, BETWEEN_SIGNS = 30, 60  # ms, in the middle of a sentence; from digit to digit
PAUSES = {",": 150, ":": 200, ";": 200, ".": 200, "!": 200, "?": 200, "…": 200}  # ms
_FIRST_STOP = re.compile(r"^([.,:;!?…]+)\s*")
_CLOSING = "\"'”’»)] "
# Letters, figures, and a few signs that are read by name, as in 20 % or 5 €.
_SPOKEN = re.compile(r"[^\W_]|[%€$£₺°]")


@dataclass(frozen=True, slots=True)
class Unit:
    """One sound: what the engine is to say, and the pause behind it in milliseconds."""

    text: str
    pause: int


class After(Enum):
    """What stands behind a piece that has no mark at its own end."""

    THE_END = ""
    A_COMMA = ","
    MORE = "more"


@lru_cache(maxsize=4096)
def units_of(pieces: tuple[Piece, ...], language: str) -> tuple[Unit, ...]:
    """The sounds of an utterance, in order. A piece without a word in it only makes a pause."""
    texts = [clean(piece.text) for piece in pieces]
    found: list[Unit] = []
    for place, text in enumerate(texts):
        if _SPOKEN.search(text):
            after = _after(texts[place + 1 :])
            signs = () if pieces[place].fixed else _signs(text, language)
            found += _of_signs(signs, after) if signs else [_unit(text, after)]
    return tuple(found)


def fixed_units(text: str) -> Iterator[Unit]:
    """Every sound a fixed piece may become, by what follows it."""
    text = clean(text)
    if _SPOKEN.search(text):
        yield from dict.fromkeys(_unit(text, after) for after in After)


def sign_units(language: str) -> Iterator[Unit]:
    """The sounds of every digit and letter, in each place it may have."""
    for sign in sorted(_all_signs(language)):
        for after in After:
            yield from _of_signs(((sign,),), after)


def clean(text: str) -> str:
    """A text as an engine may be given it: one line, no control characters."""
    text = unicodedata.normalize("NFC", text)
    return " ".join("".join(c if unicodedata.category(c)[0] != "C" else " " for c in text).split())


def _after(rest: list[str]) -> After:
    if not any(_SPOKEN.search(text) for text in rest):
        return After.THE_END
    stop = _FIRST_STOP.match(next(text for text in rest if text))
    if stop is None:
        return After.MORE
    return After.A_COMMA if stop[1] == "," else After.THE_END


def _unit(text: str, after: After) -> Unit:
    text = _FIRST_STOP.sub("", text)  # it has made the pause of what is before
    last = text.rstrip(_CLOSING)[-1:]
    if last in PAUSES:
        return Unit(text, PAUSES[last])
    return _before(text, after, GOES_ON)


def _before(text: str, after: After, goes_on: int) -> Unit:
    """A text without a mark at its end, before what comes after it."""
    if after is After.MORE:
        return Unit(f"{text},", goes_on)
    return Unit(f"{text},", PAUSES[","]) if after is After.A_COMMA else Unit(text, PAUSES["."])


def _signs(text: str, language: str) -> tuple[tuple[str, ...], ...]:
    """The digits and letters of a value, by group; nothing when there is another word in it."""
    groups = tuple(tuple(group.split()) for group in text.split(","))
    known = _all_signs(language)
    alone = all(group and all(word in known for word in group) for group in groups)
    return groups if alone else ()


@cache
def _all_signs(language: str) -> frozenset[str]:
    spoken = LANGUAGES.get(language)
    if spoken is None:
        return frozenset()
    return frozenset((*map(spoken.cardinal, range(10)), *spoken.alphabet))


def _of_signs(groups: tuple[tuple[str, ...], ...], after: After) -> Iterator[Unit]:
    for number, group in enumerate(groups, start=1):
        behind = after if number == len(groups) else After.A_COMMA
        for place, sign in enumerate(group, start=1):
            here = behind if place == len(group) else After.MORE
            yield _before(sign, here, BETWEEN_SIGNS)
