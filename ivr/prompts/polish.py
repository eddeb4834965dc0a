"""What an engine made, as a prompt: telephone rate, no silence of its own, one loudness. Pure."""

from __future__ import annotations

import numpy as np

from ivr.audio import TELEPHONE_RATE, Samples, resample
from ivr.errors import PromptUnavailable

LOUDNESS = 10 ** (-19 / 20)  # of full scale; Asterisk's own prompts measure -18 to -19 dB
PEAK = 10 ** (-1 / 20)
MOST_GAIN = 10.0
SILENCE = 10 ** (-50 / 20)  # what is below is silence
BELOW_SPEECH = 10 ** (-35 / 20)  # and what is this far below the speech itself
WINDOW = TELEPHONE_RATE // 200  # 5 ms
KEEP_BEFORE, KEEP_AFTER = 2 * WINDOW, 4 * WINDOW  # so that an s or an f is not cut
LEAD = 10  # ms of silence before a sound
FADE = TELEPHONE_RATE * 3 // 1000


def polish(samples: Samples, rate: int, pause: int) -> Samples:
    """The sound at 8 kHz with `pause` ms of silence behind it. PromptUnavailable: it is silent."""
    sound = resample(samples, rate, TELEPHONE_RATE).astype(np.float64) / 32768
    levels = _levels(sound)
    loud = np.flatnonzero(levels > _threshold(levels))
    if not loud.size:
        raise PromptUnavailable("The synthesiser made silence.")
    begin = max(0, int(loud[0]) * WINDOW - KEEP_BEFORE)
    end = min(sound.size, (int(loud[-1]) + 1) * WINDOW + KEEP_AFTER)
    speech = sound[begin:end] * _gain(sound, levels[loud])
    ramp = np.linspace(0.0, 1.0, min(FADE, speech.size))
    speech[: ramp.size] *= ramp
    speech[speech.size - ramp.size :] *= ramp[::-1]
    whole = np.concatenate([_silence(LEAD), speech, _silence(pause)])
    return (whole * 32767).round().astype(np.int16)


def _levels(sound: np.ndarray) -> np.ndarray:
    """The effective value of every 5 ms."""
    windows = sound[: sound.size - sound.size % WINDOW].reshape(-1, WINDOW)
    levels: np.ndarray = np.sqrt((windows**2).mean(axis=1))
    return levels


def _threshold(levels: np.ndarray) -> float:
    return max(SILENCE, BELOW_SPEECH * float(np.max(levels, initial=0.0)))


def _gain(sound: np.ndarray, loud: np.ndarray) -> float:
    """Up or down to our loudness, as far as the peaks allow."""
    level = float(np.sqrt((loud**2).mean()))
    return min(LOUDNESS / level, MOST_GAIN, PEAK / float(np.abs(sound).max()))


def _silence(ms: int) -> np.ndarray:
    return np.zeros(TELEPHONE_RATE * ms // 1000)
