"""aiosqlite with one thread hop per statement instead of four, and one for a whole transaction.

SQLAlchemy's aiosqlite dialect opens a cursor, executes, fetches and closes it: four trips to the
connection's thread, 0.1 ms of CPU each. Here one trip does all of it. Results are read whole, which
is what the dialect does anyhow; server-side cursors are refused.
Source: sqlalchemy/connectors/asyncio.py, AsyncAdapt_dbapi_cursor; aiosqlite/core.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, Self, TypeVar

import aiosqlite
from aiosqlite.core import _STOP_RUNNING_SENTINEL, set_exception, set_result
from sqlalchemy import Connection as SyncConnection
from sqlalchemy import Engine, StaticPool, create_engine

T = TypeVar("T")


class Cursor:
    """What the dialect asks of a driver's cursor; `execute` is the one method that waits."""

    __slots__ = ("_connection", "_rows", "arraysize", "description", "lastrowid", "rowcount")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: Sequence[Any] = ()
        self.arraysize = 1
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Iterable[Any] = ()) -> Self:
        await self._connection.run(partial(self._run, "execute", sql, parameters))
        return self

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> Self:
        await self._connection.run(partial(self._run, "executemany", sql, parameters))
        return self

    async def fetchall(self) -> Sequence[Any]:
        return self._rows

    async def close(self) -> None:
        """Nothing is left open: `execute` has closed the real cursor."""

    def _run(self, method: str, sql: str, parameters: Any) -> None:
        cursor = self._connection._conn.cursor()
        try:
            getattr(cursor, method)(sql, parameters)
            self.description = cursor.description
            self.rowcount = cursor.rowcount
            self.lastrowid = cursor.lastrowid
            self._rows = cursor.fetchall() if cursor.description else ()
        finally:
            cursor.close()


class Connection(aiosqlite.Connection):
    """An aiosqlite connection with the cursor above."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connect, iter_chunk_size=64)
        # A daemon: a process may end without waiting for a stuck statement.
        self._thread = Thread(target=_work, args=(self._tx,), daemon=True)
        self._waiting: asyncio.Future[Any] | None = None
        self._direct: Engine | None = None  # SQLAlchemy without asyncio over the same connection

    def cursor(self) -> Cursor:  # type: ignore[override]
        return Cursor(self)

    def is_closed(self) -> bool:
        return not self._running or self._connection is None

    async def run(self, work: Callable[[], T]) -> T:
        """Do `work` in the connection's thread. Whoever stops waiting stops the statement."""
        if self.is_closed():
            raise ValueError("Connection closed")  # the dialect knows it by this text
        self._waiting = asyncio.get_running_loop().create_future()
        self._tx.put_nowait((self._waiting, work))
        try:
            done: T = await self._waiting
        except asyncio.CancelledError:
            self.cut()
            raise
        return done

    async def fetch(
        self, sql: str, values: Sequence[Any], most: int
    ) -> tuple[tuple[str, ...], Sequence[tuple[Any, ...]]]:
        """The column names of a query and its first rows."""
        return await self.run(partial(self._fetch, sql, values, most))

    def _fetch(
        self, sql: str, values: Sequence[Any], most: int
    ) -> tuple[tuple[str, ...], Sequence[tuple[Any, ...]]]:
        cursor = self._conn.execute(sql, values)
        try:
            rows = cursor.fetchmany(most)
            return tuple([column[0] for column in cursor.description]), rows
        finally:
            cursor.close()

    async def transact(self, work: Callable[[SyncConnection], T]) -> T:
        """Do `work` as one transaction that writes, in the connection's thread: one hop for all of
        its statements. SQLAlchemy's errors, as with any other connection of its."""
        return await self.run(partial(self._transact, work))

    def _transact(self, work: Callable[[SyncConnection], T]) -> T:
        if self._direct is None:
            real = self._conn
            self._direct = create_engine(
                "sqlite://", creator=lambda: real, poolclass=StaticPool, hide_parameters=True
            )
        with self._direct.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                done = work(connection)
            except BaseException:
                connection.rollback()
                raise
            connection.commit()
            return done

    def cut(self) -> None:
        """Stop the statement that runs, if one does; who waits for it waits no longer."""
        if self._connection is not None:
            self._connection.interrupt()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(sqlite3.OperationalError("interrupted"))


def _work(jobs: SimpleQueue[Any]) -> None:
    """The connection's thread, as aiosqlite's own; who asked may be gone when it has an answer."""
    result = None
    while result is not _STOP_RUNNING_SENTINEL:
        future, job = jobs.get()
        error: BaseException | None = None
        try:
            result = job()
        except BaseException as failed:
            error = failed
        if future is None:
            continue
        with contextlib.suppress(RuntimeError):  # its event loop is closed
            call = future.get_loop().call_soon_threadsafe
            if error is None:
                call(set_result, future, result)
            else:
                call(set_exception, future, error)
