"""The soak's callers, in a process of their own: so many a second, for so long.

    python -m bench.soak_callers < PLAN

One line of JSON on standard input is the `Plan`; one on standard output tells what came of it. Most
callers press by the clock into the prompts, as who knows the line does, and again when they are
asked again; some change their minds and hang up in the middle. `by_ear` is the share of callers who
listen: they press when they hear the question, whenever it is asked (again), and it is looked
whether they heard their answer. Listening costs far more than calling does, so it is a share.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import psutil
import uvloop

from cti.softphone import Call, Phone, Prompt, in_order, until
from ivr.errors import CallOver, NotInTime, SantralError, SoftphoneFault

RING_FOR: Final = 60.0
LONGEST_CALL: Final = 120.0
SWEEP: Final = 5.0  # seconds between two times that calls which are over are forgotten
LINES: Final = ("100", "100", "100", "200", "103", "104", "105")  # most ask for an order
CHANGE_THEIR_MINDS: Final = 0.3


@dataclass(frozen=True, slots=True)
class Plan:
    """`sounds`: files by prompt. `press`: (seconds after the one before, keys); `again`: seconds
    after the last keys, after which a caller who is still there has been asked anew."""

    host: str
    port: int
    user: str
    password: str
    order: str
    rate: float
    seconds: float
    seed: int
    by_ear: float
    press: list[tuple[float, str]]
    again: float
    sounds: dict[str, list[str]]

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(slots=True)
class Told:
    """What came of the calls."""

    calls: int = 0
    answered: int = 0
    not_answered: dict[str, int] = field(default_factory=dict)  # by SIP code; "" is none at all
    hung_up: int = 0
    ended_by_line: int = 0
    overlong: int = 0
    heard: int = 0
    not_heard: int = 0
    most_at_once: int = 0
    late_ms: float = 0.0  # how late these callers' own sound was at worst
    cpu_seconds: float = 0.0


class Callers:
    """Those of one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.told = plan, Told()
        self.chance = random.Random(plan.seed)
        self.prompts = {
            name: [Prompt(file) for file in files] for name, files in plan.sounds.items()
        }

    async def run(self) -> Told:
        plan, loop = self.plan, asyncio.get_running_loop()
        calls: set[asyncio.Task[None]] = set()
        async with Phone(plan.user, server=(plan.host, plan.port), password=plan.password) as phone:
            sweeper = asyncio.create_task(_sweep(phone))
            began, number = loop.time(), 0
            while loop.time() - began < plan.seconds:
                await asyncio.sleep(max(0.0, began + number / plan.rate - loop.time()))
                number += 1
                task = asyncio.create_task(self._call(phone))
                calls.add(task)
                task.add_done_callback(calls.discard)
                self.told.most_at_once = max(self.told.most_at_once, len(calls))
            if calls:
                await asyncio.wait(calls, timeout=LONGEST_CALL + RING_FOR)
            sweeper.cancel()
            self.told.late_ms = round(phone.pump.worst_lateness * 1000, 1)
        times = psutil.Process().cpu_times()
        self.told.cpu_seconds = round(times.user + times.system, 1)
        return self.told

    async def _call(self, phone: Phone) -> None:
        told, line = self.told, self.chance.choice(LINES)
        told.calls += 1
        try:
            call = await phone.dial(line, ring_for=RING_FOR)
        except (SoftphoneFault, OSError) as error:
            self._refused(type(error).__name__)
            return
        if call.answered_at is None:
            self._refused(str(call.code or ""))
            return
        told.answered += 1
        try:
            async with asyncio.timeout(LONGEST_CALL):
                await self._talk(call, line)
        except (TimeoutError, NotInTime):
            told.overlong += 1
            with contextlib.suppress(SantralError):
                await call.hangup()
        except CallOver:
            pass
        told.ended_by_line += call.ended_by == "them"

    def _refused(self, why: str) -> None:
        self.told.not_answered[why] = self.told.not_answered.get(why, 0) + 1

    async def _talk(self, call: Call, line: str) -> None:
        if line != "100" or self.chance.random() < CHANGE_THEIR_MINDS:
            await call.pause(self.chance.uniform(0.2, 9))
            with contextlib.suppress(CallOver):
                await call.press(self.chance.choice("0123456789*#"))
                await call.pause(self.chance.uniform(0.1, 5))
            self.told.hung_up += 1
            await call.hangup()
        elif self.chance.random() < self.plan.by_ear:
            await self._listen(call)
            whole = all(in_order(call.heard, self.prompts["status"], least=0.9))
            self.told.heard += whole
            self.told.not_heard += not whole
        else:
            while not call.over:
                for after, keys in self.plan.press:
                    await call.pause(after)
                    await call.press(keys)
                await call.pause(self.plan.again)

    async def _listen(self, call: Call) -> None:
        """Do what is asked, whenever it is asked (again)."""
        answers, after = {"main": "1", "ask_number": f"{self.plan.order}#"}, 0.0
        with contextlib.suppress(CallOver):
            while not call.over:
                asked = {
                    name: until.prompt(self.prompts[name][0], least=0.5, after=after)
                    for name in answers
                }

                def which(call: Call, asked: dict[str, Any] = asked) -> str | None:
                    return next((name for name, look in asked.items() if look(call)), None)

                name = await call.wait_for(which, LONGEST_CALL, "a question")
                await call.press(answers[name])
                after = call.clock()


async def _sweep(phone: Phone) -> None:
    """Forget the sound of calls that are over: hours of it do not fit into memory."""
    while True:
        await asyncio.sleep(SWEEP)
        phone.forget()


def main() -> None:
    plan = Plan(**json.loads(sys.stdin.readline()))
    print(json.dumps(asdict(uvloop.run(Callers(plan).run()))))


if __name__ == "__main__":
    main()
