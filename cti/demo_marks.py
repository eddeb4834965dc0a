"""Whether the demo's history is there: asked at every start, without loading what makes it."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.models import calls, rollup_state

MARK: Final = "demo-"
REMOVED: Final = "demo_removed"  # in `rollup_state`


async def is_there(engine: AsyncEngine, mark: str = MARK) -> bool:
    """Whether the database holds demo history."""
    asked = select(calls.c.id).where(calls.c.id.startswith(mark, autoescape=True)).limit(1)
    async with engine.connect() as connection:
        return (await connection.execute(asked)).first() is not None


async def was_removed(engine: AsyncEngine) -> bool:
    """Whether somebody has had enough of it: the demo does not make it again."""
    asked = select(rollup_state.c.upto).where(rollup_state.c.name == REMOVED)
    async with engine.connect() as connection:
        return (await connection.execute(asked)).first() is not None
