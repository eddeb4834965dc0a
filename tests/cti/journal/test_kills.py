"""kill -9 at every place of the journal, at random moments, in a drain and in a migration.

After each kill another process takes the calls up from what is there. In the end nothing that was
promised is missing, nothing is there twice, nothing is out of order.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import signal
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from sqlalchemy import inspect, select
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db import migrate
from cti.db.models import call_events, calls, journal_gaps
from cti.journal import open_journal
from tests.cti.journal import victim
from tests.cti.journal.victim import CALLS, OPTIONS, STAGES, run_of

KILLED = -signal.SIGKILL
COUNT = 120
RANDOM_KILLS = {"sqlite": 6, "postgresql": 20}


@pytest.fixture(scope="module")
def forks() -> ForkServerContext:
    """Starts a process in some milliseconds: everything is imported once, in the server."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.cti.journal.victim"])
    return context


class Campaign:
    """Victims one after the other, on one database and one spool folder."""

    def __init__(self, forks: ForkServerContext, url: str, folder: Path) -> None:
        self.forks, self.url, self.folder, self.run = forks, url, folder, 0

    def start(self, kill_at: str = "", count: int = COUNT) -> BaseProcess:
        self.run += 1
        arguments = (self.url, str(self.folder), self.run, kill_at, count)
        process = self.forks.Process(target=victim.write_until_killed, args=arguments)
        process.start()
        return process

    def finish(self, process: BaseProcess, seconds: float = 60) -> int | None:
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            pytest.fail("the victim hangs")
        return process.exitcode

    async def check(self, engine: AsyncEngine, torn: int = 0) -> int:
        """Drain what is left and look at everything; how many events there are."""
        async with open_journal(self.url, self.folder / "spool", OPTIONS) as journal:
            async with asyncio.timeout(20):
                while [p for p in self._files() if not p.name.startswith(str(journal.owner))]:
                    await asyncio.sleep(0.01)
            stories = {call: await journal.history(call) for call in CALLS}
        assert self._files() == []
        for call, story in stories.items():
            assert [one.sequence for one in story] == list(range(1, len(story) + 1)), call
            runs = [run_of(one) for one in story]
            assert runs == sorted(runs), "events of an earlier process after a later one's"
        for line in (self.folder / "promised").read_text().splitlines():
            call, sequence, run = line.split()
            assert run_of(stories[call][int(sequence) - 1]) == int(run), line
        async with engine.connect() as connection:
            stored = (await connection.execute(select(call_events))).all()
            gaps = (await connection.execute(select(journal_gaps))).all()
            begun = (await connection.execute(select(calls.c.id, calls.c.flow))).all()
        assert len(stored) == sum(map(len, stories.values()))
        assert dict(map(tuple, begun)) == {call: "shop" for call, story in stories.items() if story}
        assert [gap.reason for gap in gaps] == ["damaged"] * torn
        return len(stored)

    def _files(self) -> list[Path]:
        spool = self.folder / "spool"
        return [*spool.glob("*.spool"), *spool.glob("*.lock")]


@pytest.fixture
def campaign(forks: ForkServerContext, url: str, tmp_path: Path) -> Campaign:
    return Campaign(forks, url, tmp_path)


async def test_killed_at_every_place_before_and_after(
    campaign: Campaign, engine: AsyncEngine
) -> None:
    places = [f"{stage}:{when}" for stage in STAGES for when in ("before", "after")]
    plan = [f"{place}:{number}" for number in (1, 3) for place in places]
    if engine.dialect.name == "sqlite":  # a quick sample, in every run of the tests
        plan = [f"{place}:{1 + index % 2}" for index, place in enumerate(places) if index % 3 == 0]
    killed = 0
    for kill_at in plan:
        exit_code = campaign.finish(campaign.start(kill_at, 30))
        assert exit_code in (0, KILLED)
        killed += exit_code == KILLED
    assert killed > 0.7 * len(plan), "the victims die, else nothing is shown"
    assert await campaign.check(engine) > 100


async def test_killed_in_the_middle_of_a_write(campaign: Campaign, engine: AsyncEngine) -> None:
    for number in (1, 2, 7):
        assert campaign.finish(campaign.start(f"write:during:{number}")) == KILLED
    assert await campaign.check(engine, torn=3) > 0


async def test_killed_at_random_moments(campaign: Campaign, engine: AsyncEngine) -> None:
    chance = random.Random(5)
    for _ in range(RANDOM_KILLS[engine.dialect.name]):
        process = campaign.start(count=5_000)
        await asyncio.sleep(chance.uniform(0.02, 0.25))
        process.kill()
        assert campaign.finish(process) == KILLED
    assert await campaign.check(engine) > 0


async def test_killed_while_draining_what_another_left(
    campaign: Campaign, engine: AsyncEngine
) -> None:
    stages = ["orphan:before:1", "apply:before:1", "mark:before:2", "insert:after:2"]
    for stage in stages[: 2 if engine.dialect.name == "sqlite" else 4]:
        # One leaves a full spool behind: it dies before its first insert.
        assert campaign.finish(campaign.start("insert:before:1")) == KILLED
        assert campaign.finish(campaign.start(stage)) in (0, KILLED)
    assert await campaign.check(engine) > 0


async def test_two_engines_on_one_host_drain_each_others_remains(
    campaign: Campaign, engine: AsyncEngine, tmp_path: Path
) -> None:
    for _ in range(3):
        assert campaign.finish(campaign.start("insert_events:after:2", 60)) == KILLED
    # All three spools at once, by two adopters that find them at the same moment.
    async with (
        open_journal(campaign.url, tmp_path / "spool", OPTIONS) as one,
        open_journal(campaign.url, tmp_path / "spool", OPTIONS) as other,
    ):
        for call in CALLS:
            assert list(await one.history(call)) == list(await other.history(call))
    assert await campaign.check(engine) > 0


async def tables(engine: AsyncEngine) -> list[str]:
    async with engine.connect() as connection:
        return await connection.run_sync(lambda sync: inspect(sync).get_table_names())


async def test_killed_during_a_migration(
    forks: ForkServerContext, empty_engine: AsyncEngine, empty_url: str
) -> None:
    """At each of many statements: the old schema whole, or the new one, and the next run works."""
    kills = 0
    for statement in [1, 2, 3, 5, 8, 13, 21, 34, 55, 89]:
        process = forks.Process(target=victim.migrate_until_killed, args=(empty_url, statement))
        process.start()
        process.join(60)
        if process.exitcode == 0:
            break
        kills += 1
        assert process.exitcode == KILLED
        assert await migrate.current(empty_engine) is None
        assert [name for name in await tables(empty_engine) if name != "alembic_version"] == []
    assert kills >= 6
    await migrate.upgrade(empty_engine)
    assert await migrate.differences(empty_engine) == []
