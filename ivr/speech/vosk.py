"""Vosk (Kaldi) as a recogniser: streaming, with a grammar made from the question's words.

What was measured about libvosk 0.3.45 and is kept in mind here: the grammar must be raw UTF-8
(`\\u0131` escapes make it drop the word), must hold `[unk]` (else every sound is forced on to a
word), and must be a non-empty JSON array (an empty one ends the process). Calls into it release the
GIL. A recogniser is made anew per question: 0.5 ms, and `Reset()` can leave a stray word behind.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ivr.call import Guess
from ivr.errors import BadInput, RecogniserFailed
from ivr.speech.recogniser import (
    BYTES_PER_MS,
    MAX_GUESSES,
    RATE,
    Final,
    Hearing,
    Partial,
    check_phrases,
)

log = logging.getLogger(__name__)

UNKNOWN = "[unk]"
_ALTERNATIVES = 8  # more than we report: readings that differ only in [unk] become one guess
_PARTIAL_EVERY = 100 * BYTES_PER_MS


class VoskRecogniser:
    """A Vosk model from a folder. Loading takes 10 ms (small) to seconds (large): do it early."""

    name = "vosk"

    def __init__(self, folder: Path, language: str) -> None:
        """Raises `BadInput` when the folder holds no model that libvosk can load."""
        import vosk

        vosk.SetLogLevel(-1)
        self.language = language
        self.folder = folder
        if not (folder / "am" / "final.mdl").is_file() and not (folder / "final.mdl").is_file():
            raise BadInput(f"{folder} is not a Vosk model: it has no am/final.mdl")
        try:
            self._model: Any = vosk.Model(str(folder))
        except Exception as error:  # libvosk's binding raises nothing more exact
            raise BadInput(f"{folder} could not be loaded as a Vosk model: {error}") from error
        self._warned: set[str] = set()

    def knows(self, word: str) -> bool:
        return bool(self._model.vosk_model_find_word(word) >= 0)

    def unknown(self, phrases: Sequence[str]) -> tuple[str, ...]:
        words = dict.fromkeys(word for phrase in phrases for word in phrase.split())
        return tuple(word for word in words if not self.knows(word))

    def grammar(self, phrases: Sequence[str]) -> str | None:
        """The JSON grammar of these phrases, or None for the model's whole vocabulary.

        A phrase with a word that the model does not know is left out, with one warning per word.
        """
        folded = check_phrases(phrases, self.language)
        if not folded:
            return None
        unknown = set(self.unknown(folded))
        if new := unknown - self._warned:
            self._warned |= new
            log.warning(
                "the %s model %s does not know: %s (phrases with these words cannot be heard)",
                self.language,
                self.folder.name,
                ", ".join(sorted(new)),
            )
        usable = [phrase for phrase in folded if not unknown.intersection(phrase.split())]
        return json.dumps([*usable, UNKNOWN], ensure_ascii=False)

    async def listen(self, phrases: Sequence[str]) -> Hearing:
        import vosk

        grammar = self.grammar(phrases)
        try:
            if grammar is None:
                recogniser = vosk.KaldiRecognizer(self._model, RATE)
            else:
                recogniser = vosk.KaldiRecognizer(self._model, RATE, grammar)
        except Exception as error:
            raise RecogniserFailed(f"Vosk refused the grammar: {error}") from error
        recogniser.SetMaxAlternatives(_ALTERNATIVES)
        recogniser.SetWords(True)
        return VoskHearing(recogniser)

    async def close(self) -> None:
        self._model = None


class VoskHearing:
    """One KaldiRecognizer. Its own end-pointer only cuts long speech into segments."""

    def __init__(self, recogniser: Any) -> None:
        self._recogniser = recogniser
        self._before: list[tuple[Guess, ...]] = []
        self._partial = ""
        self._since_partial = 0

    async def feed(self, audio: bytes) -> Partial | None:
        try:
            ended = self._recogniser.AcceptWaveform(audio)
        except Exception as error:
            raise RecogniserFailed(f"Vosk refused the audio: {error}") from error
        if ended:
            guesses = read_alternatives(json.loads(self._recogniser.Result()))
            if guesses:
                self._before.append(guesses)
            self._partial = ""
            return Partial(self._so_far(""), paused=True)
        self._since_partial += len(audio)
        if self._since_partial < _PARTIAL_EVERY:
            return None
        self._since_partial = 0
        partial = _without_unknown(json.loads(self._recogniser.PartialResult()).get("partial", ""))
        if partial == self._partial:
            return None
        self._partial = partial
        return Partial(self._so_far(partial))

    async def finish(self) -> Final:
        guesses = read_alternatives(json.loads(self._recogniser.FinalResult()))
        self._recogniser = None
        segments = [*self._before, guesses] if guesses else self._before
        return Final(join_segments(segments))

    async def close(self) -> None:
        self._recogniser = None

    def _so_far(self, partial: str) -> str:
        return " ".join(filter(None, (*(segment[0].text for segment in self._before), partial)))


def read_alternatives(result: Mapping[str, Any]) -> tuple[Guess, ...]:
    """The guesses of one Vosk result, best first, each with a probability.

    Vosk's `confidence` of an alternative is a log-likelihood (kaldi lattice score), so its share
    among the alternatives (softmax) is how sure the engine is between them; that is multiplied by
    the share of the speech which known words explain, so that "[unk] iptal [unk]" counts less than
    "iptal".
    """
    alternatives = result.get("alternatives", ())
    if not alternatives:
        return ()
    top = max(float(one["confidence"]) for one in alternatives)
    weights = [math.exp(max(float(one["confidence"]) - top, -50.0)) for one in alternatives]
    total = sum(weights)
    guesses: dict[str, float] = {}
    for one, weight in zip(alternatives, weights, strict=True):
        text = _without_unknown(one["text"])
        if text:
            explained = weight / total * _explained(one)
            guesses[text] = guesses.get(text, 0.0) + explained
    ordered = sorted(guesses.items(), key=lambda item: -item[1])
    return tuple(Guess(text, round(share, 4)) for text, share in ordered[:MAX_GUESSES])


def join_segments(segments: Sequence[tuple[Guess, ...]]) -> tuple[Guess, ...]:
    """One list of guesses for speech with pauses: the last segment's, after the best before it."""
    if not segments:
        return ()
    text = " ".join(segment[0].text for segment in segments[:-1])
    confidence = math.prod(segment[0].confidence for segment in segments[:-1])
    return tuple(
        Guess(f"{text} {guess.text}".strip(), round(confidence * guess.confidence, 4))
        for guess in segments[-1]
    )


def _explained(alternative: Mapping[str, Any]) -> float:
    words = alternative.get("result", ())
    total = sum(word["end"] - word["start"] for word in words)
    known = sum(word["end"] - word["start"] for word in words if word["word"] != UNKNOWN)
    return known / total if total > 0 else 1.0


def _without_unknown(text: str) -> str:
    return " ".join(word for word in text.split() if word != UNKNOWN)
