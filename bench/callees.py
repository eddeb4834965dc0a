"""Subscribers in a process of their own: they pick up or not, and remember who called them when.

    python -m bench.callees

Prints its SIP port; after a line of input, as JSON, each INVITE that came: number, time, and the
channel's attempt as far as SIP tells (none). Ends with its input.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import uvloop

from cti.softphone import IncomingCall, Phone


async def pick_up(call: IncomingCall) -> None:
    """By the number's last digit: busy, an answer at once or after a while, or nobody."""
    digit = int(call.number[-1])
    if digit <= 3:
        call.refuse(486)
        return
    call.ring()
    await call.pause(0.2 if digit <= 6 else 1.5)
    if digit == 7:
        call.refuse(480)
        return
    await call.answer()
    await call.pause(0.4 if digit <= 6 else 1.0)
    await call.hangup()


async def serve() -> None:
    came: list[tuple[str, float]] = []

    async def on_call(call: IncomingCall) -> None:
        came.append((call.number, time.time()))
        await pick_up(call)

    loop = asyncio.get_running_loop()
    async with Phone(on_call=on_call) as phone:
        print(phone.address[1], flush=True)
        while await loop.run_in_executor(None, sys.stdin.readline):
            print(json.dumps(came), flush=True)


if __name__ == "__main__":
    uvloop.run(serve())
