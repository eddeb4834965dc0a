"""`santral bench reports`: a year of generated calls, a million of them, in SQLite and PostgreSQL.

Three things, on each engine: every figure of every report against a recount from the raw events
(tests/cti/reports/recount.py: no roll-up, no sum in SQL, each moment turned into local time by
itself; clocks in Berlin go forward and back within the year); how long each report takes from
roll-ups, for the last thirty days and for the whole year; and how long when a filter forces the
calls' own facts. The exit code is 1 when a figure differs or a report is late.

    santral bench reports                                 a million calls; about half an hour
    santral bench reports --calls 20000 --engines sqlite
    santral bench reports --home /var/tmp/reports         kept, and used again the next time
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from cti import demo_history, reports
from cti.db import migrate
from cti.db.engine import open_engine
from cti.db.models import call_events, calls
from cti.reports.period import Period
from cti.reports.query import Query
from cti.reports.rollups import Rollups
from tests.cti.reports.comparison import differences
from tests.cti.reports.recount import Recount
from tests.postgres_server import running_postgres

ZONE: Final = ZoneInfo("Europe/Berlin")
TODAY: Final = date(2026, 11, 22)
DAYS: Final = 365
MILLISECONDS: Final = {"roll-ups": 300.0, "raw": 1000.0}
TIMES: Final = 3
RAW: Final = {
    "calls": ({"queue": "support"}, {"agent": "agent007"}, {"caller": "+905550000042"}),
    "queues": ({"language": "tr"}, {"caller": "+905550000042"}, {"flow": "order_line"}),
    "steps": ({"queue": "support"}, {"language": "en"}, {"caller": "+905550000042"}),
    "busiest": ({"queue": "support"}, {"agent": "agent007"}),
    "callers": ({"language": "en"}, {"queue": "support"}),
    "worst": ({"language": "en"}, {"agent": "agent007"}),
}


def scale(count: int) -> demo_history.Scale:
    """So many calls in a year, of so many callers and agents as a shop of that size has."""
    ordinary = count / DAYS / (sum(demo_history.DAYS) / 7)
    return demo_history.Scale(
        days=DAYS, per_day=round(ordinary), zone=str(ZONE), callers=max(300, count // 4),
        agents=[f"agent{number:03}" for number in range(max(3, round(ordinary / 80)))],
        queues=("support", "sales", "returns", "vip"),
    )  # fmt: skip


def year() -> Period:
    begins, ends = TODAY - timedelta(days=DAYS), TODAY
    return Period(*(datetime(day.year, day.month, day.day, tzinfo=ZONE) for day in (begins, ends)))


@dataclass(slots=True)
class Judge:
    """What was wrong, and what took how long."""

    failed: int = 0

    def took(self, engine: str, name: str, how: str, spent: Sequence[float], rows: int) -> None:
        limit = MILLISECONDS["raw"] if "filter" in how else MILLISECONDS["roll-ups"]
        held = engine == "sqlite" if limit == MILLISECONDS["roll-ups"] else engine == "postgresql"
        late = held and median(spent) > limit
        self.failed += late
        print(f"  {engine:10} {name:9} {how:34} {median(spent):7.1f} ms  worst {max(spent):7.1f}"
              f"  {rows:6} rows{'  LATE' if late else ''}", flush=True)  # fmt: skip


async def fill(engine: AsyncEngine, count: int) -> None:
    """Put the year in, through the journal's own tables, and make the roll-ups."""
    await migrate.upgrade(engine)
    async with engine.connect() as connection:
        there = (await connection.execute(select(func.count()).select_from(calls))).scalar_one()
    name = engine.dialect.name
    if there:
        print(f"{name}: {there} calls are there", flush=True)
        return
    begun = time.perf_counter()
    written = await demo_history.write(engine, scale(count), TODAY)
    spent = time.perf_counter() - begun
    print(f"{name}: {written} calls written in {spent:.0f} s", flush=True)


async def roll_up(engine: AsyncEngine) -> None:
    name, begun = engine.dialect.name, time.perf_counter()
    count = await Rollups(engine, lambda: year().end.timestamp(), str(ZONE)).rebuild()
    spent = time.perf_counter() - begun
    print(f"{name}: rebuilt {count} calls in {spent:.0f} s", flush=True)
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        await connection.execute(text("ANALYZE"))


async def timed(engine: AsyncEngine, judge: Judge) -> None:
    whole = year()
    recent = Period(whole.end - timedelta(days=30), whole.end)
    for name in reports.REPORTS:
        for how, period, unit in (
            ("30 days by day", recent, "day"), ("30 days by hour", recent, "hour"),
            ("a year by day", whole, "day"), ("a year by month", whole, "month"),
        ):  # fmt: skip
            if unit in ("hour", "month") and not reports.find(name).timed:
                continue
            await _time(engine, judge, name, how, Query(period, unit=unit))
        for filters in RAW.get(name, ()):
            for label, period in (("30 days", recent), ("a year", whole)):
                if period is whole and engine.dialect.name == "sqlite":
                    continue  # what forces raw events over so long a time is for PostgreSQL
                shown = ", ".join(f"{key}" for key in filters)
                query = replace(Query(period), **filters)
                await _time(engine, judge, name, f"{label}, filter {shown}", query)


async def _time(engine: AsyncEngine, judge: Judge, name: str, how: str, query: Query) -> None:
    spent, rows = [], 0
    for _ in range(TIMES):
        begun = time.perf_counter()
        rows = len((await reports.make(engine, name, query)).rows)
        spent.append(1000 * (time.perf_counter() - begun))
    judge.took(engine.dialect.name, name, how, spent, rows)


async def compared(engine: AsyncEngine, judge: Judge) -> None:
    """Every figure against the recount."""
    name, begun = engine.dialect.name, time.perf_counter()
    truth = await Recount.of(engine, ZONE)
    print(f"{name}: recounted {truth.calls} calls, {truth.events} events in "
          f"{time.perf_counter() - begun:.0f} s", flush=True)  # fmt: skip
    looked, wrong = await differences(engine, truth, year())
    judge.failed += len(wrong)
    print(f"{name}: {looked} figures compared, {len(wrong)} differ", flush=True)
    for one in wrong[:20]:
        print(f"  {one}")


async def measure(engine: AsyncEngine, given: argparse.Namespace, judge: Judge) -> None:
    await fill(engine, given.calls)
    if not given.as_it_is:
        await roll_up(engine)
    async with engine.connect() as connection:
        events = select(func.count()).select_from(call_events)
        print(f"{engine.dialect.name}: {(await connection.execute(events)).scalar_one()} events")
    if not given.times_only:
        await compared(engine, judge)
    if not given.fill_only:
        await timed(engine, judge)


@asynccontextmanager
async def opened(name: str, home: Path) -> AsyncIterator[AsyncEngine]:
    """PostgreSQL with its own defaults, and vacuuming by itself; both started for this alone."""
    with ExitStack() as stack:
        if name == "sqlite":
            url = f"sqlite:///{home / 'reports.db'}"
        else:
            folder = home / "postgres"
            folder.mkdir(exist_ok=True)
            settings = {"autovacuum": "on", "shared_buffers": "128MB"}
            server = stack.enter_context(running_postgres(folder, settings))
            if not server.sql("SELECT 1 FROM pg_database WHERE datname = 'reports'").strip():
                server.sql("CREATE DATABASE reports")
            url = f"postgresql+asyncpg://santral@127.0.0.1:{server.port}/reports"
        engine = open_engine(url)
        try:
            yield engine
        finally:
            await engine.dispose()


async def run(given: argparse.Namespace) -> int:
    judge = Judge()
    with ExitStack() as stack:
        home = given.home or Path(stack.enter_context(tempfile.TemporaryDirectory("-reports")))
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o755)  # PostgreSQL may run as another user
        print(f"{platform.machine()}, {platform.python_version()}, load "
              f"{os.getloadavg()[0]:.1f}")  # fmt: skip
        for name in given.engines.split(","):
            async with opened(name, home) as engine:
                await measure(engine, given, judge)
    print("all figures agree, no report is late" if not judge.failed else f"{judge.failed} wrong")
    return 1 if judge.failed else 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="santral bench reports", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--engines", default="sqlite,postgresql")
    parser.add_argument("--home", type=Path, help="keep the databases here; else they are deleted")
    parser.add_argument("--as-it-is", action="store_true", help="do not make the roll-ups again")
    parser.add_argument("--times-only", action="store_true", help="no recount")
    parser.add_argument("--fill-only", action="store_true", help="no times")
    return asyncio.run(run(parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
