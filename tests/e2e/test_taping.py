"""The call itself recorded by a real Asterisk: both sides, in one file, without what is secret."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from cti.asterisk import Installation
from ivr.agi.call import AgiCall
from ivr.audio import read_wav, write_wav
from ivr.call import Keys, Question, Utterance
from tests.e2e.speech import SpokenPrompts, say, speech_line

pytestmark = pytest.mark.asterisk
PROMPT, BEFORE, SECRET, AFTER = 700, 1000, 1300, 1600  # Hz


def tone(hertz: int, seconds: float = 1.0) -> np.ndarray:
    time = np.arange(int(8000 * seconds)) / 8000
    return (8000 * np.sin(2 * np.pi * hertz * time)).astype(np.int16)


def seconds_of(samples: np.ndarray, hertz: int) -> float:
    """For how long a tone is heard, in frames of 20 ms."""
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160).astype(float)
    wave = np.exp(-2j * np.pi * hertz * np.arange(160) / 8000)
    return float(np.sum(np.abs(frames @ wave) / 80 > 1500)) * 0.02


class Tones(SpokenPrompts):
    async def files(self, utterance: Utterance) -> tuple[Path, ...]:
        path = self._folder / "prompt.wav"
        if not path.exists():
            write_wav(path, tone(PROMPT))
        return (path,)


async def test_a_secret_is_not_on_the_tape(installation: Installation, tmp_path: Path) -> None:
    folder = tmp_path / "taped"
    folder.mkdir()
    folder.chmod(0o777)
    path = folder / "call.wav"
    async with speech_line(installation, tmp_path, prompts=Tones) as line:
        stage = asyncio.Event()

        async def script(call: AgiCall) -> None:
            question = Question(say("prompt"), Keys(first=6.0))
            await call.tape(str(path))
            await call.ask(question)
            await call.untape()
            stage.set()
            await call.ask(question)
            await call.tape(str(path))
            await call.tape(str(path))  # an engine that comes back is not sure: no harm
            await call.ask(question)

        line.script = script
        line.done.clear()
        call = await line.dial()
        for hertz in (BEFORE, SECRET, AFTER):
            await call.pause(1.4)
            await call.play(tone(hertz))
            await call.pause(0.3)
            await call.press("1")
        await asyncio.wait_for(line.done.wait(), 10)
        await call.until_over(10)
        await asyncio.sleep(1.0)  # the last of it is written behind the hang-up
    samples, rate = read_wav(path)
    assert rate == 8000
    heard = {hertz: seconds_of(samples, hertz) for hertz in (PROMPT, BEFORE, SECRET, AFTER)}
    assert heard[SECRET] == 0.0
    assert 0.8 < heard[BEFORE] < 1.2
    assert 0.8 < heard[AFTER] < 1.2
    assert 1.6 < heard[PROMPT] < 2.4, heard  # twice: the secret question's own is not on it
