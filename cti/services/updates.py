"""Named writes for flows, each done exactly once for its idempotency key.

The key goes into the table `effects` in the same transaction as the write, so that after a crash,
a lost answer or a second engine the write is there once or not at all, and the count of its rows is
known again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import TextClause, bindparam, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.attach import insisting
from cti.db.engine import BEGIN, open_engine
from cti.db.lookup import bound_values
from cti.db.models import effects
from cti.db.queries import OPAQUE, Query
from ivr.errors import ServiceFailed

BUSY: Final = 5.0  # seconds a write waits for another writer of the same SQLite file
log = logging.getLogger(__name__)


class DatabaseUpdates:
    """`ivr.services.Updates` over a database that has the table `effects`."""

    def __init__(self, engine: AsyncEngine, updates: Mapping[str, Query]) -> None:
        self._sqlite = engine.dialect.name == "sqlite"
        # A transaction that begins with a read cannot always become one that writes.
        self._engine = engine.execution_options(**{BEGIN: "IMMEDIATE"}) if self._sqlite else engine
        self._insert = sqlite.insert if self._sqlite else postgresql.insert
        self._updates: dict[str, Query] = {}
        self._running: set[asyncio.Task[int]] = set()
        self.use(updates)

    def use(self, updates: Mapping[str, Query]) -> None:
        """Take these updates from now on; others stay for calls in progress."""
        self._updates |= updates

    async def write(
        self, name: str, parameters: Mapping[str, Any], key: str, deadline: float
    ) -> int:
        """How many rows the write changed, now or when it was done for `key` before.

        `ServiceFailed` when it is not known to have been done within `deadline` seconds, or the
        update's own; asking again with the same key is safe.
        """
        known = self._updates.get(name)
        if known is None:
            raise ServiceFailed(f"there is no update '{name}'")
        try:
            values = bound_values(known, parameters, sqlite=self._sqlite)
        except ValueError as error:
            raise ServiceFailed(str(error)) from None
        task = asyncio.create_task(self._once(known, values, key))
        self._running.add(task)
        task.add_done_callback(self._finished)
        done, _ = await asyncio.wait({task}, timeout=min(deadline, known.deadline))
        if not done:
            # It goes on behind: cut in its commit nobody would know how it ended.
            raise ServiceFailed(f"update '{name}': no answer in time")
        try:
            return task.result()
        except (SQLAlchemyError, OSError) as error:
            raise ServiceFailed(f"update '{name}': {_told(error)}") from None

    async def close(self) -> None:
        """Let writes that have begun come to their end, for some seconds."""
        if self._running:
            await asyncio.wait(self._running, timeout=BUSY)

    async def _once(self, known: Query, values: Mapping[str, Any], key: str) -> int:
        row = {"key": key, "name": known.name, "rows": 0, "done_at": datetime.now(UTC)}
        claim = self._insert(effects).values(row).on_conflict_do_nothing()
        async with self._engine.begin() as connection:
            if not (await connection.execute(claim)).rowcount:
                before = select(effects.c.rows).where(effects.c.key == key)
                return int(await connection.scalar(before) or 0)
            changed = (await connection.execute(_statement(known, self._sqlite), values)).rowcount
            noted = update(effects).where(effects.c.key == key).values(rows=changed)
            await connection.execute(noted)
            return changed

    def _finished(self, task: asyncio.Task[int]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("an update failed: %s", _told(error))


@contextlib.asynccontextmanager
async def open_updates(
    url: str | URL, updates: Mapping[str, Query], *, ours: bool = False
) -> AsyncIterator[DatabaseUpdates]:
    """Updates with an engine of their own. A shop's database gets the table `effects`, if it has
    none, as soon as it is there: the key has to lie beside what is written. In `ours` the
    migrations make it."""
    engine = open_engine(url, pool_size=4, durable=True, busy=BUSY)
    services = DatabaseUpdates(engine, updates)

    async def make_table() -> None:
        async with engine.begin() as connection:
            await connection.run_sync(effects.create, checkfirst=True)

    try:
        if ours:
            yield services
        else:
            async with insisting("the database of updates", make_table):
                yield services
    finally:
        await services.close()
        await engine.dispose()


def _statement(query: Query, sqlite: bool) -> TextClause:
    sql = OPAQUE.sub(lambda part: part[0].replace(":", r"\:"), query.sql)
    if sqlite:  # values are in SQLite's own types already
        return text(sql)
    types = [bindparam(name, type_=known.kind.sql) for name, known in query.parameters.items()]
    return text(sql).bindparams(*types)


def _told(error: BaseException) -> str:
    """An error without its text, which may hold a value."""
    original = getattr(error, "orig", None) or error
    return type(original.__cause__ or original).__name__
