from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.engine import open_engine
from tests.cti.conftest import ENGINES


@pytest.fixture(scope="module", params=ENGINES)
def module_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        path = shutil.copy(template, tmp_path_factory.mktemp("reports") / "santral.db")
        return f"sqlite+aiosqlite:///{path}"
    server = request.getfixturevalue("postgres")
    found: str = server.new_database(request.getfixturevalue("postgres_template"))
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_engine(module_url: str) -> AsyncIterator[AsyncEngine]:
    """A database for all the tests of a file: what is put into it is put in once."""
    engine = open_engine(module_url)
    yield engine
    await engine.dispose()
