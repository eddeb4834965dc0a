"""A kill campaign: `kill -9` of the engine under live calls on a real Asterisk, again and again.

Callers keep calling and do what they are asked; the engine is killed at random moments and started
again. Then the journal and the callers are asked whether anything was lost, doubled, reordered or
done twice, whether every caller heard their answer, and how long they waited for the next prompt.

    santral bench crash --kills 200 --callers 6
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sqlalchemy import select

from cti.db.engine import open_engine
from cti.db.models import call_events
from cti.demo import Demo, demo_running
from cti.demo_call import Pieces, expected_sounds
from cti.demo_shop import ORDER
from cti.settings import Settings
from cti.softphone import Call, Phone, every_time, in_order, until
from ivr import events
from ivr.errors import CallOver, NotInTime
from ivr.events import Entry

LONGEST_CALL = 180.0
DRAINED_WITHIN = 60  # seconds: what a killed engine left is adopted every 20


@dataclass(slots=True)
class Report:
    """What came of it. Every count but kills, calls and resumed has to be 0."""

    kills: int = 0
    calls: int = 0
    resumed: int = 0
    unanswered: int = 0  # the caller did not hear the order's status
    lost: int = 0  # gaps in the sequence of a call's events, or a call without its end
    reordered: int = 0  # times that run backwards, or steps the flow does not allow
    doubled_effects: int = 0
    left_channels: int = 0
    killed_in: dict[str, int] = field(default_factory=dict)  # by the step the call stood in
    waits: list[float] = field(default_factory=list)  # seconds from the engine's return to a prompt

    @property
    def good(self) -> bool:
        wrong = (self.unanswered, self.lost, self.reordered, self.doubled_effects)
        return not any(wrong) and not self.left_channels

    def to_dict(self) -> dict[str, object]:
        waits = sorted(self.waits) or [0.0]
        rest = {name: value for name, value in asdict(self).items() if name != "waits"}
        return rest | {
            "good": self.good,
            "wait_median": round(statistics.median(waits), 3),
            "wait_p95": round(waits[int(len(waits) * 0.95)], 3),
            "wait_longest": round(waits[-1], 3),
        }


class Campaign:
    """One run: `callers` calling all the time, `kills` kills."""

    def __init__(self, demo: Demo, sounds: dict[str, Pieces], kills: int, callers: int) -> None:
        self.demo, self.sounds = demo, sounds
        self.kills, self.callers = kills, callers
        self.report = Report()
        self.returned: list[float] = []  # when the engine was back, by our clock
        self.over = False

    async def run(self) -> Report:
        async with (
            Phone(
                self.demo.account.name, server=self.demo.sip, password=self.demo.account.password
            ) as phone,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(self.callers):
                group.create_task(self._caller(phone))
            await self._kill_all()
            self.over = True
        await self._ask_the_journal()
        channels = await self.demo.asterisk.command("core show channels count")
        self.report.left_channels = 0 if "0 active channels" in channels else 1
        return self.report

    async def _kill_all(self) -> None:
        chance = random.Random(1)
        for number in range(1, self.kills + 1):
            await asyncio.sleep(chance.uniform(0.2, 14.0))
            await self.demo.engine.kill()
            await self.demo.engine.start()
            self.returned.append(time.monotonic())
            self.report.kills = number
            print(f"\r{number} of {self.kills} kills", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)

    async def _caller(self, phone: Phone) -> None:
        while not self.over:
            began = time.monotonic()
            call = await phone.dial("100", ring_for=60)
            try:
                await asyncio.wait_for(self._converse(call), LONGEST_CALL)
            except (TimeoutError, NotInTime):
                await call.hangup()
            except CallOver:
                pass
            self.report.calls += 1
            if not all(in_order(call.heard, self.sounds["status"], least=0.97)):
                self.report.unanswered += 1
            self._measure(call, began)

    async def _converse(self, call: Call) -> None:
        """Do what is asked, whenever it is asked (again)."""
        answers = {"main": "1", "ask_number": f"{ORDER}#"}
        after = 0.0
        while not call.over:
            asked = {
                name: until.prompt(self.sounds[name][0], least=0.5, after=after) for name in answers
            }

            def which(call: Call, asked: dict[str, object] = asked) -> str | None:
                return next((name for name, look in asked.items() if look(call)), None)  # type: ignore[operator]

            name = await call.wait_for(which, LONGEST_CALL, "a question")
            await call.press(answers[name])
            after = call.clock()

    def _measure(self, call: Call, began: float) -> None:
        """From each return of the engine to the phrase with which it takes the call up."""
        for match in every_time(call.heard, self.sounds["santral_resumed"][0], least=0.5):
            heard_at = began + match.start
            back = [moment for moment in self.returned if moment <= heard_at]
            if back and heard_at - back[-1] < 20:
                self.report.waits.append(heard_at - back[-1])

    async def _ask_the_journal(self) -> None:
        engine = open_engine(self.demo.settings.journal_database)
        query = select(call_events).order_by(call_events.c.call, call_events.c.sequence)
        calls: dict[str, list[Entry]] = {}
        try:
            for _ in range(DRAINED_WITHIN):
                calls.clear()
                async with engine.connect() as connection:
                    for row in (await connection.execute(query)).mappings():
                        calls.setdefault(row["call"], []).append(Entry.from_dict(dict(row)))
                if all(map(_complete, calls.values())):
                    break
                await asyncio.sleep(1)
        finally:
            await engine.dispose()
        for entries in calls.values():
            self._check(entries)

    def _check(self, entries: Sequence[Entry]) -> None:
        report = self.report
        report.lost += not _complete(entries)
        times = [entry.at for entry in entries]
        steps = [e.event for e in entries if isinstance(e.event, events.StepEntered)]
        visits = Counter((step.step, step.visit) for step in steps)
        report.reordered += times != sorted(times) or max(visits.values(), default=1) > 1
        done = [e.event.key for e in entries if isinstance(e.event, events.EffectDone)]
        report.doubled_effects += len(done) - len(set(done))
        step = ""
        for entry in entries:
            if isinstance(entry.event, events.StepEntered):
                step = entry.event.step
            elif isinstance(entry.event, events.CallResumed):
                report.resumed += 1
                report.killed_in[step] = report.killed_in.get(step, 0) + 1


def _complete(entries: Sequence[Entry]) -> bool:
    """From the first event to the last, with none missing."""
    first, last = entries[0].event, entries[-1].event
    ends = isinstance(first, events.CallStarted) and isinstance(last, events.CallEnded)
    return ends and [e.sequence for e in entries] == list(range(1, len(entries) + 1))


async def campaign(kills: int, callers: int) -> Report:
    state = Settings.from_environment().state
    with tempfile.TemporaryDirectory(prefix="santral-crash-") as folder:
        prompts = state / "demo" / "prompts"
        prompts.mkdir(parents=True, exist_ok=True)
        async with demo_running(
            state, lambda text: None, home=Path(folder), prompt_cache=prompts, speech_port=0
        ) as demo:
            return await Campaign(demo, await expected_sounds(demo), kills, callers).run()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="santral bench crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--callers", type=int, default=6)
    parser.add_argument("--json", action="store_true")
    parsed = parser.parse_args(arguments)
    report = asyncio.run(campaign(parsed.kills, parsed.callers))
    if parsed.json:
        print(json.dumps(report.to_dict(), indent=2))
    else:
        for name, value in report.to_dict().items():
            print(f"{name:16} {value}")
    return 0 if report.good else 1


if __name__ == "__main__":
    raise SystemExit(main())
