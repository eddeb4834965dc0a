"""Calls that go out, measured: the pace on a real Asterisk, claims from a million, a kill campaign.

    santral bench dial pace --rate 20 --seconds 60
    santral bench dial claims --jobs 1000000
    santral bench dial kills --rounds 3

`pace` and `kills` count at the callees, which are a process of their own behind a SIP trunk; the
diallers are two processes on one PostgreSQL. `kills` ends one of them with SIGKILL at every step of
an attempt, and restarts Asterisk, too: nobody may be called twice and no job may be lost.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.dial_process import STEPS
from cti.asterisk import Asterisk, InstanceSettings, Trunk, find_asterisk
from cti.db.engine import open_engine
from cti.db.migrate import upgrade
from cti.db.models import outbound_attempts, outbound_jobs
from cti.db.store.dialling import DiallingStore, Lane, Limit
from cti.db.store.outbound import NewEvent, NewJob, OutboundStore
from cti.settings import CHECKOUT, Settings
from tests.postgres_server import running_postgres

LEASE = 3.0
DONE_WITHIN = 90.0
CHUNK = 50_000  # rows put in by one statement


@dataclass(slots=True)
class Process:
    """A child with a line of input and lines of output."""

    module: str
    process: asyncio.subprocess.Process | None = None

    async def start(self, orders: dict[str, Any] | None = None, log: Any = None) -> str:
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", self.module),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, cwd=CHECKOUT,
        )  # fmt: skip
        if orders is not None:
            await self.ask(json.dumps(orders), answer=False)
        return await self.line()

    async def ask(self, line: str = "", *, answer: bool = True) -> str:
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        await self.process.stdin.drain()
        return await self.line() if answer else ""

    async def line(self) -> str:
        assert self.process is not None
        assert self.process.stdout is not None
        return (await asyncio.wait_for(self.process.stdout.readline(), 30)).decode().strip()

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def stop(self) -> None:
        if self.alive:
            assert self.process is not None
            self.process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), 10)
            if self.process.returncode is None:
                self.process.kill()
                await self.process.wait()


@dataclass(slots=True)
class Bench:
    """Everything two diallers need."""

    asterisk: Asterisk
    callees: Process
    database: AsyncEngine
    url: str
    folder: Path
    log: Any
    diallers: list[Process] = field(default_factory=list)

    async def start(self, kill_at: str = "", kill_count: int = 1) -> Process:
        settings = self.asterisk.settings
        made = Process("bench.dial_process")
        await made.start(
            {
                "database": self.url, "lease": LEASE, "port": settings.ami_port,
                "secret": settings.ami_secret, "folder": str(self.folder), "kill_at": kill_at,
                "kill_count": kill_count,
            },
            self.log,
        )  # fmt: skip
        self.diallers.append(made)
        return made

    async def invites(self) -> list[tuple[str, float]]:
        return [(number, at) for number, at in json.loads(await self.callees.ask())]

    async def open_jobs(self) -> int:
        query = select(outbound_jobs.c.id).where(outbound_jobs.c.state == "open")
        async with self.database.connect() as connection:
            return len((await connection.execute(query)).all())


@contextlib.asynccontextmanager
async def bench(rules: dict[str, Any]) -> AsyncIterator[Bench]:
    state = Settings.from_environment().state
    installation = await find_asterisk(state, lambda line: None)
    callees = Process("bench.callees")
    with running_postgres() as server, tempfile.TemporaryDirectory(prefix="santral-dial-") as name:
        folder = Path(name)
        (folder / "outbound.yaml").write_text(yaml.safe_dump(rules), "utf-8")
        url = server.new_database()
        database = open_engine(url)
        await upgrade(database)
        port = int(await callees.start())
        settings = InstanceSettings.fresh(
            folder / "asterisk", agi_url="agi://127.0.0.1:1", tries=1, fallback_wait=1,
            trunks=(Trunk("main", f"sip:127.0.0.1:{port}"),),
        )  # fmt: skip
        with (folder / "diallers.log").open("ab") as log:
            async with Asterisk(installation, settings) as asterisk:
                made = Bench(asterisk, callees, database, url, folder, log)
                try:
                    yield made
                finally:
                    for process in (*made.diallers, callees):
                        await process.stop()
                    await database.dispose()
                    if kept := os.environ.get("BENCH_LOG"):
                        await asyncio.to_thread(shutil.copy, folder / "diallers.log", kept)


def rules(rate: float, at_once: int) -> dict[str, Any]:
    campaign = {
        "event": "order.created", "flow": "none", "caller_id": "+908502220100",
        "window": {"weekly": {"mon-sun": "00:00-24:00"}, "holidays": False}, "ring": 5,
        "attempts": {"most": 1}, "consent": "not_needed", "machine": "hang_up",
        "pace": {"at_once": at_once, "per_second": rate}, "expires": 86_400,
    }  # fmt: skip
    trunk = {"at_once": at_once, "per_second": rate, "countries": ["TR"]}
    return {"campaigns": {"one": campaign}, "trunks": {"main": trunk}}


async def add_jobs(database: AsyncEngine, first: int, count: int) -> None:
    store, now = OutboundStore(database), datetime.now(UTC)
    for number in range(first, first + count):
        phone = f"+90532{number:07d}"
        event = NewEvent(f"e{number}", "order.created", now, phone, f"{number}", {}, {})
        job = NewJob("one", "none", 0, now + timedelta(days=1), "call", now, [])
        await store.keep(event, [job], now)


async def pace(rate: float, seconds: float) -> dict[str, Any]:
    """Two diallers, one pace; the INVITEs as they came to the callees."""
    count = round(rate * (seconds + 5))
    async with bench(rules(rate, 500)) as there:
        await add_jobs(there.database, 1, count)
        await asyncio.gather(there.start(kill_count=0), there.start(kill_count=0))
        for _ in range(round(seconds + 60)):
            if not await there.open_jobs():
                break
            await asyncio.sleep(1)
        came = sorted(await there.invites(), key=lambda one: one[1])
    begun = came[0][1] + 1.0  # the first second is a start
    window = [at - begun for _, at in came if begun <= at < begun + seconds]
    per_second = Counter(int(at) for at in window)
    tens = [
        sum(per_second[s] for s in range(t, t + 10)) / 10 for t in range(0, int(seconds) - 9, 10)
    ]
    held = len(window) / seconds
    worst = max(abs(one / rate - 1) for one in tens)
    return {
        "pace_wanted": rate, "seconds": seconds, "pace_held": round(held, 3),
        "off_by_percent": round((held / rate - 1) * 100, 2),
        "worst_ten_seconds_percent": round(worst * 100, 2),
        "least_in_a_second": min(per_second[s] for s in range(int(seconds))),
        "most_in_a_second": max(per_second.values()),
        "numbers_called": len({n for n, _ in came}), "invites": len(came),
        "called_twice": len(came) - len({n for n, _ in came}), "load": os.getloadavg()[0],
        "good": abs(held / rate - 1) <= 0.05 and worst <= 0.05 and len(came) == count,
    }  # fmt: skip


FILL = """
INSERT INTO outbound_jobs (key, event_key, event, campaign, flow, phone, zones, country, consent,
  language, order_number, customer, facts, priority, state, verdict, reasons, decided_at, details,
  event_at, expires_at, created_at)
SELECT 'e'||n, 'e'||n, 'order.created', 'one', 'f', '+90532'||lpad(n::text, 7, '0'), '[]', 'TR',
  true, 'tr', n::text, '{}', '{}', 0, 'open', 'call', '[]', now(), '{}', now(),
  now() + interval '2 days', now() FROM generate_series(CAST(:first AS int), CAST(:last AS int)) n
"""
FILL_ATTEMPTS = """
INSERT INTO outbound_attempts (id, job_id, number, phone, campaign, state, due_at, reasons)
SELECT gen_random_uuid()::text, id, 1, phone, 'one', 'due', now() - interval '1 minute', '[]'
FROM outbound_jobs WHERE id BETWEEN :first AND :last
"""
OVER = """
WITH over AS (UPDATE outbound_attempts SET state = 'ended', outcome = 'answered'
              WHERE id = ANY(:ids) RETURNING id)
DELETE FROM outbound_numbers WHERE attempt IN (SELECT id FROM over)
"""


async def claims(jobs: int, seconds: float, diallers: int) -> dict[str, Any]:
    """Claims a second from a list of `jobs` due at one moment; each batch is ended in the time."""
    lane = Lane("one", Limit(10_000, 1e5), "main", Limit(10_000, 1e5), ("one",))
    with running_postgres() as server:
        url = server.new_database()
        setup = open_engine(url)
        await upgrade(setup)
        for first in range(1, jobs + 1, CHUNK):
            span = {"first": first, "last": min(first + CHUNK - 1, jobs)}
            async with setup.begin() as connection:
                await connection.execute(text(FILL), span)
                await connection.execute(text(FILL_ATTEMPTS), span)
        async with setup.begin() as connection:
            await connection.execute(text("ANALYZE"))
        engines = [open_engine(url) for _ in range(diallers)]
        slowest = 0.0

        async def work(engine: AsyncEngine, until: float) -> list[str]:
            nonlocal slowest
            store, mine = DiallingStore(engine, f"d{id(engine)}", 60), []
            while time.monotonic() < until:
                begun = time.monotonic()
                got = await store.claim(lane, datetime.now(UTC), 200, timedelta(seconds=1))
                slowest = max(slowest, time.monotonic() - begun)
                ids = [claim.attempt.id for claim in got]
                mine += ids
                async with engine.begin() as connection:
                    await connection.execute(text(OVER), {"ids": ids})
            return mine

        begun = time.monotonic()
        try:
            found = await asyncio.gather(*(work(e, begun + seconds) for e in engines))
        finally:
            for engine in (*engines, setup):
                await engine.dispose()
        took = time.monotonic() - begun
    together = [one for mine in found for one in mine]
    return {
        "due": jobs, "diallers": diallers, "seconds": round(took, 1), "claimed": len(together),
        "claimed_twice": len(together) - len(set(together)),
        "a_second": round(len(together) / took), "slowest_claim_ms": round(slowest * 1000, 1),
        "load": os.getloadavg()[0],
        "good": len(together) / took >= 500 and len(together) == len(set(together)),
    }  # fmt: skip


async def kills(rounds: int, jobs: int, steps: Sequence[str]) -> dict[str, Any]:
    """SIGKILL at every step, in turn; then Asterisk stopped, and killed, under both."""
    report: dict[str, Any] = {"kills": 0, "kills_at": {}, "asterisk_restarts": 0}
    first = 1
    async with bench(rules(10, 50)) as there:
        plans = [(step, n) for _ in range(rounds) for n in (1, 4) for step in steps]
        if len(steps) == len(STEPS):
            plans += [("asterisk stop", 0), ("asterisk kill", 0)] * rounds
        for number, (step, count) in enumerate(plans, start=1):
            print(f"\r{number} of {len(plans)}: {step:20}", end="", file=sys.stderr, flush=True)
            await add_jobs(there.database, first, jobs)
            first += jobs
            restart = step.startswith("asterisk")
            one, other = await asyncio.gather(
                there.start("" if restart else step, count), there.start()
            )
            if restart:
                await asyncio.sleep(1.0)
                await _restart(there.asterisk, kill=step.endswith("kill"))
                report["asterisk_restarts"] += 1
            deadline = time.monotonic() + DONE_WITHIN
            while await there.open_jobs() and time.monotonic() < deadline:
                await asyncio.sleep(0.3)
                if not one.alive and not restart:
                    report["kills"] += 1
                    at = report["kills_at"]
                    at[step] = at.get(step, 0) + 1
                    one = await there.start()
                    restart = True  # this round's kill is done
            await asyncio.gather(one.stop(), other.stop())
        print(file=sys.stderr)
        came = Counter(number for number, _ in await there.invites())
        return report | await _account(there, came, first - 1)


async def _restart(asterisk: Asterisk, *, kill: bool) -> None:
    if kill:
        os.killpg(asterisk.pid, 9)
        await asterisk.wait()
    await asterisk.stop()
    await asterisk.start()


async def _account(there: Bench, came: Counter[str], jobs: int) -> dict[str, Any]:
    """Every job and attempt against what the callees saw."""
    columns = (outbound_attempts.c.phone, outbound_attempts.c.outcome,
               outbound_attempts.c.started_at, outbound_attempts.c.state)  # fmt: skip
    async with there.database.connect() as connection:
        rows = (await connection.execute(select(*columns))).all()
        states = Counter(s for (s,) in await connection.execute(select(outbound_jobs.c.state)))
    tried = {row.phone for row in rows if row.started_at is not None}
    twice = {number: count for number, count in came.items() if count > 1}
    unknown = [row.phone for row in rows if row.outcome == "unknown"]
    return {
        "jobs": jobs, "called": len(came), "called_twice": len(twice),
        "called_and_not_noted": len(set(came) - tried),
        "noted_and_not_called": len(tried - set(came)),
        "of_those_unknown": len([p for p in unknown if p not in came]),
        "outcomes": dict(Counter(row.outcome for row in rows)),
        "lost": jobs - states["done"] - states["never"], "states": dict(states),
        "load": os.getloadavg()[0],
        "good": not twice and states["done"] == jobs and not set(came) - tried,
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="santral bench dial", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("what", choices=("pace", "claims", "kills"))
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--diallers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--step", choices=STEPS, action="append", help="kill at these steps only")
    given = parser.parse_args(arguments)
    if given.what == "pace":
        report = asyncio.run(pace(given.rate, given.seconds or 60))
    elif given.what == "claims":
        report = asyncio.run(claims(given.jobs or 1_000_000, given.seconds or 30, given.diallers))
    else:
        report = asyncio.run(kills(given.rounds, given.jobs or 10, given.step or STEPS))
    print(json.dumps(report, indent=2))
    return 0 if report["good"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
