"""Brings a database to a revision of the schema. Whole or not at all: a kill leaves the old one.

Both engines change their tables inside a transaction. Of several processes that start at the same
moment one migrates and the others wait for it.
"""

# Alembic is imported where it is needed: a start with an up-to-date database does not wait for it.
from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.engine import BEGIN
from cti.db.models import metadata

if TYPE_CHECKING:
    from alembic.config import Config

_REVISION: Final = re.compile(r"^(revision|down_revision)\b[^=\n]*= *[\"']([^\"']+)", re.MULTILINE)
SCRIPTS: Final = Path(__file__).parent / "migrations"
LOCK: Final = 0x5A_4E_54_52_41_4C  # an advisory lock's; any number that nobody else uses
LONGEST: Final = 600.0  # seconds that somebody else may migrate


def configuration() -> Config:
    """Alembic's settings; there is no alembic.ini."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return config


def revisions() -> list[str]:
    """Every revision, oldest first."""
    from alembic.script import ScriptDirectory

    script = ScriptDirectory.from_config(configuration())
    return [revision.revision for revision in script.walk_revisions()][::-1]


def newest(*also: Path) -> str | None:
    """The revision that no other follows, read from the files (in the folders `also`, too); None
    when it is not just one."""
    known: set[str] = set()
    followed: set[str] = set()
    files = (file for folder in (SCRIPTS / "versions", *also) for file in folder.glob("*.py"))
    for file in files:
        for name, revision in _REVISION.findall(file.read_text("utf-8")):
            (known if name == "revision" else followed).add(revision)
    heads = known - followed
    return heads.pop() if len(heads) == 1 else None


async def is_newest(engine: AsyncEngine) -> bool:
    """Whether there is nothing to upgrade. False as well when that cannot be told."""
    try:
        async with engine.connect() as connection:
            found = await connection.scalars(text("SELECT version_num FROM alembic_version"))
            return found.all() == [await asyncio.to_thread(newest)]
    except SQLAlchemyError:
        return False


async def upgrade(engine: AsyncEngine, revision: str = "head") -> None:
    """Go up to a revision; nothing happens when the database is there already."""

    if revision == "head" and await is_newest(engine):
        return

    async def go_up() -> None:
        from alembic import command

        if revision != "head" or await current(engine) != revisions()[-1]:
            await _run(engine, lambda config: command.upgrade(config, revision))

    await _in_turn(go_up)


async def downgrade(engine: AsyncEngine, revision: str) -> None:
    """Go down to a revision (`-1` for one step, `base` for an empty database)."""
    from alembic import command

    await _in_turn(lambda: _run(engine, lambda config: command.downgrade(config, revision)))


async def current(engine: AsyncEngine) -> str | None:
    """The revision the database stands at; None for an empty one."""
    from alembic.migration import MigrationContext

    async with engine.connect() as connection:
        return await connection.run_sync(
            lambda sync: MigrationContext.configure(sync).get_current_revision()
        )


async def differences(engine: AsyncEngine) -> list[Any]:
    """What the database has otherwise than the models; empty when they agree."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

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
