from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.cti.web.api.serving import Shop, serving_api


@pytest.fixture
async def shop(engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[Shop]:
    """The API on each engine."""
    async with serving_api(engine, tmp_path / "spool") as shop:
        yield shop


@pytest.fixture
async def one_shop(sqlite_engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[Shop]:
    """The API on SQLite, where the engine makes no difference."""
    async with serving_api(sqlite_engine, tmp_path / "spool") as shop:
        yield shop
