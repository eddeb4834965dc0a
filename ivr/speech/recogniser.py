"""The recogniser port: telephone audio in, what was said out.

Audio is 8 kHz, 16-bit little-endian, mono (what Asterisk calls `slin`), in pieces of any even
length. A `Recogniser` is one engine with one model; a `Hearing` is its ear for one question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ivr.call import MOST_WORDS, Guess
from ivr.errors import BadInput
from ivr.words import fold

RATE = 8000
BYTES_PER_MS = RATE * 2 // 1000
MAX_PHRASES = MOST_WORDS
MAX_PHRASE_CHARACTERS = 200
MAX_GUESSES = 5


@dataclass(frozen=True, slots=True)
class Partial:
    """What was understood so far. `paused`: the engine itself heard the speaker pause."""

    text: str
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Final:
    """What was said, best guess first; no guess at all means nothing that was expected."""

    guesses: tuple[Guess, ...] = ()

    @property
    def best(self) -> Guess | None:
        return self.guesses[0] if self.guesses else None


NOTHING = Final()


class Hearing(Protocol):
    """One question's recognition. Not used again after `finish` or `close`."""

    async def feed(self, audio: bytes) -> Partial | None:
        """Take more audio; a partial result when there is something new to tell."""
        ...

    async def finish(self) -> Final:
        """No more audio comes: the result. Raises `RecogniserFailed`."""
        ...

    async def close(self) -> None:
        """Give up early; nothing is reported."""


class Recogniser(Protocol):
    """One engine with its model, loaded. Methods raise `RecogniserFailed` when it breaks."""

    @property
    def name(self) -> str: ...

    @property
    def language(self) -> str: ...

    def unknown(self, phrases: Sequence[str]) -> tuple[str, ...]:
        """The words in the phrases that the model does not know; an engine that cannot say: ()."""
        ...

    async def listen(self, phrases: Sequence[str]) -> Hearing:
        """Get ready to hear one of the phrases, or a sequence of them; none given: any words."""
        ...

    async def close(self) -> None: ...


def check_phrases(phrases: Sequence[str], language: str) -> tuple[str, ...]:
    """The phrases folded and without repeats; `BadInput` when there are too many, or a bad one."""
    if len(phrases) > MAX_PHRASES:
        raise BadInput(
            f"{len(phrases)} phrases in one question: at most {MAX_PHRASES} can be told apart "
            "while the caller waits; split the question or ask for fewer words"
        )
    kept: dict[str, None] = {}
    for phrase in phrases:
        if len(phrase) > MAX_PHRASE_CHARACTERS:
            raise BadInput(
                f"the phrase {phrase[:40]!r}… has {len(phrase)} characters; "
                f"at most {MAX_PHRASE_CHARACTERS} are allowed"
            )
        folded = fold(phrase, language)
        if folded:
            kept[folded] = None
    return tuple(kept)
