"""The AGI listener: takes connections from Asterisk, builds a call of each, awaits its handler.

It must not listen before calls can be served: an engine that accepts and says nothing blocks the
caller's channel. Refused connections cost the dialplan a millisecond.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import socket
from collections.abc import Awaitable, Callable

from ivr.agi.call import AgiCall, Listener, PromptFiles
from ivr.agi.connection import AgiConnection
from ivr.agi.entry import Entrance, read_entrance
from ivr.agi.line import SLACK
from ivr.agi.pressed import Witness
from ivr.agi.protocol import Header
from ivr.agi.sound import Joiner
from ivr.errors import BadAgi, CallerHungUp

log = logging.getLogger(__name__)

BACKLOG = 4096  # callers that may knock within one turn of the loop; the kernel caps it
HEADER_DEADLINE = 5.0  # seconds; Asterisk sends its header at once

Handler = Callable[[AgiCall], Awaitable[None]]


class AgiServer:
    """Serves calls until it is drained or closed.

    `handle` gets each call; when it returns or raises, the socket is closed and the dialplan goes
    on. With a `key` every header has to carry it. `start` has to be awaited when everything the
    handler needs is ready. It listens at `host` and `port`, or on a bound socket, `sock`, which
    other processes may share: callers who knock between two of them are served by the next.
    `witness` tells what keys the callers pressed.
    """

    def __init__(
        self,
        handle: Handler,
        prompts: PromptFiles,
        *,
        host: str = "127.0.0.1",
        port: int = 4573,
        sock: socket.socket | None = None,
        key: str = "",
        listener: Listener | None = None,
        witness: Witness | None = None,
        header_deadline: float = HEADER_DEADLINE,
        slack: float = SLACK,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._handle = handle
        self._prompts = prompts
        self._address = (host, port)
        self._socket = sock
        self._key = key.encode()
        self._listener = listener
        self._witness = witness
        self._header_deadline = header_deadline
        self._slack = slack
        self._clock = clock
        self._joiner = Joiner()
        self._server: asyncio.Server | None = None
        self._waiting: dict[AgiConnection, asyncio.TimerHandle] = {}  # no header yet
        self._calls: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port listened on; useful when 0 was asked for."""
        assert self._server is not None
        name: tuple[str, int] = self._server.sockets[0].getsockname()
        return name[1]

    @property
    def calls(self) -> int:
        """Calls being served now."""
        return len(self._calls)

    async def start(self) -> None:
        """Listen. Raises OSError when the address is taken."""
        host, port = self._address
        loop = asyncio.get_running_loop()
        if self._socket is not None:
            self._server = await loop.create_server(
                self._accept, sock=self._socket, backlog=BACKLOG
            )
            return
        self._server = await loop.create_server(
            self._accept,
            host,
            port,
            family=socket.AF_UNSPEC,
            backlog=BACKLOG,
            reuse_address=True,
        )

    async def drain(self, timeout: float) -> int:
        """Stop listening at once, let calls finish for up to `timeout` seconds, end the others.

        New callers are refused from here on, so that the dialplan takes its next way. Returns how
        many calls had to be cut short.
        """
        self._stop_listening()
        if self._calls:
            await asyncio.wait(self._calls, timeout=timeout)
        cut = len(self._calls)
        await self.close()
        return cut

    async def close(self) -> None:
        """Stop listening and end every call now; its handler is cancelled."""
        self._stop_listening()
        calls = list(self._calls)
        for task in calls:
            task.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self._waiting):  # they have not been promised anything yet
            connection.abort()

    def _accept(self) -> AgiConnection:
        connection = AgiConnection(self._enter, self._gone)
        timer = asyncio.get_running_loop().call_later(
            self._header_deadline, self._header_overdue, connection
        )
        self._waiting[connection] = timer
        return connection

    def _enter(self, connection: AgiConnection, header: Header) -> None:
        self._waiting.pop(connection).cancel()
        try:
            entrance = read_entrance(header)
        except BadAgi as error:
            log.warning("AGI connection refused: %s", error)
            connection.abort()
            return
        if self._key and not hmac.compare_digest(entrance.key.encode(), self._key):
            log.warning("AGI connection refused: wrong or missing key (call %s)", entrance.info.id)
            connection.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(connection, entrance))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    def _gone(self, connection: AgiConnection) -> None:
        timer = self._waiting.pop(connection, None)
        if timer is not None:
            timer.cancel()
            log.info("AGI connection ended before a call began: %s", connection.broken)

    def _header_overdue(self, connection: AgiConnection) -> None:
        del self._waiting[connection]
        log.info("AGI connection closed: no complete header in %g s", self._header_deadline)
        connection.abort()

    async def _serve(self, connection: AgiConnection, entrance: Entrance) -> None:
        call = AgiCall(
            connection,
            entrance.info,
            self._prompts,
            listener=self._listener,
            joiner=self._joiner,
            between=entrance.between,
            slack=self._slack,
            clock=self._clock,
        )
        if self._witness is not None:
            self._witness.attend(entrance.info.channel, call.pressed)
        try:
            await self._handle(call)
        except CallerHungUp:
            pass
        except Exception:
            log.exception("call %s: the conversation failed", entrance.info.id)
        finally:
            if self._witness is not None:
                self._witness.leave(entrance.info.channel)
            connection.close()
