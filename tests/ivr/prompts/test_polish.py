"""What becomes of an engine's sound before it is kept."""

from __future__ import annotations

import numpy as np
import pytest

from ivr.audio import Samples
from ivr.errors import PromptUnavailable
from ivr.prompts.polish import polish


def tone(seconds: float, level: float, rate: int = 22_050) -> Samples:
    wave = np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)
    return (wave * level * 32767).astype(np.int16)


def level(samples: Samples) -> float:
    """Decibels below full scale."""
    return float(20 * np.log10(np.sqrt((samples.astype(float) ** 2).mean()) / 32768))


def quiet(seconds: float) -> Samples:
    return np.zeros(int(seconds * 22_050), np.int16)


def test_its_silence_is_cut_and_ours_is_put_around() -> None:
    sound = np.concatenate([quiet(0.5), tone(1.0, 0.3), quiet(0.3)])
    done = polish(sound, 22_050, 200)
    assert len(done) == pytest.approx((0.01 + 1.0 + 0.2 + 0.03) * 8000, abs=80)
    assert not done[:80].any()
    assert not done[-1600:].any()


@pytest.mark.parametrize("given", [0.02, 0.1, 0.5, 0.99])
def test_every_sound_comes_out_equally_loud(given: float) -> None:
    done = polish(tone(1.0, given), 22_050, 0)
    assert level(done[400:-400]) == pytest.approx(-19, abs=0.5)


def test_a_sound_of_peaks_is_not_driven_over_the_edge() -> None:
    sound = tone(1.0, 0.05)
    sound[::2000] = 20_000
    done = polish(sound, 22_050, 0)
    assert np.abs(done).max() <= 0.9 * 32767


def test_a_soft_beginning_is_kept() -> None:
    hiss = (np.random.default_rng(1).normal(0, 0.02, 2205) * 32767).astype(np.int16)
    done = polish(np.concatenate([quiet(0.2), hiss, tone(0.5, 0.3)]), 22_050, 0)
    assert len(done) == pytest.approx(0.6 * 8000, abs=300)


def test_nothing_clicks_at_the_joints() -> None:
    done = polish(tone(0.5, 0.5), 22_050, 30)
    assert np.abs(np.diff(done.astype(int)))[:100].max() < 2500


@pytest.mark.parametrize("sound", [quiet(1.0), quiet(0.0), np.ones(3, np.int16)])
def test_silence_is_no_prompt(sound: Samples) -> None:
    with pytest.raises(PromptUnavailable, match="silence"):
        polish(sound, 22_050, 0)
