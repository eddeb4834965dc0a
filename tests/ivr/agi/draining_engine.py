"""An engine for one test: serves a question, drains on SIGTERM, says what it does."""

from __future__ import annotations

import asyncio
import signal

import uvloop

from ivr.agi.call import AgiCall
from ivr.agi.server import AgiServer
from ivr.call import Question
from tests.ivr.agi.conftest import Sounds, spoken


async def handle(call: AgiCall) -> None:
    heard = await call.ask(Question(spoken("menu")))
    await call.transfer("queue", f"queue{heard.text}", {})


async def main() -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    server = AgiServer(handle, Sounds(), port=0)
    await server.start()
    print(server.port, flush=True)
    await stopping.wait()
    draining = asyncio.create_task(server.drain(30))
    await asyncio.sleep(0)
    print("draining", flush=True)
    print(f"cut {await draining}", flush=True)


if __name__ == "__main__":
    uvloop.run(main())
