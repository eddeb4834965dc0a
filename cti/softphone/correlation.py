"""Prompts and recordings made ready for looking one up in the other, by FFT. Pure."""

from __future__ import annotations

from os import PathLike

import numpy as np
import numpy.typing as npt

from ivr.audio import TELEPHONE_RATE, Samples, read_wav, resample

Floats = npt.NDArray[np.float32]

CHUNK = 3200
"""Samples in a chunk, 0.4 s: what is looked for."""
FRAME = 320
"""Samples in a frame, 40 ms: how exactly a cut is placed."""
NOISE = 30.0
"""RMS at which what was heard counts as silence; mu-law's own noise is below 8."""
_BLOCK = 1 << 15  # samples to one FFT
_ANCHORS = 4
_SILENT = 60.0  # RMS below which a frame says nothing, -55 dB below full scale


class Prompt:
    """A prompt made ready for being looked for many times. `sounding` is from its first to its last
    sound, in samples; raises ValueError for one that is silent throughout."""

    def __init__(self, sound: Samples | str | PathLike[str], rate: int = TELEPHONE_RATE) -> None:
        if not isinstance(sound, np.ndarray):
            sound, rate = read_wav(sound)
        self.samples = resample(sound, rate, TELEPHONE_RATE).astype(np.float32)
        rows = frames(self.samples, len(self.samples) // FRAME)
        power = (rows * rows).mean(axis=1)
        if not len(rows) or power.max() < _SILENT**2:
            raise ValueError("a silent prompt cannot be heard")
        self.loud = power > max(_SILENT**2, 0.01 * float(power.mean()))
        where = np.flatnonzero(self.loud)
        self.sounding = int(where[0]) * FRAME, (int(where[-1]) + 1) * FRAME

    def anchors(self) -> list[tuple[int, Floats]]:
        """The first chunks with sound in most of them, with their places."""
        first, last = self.sounding
        size = min(CHUNK, last - first)
        places = range(first, last - size + 1, max(FRAME, size // 2))
        count = size // FRAME
        sounding = [at for at in places if self.loud[at // FRAME :][:count].mean() > 0.5]
        return [(at, self.samples[at : at + size]) for at in (sounding or [first])[:_ANCHORS]]


class Recording:
    """What was heard, made ready for looking for many prompts. `offset` is where it starts, in
    seconds of the call."""

    def __init__(self, heard: Samples, offset: float = 0.0) -> None:
        # a chunk may hang over the end: the call may have ended before the prompt did
        self.samples = np.concatenate([heard, np.zeros(CHUNK, np.int16)]).astype(np.float32)
        self.offset = offset
        squares = np.cumsum(self.samples.astype(np.float64) ** 2)
        self._energy = np.concatenate([[0.0], squares])
        self._spectra: npt.NDArray[np.complexfloating] | None = None

    def correlation(self, chunk: Floats) -> Floats:
        """The normalised correlation (-1 to 1) of a chunk of at most 0.4 s with every place."""
        places = len(self.samples) - len(chunk) + 1
        if places <= 0:
            return np.zeros(1, np.float32)
        step = _BLOCK - CHUNK + 1
        if self._spectra is None:
            count = -(-len(self.samples) // step)
            padded = np.zeros(count * step + CHUNK, np.float32)
            padded[: len(self.samples)] = self.samples
            blocks = np.lib.stride_tricks.sliding_window_view(padded, _BLOCK)[::step]
            self._spectra = np.fft.rfft(blocks)
        with_chunk = self._spectra * np.conj(np.fft.rfft(chunk, _BLOCK))
        products = np.fft.irfft(with_chunk, _BLOCK)[:, :step].ravel()[:places]
        energy = self._energy[len(chunk) :] - self._energy[: -len(chunk)]
        floor = len(chunk) * NOISE**2
        size = np.sqrt(np.maximum(energy, floor) * max(float(chunk @ chunk), floor))
        result: Floats = (products / size).astype(np.float32)
        return result

    def window(self, start: int, size: int) -> Floats:
        """Samples from anywhere; silence outside the recording."""
        inside = self.samples[max(0, start) : max(0, start + size)]
        before = np.zeros(min(size, max(0, -start)), np.float32)
        return np.concatenate(
            [before, inside, np.zeros(size - len(before) - len(inside), np.float32)]
        )


def frames(samples: Floats, count: int) -> Floats:
    """The first `count` frames as rows."""
    return samples[: count * FRAME].reshape(count, FRAME)
