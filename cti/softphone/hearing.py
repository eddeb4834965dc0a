"""Was this prompt heard, when, and how much of it? By correlation with its own audio. Pure.

A prompt is looked for by its first chunks of 0.4 s; where one fits, the rest is followed from there
until it stops fitting. What was played correlates above 0.98 after mu-law; what was not, below 0.3
as a whole, and single short words of the same synthetic voice below 0.7. A prompt that begins like
another one fits as far as the two are the same, so ask for the fraction, or let `what_was_played`
choose the prompt that explains most. Less than 0.6 s of a longer prompt is taken for no hearing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import TypeAlias

import numpy as np

from cti.softphone.correlation import CHUNK, FRAME, Floats, Prompt, Recording
from cti.softphone.following import FITS, SLIP, Walk, each, follow, score
from ivr.audio import TELEPHONE_RATE, Samples

Sound: TypeAlias = "Samples | str | PathLike[str] | Prompt"
"""Samples at 8 kHz, a wav file of any rate, or a Prompt made before."""

_SURE = 0.85  # correlation of all that was followed from which it is the prompt
_SHORTEST = 0.6  # seconds of sound that must fit to know a prompt by, or half of a shorter one
_EVER = -math.inf
_CLIPPED = 0.5  # seconds of the beginning that may be missing (the line was not through yet)


@dataclass(frozen=True, slots=True)
class Match:
    """Where and how well a prompt was heard.

    `score` is the correlation over the part that was heard (1.0: exactly this); when it was not
    heard, that of the whole prompt where it fitted best. `start` is where the prompt began, in
    seconds of the recording. `fraction` of its sounding part was heard, 0.0 when it was not; `end`
    is when it fell silent or was cut.
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


def heard_prompt(heard: Samples | Recording, prompt: Sound, *, after: float = _EVER) -> Match:
    """The best hearing of a prompt: the most of it, and the first of those.

    `heard` is 8 kHz as `Call.heard` gives it; `after` leaves out what began before, in seconds.
    """
    recording, prompt = _recording(heard), _prompt(prompt)
    found, missed = _search(recording, prompt, after)
    return max(found, key=lambda match: (round(match.fraction, 2), -match.start), default=missed)


def every_time(
    heard: Samples | Recording, prompt: Sound, *, after: float = _EVER, least: float = 0.0
) -> list[Match]:
    """Every hearing of which at least the fraction `least` was heard, in order of time."""
    found, _ = _search(_recording(heard), _prompt(prompt), after)
    return [match for match in found if match.fraction >= least]


def in_order(
    heard: Samples | Recording, prompts: Sequence[Sound], *, least: float = 0.0
) -> list[Match]:
    """Each prompt's first hearing after the one before it; a Match that is false where none was.

    Words that one prompt has in common with another are not taken for it, see `what_was_played`.
    """
    recording = _recording(heard)
    searches = [_search(recording, _prompt(prompt), _EVER) for prompt in prompts]
    every = [match for times, _ in searches for match in times]
    found, after = list[Match](), _EVER
    for times, missed in searches:
        possible = (
            match
            for match in times
            if match.start >= after and match.fraction >= least
            if not any(_explains(other, match) for other in every)
        )
        found.append(next(possible, missed))
        after = found[-1].end - 0.05 if found[-1] else after
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
        for match in _search(recording, _prompt(sound), _EVER)[0]
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


def _explains(longer: Match, match: Match) -> bool:
    """Whether what was heard is a part of something longer that was heard at the same time."""
    return not _apart(longer, match) and _length(longer) > _length(match) + 0.1


def _apart(one: Match, other: Match) -> bool:
    return min(one.end, other.end) - max(one.start, other.start) < 0.1


def _recording(heard: Samples | Recording) -> Recording:
    return heard if isinstance(heard, Recording) else Recording(heard)


def _prompt(sound: Sound) -> Prompt:
    return sound if isinstance(sound, Prompt) else Prompt(sound)


def _search(recording: Recording, prompt: Prompt, after: float) -> tuple[list[Match], Match]:
    """Every hearing in order of time, and what to say when there is none."""
    found: list[Match] = []
    walked: list[int] = []
    missed = Match(0.0, 0.0, 0.0, 0.0)
    for place, chunk in prompt.anchors():
        scores = recording.correlation(chunk)
        for at in (*_peaks(scores), int(scores.argmax())):
            start = at - place
            begun = recording.offset + start / TELEPHONE_RATE
            if begun < after - 0.05 or any(abs(start - other) < SLIP for other in walked):
                continue
            walk = follow(recording, prompt, start, place)
            match = _judged(walk, recording.offset)
            if match:
                found.append(match)
                walked.append(start)
            elif score(walk.fits) > missed.score:
                missed = Match(round(score(walk.fits), 3), begun, 0.0, begun)
    return sorted(found, key=lambda match: match.start), missed


def _peaks(scores: Floats) -> Iterator[int]:
    """Where a chunk fits, one place for each time, best first."""
    left = np.where(scores >= FITS, scores, 0)
    while left.any():
        at = int(left.argmax())
        yield at
        left[max(0, at - CHUNK // 2) : at + CHUNK // 2] = 0


def _judged(walk: Walk, offset: float) -> Match | None:
    """The run of fitting frames that begins at the beginning; where it ends best is the cut."""
    good = each(walk.fits) - 0.5
    first = int(np.argmax(good > 0))
    if good[first] <= 0 or first * FRAME > _CLIPPED * TELEPHONE_RATE:
        return None
    last = first + int(np.argmax(np.cumsum(good[first:])))
    heard = int((good[first : last + 1] > 0).sum())
    fit = score(walk.fits[first : last + 1])
    enough = min(_SHORTEST * TELEPHONE_RATE / FRAME, len(good) / 2)
    if fit < _SURE or heard < enough:
        return None
    return Match(
        score=round(fit, 3),
        start=offset + walk.start / TELEPHONE_RATE,
        fraction=round(heard / len(good), 3),
        end=offset + int(walk.ends[last]) / TELEPHONE_RATE,
    )
