"""The keeper with real processes: whoever knocks is served, whatever happens to those who serve."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from cti import keeper as module
from cti.keeper import Keeper, read_news
from cti.settings import CHECKOUT, Settings
from ivr.errors import EngineDown

COMMAND = (sys.executable, "-m", "tests.cti.keeper_worker")


class Kept:
    """A keeper that runs, and what can be seen of it from outside."""

    def __init__(self, settings: Settings) -> None:
        self.lines: list[str] = []
        self.settings = settings
        self.keeper = Keeper(settings, self.lines.append, COMMAND)

    @property
    def ready(self) -> list[str]:
        """The last line that told of one that serves."""
        return [line.split() for line in self.lines if line.startswith("ready")][-1]

    @property
    def port(self) -> int:
        return int(self.ready[1].removeprefix("agi="))

    @property
    def worker(self) -> int:
        return int(self.ready[2].removeprefix("worker="))

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not holds():
                await asyncio.sleep(0.01)

    async def serves(self, times: int) -> None:
        await self.until(lambda: len(self.lines) >= times)

    async def who(self, word: bytes = b"\n") -> int:
        """Knock, and tell which process answered."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(word)
        try:
            return int(await asyncio.wait_for(reader.readline(), 20))
        finally:
            writer.close()


@pytest.fixture
async def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Kept]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    kept = Kept(Settings(state=tmp_path, agi_port=0, drain=5.0, restart_drain=20.0))  # type: ignore[call-arg]
    running = asyncio.create_task(kept.keeper.run())
    await kept.serves(1)
    yield kept
    kept.keeper.stop()
    await asyncio.wait_for(running, 20)
    assert read_news(tmp_path) is None


async def test_a_dead_one_is_followed_by_another_again_and_again(kept: Kept) -> None:
    seen = {kept.worker}
    for times in (2, 4, 6):
        os.kill(kept.worker, signal.SIGKILL)
        served = await kept.who()
        assert served not in seen, "who knocked meanwhile was not refused"
        await kept.until(lambda times=times: len(kept.lines) >= times + 1)  # type: ignore[misc]
        assert kept.lines[times - 1].startswith("died worker=")
        assert kept.worker == served
        seen.add(served)
    news = read_news(kept.settings.state)
    assert news is not None
    assert (news.worker, news.crashes, news.restarts) == (kept.worker, 3, 0)


async def test_a_dead_nursery_is_followed_by_another(kept: Kept) -> None:
    nursery, worker = kept.keeper._nursery, kept.worker
    assert nursery is not None
    nursery._process.kill()
    await kept.serves(3)
    assert kept.worker != worker
    for _ in range(5):
        assert await kept.who() == kept.worker, "the old one has died with its nursery"


async def test_after_a_restart_the_new_one_serves_and_the_old_one_ends_its_own(kept: Kept) -> None:
    old, refused, answers = kept.worker, 0, []
    reader, writer = await asyncio.open_connection("127.0.0.1", kept.port)
    writer.write(b"hold\n")
    assert int(await reader.readline()) == old
    kept.keeper.restart()
    while len(kept.lines) < 2 or answers[-1] != kept.worker:
        try:
            answers.append(await kept.who())
        except OSError:
            refused += 1
    assert refused == 0
    assert set(answers) == {old, kept.worker}
    assert await kept.who() == kept.worker, "the old one takes no more"
    await kept.until(lambda: (news := read_news(kept.settings.state)) and news.draining == [old])
    os.kill(old, 0)  # it lives on with its call
    writer.write(b"go\n")
    assert await reader.read() == b"", "ended in its own time"
    writer.close()
    await kept.until(lambda: (news := read_news(kept.settings.state)) and news.draining == [])
    news = read_news(kept.settings.state)
    assert news is not None
    assert (news.worker, news.crashes, news.restarts, news.failed) == (kept.worker, 0, 1, "")


async def test_a_new_one_that_does_not_start_leaves_the_old_one(kept: Kept) -> None:
    Path("broken").touch()
    kept.keeper.restart()
    await kept.until(lambda: (news := read_news(kept.settings.state)) and news.restarts)
    news = read_news(kept.settings.state)
    assert news is not None
    assert "did not start" in news.failed
    assert await kept.who() == kept.worker == news.worker
    Path("broken").unlink()


async def test_with_nobody_to_serve_callers_are_refused_until_there_is(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DOOR", 0.3)
    Path("broken").touch()
    os.kill(kept.worker, signal.SIGKILL)
    async with asyncio.timeout(20):
        while True:
            try:
                waiting = asyncio.create_task(kept.who())
                await asyncio.wait({waiting}, timeout=0.2)
                waiting.cancel()
                await asyncio.gather(waiting)
            except asyncio.CancelledError:
                continue  # it may still be served
            except (OSError, ValueError):
                break  # refused, or cut: the dialplan knows
    Path("broken").unlink()
    await kept.until(lambda: kept.lines[-1].startswith("ready") and len(kept.lines) > 2)
    assert await kept.who() == kept.worker


async def test_a_first_one_that_does_not_start_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    Path("broken").touch()
    kept = Kept(Settings(state=tmp_path, agi_port=0))  # type: ignore[call-arg]
    with pytest.raises(EngineDown):
        await kept.keeper.run()
    assert [line.split()[0] for line in kept.lines] == ["died"]
