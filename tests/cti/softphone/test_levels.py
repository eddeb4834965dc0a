from __future__ import annotations

import numpy as np
import pytest

from cti.softphone.levels import SILENCE, bursts, envelope, has_tone, level, tone, tone_level
from ivr.audio import ulaw_decode, ulaw_encode
from tests.cti.softphone.speech import line, said, silence


@pytest.mark.parametrize("hertz", [300, 440, 697, 1000, 1477, 3000])
@pytest.mark.parametrize("peak", [-3.0, -20.0, -35.0])
def test_a_tones_level_is_its_own_and_nobody_elses(hertz: float, peak: float) -> None:
    sound = line(tone(hertz, 0.5, peak))
    assert tone_level(sound, hertz) == pytest.approx(peak - 3.0, abs=0.5)
    assert level(sound) == pytest.approx(peak - 3.0, abs=0.5)
    for other in (hertz - 60, hertz + 60, 2 * hertz):
        if other < 4000:
            assert tone_level(sound, other) < peak - 23
    assert has_tone(sound, hertz)
    assert not has_tone(sound, hertz + 60)


def test_two_tones_at_once_are_both_there() -> None:
    both = tone(440, 0.4, -12) + tone(1000, 0.4, -12)
    assert has_tone(both, 440)
    assert has_tone(both, 1000)
    assert not has_tone(both, 700)


def test_speech_and_silence_are_no_tone() -> None:
    assert not any(has_tone(said(5), hertz) for hertz in (440, 1000, 2000))
    assert not has_tone(silence(1), 440)
    assert level(silence(1)) == tone_level(silence(1), 440) == SILENCE
    assert level(silence(0)) == tone_level(silence(0), 440) == SILENCE
    idle = ulaw_decode(ulaw_encode(np.tile([-2, 2], 4000).astype(np.int16)))
    assert level(idle) < -60


def test_the_envelope_has_a_level_for_every_20_ms() -> None:
    sound = np.concatenate([silence(0.1), tone(500, 0.1, -6), silence(0.05)])
    levels = envelope(sound)
    assert len(levels) == 12
    assert (levels[:5] == SILENCE).all()
    assert levels[5:10] == pytest.approx([-9.0] * 5, abs=0.3)
    assert (levels[10:] == SILENCE).all()


def test_bursts_are_sounds_with_their_times() -> None:
    sound = np.concatenate(
        [silence(0.4), tone(500, 0.2), silence(0.1), tone(500, 0.2), silence(0.5), tone(900, 0.1)]
    )
    assert bursts(sound) == [(0.4, 0.9), (pytest.approx(1.4), pytest.approx(1.5))]
    assert len(bursts(sound, gap=0.05)) == 3
    assert bursts(sound, above=-5) == []
    assert bursts(silence(1)) == []
