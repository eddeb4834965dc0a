"""One AGI connection: the protocol on a socket. One command at a time, each with a deadline."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Final, cast

from ivr.agi.protocol import DEAD_CHANNEL, Decoder, HangupLine, Header, Reply
from ivr.errors import (
    BadAgi,
    CallerHungUp,
    CommandRefused,
    LineLost,
    ReplyOverdue,
    SantralError,
)

log = logging.getLogger(__name__)

FAR: Final = 5.0  # seconds; a deadline so far away need not be exact
SHARED: Final = 0.25  # seconds

HeaderHandler = Callable[["AgiConnection", Header], None]
CloseHandler = Callable[["AgiConnection"], None]


def together(when: float, now: float) -> float:
    """A time at or a little behind `when` that looks of many calls share, so that one wake-up is
    enough for them: a quarter of a second for what is seconds away, else the time itself."""
    return when if when - now < FAR else math.ceil(when / SHARED) * SHARED


class AgiConnection(asyncio.Protocol):
    """Created by the server for each socket. `trips` counts the commands sent, `longest_pause` is
    the longest time in seconds between an answer and the next command: keys may be lost in it when
    it is longer than they are (see AgiLine). `running` is the command that Asterisk is at, b"" in a
    pause.

    `on_header` is called once, `on_close` once in any case. After the first failure of the line
    every command raises the same kind of error at once.
    """

    def __init__(self, on_header: HeaderHandler, on_close: CloseHandler) -> None:
        self.trips = 0
        self.longest_pause = 0.0
        self.hung_up = False
        self.running = b""
        self._on_header = on_header
        self._on_close = on_close
        self._decoder = Decoder()
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reply: asyncio.Future[Reply] | None = None
        self._broken: SantralError | None = None
        self._answered_at = 0.0
        self._due = 0.0  # when the answer has to be here
        self._timer: asyncio.TimerHandle | None = None  # one for many commands: most are answered

    async def command(self, line: bytes, deadline: float) -> Reply:
        """Send one command, return its answer.

        Raises CallerHungUp (also later, at once), ReplyOverdue after `deadline` seconds,
        LineLost, BadAgi, and CommandRefused for 510 and 520. Cancelling closes the line: it would
        be out of step.
        """
        if self.hung_up:
            raise CallerHungUp
        if self._broken is not None:
            raise self._broken
        if self._reply is not None:
            raise RuntimeError("two AGI commands at once on one call")
        transport = self._transport
        assert transport is not None
        now = self._loop.time()
        if self.trips and now - self._answered_at > self.longest_pause:
            self.longest_pause = now - self._answered_at
        self.trips += 1
        reply: asyncio.Future[Reply] = self._loop.create_future()
        self._reply = reply
        self.running = line
        self._due = now + deadline
        if self._timer is None or self._timer.when() > self._due:
            self._look_at(self._due)
        transport.write(line)
        try:
            answer = await reply
        except asyncio.CancelledError:
            self._break(LineLost("The call was given up while a command was running."))
            raise
        finally:
            self._reply = None
            self.running = b""
            self._answered_at = self._loop.time()
        if answer.code == 200:
            return answer
        if answer.code == DEAD_CHANNEL:
            self.hung_up = True
            raise CallerHungUp
        verb = line[:20].split(b'"')[0].decode("ascii", "replace").strip()
        raise CommandRefused(f"Asterisk answered {answer.code} to {verb}.")

    async def gone_within(self, seconds: float) -> bool:
        """Whether the caller is, or within so many seconds turns out to be, gone."""
        for _ in range(10):
            if self.hung_up or self._broken is not None:
                return True  # Asterisk closes at once after a hang-up when AGIEXITONHANGUP is set
            await asyncio.sleep(seconds / 10)
        return self.hung_up

    @property
    def broken(self) -> SantralError | None:
        """Why no more commands can be sent."""
        return self._broken

    def close(self) -> None:
        """Close after what was written has gone out; the dialplan goes on. Twice is harmless."""
        if self._broken is None:
            self._broken = LineLost("The conversation on this line is over.")
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._broken is None:
            self._broken = LineLost()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._decoder.receive(data)
        except BadAgi as error:
            self._break(error)
            return
        for message in messages:
            if type(message) is Reply:
                self._take_reply(message)
            elif type(message) is HangupLine:
                self._take_hangup()
            elif type(message) is Header:
                self._on_header(self, message)

    def eof_received(self) -> bool:
        return False  # nobody is left to answer: the transport closes

    def connection_lost(self, exc: Exception | None) -> None:
        if self._broken is None:
            self._broken = LineLost()
        if self._timer is not None:
            self._timer.cancel()
        self._fail(CallerHungUp() if self.hung_up else self._broken)
        self._on_close(self)

    def _take_reply(self, reply: Reply) -> None:
        waiting = self._reply
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)
        elif not self.hung_up:  # after a hang-up the answer to the cut command may still come
            self._break(BadAgi("Asterisk answered without having been asked."))

    def _take_hangup(self) -> None:
        self.hung_up = True
        self._fail(CallerHungUp())

    def _look_at(self, when: float) -> None:
        """Look then whether the answer is overdue."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(together(when, self._loop.time()), self._look)

    def _look(self) -> None:
        self._timer = None
        if self._reply is None or self._reply.done():
            return
        if self._loop.time() < self._due:
            self._look_at(self._due)  # of a later command than the one it was set for
        else:
            self._break(ReplyOverdue())

    def _break(self, error: SantralError) -> None:
        if self._broken is None:
            self._broken = error
        self._fail(error)
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, error: SantralError) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(error)
