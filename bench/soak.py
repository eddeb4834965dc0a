"""`santral soak`: all at once for a long time, with faults, and then the books are checked.

Callers in processes of their own (soak_callers.py) ring, press keys, speak, hang up in the middle;
agents take calls at their desks and the shop's customers are called (soak_world.py); every so often
something breaks (soak_faults.py): the engine stands still or is killed, its database is locked, the
recogniser dies, the Manager's line is cut, the network is away. At the end nothing may be lost,
doubled or left behind, and memory has to be flat.

    santral soak --minutes 30 --rate 20 --fault-every 30

Run as root on Linux it goes into a network of its own, which is what is taken away; elsewhere that
fault is left out, and the report says so.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import psutil

from bench.crash_check import Findings, check_story, read_calls
from bench.processor import cpu_seconds, machine
from bench.soak_callers import LONGEST_CALL, RING_FOR, Plan
from bench.soak_faults import Faults, kinds_missing, own_network, serving
from bench.soak_world import Told, World, world
from cti.asterisk import find_asterisk, find_espeak
from cti.db.engine import open_engine
from cti.demo import Demo
from cti.demo_call import WORDS, expected_files, spoken
from cti.demo_shop import ORDER
from cti.settings import CHECKOUT, Settings
from ivr import events
from ivr.audio import TELEPHONE_RATE, read_wav, write_wav
from ivr.errors import AsteriskDown, SantralError

SAMPLE_EVERY = 5.0
SETTLE = 90  # seconds that the last calls and the journal may take after the end
WARM = 300.0  # seconds after which memory has to be flat
FLAT = 1.05
KILL_EVERY = 50  # each so many faults the engine is killed; in between it has to live for long
SPARE_TASKS, SPARE_FDS = 8, 16  # what an engine has more of now and then when nobody calls
BUSY = ("user", "nice", "system", "irq", "softirq")


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
    world: Told = field(default_factory=Told)
    faults: dict[str, int] = field(default_factory=dict)
    faults_at: list[tuple[float, str]] = field(default_factory=list)
    faults_missing: list[str] = field(default_factory=list)
    journalled: int = 0  # calls in the journal
    inbound: int = 0  # of them, those that came in
    events: int = 0
    findings: Findings = field(default_factory=Findings)
    incomplete: list[str] = field(default_factory=list)
    left_channels: int = 0
    left_fds: int = 0
    left_tasks: int = 0
    idle: Sample | None = None
    settled: Sample | None = None
    engine_growth: float = 1.0
    engine_lived: float = 0.0  # seconds, of the process whose growth it is, after its warm-up
    asterisk_growth: float = 1.0
    cores: dict[str, float] = field(default_factory=dict)  # busy on average, by whom
    load: tuple[float, float, float] = (0.0, 0.0, 0.0)
    samples: list[Sample] = field(default_factory=list)

    @property
    def checks(self) -> dict[str, tuple[Any, bool]]:
        """Every end condition: what was found, and whether that is good."""
        found, told, world = self.findings, self.callers, self.world
        unseen = max(0, told.get("answered", 0) - self.inbound)
        nothing = {
            "calls with a lost event, or without their end": found.lost,
            "calls that began twice": found.doubled,
            "calls out of order": found.reordered,
            "effects that took place twice": found.repeated_effects,
            "callers not answered": sum(told.get("not_answered", {}).values()),
            "callers who did not get away": told.get("overlong", 0),
            "calls answered that the journal does not know": unseen,
            "channels left": self.left_channels,
            "file descriptors left": self.left_fds,
            "tasks left": self.left_tasks,
            "orders not taken": world.orders_refused,
            "orders taken without a job": max(0, world.orders_taken - world.jobs),
            "customers rung more often than tried": world.rung_too_often,
            "faults never done": len(self.faults_missing),
        }
        checks = {name: (value, value == 0) for name, value in nothing.items()}
        for name, value in (("heard", told.get("heard", 0)), ("pops", world.pops),
                            ("calls out", world.invites)):  # fmt: skip
            checks[f"{name}: some"] = value, value > 0
        long = self.engine_lived >= WARM  # shorter says nothing about a leak
        for who, grown in (("engine", self.engine_growth), ("Asterisk", self.asterisk_growth)):
            checks[f"memory of {who} after {WARM:g} s"] = grown, grown <= FLAT or not long
        return checks

    @property
    def good(self) -> bool:
        return all(good for _, good in self.checks.values())

    def to_dict(self) -> dict[str, Any]:
        checks = {name: {"found": value, "good": good} for name, (value, good) in
                  self.checks.items()}  # fmt: skip
        return {**asdict(self), "checks": checks, "good": self.good}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line says."""

    seconds: float
    rate: float
    fault_every: float
    kill_every: int = KILL_EVERY
    processes: int = 3
    by_ear: float = 0.01
    network: bool = False
    keep: Path | None = None


class Soak:
    """One soak on a running world."""

    def __init__(self, around: World, plan: Plan, wanted: Wanted) -> None:
        self.world, self.plan, self.wanted = around, plan, wanted
        self.demo: Demo = around.demo
        self.report = Report(machine=machine(), rate=wanted.rate, world=around.told)
        self.faults = Faults(self.demo, wanted.fault_every, wanted.kill_every, wanted.network)
        self.began = time.monotonic()

    async def run(self) -> Report:
        report = self.report
        idle = report.idle = await self._sample()
        progress(f"everything is up; idle: {idle}")
        spent, busy = self._spent(), _busy()
        self.began = time.monotonic()
        beside = [
            asyncio.create_task(self.faults.run(self.wanted.seconds)),
            asyncio.create_task(self._watch()),
        ]
        try:
            await asyncio.gather(
                self._have_them_call(), self.world.tell_orders(self.wanted.seconds)
            )
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
        report.seconds = round(time.monotonic() - self.began, 1)
        progress(f"{report.calls} calls are made; the last ones end")
        self._cores(spent, busy)
        report.faults, report.faults_at = self.faults.done, self.faults.at
        if self.wanted.seconds > 6 * self.wanted.fault_every:
            report.faults_missing = kinds_missing([*self.faults.done], network=self.wanted.network)
        await self._settle(idle)
        progress(f"settled: {report.settled}")
        await self._ask_the_journal()
        await self.world.account()
        self._measure()
        report.load = os.getloadavg()
        return report

    def _spent(self) -> dict[str, float]:
        engine = self.demo.engine.keeper_pid
        return {"engine": cpu_seconds(engine), "asterisk": cpu_seconds(self.demo.asterisk.pid)}

    def _cores(self, spent: dict[str, float], busy: float) -> None:
        """Who used how many cores over the run; `machine` is everything that ran on it."""
        report = self.report
        used = {name: value - spent[name] for name, value in self._spent().items()}
        used |= {"callers": report.callers["cpu_seconds"], "machine": _busy() - busy}
        report.cores = {name: round(value / report.seconds, 2) for name, value in used.items()}

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

    async def _watch(self) -> None:
        while True:
            with contextlib.suppress(psutil.Error, SantralError):
                self.report.samples.append(await self._sample())
            await asyncio.sleep(SAMPLE_EVERY)

    async def _sample(self) -> Sample:
        engine, asterisk = serving(self.demo), psutil.Process(self.demo.asterisk.pid)
        said = await self.demo.asterisk.command("core show channels count")
        found = re.search(r"^(\d+) active channel", said, re.MULTILINE)
        if not found:
            raise AsteriskDown(f"it does not tell its channels: {said.strip()!r}")
        return Sample(
            round(time.monotonic() - self.began, 1), engine.pid,
            engine.memory_info().rss // 1024, engine.num_fds(), await self._tasks(),
            asterisk.memory_info().rss // 1024, asterisk.num_fds(), int(found[1]),
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
        for second in range(SETTLE):
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
            if second % 15 == 14:
                progress(f"left: {report.left_channels} channels, {report.left_fds} files, "
                         f"{report.left_tasks} tasks")  # fmt: skip
        report.settled = last

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
            first = entries[0].event
            outbound = isinstance(first, events.CallStarted) and first.direction != "inbound"
            report.inbound += not outbound
            before = report.findings.lost
            check_story(entries, report.findings)
            if report.findings.lost > before:
                kinds = " ".join(f"{e.sequence}:{type(e.event).__name__}" for e in entries)
                report.incomplete.append(f"{call} {kinds}")

    def _measure(self) -> None:
        """Memory at the end against memory when warm: of Asterisk, and of the engine process that
        served longest, each from `WARM` seconds after its start. Compared are the ends of the
        straight line that fits the samples best, taken while calls came in."""
        calling = [one for one in self.report.samples if one.at < self.wanted.seconds]
        if not calling:
            return
        longest, _ = Counter(one.engine for one in calling).most_common(1)[0]
        mine = [one for one in calling if one.engine == longest]
        warm = min(WARM, self.wanted.seconds / 3)
        mine = [one for one in mine if one.at >= mine[0].at + warm]
        report = self.report
        report.asterisk_growth = grown([(o.at, o.asterisk_kb) for o in calling if o.at >= warm])
        report.engine_growth = grown([(one.at, one.engine_kb) for one in mine])
        report.engine_lived = round(mine[-1].at - mine[0].at, 1) if mine else 0.0


def progress(text: str) -> None:
    print(time.strftime("%T"), text, file=sys.stderr, flush=True)


def grown(points: Sequence[tuple[float, int]]) -> float:
    """The last point of the fitted line over its first; 1.0 where there are too few."""
    if len(points) < 6:
        return 1.0
    at, kb = np.array(points, float).T
    slope, start = np.polyfit(at - at[0], kb, 1)
    return round(float((start + slope * (at[-1] - at[0])) / start), 3)


def _busy() -> float:
    """Core-seconds that the whole machine has worked so far."""
    times = psutil.cpu_times()
    return float(sum(getattr(times, name) for name in BUSY))


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


async def soak(wanted: Wanted) -> Report:
    """Run it on a demo of its own."""
    state = Settings.from_environment().state
    with tempfile.TemporaryDirectory(prefix="santral-soak-") as name:
        folder, prompts = Path(name), state / "demo" / "prompts"
        prompts.mkdir(parents=True, exist_ok=True)
        try:
            async with world(folder, {"prompt_cache": prompts}) as around:
                return await Soak(around, await _plan(around.demo, wanted, folder), wanted).run()
        finally:
            if wanted.keep is not None:
                wanted.keep.mkdir(parents=True, exist_ok=True)
                for log in ("engine.log", "santral.db"):
                    with contextlib.suppress(OSError):
                        shutil.copy(folder / "demo" / log, wanted.keep)


async def _plan(demo: Demo, wanted: Wanted, folder: Path) -> Plan:
    """Who calls, and when they press: a second into each question, by what is said before it."""
    said = await expected_files(demo)
    files = {name: [str(file) for file in pieces] for name, pieces in said.items()}
    words = folder / "words.wav"
    await asyncio.to_thread(write_wav, words, await spoken(demo, WORDS), TELEPHONE_RATE)

    def seconds(prompt: str) -> float:
        return sum(len(samples) / rate for samples, rate in map(read_wav, files[prompt]))

    host, port = demo.sip
    return Plan(
        host, port, demo.account.name, demo.account.password, ORDER, wanted.rate, wanted.seconds, 1,
        wanted.by_ear, [(seconds("welcome") + 1, "1"), (1.0, f"{ORDER}#")],
        seconds("status") + seconds("goodbye") + 6, files, str(words),
    )  # fmt: skip


async def _fetch() -> None:
    """What has to be fetched is, before the network is our own."""
    state = Settings.from_environment().state
    await find_asterisk(state, lambda text: None)
    await find_espeak(state, lambda text: None)


def main(arguments: Sequence[str] | None = None) -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("santral soak", description=__doc__, formatter_class=raw)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--minutes", type=float, help="instead of --hours")
    parser.add_argument("--rate", type=float, default=5.0, help="calls a second")
    parser.add_argument("--fault-every", type=float, default=30.0, help="seconds")
    parser.add_argument(
        "--kill-every", type=int, default=KILL_EVERY, help="faults, of which one kills the engine"
    )
    parser.add_argument("--processes", type=int, default=3, help="of callers")
    parser.add_argument("--by-ear", type=float, default=0.01, help="share of callers who listen")
    parser.add_argument("--report", type=Path, help="write everything here as JSON")
    parser.add_argument("--keep", type=Path, help="a folder for the engine's log and the journal")
    parsed = parser.parse_args(arguments)
    minutes = parsed.hours * 60 if parsed.minutes is None else parsed.minutes
    asyncio.run(_fetch())
    wanted = Wanted(
        minutes * 60, parsed.rate, parsed.fault_every, parsed.kill_every, parsed.processes,
        parsed.by_ear, own_network(), parsed.keep,
    )  # fmt: skip
    report = asyncio.run(soak(wanted))
    told = report.to_dict()
    if parsed.report:
        parsed.report.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    tell(report, wanted)
    return 0 if report.good else 1


def tell(report: Report, wanted: Wanted) -> None:
    """The figures, then each condition, then the verdict."""
    left_out = ("samples", "machine", "incomplete", "faults_at")
    for name, value in asdict(report).items():
        if name not in left_out:
            print(f"{name:16} {value}")
    for call in report.incomplete[:10]:
        print(f"  incomplete: {call}")
    if not wanted.network:
        print("the network was not taken away: that is for root on Linux")
    if report.engine_lived < WARM:
        print(f"memory was not judged: {report.engine_lived:g} s after warm-up are too few")
    for name, (value, good) in report.checks.items():
        print(f"{'ok ' if good else 'BAD'} {name}: {value}")
    print("GOOD" if report.good else "NOT GOOD")


if __name__ == "__main__":
    sys.exit(main())
