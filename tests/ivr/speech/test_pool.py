"""Workers are real processes: a warm one that recognises, and ones that break on purpose."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import psutil
import pytest

from ivr.errors import RecogniserFailed
from ivr.speech.engines import EngineChoice, SpeechSettings
from ivr.speech.pool import COMMAND, Pool
from ivr.speech.recogniser import Final
from tests.ivr.speech import voices

ONE = SpeechSettings({"tr": (EngineChoice(),)}, workers=1, final=0.3)


class Ear:
    """Who asked: keeps what it is told."""

    def __init__(self) -> None:
        self.over: asyncio.Future[Final | str] = asyncio.get_running_loop().create_future()
        self.news: list[str] = []

    def words(self) -> None:
        self.news.append("words")

    def paused(self) -> None:
        self.news.append("paused")

    def final(self, result: Final) -> None:
        self.over.set_result(result)

    def failed(self, why: str) -> None:
        self.over.set_result(why)

    async def answer(self) -> Final | str:
        async with asyncio.timeout(10):
            return await self.over


@asynccontextmanager
async def pool(
    command: Sequence[str] = COMMAND, settings: SpeechSettings = ONE
) -> AsyncIterator[Pool]:
    made = Pool(settings, command)
    await made.start(30)
    try:
        yield made
    finally:
        await made.stop()


def fake(mode: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "tests.fakes.speech_worker", mode)


async def ready(one: Pool, pid: int = 0) -> None:
    """Until a worker other than that process is ready."""
    async with asyncio.timeout(20):
        while not one.ready or one.pids() == [pid]:
            await asyncio.sleep(0.02)


async def test_several_questions_at_once_on_one_worker() -> None:
    """All are heard; one that the engine refuses fails alone; a killed worker fails its own."""
    async with pool() as one:
        assert one.languages() == {"tr": "vosk"}
        words = ("temsilci", "iptal", "kargo", "evet")
        ears = [Ear() for _ in words]
        jobs = [one.begin("tr", words, ear) for ear in ears]
        audio = [voices.over_the_telephone(voices.spoken(word)) for word in words]
        for start in range(0, max(map(len, audio)), 640):
            for job, sound in zip(jobs, audio, strict=True):
                job.feed(sound[start : start + 640])
        for job in jobs:
            job.finish()
        answers = [await ear.answer() for ear in ears]
        assert [one.guesses[0].text for one in answers if isinstance(one, Final)] == list(words)
        assert all("words" in ear.news for ear in ears)
        with pytest.raises(RecogniserFailed, match="language 'de'"):
            one.begin("de", (), Ear())
        bad = Ear()
        one.begin("tr", [f"kargo {number}" for number in range(5000)], bad)
        assert "5000 phrases" in str(await bad.answer())
        pid = one.pids()[0]
        ear = Ear()
        one.begin("tr", words, ear)
        os.kill(pid, signal.SIGKILL)
        assert await ear.answer() == "the recogniser was lost"
        await ready(one, pid)
    assert not psutil.pid_exists(pid)


async def test_workers_inherit_no_socket_and_end_with_the_pool() -> None:
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with pool(fake("well")) as one:
        (pid,) = one.pids()
        listening = [one.laddr.port for one in psutil.Process(pid).net_connections()]
        assert port not in listening
    assert not psutil.pid_exists(pid)
    server.close()


@pytest.mark.parametrize("mode", ["crash", "hang", "mute", "nonsense"])
async def test_a_broken_worker_fails_its_question_in_time_and_is_replaced(mode: str) -> None:
    async with pool(fake(mode)) as one:
        (pid,) = one.pids()
        ears = [Ear(), Ear()]
        jobs = [one.begin("tr", ("evet",), ear) for ear in ears]
        jobs[0].finish()
        assert await ears[0].answer() == "the recogniser was lost"
        assert await ears[1].answer() == "the recogniser was lost"
        await ready(one, pid)
        assert one.restarts == 1


async def test_a_cancelled_question_is_never_answered() -> None:
    async with pool(fake("well")) as one:
        cancelled, kept = Ear(), Ear()
        one.begin("tr", ("evet",), cancelled).cancel()
        one.begin("tr", ("evet",), kept).finish()
        assert isinstance(await kept.answer(), Final)
        assert not cancelled.over.done()


@pytest.mark.parametrize("mode", ["stillborn", "empty"])
async def test_a_pool_that_never_gets_ready_says_so(mode: str) -> None:
    with pytest.raises(RecogniserFailed, match="no recogniser worker was ready"):
        await Pool(ONE, fake(mode)).start(0.4)
