"""Brings a database to a revision of the schema. Whole or not at all: a kill leaves the old one.

Both engines change their tables inside a transaction. Of several processes that start at the same
moment one migrates and the others wait for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.engine import BEGIN
from cti.db.models import metadata

SCRIPTS: Final = Path(__file__).parent / "migrations"
LOCK: Final = 0x5A_4E_54_52_41_4C  # an advisory lock's; any number that nobody else uses
LONGEST: Final = 600.0  # seconds that somebody else may migrate


def configuration() -> Config:
    """Alembic's settings; there is no alembic.ini."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return config


def revisions() -> list[str]:
    """Every revision, oldest first."""
    script = ScriptDirectory.from_config(configuration())
    return [revision.revision for revision in script.walk_revisions()][::-1]


async def upgrade(engine: AsyncEngine, revision: str = "head") -> None:
    """Go up to a revision; nothing happens when the database is there already."""

    async def go_up() -> None:
        if revision != "head" or await current(engine) != revisions()[-1]:
            await _run(engine, lambda config: command.upgrade(config, revision))

    await _in_turn(go_up)


async def downgrade(engine: AsyncEngine, revision: str) -> None:
    """Go down to a revision (`-1` for one step, `base` for an empty database)."""
    await _in_turn(lambda: _run(engine, lambda config: command.downgrade(config, revision)))


async def current(engine: AsyncEngine) -> str | None:
    """The revision the database stands at; None for an empty one."""
    async with engine.connect() as connection:
        return await connection.run_sync(
            lambda sync: MigrationContext.configure(sync).get_current_revision()
        )


async def differences(engine: AsyncEngine) -> list[Any]:
    """What the database has otherwise than the models; empty when they agree."""
    async with engine.connect() as connection:
        return await connection.run_sync(
            lambda sync: list(compare_metadata(MigrationContext.configure(sync), metadata))
        )


class _Busy(Exception):
    """Somebody else migrates."""


async def _in_turn(work: Callable[[], Awaitable[None]]) -> None:
    """Do it once nobody else is at it, however long that takes, up to `LONGEST` seconds."""
    until = time.monotonic() + LONGEST
    while True:
        try:
            return await work()
        except (_Busy, OperationalError) as error:
            busy = isinstance(error, _Busy) or "locked" in str(error.orig)
            if not busy or time.monotonic() > until:
                raise
        await asyncio.sleep(0.1)


async def _run(engine: AsyncEngine, work: Callable[[Config], None]) -> None:
    def run(sync: Connection) -> None:
        config = configuration()
        config.attributes["connection"] = sync
        work(config)

    alone = engine.execution_options(**{BEGIN: "IMMEDIATE"})
    async with alone.begin() as connection:
        if connection.dialect.name == "postgresql":
            # Asked for, not waited for: a statement may not take as long as a migration.
            lock = text("SELECT pg_try_advisory_xact_lock(:lock)")
            if not await connection.scalar(lock, {"lock": LOCK}):
                raise _Busy
        await connection.run_sync(run)
