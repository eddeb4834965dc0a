"""From an event to a line in the spool, in the same turn of the loop; and where that fails, memory.

The order of a turn's events is kept. While the disk takes nothing, lines wait here up to a bound;
then the newest find no room, so that what is kept of a call is always its beginning.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from cti.journal.drain import gap
from cti.journal.line import Row, encode_row, encoded
from cti.journal.spool import Spool
from ivr.events import Entry

RETRY: Final = 1.0  # seconds between two tries to write to a disk that took nothing
NAMED: Final = 50  # lost events that a gap names
log = logging.getLogger(__name__)


class Intake:
    """`wake` is called when there is something new to sync and to drain."""

    def __init__(self, spool: Spool, limit: int, wake: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._spool = spool
        self._limit = limit
        self._wake = wake
        self._entries: list[Entry] = []  # of this turn
        self._lines: list[bytes] = []
        self._rows: list[Row] = []  # what stands in them
        self._scheduled = False
        self._held = False  # the lines are on their way to the database, past the spool
        self._again_at: float | None = None  # when a disk that took nothing is tried again
        self._lost: list[Entry] = []
        self._lost_now = 0
        self._reason = ""
        self.bytes = 0
        self.lost = 0

    @property
    def waiting(self) -> int:
        """How many lines are in memory only."""
        return len(self._lines) + len(self._entries)

    @property
    def disk_full(self) -> bool:
        return self._again_at is not None

    def take(self, entry: Entry) -> None:
        """Take an event. Never waits, never raises."""
        self._entries.append(entry)
        if not self._scheduled:
            self._schedule()

    def _encode(self) -> None:
        """Make lines of what was taken; together, for that is what is quick."""
        entries, self._entries = self._entries, []
        rows, lines = self._rows, self._lines
        for entry in entries:
            try:
                row, line = encoded(entry)
            except Exception as error:  # a value nobody thought of must not end a call
                name = type(error).__name__
                log.error(
                    "call %s: event %d cannot be written: %s", entry.call, entry.sequence, name
                )
                self._lose(entry, "unwritable")
                continue
            if self.bytes + len(line) > self._limit:
                self._lose(entry, "no room")
            else:
                rows.append(row)
                lines.append(line)
                self.bytes += len(line)

    def flush(self) -> None:
        """Hand everything to the operating system now, in one write; if that fails it stays."""
        if self._entries:
            self._encode()
        if not self._lines or self._held:
            return
        try:
            self._spool.append(b"".join(self._lines), self._rows)
        except OSError as error:
            if self._again_at is None:
                why = error.strerror or error
                log.critical("the journal's disk takes nothing (%s); events wait in memory", why)
            self._again_at = self._loop.time() + RETRY
        else:
            self._lines, self._rows = [], []
            self.bytes = 0
            if self._again_at is not None:
                self._again_at = None
                log.warning("the journal's disk takes events again")
            self.tell_gap()
        self._wake()

    def retry(self) -> None:
        """As `flush`, but a full disk is tried only once in a while."""
        self._scheduled = False
        if self._again_at is None or self._loop.time() >= self._again_at:
            self.flush()
        else:
            self._encode()

    def of_call(self, call: str) -> list[Row]:
        """What of a call is in memory only."""
        self._encode()
        return [row for row in self._rows if row.call == call]

    def hold(self) -> list[Row]:
        """Everything here, to be stored past the spool; `release` must follow."""
        self._encode()
        self._held = True
        return list(self._rows)

    def release(self, stored: int) -> None:
        """Let go of the lines, of which the first `stored` need not be kept."""
        self._held = False
        self.bytes -= sum(map(len, self._lines[:stored]))
        del self._lines[:stored], self._rows[:stored]
        self.tell_gap()

    def tell_gap(self) -> None:
        """Write the gap, if there is one, behind the events that came before it."""
        if not self._lost_now:
            return
        names = " ".join(f"{entry.call}:{entry.sequence}" for entry in self._lost[:NAMED])
        first, last = self._lost[0].at, self._lost[-1].at
        row = gap(self._reason, self._lost_now, first, last, names)
        self._put(row, encode_row(*row))
        self._schedule()
        self._lost, self._lost_now = [], 0

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self.retry)

    def _put(self, row: Row, line: bytes) -> None:
        self._rows.append(row)
        self._lines.append(line)
        self.bytes += len(line)

    def _lose(self, entry: Entry, reason: str) -> None:
        if not self._lost_now:
            log.critical("the journal loses events: %s", reason)
            self._wake()
        self.lost += 1
        self._lost_now += 1
        self._reason = reason
        if len(self._lost) > NAMED:
            self._lost[-1] = entry  # only the last one's time is of interest now
        else:
            self._lost.append(entry)
