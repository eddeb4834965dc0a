"""A prompt laid beside a recording: how well it fits, frame by frame, from a place on. Pure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cti.softphone.correlation import CHUNK, FRAME, NOISE, Floats, Prompt, Recording, frames

FITS = 0.6
"""Correlation of a chunk from which it is worth following."""
SLIP = 2000
"""Samples by which the sound may be moved by a hiccup of the player, to either side."""


class Walk(NamedTuple):
    """A prompt laid beside a recording from the sample `start` on.

    For every frame of the prompt that has sound: its product with what was heard and the energy of
    both (`fits`), and the place in the recording where it ends (`ends`).
    """

    start: int
    fits: npt.NDArray[np.float64]
    ends: npt.NDArray[np.int_]


def follow(recording: Recording, prompt: Prompt, start: int, anchor: int) -> Walk:
    """How well the prompt goes on from a place where a chunk of it fitted.

    It is walked in chunks from its beginning; where one does not fit, it and the next are looked
    for a little earlier and later, for a player that stumbled.
    """
    count = len(prompt.loud)
    fits, ends = np.zeros((count, 3)), np.zeros(count, int)
    shift, step, lost = 0, CHUNK // FRAME, False
    for first in range(0, count, step):
        at, last = first * FRAME, min(first + step, count)
        piece = prompt.samples[at : last * FRAME]
        here = _fit(recording.window(start + shift + at, len(piece)), piece)
        fitting = score(here) >= FITS or not prompt.loud[first:last].any()
        if at > anchor and not fitting and not lost:
            following = prompt.samples[last * FRAME :][:CHUNK]
            shift += _moved(recording, piece, start + shift + at) or _moved(
                recording, following, start + shift + last * FRAME
            )
            there = _fit(recording.window(start + shift + at, len(piece)), piece)
            here = np.where((each(there) > each(here))[:, None], there, here)
        lost = not fitting and (lost or at > anchor)
        fits[first:last] = here
        ends[first:last] = start + shift + at + FRAME * np.arange(1, last - first + 1)
    return Walk(start, fits[prompt.loud], ends[prompt.loud])


def _fit(heard: Floats, piece: Floats) -> npt.NDArray[np.float64]:
    """For each frame: product with the prompt, energy of the prompt, energy of what was heard."""
    one = frames(piece, len(piece) // FRAME).astype(np.float64)
    other = frames(heard, len(piece) // FRAME).astype(np.float64)
    energy = np.maximum((other * other).sum(axis=1), FRAME * NOISE**2)
    own = np.maximum((one * one).sum(axis=1), 1.0)
    return np.stack([(one * other).sum(axis=1), own, energy], axis=1)


def each(fits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The correlation of each frame by itself."""
    result: npt.NDArray[np.float64] = fits[:, 0] / np.sqrt(fits[:, 1] * fits[:, 2])
    return result


def score(fits: npt.NDArray[np.float64]) -> float:
    """The correlation of all frames together."""
    product, own, energy = fits.sum(axis=0)
    return float(product / np.sqrt(own * energy))


def _moved(recording: Recording, piece: Floats, at: int) -> int:
    """By how many samples a piece of a prompt sits beside its place; 0 when it is nowhere near."""
    if len(piece) < FRAME:
        return 0
    near = Recording(recording.window(at - SLIP, len(piece) + 2 * SLIP).astype(np.int16))
    scores = near.correlation(piece)
    best = int(scores.argmax())
    return best - SLIP if scores[best] > 0.7 else 0
