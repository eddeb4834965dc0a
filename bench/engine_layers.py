"""The engine with some of it left out, to see what each part of a call costs.

    python -m bench.engine_layers LAYER < SCRIPT

`loop` is a bare asyncio loop, `agi` our AGI layer, which sends the same commands and does nothing
else; `flow` runs the flow, `lookup` asks the database too, and `all` is the engine as it is, with
its journal. It says `ready PORT` when it serves.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final, cast

import uvloop

from cti.main import running
from cti.settings import Settings
from ivr.agi import commands
from ivr.agi.call import AgiCall, PromptFiles
from ivr.agi.server import AgiServer
from ivr.events import Entry

LAYERS: Final = ("loop", "agi", "flow", "lookup", "all")
Script = Mapping[str, str]


def lines_of(script: Script) -> list[bytes]:
    """What has to be sent in any case: the engine sends the same."""
    sounds = {name: tuple(files.split("&")) for name, files in script.items()}
    return [
        commands.ANSWER,
        commands.background(sounds["welcome"]),
        commands.get_data(sounds["main"][0], 1, 5.0),
        commands.get_data(sounds["ask_number"][0], 8, 3.0),
        commands.background(sounds["status"]),
        commands.background(sounds["goodbye"]),
        commands.set_variables({"SANTRAL_DONE": "hangup"}),
    ]


class Bare(asyncio.Protocol):
    """Sends the next line whenever one comes: less than this no script can do."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self._lines = iter(lines)
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._head = (self._head + data)[-2:]
        if self._head == b"\n\n" or data.startswith(b"200 "):
            line = next(self._lines, None)
            if line is None:
                self._transport.close()
            else:
                self._transport.write(line)


@contextlib.asynccontextmanager
async def bare_loop(script: Script) -> AsyncIterator[int]:
    lines = lines_of(script)
    server = await asyncio.get_running_loop().create_server(
        lambda: Bare(lines), "127.0.0.1", 0, backlog=4096
    )
    async with server:
        yield server.sockets[0].getsockname()[1]


@contextlib.asynccontextmanager
async def agi_alone(script: Script, settings: Settings) -> AsyncIterator[int]:
    lines = lines_of(script)

    async def handle(call: AgiCall) -> None:
        for line in lines:
            await call.command(line, 60.0)

    key = settings.agi_key.get_secret_value()
    server = AgiServer(handle, cast(PromptFiles, None), port=0, key=key)
    await server.start()
    yield server.port
    await server.close()


class NoJournal:
    def write(self, entry: Entry) -> None:
        pass

    async def durable(self, call: str) -> None:
        pass

    async def history(self, call: str) -> Sequence[Entry]:
        return ()


class Known:
    """Answers every query with the demo's order."""

    ROW: Final = {
        "number": "1234", "status": "kargoda", "status_en": "on its way", "state": "shipped",
        "total": Decimal("459.90"), "currency": "TRY",
    }  # fmt: skip

    async def find(
        self, query: str, parameters: Mapping[str, Any], deadline: float
    ) -> Mapping[str, Any] | None:
        return self.ROW


@contextlib.asynccontextmanager
async def engine_without(layer: str, settings: Settings) -> AsyncIterator[int]:
    async with running(settings) as engine:
        if layer != "all":
            engine.services = replace(engine.services, journal=NoJournal())
        if layer == "flow":
            engine.services = replace(engine.services, lookup=Known())
        yield engine.port


async def serve(layer: str, script: Script) -> None:
    settings = Settings.from_environment()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    if layer == "loop":
        running_layer = bare_loop(script)
    elif layer == "agi":
        running_layer = agi_alone(script, settings)
    else:
        running_layer = engine_without(layer, settings)
    async with running_layer as port:
        print(f"ready {port}", flush=True)
        await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(sys.argv[1], json.loads(sys.stdin.readline())))
