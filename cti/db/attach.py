"""The schema of a database that may be away when the engine starts: callers never wait for it.

Inside `migrating` the database is brought to the newest revision: at once when it is there, else
when it returns. Until then events stay in the spool, and what else needs the database does without.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.migrate import upgrade

PATIENCE: Final = 5.0  # seconds that a start waits for a migration; it goes on behind
AGAIN: Final = 1.0  # seconds between two tries while the database is away
TOLD_AGAIN: Final = 60.0
log = logging.getLogger(__name__)


def migrating(
    engine: AsyncEngine, patience: float = PATIENCE
) -> contextlib.AbstractAsyncContextManager[None]:
    """Enter with the schema up to date, or after `patience` seconds with the work going on."""
    return insisting("the database", lambda: upgrade(engine), patience)


@contextlib.asynccontextmanager
async def insisting(
    what: str, work: Callable[[], Awaitable[None]], patience: float = PATIENCE
) -> AsyncIterator[None]:
    """Enter with the work done, or after `patience` seconds with it being tried on and on."""
    task = asyncio.create_task(_until_done(what, work))
    try:
        await asyncio.wait({task}, timeout=patience)
        if not task.done():
            log.warning("calls are taken before %s is ready; it is made so behind them", what)
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _until_done(what: str, work: Callable[[], Awaitable[None]]) -> None:
    loop = asyncio.get_running_loop()
    told: float | None = None
    while True:
        try:
            await work()
        except Exception as error:
            of_alembic = _is_alembics(error)
            if not (of_alembic or isinstance(error, SQLAlchemyError | OSError | TimeoutError)):
                raise
            if told is None or loop.time() - told > TOLD_AGAIN:
                told = loop.time()
                why = str(error) if of_alembic else type(error).__name__
                log.critical("%s cannot be brought up to date yet: %s", what, why)
            await asyncio.sleep(AGAIN)
        else:
            if told is not None:
                log.warning("%s is there and up to date", what)
            return


def _is_alembics(error: Exception) -> bool:
    """Whether alembic refuses. It is not imported just to ask."""
    module = sys.modules.get("alembic.util")
    return module is not None and isinstance(error, module.CommandError)
