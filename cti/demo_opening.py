"""Makes a demo's shop ready: its tables, its people, and a history for the reports."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from cti.asterisk import Progress
from cti.db.engine import open_engine
from cti.db.migrate import upgrade
from cti.demo_desk import seed_desk
from cti.demo_marks import is_there, was_removed
from cti.demo_shop import seed_shop
from cti.settings import Settings


async def open_shop(settings: Settings, history: Progress | None) -> dict[str, str]:
    """The shop's tables, and the desk's users; gives back the passwords of new ones."""
    database = open_engine(settings.journal_database)
    try:
        await upgrade(database)
        await seed_shop(database)
        if history is not None:
            await _write_history(database, settings, history)
        return await seed_desk(database, settings.scenarios)
    finally:
        await database.dispose()


async def _write_history(database: AsyncEngine, settings: Settings, progress: Progress) -> None:
    """Once, and not again after somebody has had enough of it."""
    if await was_removed(database) or await is_there(database):
        return
    from cti import demo_history
    from cti.reports.rollups import Rollups

    progress("making thirty days of calls for the reports (once) ...")
    scale = demo_history.Scale(zone=settings.time_zone)
    await demo_history.write(database, scale, demo_history.until_now(zone=settings.time_zone))
    await Rollups(database, zone=settings.time_zone).rebuild()
