"""Callers in a process of their own: so many calls at so many a second, each checked by ear.

    python -m bench.callers < PLAN

One line of JSON on standard input says who calls whom (`Plan`). When the last call is over it says
`over`; after the next line of input it looks whether each caller heard what they called for, and
prints the outcome as JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import uvloop

from cti.softphone import OutgoingCall, Phone, Prompt, in_order
from ivr.audio import TELEPHONE_RATE
from ivr.errors import CallOver

ANSWER_WITHIN = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Plan:
    """`press` is (seconds after the answer, keys); a call has to be ended by the other side within
    `seconds` of the answer, and `wanted` (files, played one after another) has to be heard.

    Listening costs far more than calling: with `by_ear` n only each n-th caller does it. `quiet`
    callers send nothing but keys, like phones with silence suppression."""

    host: str
    port: int
    user: str
    password: str
    number: str
    calls: int
    rate: float
    press: list[tuple[float, str]]
    seconds: float
    wanted: list[str]
    by_ear: int = 1
    quiet: bool = False

    def to_json(self) -> str:
        return json.dumps(asdict(self))


async def one_call(phone: Phone, plan: Plan, number: int, start: float) -> OutgoingCall:
    """Dial when it is this call's turn, press, and listen until the other side hangs up."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(start + number / plan.rate - loop.time())
    call = await phone.dial(plan.number, ring_for=ANSWER_WITHIN)
    if call.answered_at is None:
        return call
    call.quiet = plan.quiet
    with contextlib.suppress(CallOver):
        for at, keys in plan.press:
            await call.pause(call.answered_at + at - call.clock())
            await call.press(keys)
        await call.pause(call.answered_at + plan.seconds - call.clock())
    await call.hangup()
    return call


def fault(call: OutgoingCall, plan: Plan, wanted: Sequence[Prompt], listens: bool = True) -> str:
    """Why the call has failed; empty when it has not."""
    if call.answered_at is None:
        return f"not answered ({call.code or 'no answer'})"
    if call.ended_by != "them":
        return "not ended in its time"
    if not listens:
        return ""
    since = call.answered_at + plan.press[-1][0]  # what is wanted comes after the last keys
    pieces = in_order(call.heard[int(since * TELEPHONE_RATE) :], wanted)
    worst = min(piece.fraction for piece in pieces)
    return "" if all(piece.whole for piece in pieces) else f"not heard ({worst:.0%} of it)"


async def make_calls(plan: Plan) -> dict[str, Any]:
    """All of them; the outcome for the report."""
    wanted = [Prompt(file) for file in plan.wanted]
    async with Phone(plan.user, server=(plan.host, plan.port), password=plan.password) as phone:
        start = asyncio.get_running_loop().time() + 0.1
        calls = await asyncio.gather(
            *(one_call(phone, plan, number, start) for number in range(plan.calls))
        )
        late = phone.pump.worst_lateness
    cpu_ms = time.process_time() * 1000
    print("over", flush=True)
    sys.stdin.readline()
    each = (
        fault(call, plan, wanted, number % plan.by_ear == 0) for number, call in enumerate(calls)
    )
    faults = Counter(filter(None, each))
    sent, received, lost = (sum(counts) for counts in zip(*(c.packets for c in calls), strict=True))
    return {
        "failed": faults.total(),
        "faults": dict(faults),
        "checked_by_ear": sum(call.ended_by == "them" for call in calls[:: plan.by_ear]),
        "longest_answer_ms": round(max((c.answered_at or 0.0) for c in calls) * 1000, 1),
        "most_at_once": _most_at_once(plan, calls),
        "rtp": {"sent": sent, "received": received, "lost": lost},
        "callers_late_ms": round(late * 1000, 1),
        "callers_cpu_ms": round(cpu_ms / len(calls), 2),
    }


def _most_at_once(plan: Plan, calls: list[OutgoingCall]) -> int:
    """How many were on the line at the same time at most."""
    begins = [(number / plan.rate, 1) for number in range(len(calls))]
    ends = [(at + (c.ended_at or 0.0), -1) for (at, _), c in zip(begins, calls, strict=True)]
    steps = np.cumsum([0, *(step for _, step in sorted(begins + ends))])
    return int(steps.max())


def main() -> None:
    plan = Plan(**json.loads(sys.stdin.readline()))
    print(json.dumps(uvloop.run(make_calls(plan))))


if __name__ == "__main__":
    main()
