"""Keeps the reports up to date in a process of its own, so that no caller waits for a sum; and
sends the mails that are due.

It ends when its standard input is closed: with the engine, however that ends.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.engine import open_engine
from cti.reports.letter import Sender
from cti.reports.mails import NAME, load_mails
from cti.reports.postman import Post, Postman
from cti.reports.rollups import Rollups
from cti.settings import Settings
from ivr.errors import BadInput, FlowRefused

log = logging.getLogger(__name__)
AGAIN: Final = 10.0  # seconds until a worker that died is followed by another
POLITE: Final = 10  # nice(2)


@dataclass(frozen=True, slots=True)
class Mailing:
    """What the worker has to know to send mails."""

    file: str
    zone: str
    url: str = ""
    password: str = field(default="", repr=False)
    sender: str = ""
    web_url: str = ""

    @classmethod
    def of(cls, settings: Settings) -> Mailing:
        return cls(
            str(settings.scenarios / NAME), settings.time_zone, settings.smtp,
            settings.smtp_password.get_secret_value(), settings.mail_from, settings.web_url,
        )  # fmt: skip

    def postman(self, engine: AsyncEngine) -> Postman:
        """Reads the file anew. `FlowRefused` and `BadInput` say what is wrong with it."""
        return Postman(engine, load_mails(Path(self.file)), ZoneInfo(self.zone), self.post)

    @property
    def post(self) -> Post | None:
        """None where no server is set."""
        if not self.url:
            return None
        return Post(self.url, Sender(self.sender, self.web_url), self.password)


class Mailer:
    """Sends what is due. A file that cannot be read is told of once, and sends nothing."""

    def __init__(self, engine: AsyncEngine, mailing: Mailing) -> None:
        self._engine, self._mailing = engine, mailing
        self._wrong = ""

    async def turn(self) -> None:
        if not self._mailing.url:
            return
        try:
            postman = await asyncio.to_thread(self._mailing.postman, self._engine)
        except (FlowRefused, BadInput) as error:
            if str(error) != self._wrong:
                log.error("no report mails: %s", error)
            self._wrong = str(error)
            return
        self._wrong = ""
        await postman.deliver()


async def keep(url: str, every: float, mailing: Mailing | None = None) -> None:
    """Take in what has changed, every so many seconds, for ever; and send the mails."""
    engine = open_engine(url, pool_size=2)
    rollups = Rollups(engine, zone=mailing.zone if mailing else "")
    mailer = Mailer(engine, mailing) if mailing else None
    try:
        while True:
            try:
                await rollups.refresh()
                if mailer is not None:
                    await mailer.turn()
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("reports wait for the database: %s", type(error).__name__)
            await asyncio.sleep(every)
    finally:
        await engine.dispose()


@asynccontextmanager
async def reports_kept(
    url: str, every: float, mailing: Mailing | None = None
) -> AsyncIterator[None]:
    """A worker beside the block; one that dies is followed by another. `every` 0: none."""
    task = asyncio.create_task(_supervise(url, every, mailing)) if every else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _supervise(url: str, every: float, mailing: Mailing | None) -> None:
    told = json.dumps({"url": url, "mailing": asdict(mailing) if mailing else None})
    await asyncio.sleep(every)  # what matters more starts first
    while True:
        worker = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cti.reports.worker", str(every), stdin=asyncio.subprocess.PIPE
        )
        assert worker.stdin is not None
        try:
            worker.stdin.write(f"{told}\n".encode())  # not in its arguments, which anybody can see
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


async def _until_alone(url: str, every: float, mailing: Mailing | None) -> None:
    loop = asyncio.get_running_loop()
    alone = loop.create_future()
    loop.add_reader(sys.stdin, _ended, alone)
    work = asyncio.create_task(keep(url, every, mailing))
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
    told = json.loads(sys.stdin.readline())
    mailing = Mailing(**told["mailing"]) if told["mailing"] else None
    asyncio.run(_until_alone(told["url"], float(sys.argv[1]), mailing))


if __name__ == "__main__":
    main()
