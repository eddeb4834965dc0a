"""`santral soak`: all at once for a long time, with faults, and then the books are checked.

Callers in processes of their own (soak_callers.py) ring, press keys, hang up in the middle; every
so often something breaks: the engine stands still or is killed, its database is locked, the
recogniser dies, the Manager's line is cut. At the end nothing may be lost, doubled or left behind,
and memory has to be flat.

    santral soak --hours 0.5 --rate 20 --fault-every 30
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from bench.crash_check import Findings, check_story, read_calls
from bench.processor import machine
from bench.soak_callers import LONGEST_CALL, RING_FOR, Plan
from cti.db.engine import open_engine
from cti.demo import Demo, demo_running
from cti.demo_call import expected_files
from cti.demo_shop import ORDER
from cti.settings import CHECKOUT, Settings
from ivr.audio import read_wav
from ivr.errors import SantralError

SAMPLE_EVERY = 5.0
SETTLE = 90  # seconds that the last calls and the journal may take after the end
WARM = 300.0  # seconds after which memory has to be flat
FLAT = 1.05
KILL_EVERY = 20  # each so many faults the engine is killed; in between it has to live for long
SPARE_TASKS, SPARE_FDS = 8, 16  # what an engine has more of now and then when nobody calls


@dataclass(slots=True)
class Sample:
    """What was in use at one moment; `engine` is the process, as faults replace it."""

    at: float
    engine: int
    engine_kb: int
    engine_fds: int
    engine_tasks: int  # -1: it could not be asked
    asterisk_kb: int
    asterisk_fds: int
    channels: int


@dataclass(slots=True)
class Report:
    """What came of it."""

    machine: dict[str, object] = field(default_factory=dict)
    rate: float = 0.0
    seconds: float = 0.0
    calls: int = 0
    callers: dict[str, Any] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    journalled: int = 0  # calls in the journal
    events: int = 0
    findings: Findings = field(default_factory=Findings)
    incomplete: list[str] = field(default_factory=list)
    left_channels: int = 0
    left_fds: int = 0
    left_tasks: int = 0
    engine_growth: float = 1.0
    engine_lived: float = 0.0  # seconds, of the process whose growth it is
    asterisk_growth: float = 1.0
    load: tuple[float, float, float] = (0.0, 0.0, 0.0)
    samples: list[Sample] = field(default_factory=list)

    @property
    def good(self) -> bool:
        found = self.findings
        wrong = (
            found.lost, found.doubled, found.reordered, found.repeated_effects,
            self.left_channels, self.left_fds, self.left_tasks,
        )  # fmt: skip
        grown = max(self.engine_growth, self.asterisk_growth) > FLAT and self.seconds > 2 * WARM
        return not any(wrong) and not grown

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "good": self.good}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line says."""

    seconds: float
    rate: float
    fault_every: float
    kill_every: int = KILL_EVERY
    processes: int = 2
    by_ear: float = 0.05


class Soak:
    """One soak on a running demo."""

    def __init__(self, demo: Demo, plan: Plan, wanted: Wanted) -> None:
        self.demo, self.plan, self.wanted = demo, plan, wanted
        self.report = Report(machine=machine(), rate=wanted.rate)
        self.began = time.monotonic()

    async def run(self) -> Report:
        idle = await self._sample()
        beside = [asyncio.create_task(work) for work in (self._break_things(), self._watch())]
        try:
            await self._have_them_call()
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
        await self._settle(idle)
        await self._ask_the_journal()
        self._measure()
        self.report.load = os.getloadavg()
        return self.report

    async def _have_them_call(self) -> None:
        """The callers' processes, to the end of their last calls; their figures added up."""
        many, pipe = self.wanted.processes, asyncio.subprocess.PIPE
        children = []
        for number in range(many):
            plan = {**asdict(self.plan), "rate": self.wanted.rate / many, "seed": number + 1}
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bench.soak_callers", stdin=pipe, stdout=pipe, cwd=CHECKOUT
            )
            children.append((child, json.dumps(plan).encode() + b"\n"))
        at_most = self.wanted.seconds + LONGEST_CALL + RING_FOR + 60
        try:
            async with asyncio.timeout(at_most):
                said = await asyncio.gather(*(one.communicate(text) for one, text in children))
        finally:
            for child, _ in children:
                if child.returncode is None:
                    child.kill()
                    await child.wait()
        told = [json.loads(out) for out, _ in said]
        self.report.callers = _added(told)
        self.report.calls = self.report.callers["calls"]
        self.report.seconds = round(time.monotonic() - self.began, 1)

    async def _break_things(self) -> None:
        faults: Sequence[tuple[str, Callable[[], Awaitable[None]]]] = (
            ("recogniser killed", self._kill_recogniser), ("database locked", self._lock_database),
            ("Manager cut", self._cut_manager), ("engine stands still", self._freeze_engine),
        )  # fmt: skip
        number = 0
        while time.monotonic() - self.began < self.wanted.seconds:
            await asyncio.sleep(self.wanted.fault_every)
            name, fault = faults[number % len(faults)]
            number += 1
            if number % self.wanted.kill_every == 0:
                name, fault = "engine killed", self._kill_engine
            with contextlib.suppress(psutil.Error, OSError, sqlite3.Error, SantralError):
                await fault()
            self.report.faults[name] = self.report.faults.get(name, 0) + 1

    def _engine(self) -> psutil.Process:
        """The process that serves: the keeper's worker with the most memory."""
        keeper = psutil.Process(self.demo.engine.pid)
        workers = [
            one for one in keeper.children(recursive=True) if "--worker" in one.cmdline()
        ] or [keeper]
        return max(workers, key=lambda one: one.memory_info().rss)

    async def _kill_engine(self) -> None:
        self._engine().kill()

    async def _freeze_engine(self) -> None:
        engine = self._engine()
        engine.suspend()
        try:
            await asyncio.sleep(3)
        finally:
            engine.resume()

    async def _kill_recogniser(self) -> None:
        for child in self._engine().children(recursive=True):
            if "listener" in " ".join(child.cmdline()):
                child.send_signal(signal.SIGKILL)
                return

    async def _lock_database(self) -> None:
        path = self.demo.settings.journal_database.partition("///")[2]
        connection = sqlite3.connect(path, timeout=2, isolation_level=None)
        try:
            connection.execute("begin immediate")
            await asyncio.sleep(5)
            connection.execute("rollback")
        finally:
            connection.close()

    async def _cut_manager(self) -> None:
        await self.demo.asterisk.command("module reload manager")

    async def _watch(self) -> None:
        while True:
            with contextlib.suppress(psutil.Error, SantralError):
                self.report.samples.append(await self._sample())
            await asyncio.sleep(SAMPLE_EVERY)

    async def _sample(self) -> Sample:
        engine, asterisk = self._engine(), psutil.Process(self.demo.asterisk.pid)
        said = await self.demo.asterisk.command("core show channels count")
        return Sample(
            round(time.monotonic() - self.began, 1), engine.pid,
            engine.memory_info().rss // 1024, engine.num_fds(), await self._tasks(),
            asterisk.memory_info().rss // 1024, asterisk.num_fds(), int(said.split()[0]),
        )  # fmt: skip

    async def _tasks(self) -> int:
        """How many asyncio tasks the engine has, as it tells itself."""
        page = f"http://127.0.0.1:{self.demo.settings.web_port}/metrics"
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(3)) as session,
                session.get(page) as answer,
            ):
                lines = (await answer.text()).splitlines()
        except (aiohttp.ClientError, TimeoutError):
            return -1
        found = [line for line in lines if line.startswith("santral_tasks ")]
        return int(float(found[0].split()[1])) if found else -1

    async def _settle(self, idle: Sample) -> None:
        """Everything that calls took has to be given back."""
        report, last = self.report, idle
        for _ in range(SETTLE):
            await asyncio.sleep(1)
            try:
                last = await self._sample()
            except (psutil.Error, SantralError):
                continue
            report.left_channels = last.channels
            left = max(0, last.asterisk_fds - idle.asterisk_fds - SPARE_FDS)
            report.left_fds = left + max(0, last.engine_fds - idle.engine_fds - SPARE_FDS)
            report.left_tasks = max(0, last.engine_tasks - idle.engine_tasks - SPARE_TASKS)
            told = last.engine_tasks >= 0
            if told and not (report.left_channels or report.left_fds or report.left_tasks):
                break
        report.samples.append(last)

    async def _ask_the_journal(self) -> None:
        engine, report = open_engine(self.demo.settings.journal_database), self.report
        try:
            calls = dict(await read_calls(engine, SETTLE))
        finally:
            await engine.dispose()
        calls.pop("", None)
        report.journalled = len(calls)
        for call, entries in calls.items():
            report.events += len(entries)
            before = report.findings.lost
            check_story(entries, report.findings)
            if report.findings.lost > before:
                kinds = " ".join(f"{e.sequence}:{type(e.event).__name__}" for e in entries)
                report.incomplete.append(f"{call} {kinds}")

    def _measure(self) -> None:
        """Memory at the end against memory when warm: of Asterisk, and of the engine process that
        served longest. Compared are samples while calls came in."""
        warm = [one for one in self.report.samples if one.at > min(WARM, self.wanted.seconds / 3)]
        warm = [one for one in warm if one.at < self.wanted.seconds]
        if len(warm) < 6:
            return
        self.report.asterisk_growth = _grown([one.asterisk_kb for one in warm])
        longest, _ = Counter(one.engine for one in warm).most_common(1)[0]
        mine = [one for one in warm if one.engine == longest]
        self.report.engine_growth = _grown([one.engine_kb for one in mine])
        self.report.engine_lived = round(mine[-1].at - mine[0].at, 1)


def _grown(values: Sequence[int]) -> float:
    part = max(1, len(values) // 3)
    first, last = statistics.median(values[:part]), statistics.median(values[-part:])
    return round(last / first, 3)


def _added(told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The figures of several processes as one."""
    total: dict[str, Any] = {}
    for one in told:
        for name, value in one.items():
            if isinstance(value, dict):
                total[name] = dict(Counter(total.get(name, {})) + Counter(value))
            elif name == "late_ms":
                total[name] = max(total.get(name, 0.0), value)
            else:
                total[name] = total.get(name, 0) + value
    return total


async def soak(wanted: Wanted, *, speech: bool = True) -> Report:
    """Run it on a demo of its own."""
    state = Settings.from_environment().state
    with tempfile.TemporaryDirectory(prefix="santral-soak-") as folder:
        prompts = state / "demo" / "prompts"
        prompts.mkdir(parents=True, exist_ok=True)
        changes: dict[str, Any] = {} if speech else {"speech_port": 0}
        async with demo_running(
            state, lambda text: None, home=Path(folder), prompt_cache=prompts, **changes
        ) as demo:
            return await Soak(demo, await _plan(demo, wanted), wanted).run()


async def _plan(demo: Demo, wanted: Wanted) -> Plan:
    """Who calls, and when they press: a second into each question, by what is said before it."""
    said = await expected_files(demo)
    files = {name: [str(file) for file in pieces] for name, pieces in said.items()}

    def seconds(prompt: str) -> float:
        return sum(len(samples) / rate for samples, rate in map(read_wav, files[prompt]))

    host, port = demo.sip
    return Plan(
        host, port, demo.account.name, demo.account.password, ORDER, wanted.rate, wanted.seconds, 1,
        wanted.by_ear, [(seconds("welcome") + 1, "1"), (1.0, f"{ORDER}#")],
        seconds("status") + seconds("goodbye") + 6, files,
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="santral soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--rate", type=float, default=5.0, help="calls a second")
    parser.add_argument("--fault-every", type=float, default=30.0, help="seconds")
    parser.add_argument(
        "--kill-every", type=int, default=KILL_EVERY, help="faults, of which one kills the engine"
    )
    parser.add_argument("--processes", type=int, default=2, help="of callers")
    parser.add_argument("--by-ear", type=float, default=0.05, help="share of callers who listen")
    parser.add_argument("--report", type=Path, help="write everything here as JSON")
    parsed = parser.parse_args(arguments)
    wanted = Wanted(
        parsed.hours * 3600, parsed.rate, parsed.fault_every, parsed.kill_every, parsed.processes,
        parsed.by_ear,
    )  # fmt: skip
    report = asyncio.run(soak(wanted))
    told = report.to_dict()
    if parsed.report:
        parsed.report.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    for name, value in told.items():
        if name != "samples":
            print(f"{name:16} {value}")
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
