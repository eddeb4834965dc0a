"""Asterisk's side of the demo's order call, as bytes, in a process of its own: no sound, no SIP.

    python -m bench.agi_callers < PLAN

It answers each command when the real one would: after the sounds of it, or a second into a prompt
with what the caller keys. One line of JSON on standard input says where and how many (`Plan`), one
on standard output how many calls went the whole way.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import uuid
import wave
from dataclasses import asdict, dataclass
from functools import cache
from typing import Final, cast

import uvloop

INTO_PROMPT: Final = 1.0  # seconds after which the caller presses
TONE: Final = 0.14  # seconds one key takes, with the gap behind it
SOUNDS: Final = re.compile(r'"(.*)"|(\S+)')


@dataclass(frozen=True, slots=True)
class Plan:
    """`hold` keeps every call in its first prompt until all of them are there, and then some."""

    port: int
    calls: int
    rate: float
    caller: str
    order: str
    key: str = ""
    path: str = "inbound"
    dialled: str = "100"
    hold: float = 0.0

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@cache
def seconds(sound: str) -> float:
    """How long a file plays; `sound` as a command names it."""
    with wave.open(re.sub(r"\\(.)", r"\1", sound) + ".wav") as file:
        return file.getnframes() / file.getframerate()


class Caller(asyncio.Protocol):
    """One call."""

    def __init__(self, plan: Plan, ended: asyncio.Future[bool]) -> None:
        self._plan, self._ended = plan, ended
        self._loop = asyncio.get_running_loop()
        self._done = False
        self._held = plan.hold

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = self._transport = cast(asyncio.Transport, transport)
        plan, call = self._plan, uuid.uuid4()
        query = f"?call={call}&entry=1&dialled={plan.dialled}&outcome=&between=3"
        url = plan.path + (query if plan.dialled else "")
        fields = {
            "network": "yes", "network_script": url,
            "request": f"agi://127.0.0.1:{plan.port}/{url}",
            "channel": f"PJSIP/demo-{call.hex[:8]}", "language": "tr", "type": "PJSIP",
            "uniqueid": f"santral-{call.hex[:8]}.1", "version": "22.10.1",
            "callerid": plan.caller, "calleridname": "Ayşe Yılmaz", "callingpres": "0",
            "callingani2": "0", "callington": "0", "callingtns": "0", "dnid": plan.dialled,
            "rdnis": "unknown", "context": "santral-engine", "extension": "s", "priority": "8",
            "enhanced": "0.0", "accountcode": "", "threadid": "139872736519872",
            "arg_1": plan.key,
        }  # fmt: skip
        head = "".join(f"agi_{name}: {value}\n" for name, value in fields.items())
        transport.write(head.encode() + b"\n")

    def data_received(self, data: bytes) -> None:
        after, reply = self._answer(data.decode().rstrip("\n"))
        if after:
            self._loop.call_later(after, self._transport.write, reply)
        else:
            self._transport.write(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_result(self._done)

    def _answer(self, line: str) -> tuple[float, bytes]:
        """Seconds to let pass, and the reply."""
        self._done = line.startswith("EXEC MSet") and "SANTRAL_DONE=hangup" in line
        if line.startswith("EXEC Background"):
            found = SOUNDS.search(line, len("EXEC Background "))
            assert found is not None
            hold, self._held = self._held, 0.0
            return hold + sum(map(seconds, (found[1] or found[2]).split("&"))), b"200 result=0\n"
        if line.startswith("GET DATA"):
            if line.split()[-1] == "1":
                return INTO_PROMPT, b"200 result=1\n"
            keys = self._plan.order
            return INTO_PROMPT + TONE * (len(keys) + 1), b"200 result=%b\n" % keys.encode()
        return 0.0, b"200 result=0\n"


async def make_calls(plan: Plan) -> int:
    """All of them; how many went the whole way."""
    loop = asyncio.get_running_loop()
    start = loop.time() + 0.1

    async def one(number: int) -> bool:
        await asyncio.sleep(start + number / plan.rate - loop.time())
        ended = loop.create_future()
        await loop.create_connection(lambda: Caller(plan, ended), "127.0.0.1", plan.port)
        async with asyncio.timeout(60 + plan.hold):
            return await ended

    done = await asyncio.gather(*map(one, range(plan.calls)), return_exceptions=True)
    return sum(outcome is True for outcome in done)


def main() -> None:
    plan = Plan(**json.loads(sys.stdin.readline()))
    print(uvloop.run(make_calls(plan)), flush=True)


if __name__ == "__main__":
    main()
