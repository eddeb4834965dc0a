"""Something like speech for tests: vowels with a gliding pitch, hissing consonants, short pauses.

Sentences are made of a small stock of syllables, as one synthetic voice would: two sentences with
the same syllables have long stretches that are the same, sample for sample.
"""

from __future__ import annotations

import numpy as np

from ivr.audio import Samples, ulaw_decode, ulaw_encode

RATE = 8000
_FORMANTS = [(700, 1100), (300, 2200), (400, 900), (500, 1800), (350, 2600), (600, 1500)]


def syllable(kind: int) -> Samples:
    """Always the same sound for the same kind (0 to 23), 140 to 250 ms."""
    random = np.random.default_rng(kind)
    count = int(RATE * random.uniform(0.1, 0.18))
    t = np.arange(count) / RATE
    pitch = random.uniform(95, 130) * (1 + 0.15 * np.sin(2 * np.pi * random.uniform(1, 3) * t))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    first, second = _FORMANTS[kind % len(_FORMANTS)]
    vowel = np.zeros(count)
    for harmonic in range(1, 28):
        hertz = harmonic * 110
        gain = 1 / (1 + ((hertz - first) / 150) ** 2) + 0.6 / (1 + ((hertz - second) / 200) ** 2)
        vowel += gain * np.sin(harmonic * phase)
    hiss = random.normal(0, 0.5, int(RATE * random.uniform(0.04, 0.07)))
    sound = np.concatenate([hiss, vowel * np.hanning(count)])
    return (6000 * sound / np.abs(sound).max()).astype(np.int16)


def sentence(*kinds: int) -> Samples:
    """Syllables, with a pause where -1 stands."""
    return np.concatenate([silence(0.15) if kind < 0 else syllable(kind) for kind in kinds])


def said(seed: int, count: int = 16) -> Samples:
    """A sentence of `count` syllables."""
    return sentence(*np.random.default_rng(seed).integers(0, 24, count))


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), np.int16)


def line(*parts: Samples) -> Samples:
    """What is heard of it at the end of a telephone line."""
    return ulaw_decode(ulaw_encode(np.concatenate(parts)))
