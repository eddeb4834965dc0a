"""The peer: the demo's order call as a bare panoramisk FastAGI script, with nothing around it.

    python -m bench.panoramisk_script PORT < SCRIPT

The same commands as our engine sends, the same sounds, the same query by sqlite3 in the event loop,
on the same kind of loop (uvloop). No journal, no time-outs, no second try, no check of anything:
the least that a script can do.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from collections.abc import Mapping

import uvloop
from panoramisk.fast_agi import Application, Request

ROUTE = "order"


class OrderCall:
    """`script` holds the sounds by prompt, and the query with its `database` and `phone`."""

    def __init__(self, script: Mapping[str, str]) -> None:
        self._script = script
        self._database = sqlite3.connect(f"file:{script['database']}?mode=ro", uri=True)

    async def run(self, request: Request) -> None:
        """The steps of scenarios/order_line.yaml for a caller who keys the number of an order."""
        send, script = request.send_command, self._script
        await send("ANSWER")
        await send(f'EXEC Background "{script["welcome"]}"')
        key = await send(f'GET DATA "{script["main"]}" 5000 1')
        if key["result"][0] != "1":
            return
        keyed = await send(f'GET DATA "{script["ask_number"]}" 3000 8')
        given = {"number": keyed["result"][0], "phone": script["phone"]}
        if self._database.execute(script["sql"], given).fetchone() is None:
            return
        await send(f'EXEC Background "{script["status"]}"')
        await send(f'EXEC Background "{script["goodbye"]}"')
        await send("EXEC MSet SANTRAL_DONE=hangup")


async def serve(port: int, call: OrderCall) -> None:
    application = Application(loop=asyncio.get_running_loop())
    application.add_route(ROUTE, call.run)
    server = await asyncio.start_server(application.handler, "127.0.0.1", port, backlog=4096)
    print(f"ready {server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), OrderCall(json.loads(sys.stdin.readline()))))
