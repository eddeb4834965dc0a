"""Carries lines from a spool to the database, in order, each once, however long that takes."""

from __future__ import annotations

import asyncio
import logging
import os
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cti.journal.line import GAP, Row, dumps, encode_row
from cti.journal.spool import Batch, Files, Lock, Place, Spool, adopt, owners
from cti.journal.tables import AWAY, JournalTables, Refused

FIRST_WAIT: Final = 0.2  # seconds before a database that is away is asked again
LONGEST_WAIT: Final = 3.0
TOLD_AGAIN: Final = 60.0
log = logging.getLogger(__name__)


def gap(
    reason: str, events: int, first_at: float, last_at: float, detail: str = "", name: str = ""
) -> Row:
    """The row that tells of events that are lost; the same `name` is the same gap, told again."""
    number = uuid.uuid5(uuid.NAMESPACE_OID, name) if name else uuid.uuid4()
    data = {
        "id": str(number), "reason": reason, "events": events, "first_at": first_at,
        "detail": detail,
    }  # fmt: skip
    return Row("", 0, last_at, GAP, dumps(data))


class Drain:
    """Stores batches for one process: its own spool's, and those of dead processes."""

    def __init__(self, tables: JournalTables, folder: Path) -> None:
        self._tables = tables
        self._folder = folder
        self.away_since: float | None = None  # the loop's time
        self.stored = 0
        self.refused = 0
        self._told = 0.0

    async def own(self, spool: Spool) -> bool:
        """Store the next lines of our own spool; False when there are none."""
        if spool.drained >= spool.written:
            return False
        batch = spool.remembered()
        if batch is None:
            batch = await asyncio.to_thread(spool.on_disk_only)
        await self.store(self._rows(batch, spool.owner), spool.owner)
        spool.mark_drained(batch.end)
        return True

    async def orphans(self, own: str) -> int:
        """Store and remove what dead processes have left in the folder; how many did."""
        found = 0
        for owner in await asyncio.to_thread(lambda: list(owners(self._folder))):
            lock = None if owner == own else adopt(self._folder, owner)
            if lock is None:
                continue
            found += 1
            try:
                await self._orphan(Files(self._folder, owner), lock)
            finally:
                lock.release()
        return found

    async def _orphan(self, files: Files, lock: Lock) -> None:
        place = files.mark()
        while True:
            batch = await asyncio.to_thread(files.read, place, None)
            if not batch.rows and not batch.damaged:
                break
            await self.store(self._rows(batch, files.owner), files.owner)
            place = batch.end
            lock.mark(place)
        files.remove()
        if place > Place(1, 0):
            log.warning("what the dead engine %s had left is in the database", files.owner)

    async def store(self, rows: Sequence[Row], engine: str) -> None:
        """Put rows into the database, waiting as long as it is away. Only cancellation ends it."""
        if not rows:
            return
        loop = asyncio.get_running_loop()
        wait = FIRST_WAIT
        while True:
            try:
                await self._tables.insert(rows, engine)
            except Refused as error:
                await self._refused(rows, engine, error)
            except AWAY as error:
                self._away(error, loop.time())
                await asyncio.sleep(wait)
                wait = min(wait * 2, LONGEST_WAIT)
                continue
            else:
                self.stored += len(rows)
            if self.away_since is not None:
                log.warning("the journal's database is back")
                self.away_since = None
            return

    async def _refused(self, rows: Sequence[Row], engine: str, error: Refused) -> None:
        """Find the row that no database takes and set it aside; the others go in."""
        if len(rows) > 1:
            half = len(rows) // 2
            await self.store(rows[:half], engine)
            await self.store(rows[half:], engine)
            return
        row = rows[0]
        self.refused += 1
        log.critical("call %s: the database refuses event %d: %s", row.call, row.sequence, error)
        await asyncio.to_thread(self._set_aside, row)
        if row.kind != GAP:
            await self.store(
                [gap("refused", 1, row.at, row.at, f"{row.call}:{row.sequence}")], engine
            )

    def _set_aside(self, row: Row) -> None:
        try:
            with open(self._folder / "refused.lines", "ab", opener=_private) as file:
                file.write(encode_row(*row))
        except OSError as error:
            log.critical("it could not be set aside either: %s", error.strerror)

    def _rows(self, batch: Batch, owner: str) -> list[Row]:
        if not batch.damaged:
            return batch.rows
        times = [row.at for row in batch.rows] or [time.time()]
        log.error("%d damaged lines in a spool were dropped", len(batch.damaged))
        return batch.rows + [
            gap("damaged", 1, min(times), max(times), name=f"{owner} {place}")
            for place in batch.damaged
        ]

    def _away(self, error: BaseException, now: float) -> None:
        if self.away_since is None:
            self.away_since = now
            self._told = 0.0
        if not self._told or now - self._told > TOLD_AGAIN:
            self._told = now
            name = type(getattr(error, "orig", None) or error).__name__
            seconds = now - self.away_since
            log.error(
                "the journal's database is away (%s, for %.0f s); events stay in the spool",
                name, seconds,
            )  # fmt: skip


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
