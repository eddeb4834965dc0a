"""One telephone call as the rest of `ivr` sees it: what is known of it, and the port to act on it.

`Call` is implemented over AGI (`ivr/agi/call.py`), at the keyboard, by a script and by a replay
(`ivr/lab`). Times are seconds unless a name says `ms`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Any, Protocol

MOST_WORDS = 1000  # phrases in one question that can be told apart while the caller waits
MS_PER_CHARACTER = 65  # how long a text takes to say, roughly: for estimates and virtual clocks
SPACE_BEFORE_STOP = re.compile(r"\s+([.,;:!?])")


class Direction(StrEnum):
    INBOUND = "inbound"
    OUTBOUND = "outbound"


@dataclass(frozen=True, slots=True)
class CallInfo:
    """Who calls whom. `id` is ours, stays the same over re-entries and names the call everywhere.

    `entry` counts how often the dialplan has entered the engine for this call (1 = first time);
    `outcome` is what the dialplan says of the transfer it comes back from (`busy`, `answered`, …).
    """

    id: str
    channel: str = ""
    caller: str = ""
    dialled: str = ""
    direction: Direction = Direction.INBOUND
    language: str = ""
    entry: int = 1
    outcome: str = ""
    context: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of words that is spoken as one sound. Fixed pieces are known when the flow loads."""

    text: str
    fixed: bool = True


@dataclass(frozen=True)
class Utterance:
    """What is said: the pieces of one prompt in one language. `prompt` is its name in the flow.

    Prompts that are said in one breath are one utterance, too: `parts` holds each of them.

    A recorded file `sounds/<language>/<prompt>.wav` (or `<flow>/<prompt>.wav`) wins over synthesis
    when every piece is fixed.
    """

    prompt: str
    language: str
    pieces: tuple[Piece, ...]
    flow: str = ""
    secret: bool = False
    parts: tuple[Utterance, ...] = ()

    @cached_property
    def text(self) -> str:
        return SPACE_BEFORE_STOP.sub(r"\1", " ".join(piece.text for piece in self.pieces))

    @cached_property
    def fixed(self) -> bool:
        return all(piece.fixed for piece in self.pieces)

    @cached_property
    def _hash(self) -> int:
        return hash((self.prompt, self.language, self.pieces, self.flow, self.secret))

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True, slots=True)
class Keys:
    """Which keys a question takes.

    `first` is the time to the first key after the prompt has ended, `between` the time from one key
    to the next; `finish` ends the answer and is not part of it ("" = there is none).
    """

    min: int = 1
    max: int = 1
    finish: str = ""
    first: float = 5.0
    between: float = 3.0


@dataclass(frozen=True, slots=True)
class Speech:
    """How a spoken answer is listened to; times in milliseconds, except `first`.

    `hangover` is the quiet that ends it; less speech than `min` is a noise, more than `max` too
    much. `first` is the time in seconds to begin, for a question without keys. With `barge_in` the
    prompt stops as soon as the caller begins to speak.
    """

    barge_in: bool = True
    hangover: int = 500
    min: int = 100
    max: int = 15_000
    first: float = 5.0


@dataclass(frozen=True, slots=True)
class Question:
    """One prompt and what may answer it. `words` are the phrases a recogniser should expect.

    Keys alone answer when there are no words (unless `any_words` may be said), or `speech` is None.
    `barge_in` is by key.
    `language` is the language spoken in the answer; "" = that of the utterance, else the call's.
    """

    utterance: Utterance | None
    keys: Keys | None = Keys()
    words: tuple[str, ...] = ()
    barge_in: bool = True
    flush: bool = False
    secret: bool = False
    speech: Speech | None = Speech()
    language: str = ""
    any_words: bool = False

    @property
    def heeds_speech(self) -> bool:
        return self.speech is not None and (bool(self.words) or self.any_words)


class HeardKind(StrEnum):
    KEYS = "keys"
    SPEECH = "speech"
    NOTHING = "nothing"
    HANGUP = "hangup"


class Trouble(StrEnum):
    """Why there is no answer in words although they were listened for."""

    NO_MATCH = "no_match"  # somebody spoke, but said nothing that was expected
    TOO_MUCH = "too_much"  # they talked longer than the question allows
    SPEECH_DOWN = "speech_down"  # nobody listens: keys alone work now


@dataclass(frozen=True, slots=True)
class Played:
    """How a prompt went: `ms` played, and whether the caller cut it short."""

    ms: int
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Guess:
    """One of a recogniser's readings, `confidence` from 0 to 1."""

    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Heard:
    """The one answer to a question. `finished` tells that the finish key ended it.

    `alternatives` are a recogniser's other guesses, best first. Speech that is no answer has kind
    `speech`, no text, and its `trouble`; with `speech_down` the kind is what the keys made it.
    """

    kind: HeardKind
    text: str = ""
    confidence: float = 1.0
    alternatives: tuple[Guess, ...] = ()
    secret: bool = False
    finished: bool = False
    played: Played | None = None
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recording that was made: path without its directory's secrets, length, how it ended."""

    path: str
    ms: int
    ended_by: str


class Call(Protocol):
    """The caller's line. Every method raises `CallerHungUp` when the caller is gone."""

    @property
    def info(self) -> CallInfo: ...

    async def answer(self) -> None:
        """Pick up; nothing happens when the line is up already."""

    async def say(self, utterance: Utterance, *, barge_in: bool = True) -> Played:
        """Play to the end, or until a key is pressed; that key is kept for the next question."""
        ...

    async def ask(self, question: Question) -> Heard:
        """Play, listen, and give back what was heard: keys, speech or nothing."""
        ...

    async def record(
        self, path: str, *, limit: float, silence: float, beep: bool, finish: str
    ) -> Recorded:
        """Record the caller until a finish key, `silence` seconds of quiet, or `limit` seconds."""
        ...

    async def play_back(self, recorded: Recorded) -> Played:
        """Play a recording that was just made; a key cuts it short and is kept."""
        ...

    async def tape(self, path: str) -> None:
        """Record the call, both sides, to the end of `path`, also where it goes afterwards."""
        ...

    async def untape(self) -> None:
        """Stop that; `tape` goes on with it."""
        ...

    async def wait(self, task: asyncio.Future[Any], timeout: float) -> bool:
        """Keep the line while `task` works, keys included; False when it is not done in time."""
        ...

    async def transfer(self, kind: str, target: str, options: Mapping[str, str]) -> None:
        """Tell the dialplan where the caller goes next; the conversation on this line is over."""

    async def hangup(self) -> None:
        """Tell the dialplan that the call is over."""
