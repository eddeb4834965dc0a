"""CPU per journal event, on SQLite and on PostgreSQL: JSON, spool, sync and the database's insert.

    python -m bench.journal [--calls 500] [--rate 50] [--postgres URL]
    python -m bench.journal --outage 60     (PostgreSQL stopped for 60 s in the middle of the load)

Plays the events of real order calls (15 a call) at the telephone's pace and counts the processor
time of the whole process, its threads included, against the same run without the journal.
PostgreSQL's own processes are not counted: they are not the engine's.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import tempfile
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import func, select

from cti.db import migrate
from cti.db.engine import open_engine
from cti.db.models import call_events
from cti.journal import open_journal
from ivr import events
from ivr.events import Entry, Event

LIMIT_MS = 0.1
T = TypeVar("T")


@dataclass(frozen=True)
class Result:
    engine: str
    events: int
    ms_per_event: float
    write_us: float  # of it, in `write` itself
    lag_s: float  # from the last event to the database having it


def conversation() -> list[Event]:
    """The order call of the demo, as the engine journals it."""
    order = {"number": "1234", "status": "kargoda", "total": Decimal("459.90"), "currency": "TRY"}
    spoken = "1234 numaralı siparişiniz kargoda. Tutarı dört yüz elli dokuz lira doksan kuruş."
    flow, version = "order_line", "sha256:4f2a9c0e"
    return [
        events.CallStarted(flow, version, "tr", "+905321112233", "1000", "inbound", "PJSIP/x-1"),
        events.StepEntered(flow, "welcome", "say", "start"),
        events.PromptPlayed("welcome", "tr", "Merhaba, mağazamıza hoş geldiniz.", 2100),
        events.StepEntered(flow, "main", "menu", "next"),
        events.Heard("keys", "1", 1.0, "1"),
        events.StepEntered(flow, "ask_number", "collect", "1"),
        events.PromptPlayed("ask_number", "tr", "Lütfen sipariş numaranızı tuşlayın.", 1800, True),
        events.Heard("keys", "1234", 1.0, "1234"),
        events.VariableSet("number", "1234"),
        events.StepEntered(flow, "find", "lookup", "next"),
        events.LookupDone("order_by_number", "found", 1.4),
        events.VariableSet("order", order),
        events.StepEntered(flow, "say_status", "say", "found"),
        events.PromptPlayed("status", "tr", spoken, 5200),
        events.CallEnded("hangup", flow, "bye"),
    ]


async def play(calls: int, rate: float, write: Callable[[Entry], None]) -> float:
    """All calls at `rate` a second, ten in step; the CPU seconds spent in `write`."""
    spent = 0.0
    script = conversation()
    begin = time.monotonic()
    for call in range(0, calls, 10):
        names = [str(uuid.uuid4()) for _ in range(10)]
        for place, event in enumerate(script, start=1):
            for name in names:
                entry = Entry(name, place, time.time(), event)
                started = time.thread_time()
                write(entry)
                spent += time.thread_time() - started
                await asyncio.sleep(0)  # each call writes in a turn of the loop of its own
            due = begin + (call + 10 * place / len(script)) / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
    return spent


async def measure(url: str, calls: int, rate: float) -> Result:
    engine = open_engine(url)
    await migrate.upgrade(engine)
    name = engine.dialect.name
    await engine.dispose()
    with tempfile.TemporaryDirectory() as folder:
        async with open_journal(url, Path(folder)) as journal:
            await play(20, rate, journal.write)  # warm
            await journal.drained()
            before = time.process_time()
            await play(calls, rate, lambda entry: None)
            idle = time.process_time() - before
            before = time.process_time()
            spent = await play(calls, rate, journal.write)
            ended = time.monotonic()
            await journal.drained()
            total = time.process_time() - before - idle
            lag = time.monotonic() - ended
    count = calls * len(conversation())
    return Result(name, count, total / count * 1e3, spent / count * 1e6, lag)


@dataclass(frozen=True)
class Outage:
    seconds: float
    written: int
    stored: int
    lost: int
    peak_spool_bytes: int
    slowest_write_ms: float
    recovered_s: float  # from the server's return to the database having everything


async def outage(server: Any, url: str, seconds: float, rate: float) -> Outage:
    """Stop the server for so long under load; what was written, what arrived, how soon."""
    engine = open_engine(url)
    await migrate.upgrade(engine)
    slowest = peak = 0.0
    calls = int(rate * (seconds + 20) // 10 * 10)
    with tempfile.TemporaryDirectory() as folder:
        async with open_journal(url, Path(folder)) as journal:

            def write(entry: Entry) -> None:
                nonlocal slowest, peak
                started = time.perf_counter()
                journal.write(entry)
                slowest = max(slowest, time.perf_counter() - started)
                peak = max(peak, journal.status().spooled_bytes)

            load = asyncio.create_task(play(calls, rate, write))
            await asyncio.sleep(5)
            await asyncio.to_thread(server.stop)
            await asyncio.sleep(seconds)
            await asyncio.to_thread(server.start)
            back = time.monotonic()
            while journal.status().spooled_bytes > 200_000 or journal.status().database_away:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            recovered = time.monotonic() - back
            await load
            await journal.drained()
            lost = journal.status().lost
    async with engine.connect() as connection:
        stored = await connection.scalar(select(func.count()).select_from(call_events))
    await engine.dispose()
    written = calls * len(conversation())
    return Outage(seconds, written, stored or 0, lost, int(peak), slowest * 1e3, recovered)


@contextlib.contextmanager
def databases(postgres: str | None) -> Iterator[list[str]]:
    """A SQLite file of its own, and the PostgreSQL given or, where one can be had, its own."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        urls = [f"sqlite:///{folder}/bench.db"]
        if postgres is None:
            with contextlib.suppress(ImportError, RuntimeError):
                from tests.postgres_server import running_postgres

                postgres = stack.enter_context(running_postgres()).new_database()
        yield urls + ([postgres] if postgres else [])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="CPU per journal event.")
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--rate", type=float, default=50.0, help="calls a second")
    parser.add_argument("--postgres", help="a PostgreSQL database's URL; its tables are made")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--outage", type=float, help="seconds without PostgreSQL, under load")
    given = parser.parse_args(arguments)
    if given.outage:
        return _outage(given.outage, given.rate)
    with databases(given.postgres) as urls:
        results = [_run(measure(url, given.calls, given.rate)) for url in urls]
    if given.json:
        print(json.dumps([asdict(result) for result in results]))
    for result in [] if given.json else results:
        print(
            f"{result.engine:11} {result.events} events  {result.ms_per_event:.4f} ms CPU an event"
            f"  (write {result.write_us:.1f} us)  lag {result.lag_s:.2f} s"
        )
    return 0 if all(result.ms_per_event <= LIMIT_MS for result in results) else 1


def _outage(seconds: float, rate: float) -> int:
    from tests.postgres_server import running_postgres

    with running_postgres() as server:
        result = _run(outage(server, server.new_database(), seconds, rate))
    print(json.dumps(asdict(result), indent=2))
    return 0 if result.stored == result.written and result.recovered_s < 30 else 1


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


if __name__ == "__main__":
    raise SystemExit(main())
