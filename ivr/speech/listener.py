"""The process that Asterisk's speech applications talk to: AEAP over a WebSocket on loopback.

Started by `supervisor.py` as `python -m ivr.speech.listener HANDLE` (`holding.py` has what for):
settings as JSON in the first line of stdin; when stdin ends, it ends. It says on stdout, in lines
of JSON, that it is ready and, every half second, that it lives. It opens its socket only when it
has a warm recogniser: a connection accepted and not answered would hold Asterisk's channel for
ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Iterator
from socket import SHUT_RDWR

from aiohttp import WSCloseCode, WSMsgType, web

from ivr.errors import BadAeap, SantralError
from ivr.logs import set_up
from ivr.speech import aeap
from ivr.speech.engines import SpeechSettings
from ivr.speech.holding import FAREWELL, Lender
from ivr.speech.parent import die_with_parent, first_line
from ivr.speech.pool import Pool
from ivr.speech.session import Session

log = logging.getLogger(__name__)

BEAT = 0.5  # seconds between signs of life
_CLOSE = 0.5  # seconds the other side has to say good-bye


class Listener:
    """Serves AEAP at `/aeap`. Async context: the port is open inside it."""

    def __init__(self, settings: SpeechSettings, pool: Pool, lender: Lender | None = None) -> None:
        self.settings = settings
        self._lender = lender or Lender()
        self.port = 0
        self._sockets: set[web.WebSocketResponse] = set()
        self._pool = pool
        app = web.Application()
        app.router.add_get("/aeap", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_CLOSE)

    async def __aenter__(self) -> Listener:
        await self._runner.setup()
        # Two may listen for a moment: the old engine's and the new one's, at a restart.
        host, port = self.settings.host, self.settings.port
        site = web.TCPSite(self._runner, host, port, reuse_port=port != 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Say good-bye to everybody first: see `holding.py`."""
        telling = [socket.send_str(aeap.gone()) for socket in self._sockets]
        if telling:
            await asyncio.gather(*telling, return_exceptions=True)
            await asyncio.sleep(FAREWELL)
        closing = [socket.close(code=WSCloseCode.GOING_AWAY) for socket in self._sockets]
        await asyncio.gather(*closing, return_exceptions=True)
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        """A connection that we cannot serve is refused here, by HTTP: see `aeap.py`."""
        if self.calls >= self.settings.calls:
            log.warning("a call is refused: %d are served already", self.calls)
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse(
            protocols=(aeap.PROTOCOL,),
            timeout=_CLOSE,
            compress=False,
            max_msg_size=aeap.LONGEST * 4,
        )
        with self._held(request):
            await socket.prepare(request)
            self._sockets.add(socket)
            try:
                await self._talk(socket)
            finally:
                self._sockets.discard(socket)
        return socket

    @property
    def calls(self) -> int:
        """How many are served now."""
        return len(self._sockets)

    @contextlib.contextmanager
    def _held(self, request: web.Request) -> Iterator[None]:
        """The connection is held by the supervisor, too; so it is we who have to end it."""
        assert request.transport is not None
        connection = request.transport.get_extra_info("socket")
        number = self._lender.lend(connection.fileno())
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                connection.shutdown(SHUT_RDWR)
            self._lender.take_back(number)

    async def _talk(self, socket: web.WebSocketResponse) -> None:
        outgoing: asyncio.Queue[str | None] = asyncio.Queue()
        sender = asyncio.create_task(_send(socket, outgoing))
        session = Session(self._pool, outgoing.put_nowait)
        try:
            async for message in socket:
                if message.type is WSMsgType.BINARY:
                    session.audio(message.data)
                elif message.type is WSMsgType.TEXT:
                    session.text(message.data)
        except BadAeap as error:
            log.warning("a connection is closed: %s", error)
        finally:
            session.closed()
            outgoing.put_nowait(None)
            await sender


async def _send(socket: web.WebSocketResponse, outgoing: asyncio.Queue[str | None]) -> None:
    """Send what is queued; a None closes the connection."""
    try:
        while (text := await outgoing.get()) is not None:
            await socket.send_str(text)
    except (ConnectionError, RuntimeError):
        pass  # it is gone; its reader notices, too
    await socket.close()


async def run(
    settings: SpeechSettings, say: asyncio.StreamWriter, stop: asyncio.Event, lender: Lender
) -> None:
    """Serve until `stop`. Raises `RecogniserFailed` or OSError when it cannot begin."""
    pool = Pool(settings)
    await pool.start()
    try:
        async with Listener(settings, pool, lender) as listener:
            news = {"port": listener.port, "pid": os.getpid()}
            while not stop.is_set():
                beat = {"calls": listener.calls, "workers": pool.ready, "restarts": pool.restarts}
                line = {"ready": True, **news, **beat, "languages": pool.languages()}
                say.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
                try:
                    async with asyncio.timeout(BEAT):
                        await stop.wait()
                except TimeoutError:
                    continue
    finally:
        await pool.stop()


async def serve(settings: SpeechSettings, lender: Lender) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    pipe, protocol = await loop.connect_write_pipe(
        lambda: asyncio.streams.FlowControlMixin(loop=loop), sys.stdout.buffer
    )
    say = asyncio.StreamWriter(pipe, protocol, None, loop)
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)

    async def until_stdin_ends() -> None:
        await reader.read()
        stop.set()

    watching = asyncio.create_task(until_stdin_ends())
    try:
        await run(settings, say, stop, lender)
    finally:
        watching.cancel()


def main() -> int:
    die_with_parent(signal.SIGTERM)
    set_up("info", os.environ.get("SANTRAL_LOG_FORMAT", "plain"))
    line = first_line()
    if not line:
        return 1
    try:
        lender = Lender(int(sys.argv[1])) if len(sys.argv) > 1 else Lender()
        asyncio.run(serve(SpeechSettings.from_dict(json.loads(line)), lender))
    except (SantralError, OSError) as error:
        log.error("the speech listener cannot serve: %s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
