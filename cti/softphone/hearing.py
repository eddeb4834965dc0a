"""Was this prompt heard, when, and how much of it? By correlation with its own audio. Pure.

A prompt is looked for by its first chunks of 0.4 s; where one fits, the rest is followed from there
until it stops fitting. What was played correlates above 0.98 after mu-law, speech that was not
played below 0.7 even in the same synthetic voice. A prompt that begins like another one fits as
far as the two are the same, so ask for the fraction, or let `what_was_played` choose the prompt
that explains most.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from cti.softphone.correlation import CHUNK, FRAME, NOISE, Floats, Prompt, Recording, frames
from ivr.audio import TELEPHONE_RATE, Samples

Sound: TypeAlias = "Samples | str | PathLike[str] | Prompt"
"""Samples at 8 kHz, a wav file of any rate, or a Prompt made before."""

_FITS = 0.6  # correlation of a chunk from which it is worth following
_SURE = 0.85  # correlation of all that was followed from which it is the prompt
_SHORTEST = 0.16  # seconds of sound that must have been heard to know a prompt by
_CLIPPED = 0.5  # seconds of the beginning that may be missing (the line was not through yet)
_SLIP = 2000  # samples the sound may be moved by a hiccup of the player, to either side


@dataclass(frozen=True, slots=True)
class Match:
    """Where and how well a prompt was heard.

    `score` is the correlation over the part that was heard (1.0: exactly this), or the best any
    part reached when nothing fitted. `start` is where the prompt began, in seconds of the
    recording. `fraction` of its sounding part was heard, 0.0 when it was not; `end` is when it fell
    silent or was cut.
    """

    score: float
    start: float
    fraction: float
    end: float

    def __bool__(self) -> bool:
        return self.fraction > 0

    @property
    def whole(self) -> bool:
        return self.fraction >= 0.97

    @property
    def cut_at(self) -> float | None:
        """When it was interrupted, None when it was not (or not heard at all)."""
        return self.end if self and not self.whole else None


@dataclass(frozen=True, slots=True)
class Played:
    """One prompt of several, found in a recording.

    `also` names prompts that explain it as well: they begin alike, and it was cut before they
    differ.
    """

    name: str
    match: Match
    also: tuple[str, ...] = ()


def heard_prompt(heard: Samples | Recording, prompt: Sound, *, after: float = 0.0) -> Match:
    """The best hearing of a prompt: the most of it, and the first of those.

    `heard` is 8 kHz as `Call.heard` gives it; `after` leaves out what began before, in seconds.
    """
    recording, prompt = _recording(heard), _prompt(prompt)
    found, missed = _search(recording, prompt, after)
    return max(found, key=lambda match: (round(match.fraction, 2), -match.start), default=missed)


def every_time(
    heard: Samples | Recording, prompt: Sound, *, after: float = 0.0, least: float = 0.0
) -> list[Match]:
    """Every hearing of which at least the fraction `least` was heard, in order of time."""
    found, _ = _search(_recording(heard), _prompt(prompt), after)
    return [match for match in found if match.fraction >= least]


def in_order(
    heard: Samples | Recording, prompts: Sequence[Sound], *, least: float = 0.0
) -> list[Match]:
    """Each prompt's first hearing after the one before it; a Match that is false where none was."""
    recording, found, after = _recording(heard), list[Match](), 0.0
    for prompt in prompts:
        times, missed = _search(recording, _prompt(prompt), after)
        match = next((match for match in times if match.fraction >= least), missed)
        found.append(match)
        after = match.end - 0.05 if match else after
    return found


def what_was_played(
    heard: Samples | Recording, prompts: Mapping[str, Sound], *, least: float = 0.25
) -> list[Played]:
    """Which of these prompts were played and when: no two at once, the longer explanation wins.

    So of two prompts that begin alike the one that goes on like the recording is chosen; where it
    was cut before they differ, the first of the mapping, and the others are in `also`. Hearings
    shorter than `least` seconds do not count.
    """
    recording = _recording(heard)
    found = [
        Played(name, match)
        for name, sound in prompts.items()
        for match in _search(recording, _prompt(sound), 0.0)[0]
        if match.end - match.start >= least
    ]
    found.sort(key=lambda one: -_length(one.match))
    chosen: list[Played] = []
    while found:
        rivals = [one for one in found if not _apart(one.match, found[0].match)]
        equal = [one for one in rivals if _length(one.match) > _length(found[0].match) - 0.1]
        best = min(equal, key=lambda one: list(prompts).index(one.name))
        also = tuple(one.name for one in equal if one.name != best.name)
        chosen.append(replace(best, also=also))
        found = [one for one in found if one not in rivals]
    return sorted(chosen, key=lambda one: one.match.start)


def _length(match: Match) -> float:
    return match.end - match.start


def _apart(one: Match, other: Match) -> bool:
    return min(one.end, other.end) - max(one.start, other.start) < 0.1


def _recording(heard: Samples | Recording) -> Recording:
    return heard if isinstance(heard, Recording) else Recording(heard)


def _prompt(sound: Sound) -> Prompt:
    return sound if isinstance(sound, Prompt) else Prompt(sound)


def _search(recording: Recording, prompt: Prompt, after: float) -> tuple[list[Match], Match]:
    """Every hearing in order of time, and what to say when there is none."""
    found: dict[int, Match] = {}
    best = Match(0.0, 0.0, 0.0, 0.0)
    for place, chunk in prompt.anchors():
        scores = recording.correlation(chunk)
        peak = int(scores.argmax())
        if scores[peak] > best.score:
            at = recording.offset + (peak - place) / TELEPHONE_RATE
            best = Match(round(float(scores[peak]), 3), at, 0.0, at)
        for at in _peaks(scores):
            start = at - place
            known = any(abs(start - other) < _SLIP for other in found)
            if not known and recording.offset + at / TELEPHONE_RATE >= after:
                match = _follow(recording, prompt, start, place)
                if match:
                    found[start] = match
    return sorted(found.values(), key=lambda match: match.start), best


def _peaks(scores: Floats) -> Iterator[int]:
    """Where a chunk fits, one place for each time, best first."""
    left = np.where(scores >= _FITS, scores, 0)
    while left.any():
        at = int(left.argmax())
        yield at
        left[max(0, at - CHUNK // 2) : at + CHUNK // 2] = 0


def _follow(recording: Recording, prompt: Prompt, start: int, anchor: int) -> Match | None:
    """How far the prompt goes on from a place where a chunk of it fitted.

    It is walked in chunks from its beginning; where one does not fit it is looked for a little
    earlier and later, for a player that stumbled. None when its beginning was not heard.
    """
    count = len(prompt.loud)
    fits, ends = np.zeros((count, 3)), np.zeros(count, int)
    shift, step = 0, CHUNK // FRAME
    for first in range(0, count, step):
        frames = min(step, count - first)
        at = first * FRAME
        piece = prompt.samples[at : at + frames * FRAME]
        here = _fit(recording.window(start + shift + at, len(piece)), piece)
        if at > anchor and prompt.loud[first : first + frames].any() and _score(here) < _FITS:
            shift += _moved(recording, piece, start + shift + at)
            here = _fit(recording.window(start + shift + at, len(piece)), piece)
        fits[first : first + frames] = here
        ends[first : first + frames] = start + shift + at + FRAME * np.arange(1, frames + 1)
    return _judged(recording, prompt, start, fits[prompt.loud], ends[prompt.loud])


def _judged(
    recording: Recording,
    prompt: Prompt,
    start: int,
    fits: npt.NDArray[np.float64],
    ends: npt.NDArray[np.int_],
) -> Match | None:
    """The run of fitting frames that begins at the beginning; where it ends best is the cut."""
    good = fits[:, 0] / np.sqrt(fits[:, 1] * fits[:, 2]) - 0.5
    first = int(np.argmax(good > 0))
    if good[first] <= 0 or first * FRAME > _CLIPPED * TELEPHONE_RATE:
        return None
    last = first + int(np.argmax(np.cumsum(good[first:])))
    heard = int((good[first : last + 1] > 0).sum())
    score = _score(fits[first : last + 1])
    if score < _SURE or heard * FRAME < _SHORTEST * TELEPHONE_RATE:
        return None
    return Match(
        score=round(score, 3),
        start=recording.offset + start / TELEPHONE_RATE,
        fraction=round(heard / len(good), 3),
        end=recording.offset + int(ends[last]) / TELEPHONE_RATE,
    )


def _fit(heard: Floats, piece: Floats) -> npt.NDArray[np.float64]:
    """For each frame: product with the prompt, energy of the prompt, energy of what was heard."""
    one = frames(piece, len(piece) // FRAME).astype(np.float64)
    other = frames(heard, len(piece) // FRAME).astype(np.float64)
    energy = np.maximum((other * other).sum(axis=1), FRAME * NOISE**2)
    own = np.maximum((one * one).sum(axis=1), 1.0)
    return np.stack([(one * other).sum(axis=1), own, energy], axis=1)


def _score(fits: npt.NDArray[np.float64]) -> float:
    product, own, energy = fits.sum(axis=0)
    return float(product / np.sqrt(own * energy))


def _moved(recording: Recording, piece: Floats, at: int) -> int:
    """By how many samples a piece of a prompt sits beside its place; 0 when it is nowhere near."""
    near = Recording(recording.window(at - _SLIP, len(piece) + 2 * _SLIP).astype(np.int16))
    scores = near.correlation(piece)
    best = int(scores.argmax())
    return best - _SLIP if scores[best] > 0.7 else 0
