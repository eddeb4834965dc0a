"""Connections outlive the listener for a moment, so that Asterisk sees them end in order.

When a process is killed the kernel resets what it was connected to. Asterisk's thread that writes
the caller's audio may learn of it before the one that reads: it closes the socket, the number goes
to the next call's, and the reader waits at that one for ever - and the caller's channel for the
reader (`ast_aeap_disconnect`, res/res_aeap/aeap.c). So the supervisor holds a second handle on each
connection (SCM_RIGHTS, unix(7)). Once the listener is gone it says on each that no audio is wanted
any more (`aeap.gone`); `FAREWELL` seconds later that no more will come, which only the reader sees;
and lets go `GRACE` seconds later.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from typing import Final

from ivr.speech import aeap

log = logging.getLogger(__name__)
FAREWELL: Final = 0.3  # seconds Asterisk has to stop writing
GRACE: Final = 1.0  # seconds it has to notice the end
_TEXT: Final = 0x81  # of a WebSocket: a text message, whole (RFC 6455, 5.2); a server masks nothing
_LONGEST: Final = 32  # bytes of a message: a sign and a number


class Holder:
    """The supervisor's side, for one listener. Its event loop takes what is lent."""

    def __init__(self) -> None:
        self._held: dict[int, socket.socket] = {}
        self._mine, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._mine.setblocking(False)
        asyncio.get_running_loop().add_reader(self._mine.fileno(), self._take_all)

    def __len__(self) -> int:
        return len(self._held)

    def _take_all(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while self._take():
                pass

    def _take(self) -> bool:
        message, handles, _, _ = socket.recv_fds(self._mine, _LONGEST, 1)
        number = int(message[1:] or 0)
        if message[:1] == b"+" and handles:
            self._held[number] = socket.socket(fileno=handles[0])
        elif message[:1] == b"-" and number in self._held:
            self._held.pop(number).close()
        if not message:
            asyncio.get_running_loop().remove_reader(self._mine.fileno())
        return message != b""

    async def let_go(self) -> None:
        """The listener is gone: end what it had open, first for those who read, then for all."""
        self._take_all()
        asyncio.get_running_loop().remove_reader(self._mine.fileno())
        self._mine.close()
        if self._held:
            log.warning("the speech listener left %d connections; they are ended", len(self))
        try:
            await self._on_each(lambda held: held.send(_text(aeap.gone())), FAREWELL)
            await self._on_each(lambda held: held.shutdown(socket.SHUT_WR), GRACE)
        finally:
            while self._held:
                self._held.popitem()[1].close()

    async def _on_each(self, done: Callable[[socket.socket], object], then: float) -> None:
        for connection in self._held.values():
            with contextlib.suppress(OSError):
                done(connection)
        if self._held:
            await asyncio.sleep(then)


class Lender:
    """The listener's side. `handle` is None where nobody holds: then nothing is lent."""

    def __init__(self, handle: int | None = None) -> None:
        self._to = None if handle is None else socket.socket(fileno=handle)
        self._number = 0
        if self._to is not None:
            self._to.setblocking(False)

    def lend(self, connection: int) -> int:
        """Have a connection held; its number."""
        self._number += 1
        if self._to is not None:
            with contextlib.suppress(OSError):  # then it is not held, and served all the same
                socket.send_fds(self._to, [b"+%d" % self._number], [connection])
        return self._number

    def take_back(self, number: int) -> None:
        """It has ended here."""
        if self._to is not None:
            with contextlib.suppress(OSError):
                self._to.send(b"-%d" % number)


def _text(message: str) -> bytes:
    """A short message as it stands on the line. Raises ValueError for one over 125 bytes."""
    data = message.encode()
    if len(data) > 125:
        raise ValueError("too long for the short form")
    return bytes((_TEXT, len(data))) + data
