"""A network cable between a page and the server, to be pulled: a TCP forwarder on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self


class Cable:
    """Forwards `port` of 127.0.0.1 to `target`. `pull` ends every connection and takes no new one
    (silently, with `silent`: they stay open and nothing comes through any more)."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._through = asyncio.Event()
        self.port = 0

    async def __aenter__(self) -> Self:
        self._through.set()
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.pull()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def pull(self, *, silent: bool = False) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        if silent:
            self._through.clear()
            return
        for writer in list(self._writers):
            writer.transport.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def mend(self) -> None:
        """Silent connections are ended now: the other side has long given them up."""
        if not self._through.is_set():
            await self.pull()
            self._through.set()
        await self._listen()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            back_reader, back_writer = await asyncio.open_connection("127.0.0.1", self._target)
            for one in (writer, back_writer):
                self._writers.add(one)
            for source, sink in ((reader, back_writer), (back_reader, writer)):
                task = asyncio.ensure_future(self._pass(source, sink))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                await self._through.wait()
                sink.write(data)
                await sink.drain()
        with contextlib.suppress(OSError, RuntimeError):
            sink.close()
        self._writers.discard(sink)
