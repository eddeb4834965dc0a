from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cti.web.site_room import SiteRoom, site_room


@pytest.fixture
async def desk(tmp_path: Path, sqlite_template: Path) -> AsyncIterator[SiteRoom]:
    """The desk with its users, before a Manager."""
    async with site_room(tmp_path, sqlite_template) as room:
        yield room
