"""Databases for the tests of cti: SQLite in a file, and a real PostgreSQL where one can be had."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db import migrate
from cti.db.engine import open_engine
from tests.postgres_server import PostgresServer, running_postgres

ENGINES = ("sqlite", pytest.param("postgres", marks=pytest.mark.postgres))


def _a_server() -> Iterator[PostgresServer]:
    try:
        context = running_postgres()
        server = context.__enter__()
    except (RuntimeError, OSError) as error:
        pytest.skip(f"no PostgreSQL server: {error}")
    yield server
    context.__exit__(None, None, None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL server for the whole run. Who stops one takes `frail_postgres`."""
    yield from _a_server()


@pytest.fixture(scope="module")
def frail_postgres() -> Iterator[PostgresServer]:
    """A server to stop and freeze: nobody else's databases are on it, and it is small, so that its
    recovery takes no time."""
    yield from _a_server()


@pytest.fixture(scope="module")
def frail_template(frail_postgres: PostgresServer) -> str:
    return _migrated(frail_postgres.new_database())


@pytest.fixture(params=ENGINES)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, once on each engine."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'santral.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
async def empty_engine(empty_url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(empty_url)
    yield engine
    await engine.dispose()


def _migrated(url: str) -> str:
    async def migrated() -> None:
        engine = open_engine(url)
        await migrate.upgrade(engine)
        await engine.dispose()

    asyncio.run(migrated())
    return url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "santral.db"
    _migrated(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer) -> str:
    return _migrated(postgres.new_database())


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database with every table and no row, once on each engine."""
    if request.param == "sqlite":
        path = shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "santral.db")
        return f"sqlite+aiosqlite:///{path}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database(request.getfixturevalue("postgres_template"))


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    """The same database, opened."""
    engine = open_engine(url)
    yield engine
    await engine.dispose()


@pytest.fixture
async def sqlite_engine(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """A SQLite database with every table and no row, where the engine makes no difference."""
    path = shutil.copy(sqlite_template, tmp_path / "santral.db")
    engine = open_engine(f"sqlite+aiosqlite:///{path}")
    yield engine
    await engine.dispose()
