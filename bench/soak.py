"""`santral soak`: everything at once for a long time, with faults, and then the books are checked.

Callers ring, press keys, hang up in the middle; every so often something breaks: the engine is
killed, or stands still, its database is locked, the recogniser dies, the Manager's line is cut. At
the end nothing may be lost, doubled or left behind.

    santral soak --hours 0.5 --rate 2 --fault-every 30
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
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

import psutil
from sqlalchemy import select

from bench.crash import _complete
from cti.db.engine import open_engine
from cti.db.models import call_events
from cti.demo import Demo, demo_running
from cti.demo_call import Pieces, expected_sounds
from cti.demo_shop import ORDER
from cti.settings import Settings
from cti.softphone import Call, Phone, in_order, until
from ivr import events
from ivr.errors import CallOver, NotInTime, SantralError, SoftphoneFault
from ivr.events import Entry

LONGEST_CALL = 120.0
SAMPLE_EVERY = 10.0
SETTLE = 60.0  # seconds that the last calls and the journal may take after the end
WARM = 300.0  # seconds after which memory has to be flat
FLAT = 1.05
LINES = ("100", "100", "100", "200", "103", "104", "105")  # most ask for an order


@dataclass(slots=True)
class Sample:
    """What was in use at one moment; `engine` is the process, as faults replace it."""

    at: float
    engine: int
    engine_kb: int
    engine_fds: int
    asterisk_kb: int
    asterisk_fds: int
    channels: int


@dataclass(slots=True)
class Report:
    """What came of it. Every count in WRONG has to be 0."""

    seconds: float = 0.0
    calls: int = 0
    hung_up: int = 0
    not_answered: int = 0
    heard: int = 0
    not_heard: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    resumed: int = 0
    events: int = 0
    lost: int = 0
    reordered: int = 0
    doubled: int = 0
    left_channels: int = 0
    left_fds: int = 0
    engine_growth: float = 1.0
    asterisk_growth: float = 1.0
    load: tuple[float, float, float] = (0.0, 0.0, 0.0)
    samples: list[Sample] = field(default_factory=list)

    @property
    def good(self) -> bool:
        wrong = (self.lost, self.reordered, self.doubled, self.left_channels, self.left_fds)
        return not any(wrong)

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "good": self.good}


class Soak:
    """One soak on a running demo."""

    def __init__(
        self, demo: Demo, sounds: dict[str, Pieces], *, seconds: float, rate: float, every: float
    ) -> None:
        self.demo, self.sounds = demo, sounds
        self.seconds, self.rate, self.every = seconds, rate, every
        self.report = Report()
        self.chance = random.Random(1)
        self.began = time.monotonic()
        self._calls: set[asyncio.Task[None]] = set()

    async def run(self) -> Report:
        account, idle = self.demo.account, await self._sample()
        async with Phone(account.name, server=self.demo.sip, password=account.password) as phone:
            beside = [asyncio.create_task(work) for work in (self._break_things(), self._watch())]
            try:
                await self._ring(phone)
            finally:
                for task in beside:
                    task.cancel()
                await asyncio.gather(*beside, return_exceptions=True)
            await asyncio.wait(self._calls or {asyncio.create_task(asyncio.sleep(0))}, timeout=130)
        await self._settle(idle)
        await self._ask_the_journal()
        self._measure()
        self.report.load = os.getloadavg()
        return self.report

    async def _ring(self, phone: Phone) -> None:
        number = 0
        while (now := time.monotonic() - self.began) < self.seconds:
            await asyncio.sleep(max(0.0, number / self.rate - now))
            number += 1
            task = asyncio.create_task(self._call(phone, self.chance.choice(LINES)))
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)
        self.report.seconds = round(time.monotonic() - self.began, 1)

    async def _call(self, phone: Phone, line: str) -> None:
        report = self.report
        report.calls += 1
        try:
            call = await phone.dial(line, ring_for=60)
        except (SoftphoneFault, OSError):
            report.not_answered += 1
            return
        if call.answered_at is None:
            report.not_answered += 1
            return
        try:
            async with asyncio.timeout(LONGEST_CALL):
                await self._talk(call, line)
        except (TimeoutError, NotInTime):
            with contextlib.suppress(SantralError):
                await call.hangup()
        except CallOver:
            pass

    async def _talk(self, call: Call, line: str) -> None:
        if line != "100" or self.chance.random() < 0.3:  # they change their minds
            await call.pause(self.chance.uniform(0.2, 9))
            with contextlib.suppress(CallOver):
                await call.press(self.chance.choice("0123456789*#"))
                await call.pause(self.chance.uniform(0.1, 5))
            self.report.hung_up += 1
            await call.hangup()
            return
        await self._ask_for_the_order(call)
        whole = all(in_order(call.heard, self.sounds["status"], least=0.9))
        self.report.heard += whole
        self.report.not_heard += not whole

    async def _ask_for_the_order(self, call: Call) -> None:
        """Do what is asked, whenever it is asked (again)."""
        answers, after = {"main": "1", "ask_number": f"{ORDER}#"}, 0.0
        with contextlib.suppress(CallOver):
            while not call.over:
                asked = {
                    name: until.prompt(self.sounds[name][0], least=0.5, after=after)
                    for name in answers
                }

                def which(call: Call, asked: dict[str, Any] = asked) -> str | None:
                    return next((name for name, look in asked.items() if look(call)), None)

                name = await call.wait_for(which, LONGEST_CALL, "a question")
                await call.press(answers[name])
                after = call.clock()

    async def _break_things(self) -> None:
        faults: Sequence[tuple[str, Callable[[], Awaitable[None]]]] = (
            ("recogniser killed", self._kill_recogniser), ("database locked", self._lock_database),
            ("Manager cut", self._cut_manager), ("engine stands still", self._freeze_engine),
            ("engine killed", self._kill_engine),
        )  # fmt: skip
        number = 0
        while True:
            await asyncio.sleep(self.every)
            name, fault = faults[number % len(faults)]
            number += 1
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
            engine.memory_info().rss // 1024, engine.num_fds(),
            asterisk.memory_info().rss // 1024, asterisk.num_fds(), int(said.split()[0]),
        )  # fmt: skip

    async def _settle(self, idle: Sample) -> None:
        """Everything that calls took has to be given back."""
        last = await self._sample()
        for _ in range(int(SETTLE)):
            last = await self._sample()
            if not last.channels and last.asterisk_fds <= idle.asterisk_fds + 8:
                break
            await asyncio.sleep(1)
        self.report.samples.append(last)
        self.report.left_channels = last.channels
        left = max(0, last.asterisk_fds - idle.asterisk_fds - 8)
        self.report.left_fds = left + max(0, last.engine_fds - idle.engine_fds - 16)

    async def _ask_the_journal(self) -> None:
        engine = open_engine(self.demo.settings.journal_database)
        query = select(call_events).order_by(call_events.c.call, call_events.c.sequence)
        calls: dict[str, list[Entry]] = {}
        try:
            for _ in range(int(SETTLE)):
                calls.clear()
                async with engine.connect() as connection:
                    for row in (await connection.execute(query)).mappings():
                        calls.setdefault(row["call"], []).append(Entry.from_dict(dict(row)))
                calls.pop("", None)
                if all(map(_complete, calls.values())):
                    break
                await asyncio.sleep(1)
        finally:
            await engine.dispose()
        for entries in calls.values():
            self._check(entries)

    def _check(self, entries: Sequence[Entry]) -> None:
        report = self.report
        report.events += len(entries)
        report.lost += not _complete(entries)
        times = [entry.at for entry in entries]
        steps = [e.event for e in entries if isinstance(e.event, events.StepEntered)]
        visits = Counter((step.flow, step.step, step.visit, step.depth) for step in steps)
        report.reordered += times != sorted(times) or max(visits.values(), default=1) > 1
        done = [e.event.key for e in entries if isinstance(e.event, events.EffectDone)]
        report.doubled += len(done) - len(set(done))
        report.resumed += sum(isinstance(e.event, events.CallResumed) for e in entries)

    def _measure(self) -> None:
        """Memory at the end against memory when warm: of Asterisk, and of the engine process that
        served longest."""
        warm = [one for one in self.report.samples if one.at > min(WARM, self.seconds / 3)]
        if len(warm) < 6:
            return
        third = len(warm) // 3
        self.report.asterisk_growth = _grown([one.asterisk_kb for one in warm], third)
        longest, _ = Counter(one.engine for one in warm).most_common(1)[0]
        mine = [one.engine_kb for one in warm if one.engine == longest]
        self.report.engine_growth = _grown(mine, max(1, len(mine) // 3))


def _grown(values: Sequence[int], part: int) -> float:
    first, last = statistics.median(values[:part]), statistics.median(values[-part:])
    return round(last / first, 3)


async def soak(seconds: float, rate: float, every: float, *, speech: bool = True) -> Report:
    """Run it on a demo of its own."""
    state = Settings.from_environment().state
    with tempfile.TemporaryDirectory(prefix="santral-soak-") as folder:
        prompts = state / "demo" / "prompts"
        prompts.mkdir(parents=True, exist_ok=True)
        changes: dict[str, Any] = {} if speech else {"speech_port": 0}
        async with demo_running(
            state, lambda text: None, home=Path(folder), prompt_cache=prompts, **changes
        ) as demo:
            sounds = dict(await expected_sounds(demo))
            return await Soak(demo, sounds, seconds=seconds, rate=rate, every=every).run()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="santral soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--rate", type=float, default=2.0, help="calls a second")
    parser.add_argument("--fault-every", type=float, default=30.0, help="seconds")
    parser.add_argument("--report", type=Path, help="write everything here as JSON")
    parsed = parser.parse_args(arguments)
    report = asyncio.run(soak(parsed.hours * 3600, parsed.rate, parsed.fault_every))
    told = report.to_dict()
    if parsed.report:
        parsed.report.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    for name, value in told.items():
        if name != "samples":
            print(f"{name:16} {value}")
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
