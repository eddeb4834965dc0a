"""The journal of this process: events in at once, on disk in the same turn of the loop, in the
database soon after.

`write` keeps an event for the rest of the loop's turn; then one `os.write` appends the turn's
events to the spool, after which a `kill -9` loses none of them (intake.py, spool.py). A worker
thread syncs the spool some times a second, for power cuts. The drain carries it to the database
(drain.py, tables.py), which may be slow or away. What a dead engine on this host left is drained
by whoever finds it. While the disk takes nothing, events go to the database from memory; what
finds no room there either is counted, and the gap is recorded.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.engine import open_engine
from cti.journal.drain import Drain
from cti.journal.intake import RETRY, Intake
from cti.journal.reading import merged, spooled_rows
from cti.journal.spool import KEEP_BYTES, KEEP_SECONDS, Place, Spool
from cti.journal.tables import JournalTables
from cti.phone import e164_or_same
from ivr.events import Entry

QUICK: Final = 0.3  # seconds that a database is given which the drain knows to be away
IDLE: Final = 5.0  # seconds after which a drain with nothing to do looks for what is old
WATCH: Final = 2.0  # seconds between two looks at how much room is left
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """Bounds and times; bytes and seconds.

    `spool_limit` and `memory_limit` bound what waits for the database on disk and, when the disk is
    full, in memory. A warning is logged at half of either, and when less than `free_space` is left
    on the disk. `keep_bytes` and `keep_seconds` bound what is kept of a spool that is drained.
    """

    region: str = "TR"
    sync_after: float = 0.2
    drain_after: float = 1.0
    adopt_every: float = 5.0
    history_deadline: float = 1.0
    durable_deadline: float = 2.0
    insert_deadline: float = 15.0
    close_deadline: float = 5.0
    spool_limit: int = 4 << 30
    memory_limit: int = 16 << 20
    free_space: int = 512 << 20
    keep_bytes: int = KEEP_BYTES
    keep_seconds: float = KEEP_SECONDS


@dataclass(frozen=True, slots=True)
class Status:
    """How the journal does: for the metrics and the health page."""

    spooled_bytes: int
    waiting_in_memory: int
    stored: int
    lost: int
    refused: int
    disk_full: bool
    database_away: float  # for how many seconds; 0 when it is there


class SpooledJournal:
    """`ivr.events.Journal`. Made by `open_journal`."""

    def __init__(self, engine: AsyncEngine, folder: Path, options: Options) -> None:
        self._options = options
        self._folder = folder
        self._loop = asyncio.get_running_loop()
        self._tables = JournalTables(
            engine, region=options.region, deadline=options.insert_deadline
        )
        self._spool = Spool(folder, limit=options.spool_limit)
        self._intake = Intake(self._spool, options.memory_limit, self._wake)
        self._drain = Drain(self._tables, folder)
        self._written = asyncio.Event()
        self._pending = asyncio.Event()
        self._stop = asyncio.Event()
        self._asked = asyncio.Event()  # for a call's past: an engine may just have died
        self._synced = self._spool.written
        self._waiters: list[asyncio.Future[None]] = []
        self._warned: set[str] = set()
        self._watch_at = 0.0

    @property
    def owner(self) -> str:
        """Our name in the spool folder."""
        return self._spool.owner

    def write(self, entry: Entry) -> None:
        """Take an event. Never waits, never raises."""
        self._intake.take(entry)

    async def durable(self, call: str) -> None:
        """Return when everything written so far would survive a crash (`kill -9`) of this process.

        It is handed to the operating system at once, so nobody waits; for a power cut as well, see
        `synced`. With a full disk it waits for the database, at most `durable_deadline`.
        """
        self._intake.flush()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._options.durable_deadline):
                while self._intake.waiting:
                    await self._change()

    async def synced(self, deadline: float = 2.0) -> bool:
        """Wait until everything written so far would survive a power cut; False when too late."""
        self._intake.flush()
        place = self._spool.written
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline):
                while self._synced < place or self._intake.waiting:
                    await self._change()
                return True
        return False

    async def history(self, call: str) -> Sequence[Entry]:
        """Everything written for a call, in order; empty for an unknown one.

        From the database and from every spool on this host, dead engines' included.
        `JournalUnavailable` when the database is away and the spools do not hold the call whole.
        """
        self._asked.set()
        self._intake.flush()
        rows = await asyncio.to_thread(spooled_rows, self._folder, call)
        rows += self._intake.of_call(call)
        away = self._drain.away_since is not None
        deadline = QUICK if away else self._options.history_deadline
        return await merged(self._tables, call, rows, deadline)

    async def drained(self) -> None:
        """Wait until the database has everything written so far. Has no deadline of its own."""
        self._intake.flush()
        place = self._spool.written
        while self._spool.drained < place or self._intake.waiting:
            await self._change()

    def status(self) -> Status:
        """A look at the journal, at no cost."""
        since = self._drain.away_since
        return Status(
            spooled_bytes=self._spool.backlog,
            waiting_in_memory=self._intake.waiting,
            stored=self._drain.stored,
            lost=self._intake.lost,
            refused=self._drain.refused,
            disk_full=self._intake.disk_full,
            database_away=0.0 if since is None else self._loop.time() - since,
        )

    async def run(self) -> None:
        """Sync, drain and adopt until `stop` is called and the work is done."""
        await asyncio.to_thread(e164_or_same, "0")  # loads libphonenumber off the loop
        loops = (self._sync_loop(), self._drain_loop(), self._adopt_loop())
        sync, drain, adopt = (asyncio.create_task(loop) for loop in loops)
        try:
            await self._stop.wait()
            await asyncio.wait([drain], timeout=self._options.close_deadline)
        finally:
            self.stop()
            drain.cancel()
            adopt.cancel()
            await asyncio.gather(drain, adopt, return_exceptions=True)
            await sync  # never cancelled: its thread may be using the file
            self._close()

    def stop(self) -> None:
        """Ask `run` to drain what is left and to end."""
        self._intake.flush()
        self._stop.set()
        self._asked.set()
        self._wake()

    def _close(self) -> None:
        if self._intake.waiting:
            log.critical("%d events are lost: no disk, no database", self._intake.waiting)
        if not self._spool.idle():
            log.warning("the database is behind; the next engine drains this one's spool")
        self._spool.close()

    async def _sync_loop(self) -> None:
        while not self._stop.is_set():
            await _wait(self._written, RETRY if self._intake.waiting else None)
            await _wait(self._stop, self._options.sync_after)
            self._written.clear()
            self._intake.retry()
            await self._sync()
        await self._sync()

    async def _sync(self) -> None:
        try:
            self._synced = await asyncio.to_thread(self._to_disk)
        except OSError as error:
            log.critical("the spool cannot be synced: %s", error.strerror)
        self._tell()

    async def _drain_loop(self) -> None:
        while not (self._stop.is_set() and self._spool.idle() and not self._intake.waiting):
            await _wait(self._pending, min(IDLE, self._options.keep_seconds))
            await _wait(self._stop, self._options.drain_after)
            self._pending.clear()
            try:
                await self._drain_all()
            except Exception:
                log.exception("the journal's drain met something new; it goes on")
                await _wait(self._stop, RETRY)

    async def _drain_all(self) -> None:
        while await self._drain.own(self._spool):
            self._tell()
            self._prune()
        if self._intake.disk_full and self._intake.waiting:
            rows, stored = self._intake.hold(), 0
            try:
                await self._drain.store(rows, self._spool.owner)
                stored = len(rows)
            finally:
                self._intake.release(stored)
            self._tell()
        self._intake.tell_gap()
        self._prune()

    async def _adopt_loop(self) -> None:
        while not self._stop.is_set():
            try:
                await self._drain.orphans(self._spool.owner)
            except Exception:
                log.exception("a dead engine's spool cannot be drained; it stays")
            await _wait(self._asked, self._options.adopt_every)
            self._asked.clear()

    def _prune(self) -> None:
        keep = self._options.keep_seconds
        if self._spool.idle() and self._spool.age > keep:
            self._spool.start_afresh()
        self._spool.prune(self._options.keep_bytes, keep)

    def _wake(self) -> None:
        self._written.set()
        self._pending.set()

    async def _change(self) -> None:
        """Wait until something was synced or stored."""
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        self._wake()
        await waiter

    def _tell(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _to_disk(self) -> Place:
        """In a worker thread: sync, and look now and then how much room there is."""
        place = self._spool.sync()
        if time.monotonic() >= self._watch_at:
            self._watch_at = time.monotonic() + WATCH
            self._watch()
        return place

    def _watch(self) -> None:
        options, disk = self._options, os.statvfs(self._folder)
        free = disk.f_bavail * disk.f_frsize
        self._warn("its spool is half full", self._spool.backlog > options.spool_limit / 2)
        self._warn("its memory is half full", self._intake.bytes > options.memory_limit / 2)
        self._warn("its disk is nearly full", free < options.free_space)

    def _warn(self, message: str, bad: bool) -> None:
        if not bad:
            self._warned.discard(message)
        elif message not in self._warned:
            self._warned.add(message)
            log.critical("the journal will lose events before long: %s", message)


async def _wait(event: asyncio.Event, timeout: float | None) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            await event.wait()


@contextlib.asynccontextmanager
async def open_journal(
    url: str, folder: Path, options: Options | None = None
) -> AsyncIterator[SpooledJournal]:
    """A journal over a database that has its tables, with its spool in `folder`.

    At the end it drains what is left, for at most `close_deadline`; what is not done then stays in
    the spool, and the next engine on this host takes it up.
    """
    options = options or Options()
    engine = open_engine(url, pool_size=3, durable=True, busy=options.insert_deadline / 2)
    try:
        journal = SpooledJournal(engine, folder, options)
        task = asyncio.create_task(journal.run())
        try:
            yield journal
        finally:
            journal.stop()
            await task
    finally:
        await engine.dispose()
