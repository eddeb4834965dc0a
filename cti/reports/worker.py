"""Keeps the reports up to date in a process of its own, so that no caller waits for a sum.

It ends when its standard input is closed: with the engine, however that ends.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from cti.db.engine import open_engine
from cti.reports.rollups import Rollups

log = logging.getLogger(__name__)
AGAIN: Final = 10.0  # seconds until a worker that died is followed by another
POLITE: Final = 10  # nice(2)


async def keep(url: str, every: float) -> None:
    """Take in what has changed, every so many seconds, for ever."""
    engine = open_engine(url, pool_size=2)
    rollups = Rollups(engine)
    try:
        while True:
            try:
                await rollups.refresh()
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("reports wait for the database: %s", type(error).__name__)
            await asyncio.sleep(every)
    finally:
        await engine.dispose()


@asynccontextmanager
async def reports_kept(url: str, every: float) -> AsyncIterator[None]:
    """A worker beside the block; one that dies is followed by another. `every` 0: none."""
    task = asyncio.create_task(_supervise(url, every)) if every else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _supervise(url: str, every: float) -> None:
    await asyncio.sleep(every)  # what matters more starts first
    while True:
        worker = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cti.reports.worker", str(every), stdin=asyncio.subprocess.PIPE
        )
        assert worker.stdin is not None
        try:
            worker.stdin.write(f"{url}\n".encode())  # not in its arguments, which anybody can see
            code = await worker.wait()
        finally:
            if worker.returncode is None:
                worker.stdin.close()
                with suppress(TimeoutError):
                    async with asyncio.timeout(3):
                        await worker.wait()
                if worker.returncode is None:
                    worker.kill()
        log.error("the reports' worker ended with %s; another one follows", code)
        await asyncio.sleep(AGAIN)


async def _until_alone(url: str, every: float) -> None:
    loop = asyncio.get_running_loop()
    alone = loop.create_future()
    loop.add_reader(sys.stdin, _ended, alone)
    work = asyncio.create_task(keep(url, every))
    await asyncio.wait({alone, work}, return_when=asyncio.FIRST_COMPLETED)
    work.cancel()
    with suppress(asyncio.CancelledError):
        await work


def _ended(alone: asyncio.Future[None]) -> None:
    if not alone.done():
        alone.set_result(None)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    os.nice(POLITE)
    asyncio.run(_until_alone(sys.stdin.readline().strip(), float(sys.argv[1])))


if __name__ == "__main__":
    main()
