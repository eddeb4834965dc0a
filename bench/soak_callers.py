"""The soak's callers, in a process of their own: so many a second, for so long.

    python -m bench.soak_callers < PLAN

One line of JSON on standard input is the `Plan`; one on standard output tells what came of it. Who
calls is drawn anew for each call (`KINDS`): most hang up early or know the line and key into its
prompts, some take the whole call, ask for a person, or speak. All send sound all the time, but they
do not listen: what comes in is dropped by the kernel, because listening costs more than the call
does. Those `by_ear` press when they hear the question, whenever it is asked (again), and it is
looked whether they heard their answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import psutil
import uvloop

from cti.softphone import Call, Phone, Prompt, in_order, until
from ivr.errors import CallOver, NotInTime, SantralError, SoftphoneFault

RING_FOR: Final = 60.0
LONGEST_CALL: Final = 120.0
SWEEP: Final = 5.0  # seconds between two times that calls which are over are forgotten
ORDER_LINE: Final = "100"
LINES: Final = ("100", "100", "100", "200", "103", "104", "105")  # of those who hang up early
KINDS: Final = {"early": 0.46, "knows": 0.37, "whole": 0.10, "person": 0.03, "speaks": 0.01}
"""Shares; `by_ear` of the plan comes before them."""
TALK: Final = 10.0  # seconds that who asked for a person stays after the key
SPEAK_AFTER: Final = 1.0  # seconds into the menu


@dataclass(frozen=True, slots=True)
class Plan:
    """`sounds`: files by prompt. `press`: (seconds after the one before, keys); `again`: seconds
    after the last keys, after which a caller who is still there has been asked anew. `words`: a
    file of what those say who speak."""

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
    words: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(slots=True)
class Told:
    """What came of the calls."""

    calls: int = 0
    answered: int = 0
    not_answered: dict[str, int] = field(default_factory=dict)  # by SIP code; "" is none at all
    kinds: dict[str, int] = field(default_factory=dict)
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
        self.kinds: Counter[str] = Counter()
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
        self.told.kinds = dict(self.kinds)
        return self.told

    def _kind(self) -> str:
        if self.chance.random() < self.plan.by_ear:
            return "by_ear"
        (kind,) = self.chance.choices([*KINDS], [*KINDS.values()])
        return "knows" if kind == "speaks" and not self.plan.words else kind

    async def _call(self, phone: Phone) -> None:
        told, kind = self.told, self._kind()
        line = self.chance.choice(LINES) if kind == "early" else ORDER_LINE
        cheap = kind != "by_ear"
        told.calls += 1
        self.kinds[kind] += 1
        try:
            call = await phone.dial(line, ring_for=RING_FOR, deaf=cheap)
        except (SoftphoneFault, OSError) as error:
            self._refused(type(error).__name__)
            return
        if call.answered_at is None:
            self._refused(str(call.code or ""))
            return
        told.answered += 1
        try:
            async with asyncio.timeout(LONGEST_CALL):
                await getattr(self, f"_{kind}")(call)
        except (TimeoutError, NotInTime):
            told.overlong += 1
        except CallOver:
            pass
        with contextlib.suppress(SantralError):
            await call.hangup()
        told.ended_by_line += call.ended_by == "them"

    def _refused(self, why: str) -> None:
        self.told.not_answered[why] = self.told.not_answered.get(why, 0) + 1

    async def _early(self, call: Call) -> None:
        """Somebody who changes their mind in the middle of something."""
        await call.pause(self.chance.uniform(0.2, 4))
        await call.press(self.chance.choice("0123456789*#"))
        await call.pause(self.chance.uniform(0.1, 3))

    async def _knows(self, call: Call) -> None:
        """Keys into the prompts, hears the beginning of the answer and is gone."""
        await call.pause(self.chance.uniform(0.6, 1.5))
        await call.press("1")
        await call.pause(self.chance.uniform(0.6, 1.2))
        await call.press(f"{self.plan.order}#")
        await call.pause(self.chance.uniform(1.5, 4))

    async def _whole(self, call: Call) -> None:
        """By the clock, to the end of the call; again when they are asked again."""
        while not call.over:
            for after, keys in self.plan.press:
                await call.pause(after)
                await call.press(keys)
            await call.pause(self.plan.again)

    async def _person(self, call: Call) -> None:
        await call.pause(self.plan.press[0][0])
        await call.press("0")
        await call.pause(TALK)

    async def _speaks(self, call: Call) -> None:
        """Says what they want, then keys the order's number."""
        await call.pause(self.plan.press[0][0] - 1 + SPEAK_AFTER)
        await call.play(self.plan.words)
        await call.pause(3.0)
        await call.press(f"{self.plan.order}#")
        await call.pause(self.plan.again)

    async def _by_ear(self, call: Call) -> None:
        await self._listen(call)
        whole = all(in_order(call.heard, self.prompts["status"], least=0.9))
        self.told.heard += whole
        self.told.not_heard += not whole

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
