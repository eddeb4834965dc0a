"""Reading a call's record: from the database and every spool on this host, in one order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from cti.journal.line import Row, entry
from cti.journal.spool import Files, owners
from cti.journal.tables import AWAY, JournalTables
from ivr.errors import JournalUnavailable
from ivr.events import CallStarted, Entry


async def read_call(
    engine: AsyncEngine, folder: Path, call: str, deadline: float = 5.0
) -> Sequence[Entry]:
    """A call's events for somebody who keeps no journal (the command line, a report).

    `JournalUnavailable` when the database is away and the spools do not hold the call whole.
    """
    spooled = await asyncio.to_thread(spooled_rows, folder, call)
    return await merged(JournalTables(engine), call, spooled, deadline)


async def merged(
    tables: JournalTables, call: str, spooled: Iterable[Row], deadline: float
) -> Sequence[Entry]:
    """Rows that were read from spools before, and the database's after them, so that none that
    moves from the one to the other meanwhile is missed.
    """
    rows = {row.sequence: row for row in spooled}
    try:
        stored = await tables.history(call, deadline)
    except AWAY as error:
        if not _whole(rows):
            raise JournalUnavailable from error
    else:
        rows.update((row.sequence, row) for row in stored)
    found = (entry(rows[sequence]) for sequence in sorted(rows))
    return [one for one in found if one is not None]


def _whole(rows: Mapping[int, Row]) -> bool:
    """Whether nothing is missing from the call's last beginning on."""
    begins = [place for place, row in rows.items() if row.kind == CallStarted.__name__]
    if not begins:
        return False
    since = [place for place in sorted(rows) if place >= max(begins)]
    return since == list(range(since[0], since[0] + len(since)))


def spooled_rows(folder: Path, call: str) -> list[Row]:
    """What the spools of every engine on this host, dead or alive, hold of a call. Reads files."""
    files = (Files(folder, owner) for owner in owners(folder))
    return [row for one in files for row in one.lines_of(call)]


def purge_refused(folder: Path, text: str) -> int:
    """Drop the lines with `text` from what databases refused; how many went."""
    file = folder / "refused.lines"
    try:
        lines = file.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return 0
    kept = [line for line in lines if text.encode() not in line]
    if len(kept) < len(lines):
        file.write_bytes(b"".join(kept))
    return len(lines) - len(kept)
