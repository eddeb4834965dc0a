"""Opens a database: SQLite (the embedded default) or PostgreSQL, the same to everybody above."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

from sqlalchemy import Connection as SyncConnection
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from cti.db.driver import Connection
from ivr.errors import BadSetting

BUSY_SECONDS: Final = 10.0  # how long a writer waits for another writer of the same SQLite file
CONNECT_SECONDS: Final = 5.0
COMMAND_SECONDS: Final = 30.0
T = TypeVar("T")
BEGIN: Final = "santral_begin"  # execution option: how SQLite begins a transaction


def database_url(text: str) -> URL:
    """The URL with its async driver; `BadSetting` for what is neither SQLite nor PostgreSQL."""
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise BadSetting("the database's address is not a URL like sqlite:///santral.db") from error
    name = url.get_backend_name()
    if name == "sqlite":
        if not url.database or url.database == ":memory:":
            raise BadSetting("SQLite needs a file: sqlite:///santral.db")
        return url.set(drivername="sqlite+aiosqlite")
    if name in {"postgresql", "postgres"}:
        return url.set(drivername="postgresql+asyncpg")
    raise BadSetting(f"a database of kind '{name}' is not supported; use sqlite or postgresql")


def open_engine(
    url: str | URL, *, pool_size: int = 5, durable: bool = False, busy: float = BUSY_SECONDS
) -> AsyncEngine:
    """A read-write engine. Dispose of it when done.

    On SQLite: WAL, transactions that really begin (DDL included), and `durable` makes every commit
    survive a power cut (synchronous=FULL) rather than only a crash of the process (NORMAL); a
    writer waits `busy` seconds for another one.
    """
    address = database_url(str(url)) if isinstance(url, str) else url
    if address.get_backend_name() == "postgresql":
        return create_async_engine(
            address,
            pool_size=pool_size,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={"timeout": CONNECT_SECONDS, "command_timeout": COMMAND_SECONDS},
        )
    synchronous = "FULL" if durable else "NORMAL"
    pragmas = (f"synchronous={synchronous}", "foreign_keys=ON")
    engine = _sqlite(address, "rwc", pragmas, busy, pool_size=pool_size)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


async def write_at_once(engine: AsyncEngine, work: Callable[[SyncConnection], T]) -> T:
    """Do `work` as one transaction that writes; on SQLite with one trip to its thread for all."""
    if engine.dialect.name != "sqlite":
        async with engine.begin() as connection:
            return await connection.run_sync(work)
    async with engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert isinstance(driver, Connection)
        if driver.is_closed():
            await connection.invalidate()
            raise OSError("the connection to the database is closed")
        return await driver.transact(work)


def open_read_only(url: str | URL, *, timeout: float, pool_size: int = 4) -> AsyncEngine:
    """An engine that cannot write, in autocommit: no round trip is spent on BEGIN and ROLLBACK.

    SQLite is opened with mode=ro and query_only; PostgreSQL runs with
    default_transaction_read_only and a statement_timeout of `timeout` seconds.
    """
    address = database_url(str(url)) if isinstance(url, str) else url
    if address.get_backend_name() == "postgresql":
        settings = {
            "default_transaction_read_only": "on",
            "statement_timeout": str(max(1, round(timeout * 1000))),
            "application_name": "santral lookup",
        }
        return create_async_engine(
            address,
            pool_size=pool_size,
            max_overflow=0,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
            connect_args={"timeout": CONNECT_SECONDS, "server_settings": settings},
        )
    pragmas = ("query_only=ON",)
    options = {"pool_size": pool_size, "isolation_level": "AUTOCOMMIT"}
    return _sqlite(address, "ro", pragmas, timeout, **options)


def _sqlite(
    address: URL, mode: str, pragmas: tuple[str, ...], busy: float, **options: Any
) -> AsyncEngine:
    file = Path(address.database or "").absolute()
    name = f"file:{quote(str(file))}?mode={mode}"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            name, uri=True, timeout=busy, isolation_level=None, check_same_thread=False
        )
        if mode != "ro":
            _use_wal(connection, busy)
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def creator(*_: Any, **__: Any) -> Connection:
        return Connection(connect)

    return create_async_engine(
        address,
        max_overflow=0,
        hide_parameters=True,
        connect_args={"async_creator_fn": creator},
        **options,
    )


def _use_wal(connection: sqlite3.Connection, busy: float) -> None:
    """Switch a new file to WAL. SQLite does not wait for others who do so at the same moment."""
    until = time.monotonic() + busy
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)  # in the connection's own thread


def _begin(connection: SyncConnection) -> None:
    """The driver is in autocommit, so that DDL takes part in transactions; begin one here."""
    how = connection.get_execution_options().get(BEGIN, "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {how}")
