from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import inspect
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db import migrate
from cti.db.engine import open_engine
from cti.db.models import metadata


async def tables(engine: AsyncEngine) -> set[str]:
    async with engine.connect() as connection:
        return set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))


async def test_the_migrations_make_what_the_models_say(empty_engine: AsyncEngine) -> None:
    await migrate.upgrade(empty_engine)
    assert await migrate.current(empty_engine) == migrate.revisions()[-1]
    assert await migrate.differences(empty_engine) == []
    assert set(metadata.tables) < await tables(empty_engine)


@pytest.mark.parametrize("start", migrate.revisions())
async def test_up_from_every_revision_and_down_one(empty_engine: AsyncEngine, start: str) -> None:
    await migrate.upgrade(empty_engine, start)
    assert await migrate.current(empty_engine) == start
    await migrate.upgrade(empty_engine)
    assert await migrate.differences(empty_engine) == []
    await migrate.downgrade(empty_engine, "-1")
    assert await migrate.current(empty_engine) == ([None, *migrate.revisions()])[-2]
    await migrate.upgrade(empty_engine)
    assert await migrate.differences(empty_engine) == []


async def test_down_to_nothing_leaves_nothing(empty_engine: AsyncEngine) -> None:
    await migrate.upgrade(empty_engine)
    await migrate.downgrade(empty_engine, "base")
    assert await tables(empty_engine) == {"alembic_version"}


async def test_another_ones_migration_is_waited_for_longer_than_any_lock(tmp_path: Path) -> None:
    """On a busy machine it takes longer than a writer waits for another."""
    path = tmp_path / "santral.db"
    engine = open_engine(f"sqlite:///{path}", busy=0.05)
    await migrate.upgrade(engine, migrate.revisions()[0])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        task = asyncio.create_task(migrate.upgrade(engine))
        await asyncio.wait({task}, timeout=0.5)
        assert not task.done()
        other.execute("ROLLBACK")
        await task
        assert await migrate.differences(engine) == []
    finally:
        other.close()
        await engine.dispose()


async def test_two_processes_migrating_at_once_wait_for_each_other(empty_url: str) -> None:
    engines = [open_engine(empty_url) for _ in range(3)]
    try:
        await asyncio.gather(*(migrate.upgrade(engine) for engine in engines))
        assert await migrate.differences(engines[0]) == []
    finally:
        for engine in engines:
            await engine.dispose()


def test_the_newest_revision_is_read_from_the_files_as_alembic_reads_it() -> None:
    assert migrate.newest() == migrate.revisions()[-1]


async def test_only_the_newest_revision_is_the_newest(empty_engine: AsyncEngine) -> None:
    assert not await migrate.is_newest(empty_engine)
    await migrate.upgrade(empty_engine)
    assert await migrate.is_newest(empty_engine)
    await migrate.downgrade(empty_engine, "-1")
    assert not await migrate.is_newest(empty_engine)
