from __future__ import annotations

import itertools
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from cti.softphone.correlation import Prompt, Recording
from cti.softphone.hearing import every_time, heard_prompt, in_order, what_was_played
from ivr.audio import Samples, alaw_decode, alaw_encode, read_wav, resample, write_wav
from tests.cti.softphone.speech import RATE, line, said, sentence, silence

WELCOME, MENU, ASK, STATUS = said(1, 12), said(2, 22), said(3, 18), said(4, 30)
ALL = {"welcome": WELCOME, "menu": MENU, "ask": ASK, "status": STATUS}
BEGINNING = (3, 7, 1, -1, 12, 5, 20, 9)
ORDERS, RETURNS = sentence(*BEGINNING, 2, 14, 8, 21, 6), sentence(*BEGINNING, 17, 4, 11, 0, 23, 19)
COMMON = len(sentence(*BEGINNING)) / RATE


@pytest.mark.parametrize("name", ALL)
def test_what_was_played_is_heard_where_it_was_and_nothing_else_is(name: str) -> None:
    heard = line(silence(1.3), ALL[name], silence(2))
    for other, prompt in ALL.items():
        match = heard_prompt(heard, prompt)
        assert bool(match) == (other == name)
        if other == name:
            assert match.score > 0.98
            assert match.start == pytest.approx(1.3, abs=0.001)
            assert match.end == pytest.approx(1.3 + len(prompt) / RATE, abs=0.05)
            assert match.whole
            assert match.cut_at is None
        else:
            assert match.score < 0.4


def test_alaw_and_a_quieter_line_change_nothing() -> None:
    heard = alaw_decode(alaw_encode((line(silence(0.5), MENU) * 0.2).astype(np.int16)))
    assert heard_prompt(heard, MENU).score > 0.97
    assert heard_prompt(heard, MENU).whole


def test_noise_on_the_line() -> None:
    noise = np.random.default_rng(9).normal(0, 300, len(MENU) + 16000)
    heard = (np.concatenate([silence(1), MENU, silence(1)]) + noise).astype(np.int16)
    match = heard_prompt(line(heard), MENU)
    assert match.fraction > 0.9
    assert match.start == pytest.approx(1, abs=0.001)
    assert not heard_prompt(line(heard), ASK)


@pytest.mark.parametrize("seconds", np.arange(0.7, 4.2, 0.62).round(2))
def test_a_cut_is_seen_when_it_was(seconds: float) -> None:
    kept = MENU[: int(seconds * RATE)]
    match = heard_prompt(line(silence(0.7), kept, silence(3)), MENU)
    assert match.score > 0.95
    assert not match.whole
    assert match.cut_at == pytest.approx(0.7 + seconds, abs=0.06)
    assert match.fraction == pytest.approx(seconds / (len(MENU) / RATE), abs=0.05)


def test_a_cut_followed_by_another_prompt() -> None:
    match = heard_prompt(line(MENU[:16000], STATUS), MENU)
    assert match.cut_at == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("heard", [silence(0), silence(0.1), silence(30)])
def test_silence_is_no_prompt(heard: Samples) -> None:
    match = heard_prompt(heard, MENU)
    assert not match
    assert match.score == 0.0
    assert what_was_played(heard, ALL) == []


def test_noise_and_tones_are_no_prompt() -> None:
    noise = np.random.default_rng(5).normal(0, 3000, 48000).astype(np.int16)
    hum = (9000 * np.sin(np.arange(48000) * 2 * np.pi * 110 / RATE)).astype(np.int16)
    faint = np.random.default_rng(6).integers(-8, 9, 48000).astype(np.int16)
    for heard in (noise, hum, faint):
        for prompt in ALL.values():
            assert not heard_prompt(line(heard), prompt)


def test_a_silent_prompt_cannot_be_asked_for() -> None:
    for sound in (silence(2), silence(0), silence(0.01)):
        with pytest.raises(ValueError, match="silent"):
            Prompt(sound)


def test_a_shared_beginning_is_heard_no_further_than_it_is_shared() -> None:
    heard = line(silence(0.4), ORDERS, silence(1))
    assert heard_prompt(heard, ORDERS).whole
    other = heard_prompt(heard, RETURNS)
    assert not other.whole
    assert other.cut_at == pytest.approx(0.4 + COMMON, abs=0.1)
    both = {"returns": RETURNS, "orders": ORDERS}
    assert [played.name for played in what_was_played(heard, both)] == ["orders"]


def test_a_cut_inside_the_shared_beginning_is_told_as_either() -> None:
    heard = line(silence(0.4), ORDERS[: int((COMMON - 0.3) * RATE)], silence(2))
    [played] = what_was_played(heard, {"returns": RETURNS, "orders": ORDERS})
    assert (played.name, played.also) == ("returns", ("orders",))


def test_a_shared_word_in_the_middle_is_not_the_prompt() -> None:
    one, other = sentence(1, 2, 3, 4, 5, 6, 7, 8), sentence(9, 10, 11, 4, 5, 6, 12, 13)
    assert not heard_prompt(line(one), other)


def test_a_conversation_in_order() -> None:
    heard = line(
        *(silence(0.5), WELCOME, silence(0.2), MENU, silence(1), MENU[:12000], silence(1)),
        *(ASK, silence(2), STATUS),
    )
    played = what_was_played(heard, ALL)
    assert [one.name for one in played] == ["welcome", "menu", "menu", "ask", "status"]
    assert [one.match.whole for one in played] == [True, True, False, True, True]
    matches = in_order(heard, [WELCOME, MENU, MENU, ASK, STATUS])
    assert all(matches)
    assert [one.start for one in matches] == [one.match.start for one in played]
    assert [round(match.fraction, 1) for match in every_time(heard, MENU)] == [1.0, 0.3]
    assert [match.whole for match in every_time(heard, MENU, least=0.9)] == [True]


def test_the_wrong_order_is_noticed() -> None:
    heard = line(WELCOME, silence(0.3), ASK, silence(0.3), MENU)
    welcome, menu, ask = in_order(heard, [WELCOME, MENU, ASK])
    assert welcome.whole
    assert menu.whole
    assert not ask
    assert not heard_prompt(heard, WELCOME, after=1.0)


def test_the_first_of_equal_hearings_and_the_fullest_of_unequal() -> None:
    heard = line(MENU[:9000], silence(1), MENU, silence(1), MENU)
    match = heard_prompt(heard, MENU)
    assert match.start == pytest.approx(9000 / RATE + 1, abs=0.001)


def test_a_player_that_stumbles_and_a_lost_packet() -> None:
    late = line(silence(0.5), MENU[:20000], silence(0.06), MENU[20000:], silence(1))
    assert heard_prompt(late, MENU).whole
    assert heard_prompt(late, MENU).end == pytest.approx(0.56 + len(MENU) / RATE, abs=0.05)
    lossy = line(silence(0.5), MENU, silence(1))
    for at in range(6000, len(MENU), 8000):
        lossy[at : at + 160] = 0
    assert heard_prompt(lossy, MENU).fraction > 0.9
    assert heard_prompt(lossy, MENU).score > 0.9


def test_a_clipped_beginning_is_forgiven_for_half_a_second() -> None:
    slightly = heard_prompt(line(MENU[2400:], silence(1)), MENU)
    assert slightly.start == pytest.approx(-0.3, abs=0.001)
    assert 0.85 < slightly.fraction < 0.97
    assert not heard_prompt(line(MENU[12000:], silence(1)), MENU)


def test_short_prompts() -> None:
    words = [sentence(kind) for kind in range(10)]
    heard = line(
        silence(0.3), *itertools.chain(*((words[kind], silence(0.1)) for kind in (3, 1, 4, 1)))
    )
    found = in_order(heard, [words[kind] for kind in (3, 1, 4, 1)])
    assert all(match.whole for match in found)
    starts = [match.start for match in found]
    assert starts == sorted(starts)
    assert not any(heard_prompt(heard, words[kind]) for kind in (0, 2, 5, 6, 7, 8, 9))


def test_a_wav_of_any_rate(tmp_path: Path) -> None:
    write_wav(tmp_path / "menu.wav", resample(MENU, RATE, 22050), 22050)
    heard = line(silence(1), MENU, silence(0.2))
    assert heard_prompt(heard, tmp_path / "menu.wav").score > 0.98
    assert heard_prompt(heard, str(tmp_path / "menu.wav")).whole
    assert heard_prompt(heard, Prompt(resample(MENU, RATE, 16000), 16000)).whole


def test_a_recording_may_start_later() -> None:
    heard = Recording(line(silence(1), MENU), offset=20.0)
    assert heard_prompt(heard, MENU).start == pytest.approx(21.0, abs=0.001)
    assert heard_prompt(heard, MENU, after=20.5).whole
    assert not heard_prompt(heard, MENU, after=22.0)


SPOKEN = {
    "welcome": "Merhaba, mağazamıza hoş geldiniz.",
    "orders": "Sipariş durumu için bire, temsilci için sıfıra basın.",
    "returns": "Sipariş durumu için bire, iade için ikiye basın.",
    "ask": "Lütfen sipariş numaranızı tuşlayın, ardından kare tuşuna basın.",
    "sorry": "Bu numarada bir sipariş bulamadık.",
}


@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is not on this machine")
def test_sentences_of_one_synthetic_voice_are_told_apart(tmp_path: Path) -> None:
    prompts: dict[str, Samples] = {}
    for name, text in SPOKEN.items():
        path = tmp_path / f"{name}.wav"
        subprocess.run(["espeak-ng", "-v", "tr", "-w", path, "--", text], check=True)
        prompts[name] = resample(*read_wav(path), RATE)
    for name, other in itertools.permutations(SPOKEN, 2):
        match = heard_prompt(line(silence(0.5), prompts[name], silence(0.5)), prompts[other])
        assert not match.whole
        assert bool(match) == ({name, other} == {"orders", "returns"})
    heard = line(prompts["welcome"], silence(0.3), prompts["returns"], silence(1), prompts["ask"])
    names = [played.name for played in what_was_played(heard, prompts)]
    assert names == ["welcome", "returns", "ask"]
