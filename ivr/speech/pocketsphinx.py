"""PocketSphinx as a recogniser: English, from what its wheel carries; nothing to download.

A fallback, always with keys beside it: 77% of real digits through mu-law, and it hardly notices
words that are not in its grammar. Its model hears 16 kHz, so audio is resampled; low noise is added
with 300 ms of it on both sides (raw digits: 71%). A grammar that takes several phrases in a row
costs 15 points on single ones, so only long answers to questions of single words get it. One
decoder serves all questions in turn: a question is kept as audio and decoded when it ends, in 2% of
its own length.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import soxr

from ivr.call import Guess
from ivr.errors import BadInput, RecogniserFailed
from ivr.speech.recogniser import MAX_GUESSES, RATE, Final, Hearing, Partial, check_phrases

_MODEL_RATE = 16_000
_PAD = RATE * 3 // 10
_SEVERAL = RATE * 2 * 15 // 10  # bytes: longer audio than 1.5 s may hold several words
_LONGEST = 60 * RATE * 2
_SEARCH = "question"


class PocketsphinxRecogniser:
    name = "pocketsphinx"

    def __init__(self, language: str) -> None:
        """Raises `BadInput` for any language but English. Loading takes 0.14 s and 62 MB."""
        if language.partition("-")[0] != "en":
            raise BadInput(f"pocketsphinx knows only English here, not {language!r}")
        import pocketsphinx

        pocketsphinx.set_loglevel("FATAL")
        self.language = language
        try:
            self.decoder: Any = pocketsphinx.Decoder(lm=None)
        except RuntimeError as error:
            raise BadInput(f"pocketsphinx could not load its model: {error}") from error
        self.busy = asyncio.Lock()

    def unknown(self, phrases: Sequence[str]) -> tuple[str, ...]:
        words = dict.fromkeys(word for phrase in phrases for word in phrase.split())
        return tuple(word for word in words if self.decoder.lookup_word(word) is None)

    def usable(self, phrases: Sequence[str]) -> tuple[str, ...]:
        """The phrases it can hear. Raises `BadInput` when none is left."""
        folded = check_phrases(phrases, self.language)
        if not folded:
            raise BadInput("pocketsphinx needs the phrases of a question: it takes no free speech")
        unknown = set(self.unknown(folded))
        usable = tuple(phrase for phrase in folded if not unknown.intersection(phrase.split()))
        if not usable:
            raise BadInput(f"pocketsphinx knows none of the words: {', '.join(sorted(unknown))}")
        return usable

    async def listen(self, phrases: Sequence[str]) -> Hearing:
        return PocketsphinxHearing(self, self.usable(phrases))

    async def close(self) -> None:
        self.decoder = None


class PocketsphinxHearing:
    def __init__(self, recogniser: PocketsphinxRecogniser, phrases: tuple[str, ...]) -> None:
        self._recogniser = recogniser
        self._phrases = phrases
        self._audio = bytearray()

    async def feed(self, audio: bytes) -> Partial | None:
        if len(self._audio) < _LONGEST:
            self._audio += audio
        return None

    async def finish(self) -> Final:
        async with self._recogniser.busy:
            return await asyncio.to_thread(self._decode)

    async def close(self) -> None:
        self._audio.clear()

    def _decode(self) -> Final:
        decoder = self._recogniser.decoder
        try:
            several = len(self._audio) > _SEVERAL and all(" " not in one for one in self._phrases)
            decoder.add_jsgf_string(_SEARCH, grammar(self._phrases, several=several))
            decoder.activate_search(_SEARCH)
            decoder.start_utt()
            decoder.process_raw(_at_model_rate(bytes(self._audio)), False, True)
            decoder.end_utt()
            return Final(_guesses(decoder))
        except (RuntimeError, ValueError) as error:
            raise RecogniserFailed(f"pocketsphinx failed: {error}") from error


def grammar(phrases: Sequence[str], *, several: bool) -> str:
    """JSGF for one of the phrases, or for one or more of them in a row."""
    answer = "<phrase>+" if several else "<phrase>"
    return (
        "#JSGF V1.0 UTF-8;\ngrammar question;\n"
        f"public <answer> = {answer};\n<phrase> = {' | '.join(phrases)};\n"
    )


def _at_model_rate(audio: bytes) -> bytes:
    samples = np.pad(np.frombuffer(audio, "<i2").astype(np.float32), _PAD)
    noisy = samples + np.random.default_rng(8).normal(0, 20, len(samples))
    resampled = soxr.resample(noisy, RATE, _MODEL_RATE)
    return bytes(np.clip(resampled, -32768, 32767).astype("<i2").tobytes())


def _guesses(decoder: Any) -> tuple[Guess, ...]:
    """The best path's posterior, doubled: each word appears twice, with and without a filler."""
    best = decoder.hyp()
    if best is None or not best.hypstr:
        return ()
    confidence = min(1.0, 2 * max(0.0, best.prob))
    guesses = {best.hypstr: confidence}
    for number, other in enumerate(decoder.nbest() or ()):
        if number >= 20 or len(guesses) >= MAX_GUESSES:
            break
        if other and other.hypstr:
            guesses.setdefault(other.hypstr, confidence / (len(guesses) + 1))
    return tuple(Guess(text, round(share, 4)) for text, share in guesses.items())
