"""What is going to be said, so that it can be made ready before the first call."""

from __future__ import annotations

from dataclasses import dataclass

from ivr.call import Utterance


@dataclass(frozen=True, slots=True)
class Whole:
    """A prompt's text without a value in it; a recording may stand for it."""

    utterance: Utterance
    alternate: int = 0


@dataclass(frozen=True, slots=True)
class Needs:
    """Whole prompts, the fixed pieces (language, text) of the others, and the languages whose
    digits and letters are read out."""

    whole: tuple[Whole, ...] = ()
    pieces: tuple[tuple[str, str], ...] = ()
    spelled: frozenset[str] = frozenset()

    def __add__(self, other: Needs) -> Needs:
        return Needs(
            self.whole + other.whole, self.pieces + other.pieces, self.spelled | other.spelled
        )
