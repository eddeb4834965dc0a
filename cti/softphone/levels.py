"""How loud it was, when there was sound, and whether a tone was in it. Pure; 8 kHz samples."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ivr.audio import TELEPHONE_RATE, Samples

SILENCE = -90.0
"""Decibels given to digital silence; all levels are in dB below a full-scale square wave (dBov)."""
_WINDOW = 160  # 20 ms


class Burst(NamedTuple):
    """A stretch of sound, in seconds of the recording."""

    start: float
    end: float


def level(samples: Samples) -> float:
    """The RMS level in dBov; a full-scale sine has -3.0."""
    if not len(samples):
        return SILENCE
    power = float(np.mean(samples.astype(np.float64) ** 2)) / 32768**2
    return max(SILENCE, 10 * math.log10(power)) if power else SILENCE


def tone_level(samples: Samples, hertz: float) -> float:
    """The level of one frequency in dBov, by the Goertzel algorithm's sum; a sine of this frequency
    gives its own `level`. With 0.1 s, tones 30 Hz away count for less than -20 dB."""
    count = len(samples)
    if not count:
        return SILENCE
    window = np.hanning(count)
    turns = np.exp(-2j * np.pi * hertz / TELEPHONE_RATE * np.arange(count))
    amplitude = 2 * abs(complex((samples * window) @ turns)) / window.sum()
    power = amplitude**2 / 2 / 32768**2
    return max(SILENCE, 10 * math.log10(power)) if power else SILENCE


def has_tone(samples: Samples, hertz: float, *, least: float = -45.0) -> bool:
    """Whether a tone stands in the sound: at least so loud, and a quarter of all the power."""
    found = tone_level(samples, hertz)
    return found >= least and found >= level(samples) - 6.0


def envelope(samples: Samples) -> npt.NDArray[np.float64]:
    """The level of every whole 20 ms, in dBov."""
    windows = samples[: len(samples) // _WINDOW * _WINDOW].reshape(-1, _WINDOW)
    power = np.mean(windows.astype(np.float64) ** 2, axis=1) / 32768**2
    quietest = 10 ** (SILENCE / 10)
    levels: npt.NDArray[np.float64] = 10 * np.log10(np.maximum(power, quietest))
    return levels


def bursts(samples: Samples, *, above: float = -50.0, gap: float = 0.25) -> list[Burst]:
    """The stretches of sound above a level; silences shorter than `gap` seconds do not end one."""
    found: list[Burst] = []
    for index in np.flatnonzero(envelope(samples) > above):
        start = int(index) * _WINDOW / TELEPHONE_RATE
        end = start + _WINDOW / TELEPHONE_RATE
        if found and start - found[-1].end < gap:
            found[-1] = Burst(found[-1].start, end)
        else:
            found.append(Burst(start, end))
    return found


def tone(hertz: float, seconds: float, peak: float = -10.0) -> Samples:
    """A sine whose peak is `peak` dB below full scale."""
    t = np.arange(round(seconds * TELEPHONE_RATE)) / TELEPHONE_RATE
    return (32767 * 10 ** (peak / 20) * np.sin(2 * np.pi * hertz * t)).astype(np.int16)
