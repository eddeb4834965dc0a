"""An engine in a few lines: it speaks AGI's bytes on a real socket and does what a test says.

For tests of the dialplan alone; the real engine has tests of its own. Nothing is shared with it, so
that a mistake in ours cannot hide itself here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlsplit

Behaviour = Callable[["Visit"], Awaitable[None]]


@dataclass
class Visit:
    """One time that the dialplan came in. `number` counts them over all calls, from 1."""

    number: int
    header: dict[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    hung_up: bool = False

    @property
    def door(self) -> str:
        return urlsplit(self.header["agi_network_script"]).path

    @property
    def query(self) -> dict[str, str]:
        text = urlsplit(self.header["agi_network_script"]).query
        return dict(parse_qsl(text, keep_blank_values=True, strict_parsing=True))

    async def command(self, line: str) -> str:
        """Send a command and give back its reply; HANGUP lines on the way are noted."""
        self.writer.write(line.encode() + b"\n")
        while (reply := (await self.reader.readline()).decode().strip()) == "HANGUP":
            self.hung_up = True
        return reply

    async def leave(self, **values: str) -> None:
        """Say that the engine is done, as the real one does: one MSet, then the end."""
        text = ",".join(f"SANTRAL_{name.upper()}={value}" for name, value in values.items())
        reply = await self.command(f'EXEC MSet "{text}"')
        assert reply == "200 result=0", reply
        self.writer.close()

    async def until_hangup(self) -> None:
        """Say nothing more until Asterisk closes the connection."""
        while line := await self.reader.readline():
            self.hung_up = self.hung_up or line == b"HANGUP\n"


@dataclass
class ScriptedEngine:
    """Listens at an `agi://` address; `behave` is called for every visit, and then it closes."""

    url: str
    behave: Behaviour
    visits: list[Visit] = field(default_factory=list)
    faults: list[BaseException] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        address = urlsplit(self.url)
        self._server = await asyncio.start_server(self._serve, address.hostname, address.port)
        self._tasks: set[asyncio.Task[None]] = set()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if error is None:
            assert self.faults == []

    def kill(self) -> None:
        """End as a killed process does: no goodbye, and nobody listens any more."""
        self._server.close()
        for task in self._tasks:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            text = (await reader.readuntil(b"\n\n")).decode()
            header = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
            visit = Visit(len(self.visits) + 1, header, reader, writer)
            self.visits.append(visit)
            await self.behave(visit)
        except asyncio.CancelledError:
            pass
        except Exception as fault:
            self.faults.append(fault)
        finally:
            self._tasks.discard(task)
            writer.close()
