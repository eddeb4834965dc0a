"""The end-pointer on synthetic speech in noise, on real people, and on nothing but the clock."""

from __future__ import annotations

import numpy as np
import pytest

from ivr.errors import BadInput
from ivr.speech.vad import Activity, EndPointer, EndPointing, NoiseFloor, level_db
from tests.ivr.speech import voices

WORDS = ("evet", "sipariş durumu", "temsilci", "beş", "üç", "yedi sekiz dokuz")


def run(pointer: EndPointer, audio: bytes, start: float = 0.0) -> list[tuple[Activity, float]]:
    """Feed as a line would; events with the second of audio at which they came."""
    found = []
    for number, frame in enumerate(voices.frames(audio)):
        at = start + (number + 1) * 0.02
        found += [(event, at) for event in pointer.feed(frame, at)]
        if pointer.over:
            break
    return found


def test_level_is_in_db_of_a_full_scale_sine() -> None:
    sine = 32767 * np.sin(np.arange(160) * 2 * np.pi * 1000 / 8000)
    assert level_db(sine.astype("<i2").tobytes()) == pytest.approx(0, abs=0.1)
    assert level_db((sine / 10).astype("<i2").tobytes()) == pytest.approx(-20, abs=0.1)
    assert level_db(bytes(320)) < -90


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("snr", [None, 25, 15, 10])
def test_speech_in_noise_begins_and_ends_where_it_does(word: str, snr: int | None) -> None:
    said = voices.spoken(word)
    first, last = np.flatnonzero(np.abs(said) > np.abs(said).max() * 0.03)[[0, -1]] / 8000
    sound = np.concatenate([voices.silence(2), said, voices.silence(2)])
    level = 1.0 if snr is None else voices.loudness(said) * 10 ** (-snr / 20)
    sound = sound + voices.noise(len(sound) / 8000, level)[: len(sound)]
    events = run(EndPointer(EndPointing(hangover=400)), voices.over_the_telephone(sound))
    (onset, began), (end, ended) = events
    assert (onset, end) == (Activity.ONSET, Activity.END)
    assert 0 < began - 2 - first < (0.4 if snr == 10 else 0.2)
    early = -0.3 if snr == 10 else -0.2  # a word's soft end drowns first
    assert early < ended - 0.4 - 2 - last < 0.05


@pytest.mark.parametrize("level", [0, 5, 100, 1000, 4000])
def test_noise_alone_is_not_speech(level: float) -> None:
    audio = voices.over_the_telephone(voices.noise(20, level + 0.01))
    assert run(EndPointer(EndPointing()), audio) == []


def test_noise_that_starts_is_given_up_and_the_next_question_is_not_disturbed() -> None:
    floor = NoiseFloor()
    quiet, loud = voices.noise(2, 10), voices.noise(12, 1500)
    first = EndPointer(EndPointing(max=10_000), floor)
    audio = voices.over_the_telephone(np.concatenate([quiet, loud]))
    events = [event for event, _ in run(first, audio)]
    assert events == [Activity.ONSET, Activity.END]  # it ends by itself, not by the maximum
    rest = voices.over_the_telephone(voices.noise(10, 1500, seed=2))
    assert run(EndPointer(EndPointing(), floor), rest) == []


def test_a_click_is_a_noise() -> None:
    sound = voices.noise(4, 5)
    sound[16000:16500] += 8000
    sound[16000:16500] *= np.random.default_rng(2).standard_normal(500)
    events = run(EndPointer(EndPointing(min=150)), voices.over_the_telephone(sound))
    assert [event for event, _ in events] == [Activity.ONSET, Activity.NOISE]


def test_pauses_within_the_hangover_do_not_end_an_answer() -> None:
    said = [voices.spoken(word) for word in ("bir", "iki", "üç")]
    parts = [voices.silence(1)]
    for word in said:
        parts += [word, voices.silence(0.5)]
    audio = voices.over_the_telephone(np.concatenate([*parts, voices.silence(1)]))
    length = len(audio) / 16000
    (_, began), (end, ended) = run(EndPointer(EndPointing(hangover=900)), audio)
    assert end is Activity.END
    assert 1 < began < 1.3
    assert ended > length - 1.2
    short = run(EndPointer(EndPointing(hangover=300)), audio)
    assert short[1][1] < 2.4


def test_too_much_talk_is_told() -> None:
    talk = np.concatenate([voices.silence(1), *[voices.spoken("temsilci istiyorum")] * 6])
    events = run(EndPointer(EndPointing(max=3000)), voices.over_the_telephone(talk))
    assert [event for event, _ in events] == [Activity.ONSET, Activity.TOO_MUCH]
    assert events[1][1] - events[0][1] == pytest.approx(3.0, abs=0.1)


def test_the_clock_ends_speech_when_no_audio_comes_any_more() -> None:
    pointer = EndPointer(EndPointing(hangover=500))
    audio = voices.over_the_telephone(np.concatenate([voices.silence(1), voices.spoken("evet")]))
    spoken = audio[: int(1.3 * 16000)]  # in mid-word
    assert [event for event, _ in run(pointer, spoken)] == [Activity.ONSET]
    assert pointer.tick(1.3 + 0.4) is None
    assert pointer.tick(1.3 + 0.55) is Activity.END
    assert pointer.over
    assert pointer.tick(9.0) is None


def test_the_clock_says_nothing_before_speech() -> None:
    pointer = EndPointer(EndPointing())
    run(pointer, voices.over_the_telephone(voices.silence(1)))
    assert pointer.tick(1000.0) is None


def test_audio_that_was_held_up_is_not_counted_twice() -> None:
    """300 ms of quiet frames come in one burst after a stall: that is 300 ms, not 600."""
    pointer = EndPointer(EndPointing(hangover=500))
    audio = voices.over_the_telephone(np.concatenate([voices.silence(1), voices.spoken("evet")]))
    spoken = audio[: int(1.3 * 16000)]  # in mid-word
    run(pointer, spoken)
    assert not any(pointer.feed(bytes(320), 1.3 + 0.3) for _ in range(15))
    assert pointer.quiet_ms == 300
    assert pointer.tick(1.3 + 0.4) is None
    assert pointer.tick(1.3 + 0.55) is Activity.END


def test_the_recogniser_ends_speech_that_noise_hides() -> None:
    pointer = EndPointer(EndPointing(hangover=500))
    audio = voices.over_the_telephone(np.concatenate([voices.silence(1), voices.spoken("evet")]))
    run(pointer, audio[: int(1.4 * 16000)])
    assert pointer.pause_noticed(300, 2.0) is None
    assert pointer.pause_noticed(500, 2.0) is Activity.END


def test_odd_pieces_of_audio_give_the_same_events() -> None:
    audio = voices.over_the_telephone(
        np.concatenate([voices.silence(1), voices.spoken("temsilci"), voices.silence(1)])
    )
    pointer = EndPointer(EndPointing())
    found: list[Activity] = []
    for start in range(0, len(audio), 514):
        found += pointer.feed(audio[start : start + 514], start / 16000)
    assert found == [Activity.ONSET, Activity.END]


@pytest.mark.parametrize(
    "wrong", [{"hangover": 50}, {"hangover": 9000}, {"min": -1}, {"max": 100}, {"max": 999_999}]
)
def test_impossible_settings_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(BadInput, match=next(iter(wrong))):
        EndPointing(**wrong)


def test_real_people_are_heard_from_start_to_end() -> None:
    missed = []
    recordings = voices.real_digits()[::4]
    for digit, path in recordings:
        sound = np.concatenate([voices.noise(1, 15), voices.wav(path), voices.noise(1.5, 15)])
        events = run(EndPointer(EndPointing()), voices.over_the_telephone(sound))
        if [event for event, _ in events] != [Activity.ONSET, Activity.END]:
            missed.append((digit, path.name, events))
    assert len(missed) <= len(recordings) // 50, missed
