"""A process that writes a journal until it is killed; the kill tests start many of them.

It takes up each of its calls where the history ends, as an engine does, writes on, and notes in a
file what `durable` has promised. `kill_at` names a place in the journal's own code where it kills
itself with SIGKILL: `name:before:3` is before the third time that `name` is done.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import itertools
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiosqlite  # noqa: F401 (imported once, in the fork server, not by every victim)
import asyncpg  # noqa: F401
import phonenumbers  # noqa: F401

from cti.db import migrate
from cti.db.engine import open_engine
from cti.journal import Options, SpooledJournal, open_journal
from cti.journal.drain import Drain
from cti.journal.spool import Files, Lock, Spool
from cti.journal.tables import JournalTables
from ivr import events
from ivr.events import Entry
from tests.cti.journal.samples import START

CALLS = ("call-a", "call-b", "call-c")
# Every place where the journal waits or changes something that outlives it.
STAGES: dict[str, tuple[type, str]] = {
    "append": (Spool, "append"),
    "next_segment": (Spool, "_next_segment"),
    "sync": (Spool, "sync"),
    "prune": (Spool, "prune"),
    "read": (Files, "read"),
    "lines_of": (Files, "lines_of"),
    "remove": (Files, "remove"),
    "mark": (Lock, "mark"),
    "insert": (JournalTables, "insert"),
    "insert_events": (JournalTables, "_insert_events"),
    "apply": (JournalTables, "_apply"),
    "history": (JournalTables, "history"),
    "own": (Drain, "own"),
    "orphan": (Drain, "_orphan"),
}
OPTIONS = Options(
    sync_after=0.002, drain_after=0.002, keep_bytes=4_000, close_deadline=5.0, adopt_every=0.05
)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(kill_at: str) -> None:
    """Make this process kill itself at a place."""
    name, when, number = kill_at.split(":")
    if name == "write":
        _arm_write(int(number))
        return
    owner, method = STAGES[name]
    done = inspect.getattr_static(owner, method)
    setattr(owner, method, _deadly(done, when, itertools.count(1), int(number)))


def _deadly(done: Callable[..., Any], when: str, count: Any, number: int) -> Callable[..., Any]:
    @functools.wraps(done)
    async def waits(*args: Any, **options: Any) -> Any:
        mine = next(count) == number
        if mine and when == "before":
            die()
        result = await done(*args, **options)
        if mine:
            die()
        return result

    @functools.wraps(done)
    def returns(*args: Any, **options: Any) -> Any:
        mine = next(count) == number
        if mine and when == "before":
            die()
        result = done(*args, **options)
        if mine:
            die()
        return result

    return waits if inspect.iscoroutinefunction(done) else returns


def _arm_write(number: int) -> None:
    """Die in the middle of a write: its last line is torn."""
    write, count = os.write, itertools.count(1)

    def most_of_it(file: int, data: bytes) -> int:
        if not data.startswith(b"call") and b"\t" in data and next(count) == number:
            write(file, data[:-5])
            die()
        return write(file, data)

    os.write = most_of_it  # type: ignore[assignment]


def entry(call: str, sequence: int, run: int) -> Entry:
    """What run number `run` writes there."""
    event: events.Event = events.VariableSet("place", f"{call}/{sequence}/{run}")
    if sequence == 1:
        event = events.CallStarted("shop", str(run), "tr", "+905321112233")
    return Entry(call, sequence, START + sequence / 64 + run, event)


def run_of(one: Entry) -> int:
    event = one.event
    if isinstance(event, events.CallStarted):
        return int(event.version)
    assert isinstance(event, events.VariableSet)
    return int(event.value.split("/")[2])


def write_until_killed(url: str, folder: str, run: int, kill_at: str, count: int) -> None:
    """Write at most `count` events a call; the end comes before that, mostly."""
    # Small segments, so that they change often. The default stands in the signature.
    Spool.__init__.__kwdefaults__["segment_bytes"] = 1_500  # type: ignore[index]
    if kill_at:
        arm(kill_at)
    asyncio.run(_write(url, Path(folder), run, count))


async def _write(url: str, folder: Path, run: int, count: int) -> None:
    promised = os.open(folder / "promised", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    async with open_journal(url, folder / "spool", OPTIONS) as journal:
        await asyncio.gather(*(_call(journal, call, run, count, promised) for call in CALLS))


async def _call(journal: SpooledJournal, call: str, run: int, count: int, promised: int) -> None:
    history = await journal.history(call)
    assert [one.sequence for one in history] == list(range(1, len(history) + 1)), "a hole"
    for sequence in range(len(history) + 1, len(history) + count + 1):
        journal.write(entry(call, sequence, run))
        if sequence % 3 == 0:
            await journal.durable(call)
            os.write(promised, f"{call} {sequence} {run}\n".encode())
        await asyncio.sleep(0.001 if sequence % 5 == 0 else 0)


def migrate_until_killed(url: str, kill_at: int) -> None:
    """Migrate, and die at the `kill_at`-th statement (0: never)."""
    from sqlalchemy import event

    async def upgrade() -> None:
        engine = open_engine(url)
        count = itertools.count(1)

        @event.listens_for(engine.sync_engine, "after_cursor_execute")
        def after(*_: Any) -> None:
            if next(count) == kill_at:
                die()

        await migrate.upgrade(engine)
        await engine.dispose()

    asyncio.run(upgrade())
