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
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from ivr.call import Piece
from ivr.sayas import LANGUAGES

LEAD, TAIL, BETWEEN_SIGNS = 10, 30, 60  # ms: before a sound, after it, from digit to digit
PAUSES = {",": 150, ":": 200, ";": 200, ".": 200, "!": 200, "?": 200, "…": 200}  # ms
_FIRST_STOP = re.compile(r"^([.,:;!?…]+)\s*")
_CLOSING = "\"'”’»)] "
# Letters, figures, and a few signs that are read by name, as in 20 % or 5 €.
_SPOKEN = re.compile(r"[^\W_]|[%€$£₺°]")


@dataclass(frozen=True, slots=True)
class Unit:
    """One sound: what the engine is to say, and the silence around it in milliseconds."""

    text: str
    lead: int = LEAD
    tail: int = TAIL


@lru_cache(maxsize=4096)
def units_of(pieces: tuple[Piece, ...], language: str) -> tuple[Unit, ...]:
    """The sounds of an utterance, in order. Pieces without a word in them only make a pause."""
    cleaned = [(clean(piece.text), piece.fixed) for piece in pieces]
    spoken = [(text, fixed) for text, fixed in cleaned if text]
    found: list[Unit] = []
    for place, (text, fixed) in enumerate(spoken):
        if not _SPOKEN.search(text):
            if (stop := _FIRST_STOP.match(text)) and found:
                found[-1] = replace(found[-1], tail=PAUSES[stop[1][0]])
            continue
        rest = [text for text, _ in spoken[place + 1 :]]
        goes_on = bool(rest) and not _FIRST_STOP.match(rest[0]) and _any_spoken(rest)
        signs = () if fixed else _signs(text, language)
        found += _of_signs(signs, goes_on) if signs else [_unit(text, goes_on)]
    return tuple(found)


def fixed_units(text: str) -> Iterator[Unit]:
    """Every sound a fixed piece may become: the end of its sentence, and where it goes on."""
    text = clean(text)
    if _SPOKEN.search(text):
        yield from dict.fromkeys(_unit(text, goes_on) for goes_on in (False, True))


def sign_units(language: str) -> Iterator[Unit]:
    """The sounds of every digit and letter, in each place of a number it may have."""
    for sign in sorted(_all_signs(language)):
        yield from _of_signs(((sign, sign), (sign,)), goes_on=False)
        yield from _of_signs(((sign,),), goes_on=True)


def clean(text: str) -> str:
    """A text as an engine may be given it: one line, no control characters."""
    text = unicodedata.normalize("NFC", text)
    return " ".join("".join(c if unicodedata.category(c)[0] != "C" else " " for c in text).split())


def _any_spoken(texts: list[str]) -> bool:
    return any(_SPOKEN.search(text) for text in texts)


def _unit(text: str, goes_on: bool) -> Unit:
    lead = LEAD
    if stop := _FIRST_STOP.match(text):
        lead, text = PAUSES[stop[1][0]], text[stop.end() :]
    last = text.rstrip(_CLOSING)[-1:]
    if last in PAUSES:
        return Unit(text, lead, PAUSES[last])
    return Unit(f"{text}," if goes_on else text, lead)


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


def _of_signs(groups: tuple[tuple[str, ...], ...], goes_on: bool) -> Iterator[Unit]:
    for number, group in enumerate(groups, start=1):
        last_group = number == len(groups)
        for place, sign in enumerate(group, start=1):
            if place < len(group) or (last_group and goes_on):
                yield Unit(f"{sign},", tail=BETWEEN_SIGNS)
            elif not last_group:
                yield Unit(f"{sign},", tail=PAUSES[","])
            else:
                yield Unit(sign)
