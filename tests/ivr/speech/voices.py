"""Voices for the tests: espeak-ng through the telephone, noise, and recordings of real people."""

from __future__ import annotations

import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ivr.audio import read_wav, resample, ulaw_decode, ulaw_encode

Sound = npt.NDArray[np.float64]
RATE = 8000
HERE = Path(__file__).resolve()


@cache
def spoken(text: str, voice: str = "tr", speed: int = 150, peak: float = 0.3) -> Sound:
    """espeak-ng says it, resampled to 8 kHz, `peak` of full scale."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        subprocess.run(
            ["espeak-ng", "-v", voice, "-s", str(speed), "-w", str(path), "--", text],
            check=True,
            timeout=20,
        )
        samples, rate = read_wav(path)
    sound = resample(samples, rate, RATE).astype(float)
    return sound / np.abs(sound).max() * 32767 * peak


def noise(seconds: float, level: float, seed: int = 1) -> Sound:
    """White noise in the telephone band; `level` is its root mean square in sample units."""
    count = int(seconds * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    frequency = np.fft.rfftfreq(count, 1 / RATE)
    spectrum[(frequency < 300) | (frequency > 3400)] = 0
    sound = np.fft.irfft(spectrum, count)
    return np.asarray(sound / np.sqrt(np.mean(sound**2)) * level)


def silence(seconds: float) -> Sound:
    return np.zeros(int(seconds * RATE))


def loudness(sound: Sound) -> float:
    """The root mean square of the part that sounds."""
    return float(np.sqrt(np.mean(sound[np.abs(sound) > np.abs(sound).max() * 0.05] ** 2)))


def over_the_telephone(sound: Sound) -> bytes:
    """slin after a trip through mu-law."""
    samples = np.clip(sound, -32768, 32767).astype(np.int16)
    return bytes(ulaw_decode(ulaw_encode(samples)).astype("<i2").tobytes())


def frames(audio: bytes, ms: int = 20) -> list[bytes]:
    size = ms * RATE * 2 // 1000
    return [audio[start : start + size] for start in range(0, len(audio), size)]


def real_digits() -> list[tuple[str, Path]]:
    """(digit, wav) of real people; the test is skipped by name where they are missing."""
    shared = next((p / "shared" for p in HERE.parents if (p / "shared" / "voices").is_dir()), None)
    beside = shared / "voices" if shared else Path("missing")
    folder = Path(os.environ.get("SANTRAL_VOICES") or beside)
    found = sorted((folder / "digits-en").glob("*.wav")) or sorted(folder.glob("[0-9]_*.wav"))
    if not found:
        pytest.skip("no recordings of real digits: set SANTRAL_VOICES to their folder")
    return [(path.name[0], path) for path in found]


def wav(path: Path) -> Sound:
    samples, rate = read_wav(path)
    return resample(samples, rate, RATE).astype(float)
