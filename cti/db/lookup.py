"""Runs named queries for flows: one warm read-only connection per caller at work, one hop each.

The statements are compiled once; a lookup on SQLite costs about 0.2 ms of CPU, of which the trip
to the connection's thread and back is half (measured: `bench/lookup.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cti.db.driver import Connection as Driver
from cti.db.engine import open_read_only
from cti.db.queries import OPAQUE, Query
from cti.db.values import for_sqlite, plain
from ivr.errors import LookupFailed

POOL_SIZE: Final = 4
log = logging.getLogger(__name__)

Row = tuple[Any, ...]
Columns = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Compiled:
    query: Query
    sql: str
    positions: tuple[str, ...]  # a parameter's name for each place in the statement


@dataclass(slots=True)
class _Line:
    """A connection that is kept, and how to cut it off when a deadline passes."""

    connection: AsyncConnection
    cut: Callable[[], None]
    is_closed: Callable[[], bool]
    direct: Driver | None  # SQLite's own connection, asked past SQLAlchemy

    async def fetch(self, sql: str, values: Row, most: int) -> tuple[Columns, Sequence[Row]]:
        if self.direct is None:
            return await self.connection.run_sync(_fetch, sql, values, most)
        if self.direct.is_closed():
            raise _Lost
        return await self.direct.fetch(sql, values, most)


class _Lost(Exception):
    """The connection broke, was cut off at the deadline, or could not be made."""


class DatabaseLookup:
    """`ivr.services.Lookup` over a read-only database."""

    def __init__(self, engine: AsyncEngine, queries: Mapping[str, Query], size: int = POOL_SIZE):
        self._engine = engine
        self._sqlite = engine.dialect.name == "sqlite"
        self._compiled: dict[str, _Compiled] = {}
        self.use(queries)
        assert engine.dialect.dbapi is not None
        self._errors: type[Exception] = engine.dialect.dbapi.Error
        self._idle: list[_Line] = []
        self._room = asyncio.Semaphore(size)
        self._ending: set[asyncio.Task[None]] = set()

    def use(self, queries: Mapping[str, Query]) -> None:
        """Take these queries from now on; those of others stay for calls in progress."""
        self._compiled |= {name: _compile(self._engine, query) for name, query in queries.items()}

    async def find(
        self, query: str, parameters: Mapping[str, Any], deadline: float
    ) -> Mapping[str, Any] | None:
        """The first row of a query, or None. Gives up after `deadline` or the query's own, in
        seconds. `LookupFailed` never tells a parameter's value.
        """
        found = await self.rows(query, parameters, deadline, 1)
        return found[0] if found else None

    def knows(self, query: str) -> bool:
        return query in self._compiled

    async def rows(
        self, query: str, parameters: Mapping[str, Any], deadline: float, most: int
    ) -> list[dict[str, Any]]:
        """The first rows of a query, at most so many; else as `find`."""
        known = self._compiled.get(query)
        if known is None:
            raise LookupFailed(f"there is no query '{query}'")
        values = self._bind(known, parameters)
        loop = asyncio.get_running_loop()
        until = loop.time() + min(deadline, known.query.deadline)
        try:
            return await self._ask(known, values, until, most)
        except _Lost:  # a restarted server, say: the next line is a new one
            if loop.time() < until:
                with contextlib.suppress(_Lost):
                    return await self._ask(known, values, until, most)
        raise LookupFailed(f"query '{query}': no answer in time, or the database is gone")

    async def close(self) -> None:
        """Give the connections back. The engine itself belongs to who opened it."""
        while self._idle:
            await self._idle.pop().connection.close()
        if self._ending:
            await asyncio.wait(self._ending, timeout=5.0)

    async def _ask(
        self, known: _Compiled, values: Row, until: float, most: int
    ) -> list[dict[str, Any]]:
        async with self._room:
            line = self._idle.pop() if self._idle else await self._open(until)
            timer = asyncio.get_running_loop().call_at(until, line.cut)
            healthy = False
            try:
                columns, rows = await line.fetch(known.sql, values, most)
                healthy = True
            except self._errors as error:
                healthy = not line.is_closed() and not _going(error)
                if healthy and asyncio.get_running_loop().time() < until:
                    raise LookupFailed(f"query '{known.query.name}': {_told(error)}") from None
                raise _Lost from None
            finally:
                timer.cancel()
                if healthy:
                    self._idle.append(line)
                else:
                    self._end(line)
        return [_plain_row(known.query, columns, row) for row in rows]

    async def _open(self, until: float) -> _Line:
        try:
            async with asyncio.timeout_at(until):
                connection = await self._engine.connect()
                raw = (await connection.get_raw_connection()).driver_connection
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("lookups: no connection to the database: %s", _told(error))
            raise _Lost from None
        assert raw is not None
        direct = raw if isinstance(raw, Driver) else None
        cut = raw.terminate if direct is None else direct.cut
        return _Line(connection, cut, raw.is_closed, direct)

    def _end(self, line: _Line) -> None:
        """Close a connection that is in an unknown state, behind the caller's back."""

        async def end() -> None:
            with contextlib.suppress(SQLAlchemyError, OSError):
                await line.connection.invalidate()
                await line.connection.close()

        line.cut()
        task = asyncio.get_running_loop().create_task(end())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _bind(self, known: _Compiled, given: Mapping[str, Any]) -> Row:
        try:
            values = bound_values(known.query, given, sqlite=self._sqlite)
        except ValueError as error:
            raise LookupFailed(str(error)) from None
        return tuple([values[name] for name in known.positions])


@contextlib.asynccontextmanager
async def open_lookup(
    url: str | URL, queries: Mapping[str, Query], size: int = POOL_SIZE
) -> AsyncIterator[DatabaseLookup]:
    """A lookup with an engine of its own, which ends with it."""
    slowest = max((query.deadline for query in queries.values()), default=5.0)
    engine = open_read_only(url, timeout=slowest, pool_size=size)
    lookup = DatabaseLookup(engine, queries, size)
    try:
        yield lookup
    finally:
        await lookup.close()
        await engine.dispose()


def bound_values(query: Query, given: Mapping[str, Any], *, sqlite: bool) -> dict[str, Any]:
    """What parameters are bound to; ValueError, without the value, for a wrong one."""
    if problems := query.problems(given.keys()):
        raise ValueError(problems[0])
    values = {}
    for name, parameter in query.parameters.items():
        value = given.get(name, parameter.default)
        try:
            value = None if value is None else parameter.kind.bind(value)
        except (ValueError, ArithmeticError, KeyError):
            what = f"'{name}' is no {parameter.kind.name}"
            raise ValueError(f"query '{query.name}': {what}") from None
        values[name] = for_sqlite(value) if sqlite else value
    return values


def _compile(engine: AsyncEngine, query: Query) -> _Compiled:
    types = [bindparam(name, type_=known.kind.sql) for name, known in query.parameters.items()]
    # A colon inside a string ('12:30') is no parameter; text() has to be told.
    sql = OPAQUE.sub(lambda part: part[0].replace(":", r"\:"), query.sql)
    compiled = text(sql).bindparams(*types).compile(dialect=engine.dialect)
    return _Compiled(query, str(compiled), tuple(compiled.positiontup or ()))


def _fetch(
    connection: Connection, sql: str, values: Row, most: int
) -> tuple[Columns, Sequence[Row]]:
    """On the driver's cursor: SQLAlchemy's Result would cost as much as the query itself."""
    cursor = connection.connection.cursor()
    try:
        cursor.execute(sql, values)
        rows = [tuple(row) for row in cursor.fetchmany(most)]
        return tuple([part[0] for part in cursor.description]) if rows else (), rows
    finally:
        cursor.close()


def _plain_row(query: Query, columns: Columns, row: Row) -> dict[str, Any]:
    found = {name: plain(value) for name, value in zip(columns, row, strict=True)}
    for name, kind in query.results.items():
        value = found.get(name)
        if value is not None:
            try:
                found[name] = kind.read(value)
            except (ValueError, ArithmeticError, KeyError):
                what = f"the column '{name}' is no {kind.name}"
                raise LookupFailed(f"query '{query.name}': {what}") from None
    return found


def _going(error: BaseException) -> bool:
    """Whether the server says that it is leaving (SQLSTATE 57P01 and its kin, 08: connection)."""
    state = getattr(error, "sqlstate", None) or ""
    return state.startswith(("57P", "08"))


def _told(error: BaseException) -> str:
    """An error for the log: its class and SQLSTATE, never its text, which may hold a value."""
    original = getattr(error, "orig", None) or error
    state = getattr(original, "sqlstate", None) or getattr(original, "sqlite_errorname", None)
    name = type(original.__cause__ or original).__name__
    return f"{name} ({state})" if state else name
