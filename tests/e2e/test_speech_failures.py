"""What happens to a caller in mid-word when the listener, a worker or the network between dies."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable

import numpy as np
import psutil
import pytest
import pytest_asyncio

from cti.asterisk import Installation
from ivr.call import HeardKind, Keys, Question, Trouble
from tests.e2e.speech import SpeechLine, say, speech_line
from tests.ivr.speech import voices

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]

MENU = Question(say("buyurun"), Keys(first=8.0), ("sipariş durumu", "temsilci", "iptal"))
TALK = np.concatenate([voices.spoken("sipariş durumu sipariş durumu")] * 2).astype(np.int16)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def line(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[SpeechLine]:
    async with speech_line(installation, tmp_path_factory.mktemp("speech")) as one:
        yield one


def workers(line: SpeechLine) -> list[int]:
    return [child.pid for child in psutil.Process(line.speech.pid).children()]


def kill_listener(line: SpeechLine) -> None:
    os.kill(line.speech.pid, signal.SIGKILL)


def kill_workers(line: SpeechLine) -> None:
    for pid in workers(line):
        os.kill(pid, signal.SIGKILL)


def cut(line: SpeechLine) -> None:
    line.wire.cut()


def hang_listener(line: SpeechLine) -> None:
    os.kill(line.speech.pid, signal.SIGSTOP)


def hang_workers(line: SpeechLine) -> None:
    for pid in workers(line):
        os.kill(pid, signal.SIGSTOP)


async def all_well(line: SpeechLine) -> None:
    """Until everything is up again, and nothing is left of the calls before."""
    async with asyncio.timeout(180):
        while not line.speech.ready or line.speech.news["workers"] < 2:
            await asyncio.sleep(0.05)
        while line.speech.news["calls"] or "0 active channels" not in await line.channels():
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    "strike",
    [kill_listener, kill_workers, cut, hang_listener, hang_workers],
    ids=lambda f: f.__name__,
)
async def test_in_mid_word_the_question_ends_and_keys_go_on(
    line: SpeechLine, strike: Callable[[SpeechLine], None]
) -> None:
    """The question tells that speech is down; the next one takes keys, and the call ends well."""
    await all_well(line)
    line.ask(MENU, MENU)
    call = await line.dial()
    await call.pause(1.0)
    await call.play(TALK, wait=False)
    await call.pause(0.7)
    strike(line)
    await line.until_heard(1)
    await call.pause(0.5)
    await call.press("2")
    first, second = await line.finish(call)
    assert (first.kind, first.trouble) == (HeardKind.NOTHING, Trouble.SPEECH_DOWN)
    assert (second.kind, second.text) == (HeardKind.KEYS, "2")
    await all_well(line)


@pytest.mark.parametrize("strike", [kill_listener, kill_workers, cut], ids=lambda f: f.__name__)
async def test_before_a_word_is_said(
    line: SpeechLine, strike: Callable[[SpeechLine], None]
) -> None:
    """Nobody has spoken yet. A lost worker is not even noticed; a listener's loss is told, and a
    key that is pressed meanwhile answers the question that follows."""
    await all_well(line)
    line.ask(MENU, MENU)
    call = await line.dial()
    await call.pause(1.2)
    strike(line)
    await call.pause(0.8)
    if strike is kill_workers:
        await call.play(voices.spoken("temsilci").astype(np.int16))
    else:
        await call.press("1")
    if strike is kill_workers:
        await line.until_heard(1)
        await call.press("1")
    first, second = await line.finish(call)
    if strike is kill_workers:
        assert (first.kind, first.text) == (HeardKind.SPEECH, "temsilci")
    else:
        assert (first.kind, first.trouble) == (HeardKind.NOTHING, Trouble.SPEECH_DOWN)
    assert (second.kind, second.text) == (HeardKind.KEYS, "1")
    await all_well(line)


async def test_speech_comes_back_in_the_same_call(line: SpeechLine) -> None:
    await all_well(line)
    line.ask(MENU, MENU, MENU)
    restarts = line.speech.restarts
    call = await line.dial()
    await call.pause(1.0)
    await call.play(TALK, wait=False)
    await call.pause(0.7)
    kill_listener(line)
    await line.until_heard(1)
    call.stop_playing()
    await line.speech.wait_ready(120, restarts=restarts + 1)
    await call.press("1")
    await line.until_heard(2)
    await call.pause(1.2)
    await call.play(voices.spoken("iptal").astype(np.int16))
    first, second, third = await line.finish(call)
    assert first.trouble is Trouble.SPEECH_DOWN
    assert second.text == "1"
    assert (third.kind, third.text) == (HeardKind.SPEECH, "iptal")


async def test_twenty_times_in_mid_word_no_call_is_dropped_and_none_hangs(
    line: SpeechLine,
) -> None:
    """Four callers at a time, all talking, struck in turn; each goes on by key to a proper end."""
    for turn, strike in enumerate([kill_listener, kill_workers, cut, kill_workers, cut]):
        await all_well(line)
        line.ask(MENU, MENU)
        calls = [await line.dial() for _ in range(4)]
        await calls[-1].pause(1.0)
        for call in calls:
            await call.play(TALK, wait=False)
        await calls[-1].pause(0.5)
        strike(line)
        await line.until_heard(4)
        for call in calls:
            call.stop_playing()
        await calls[-1].pause(0.5)
        for call in calls:
            await call.press("2")
        for call in calls:
            await call.until_over(90)
            assert call.ended_by == "them", (turn, str(call))
        assert sorted(heard.text for heard in line.heard) == ["", "", "", "", "2", "2", "2", "2"]
        assert sum(one.trouble is Trouble.SPEECH_DOWN for one in line.heard) >= 4
    await all_well(line)
    assert line.errors == []
