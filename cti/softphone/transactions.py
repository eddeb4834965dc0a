"""SIP transactions over UDP: what is sent again, and until when (RFC 3261 section 17)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from cti.softphone.sip import Headers, Request, Response

Address = tuple[str, int]
SendTo = Callable[[bytes, Address], None]
Key = tuple[str, str]
"""Branch and method; an ACK belongs to its INVITE."""


@dataclass(frozen=True, slots=True)
class Times:
    """The timers of RFC 3261 appendix A, in seconds; only tests change them."""

    t1: float = 0.5
    t2: float = 4.0

    @property
    def give_up(self) -> float:
        """64*T1: timers B, F, H, D and L."""
        return 64 * self.t1


class _Repeater:
    """Sends the same bytes again after `first`, twice that, and so on up to `longest` seconds.

    Times count from the start: a busy process delays a repetition but not those after it.
    """

    __slots__ = ("_again", "_at", "_longest", "_loop", "_send", "_wait")

    def __init__(self, send: Callable[[], None], first: float, longest: float) -> None:
        self._send, self._wait, self._longest = send, first, longest
        self._loop = asyncio.get_running_loop()
        self._at = self._loop.time() + first
        self._again: asyncio.TimerHandle | None = self._loop.call_at(self._at, self._due)

    def _due(self) -> None:
        self._send()
        self._wait = min(2 * self._wait, self._longest)
        self._at += self._wait
        self._again = self._loop.call_at(self._at, self._due)

    def slow_down(self) -> None:
        """Go on, but no faster than the longest wait (17.1.2.2, Proceeding)."""
        self._wait = self._longest

    def stop(self) -> None:
        if self._again:
            self._again.cancel()
            self._again = None


class ClientTransaction:
    """A request of ours. `final` gets the final response, or None when there was none in 64*T1.

    `on_provisional` sees every 1xx; `on_success_again` a 2xx to INVITE that is repeated because our
    ACK was lost. The ACK of other finals is sent here (17.1.1.3).
    """

    def __init__(
        self,
        request: Request,
        to: Address,
        send: SendTo,
        times: Times,
        on_provisional: Callable[[Response], None] | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.request, self.to, self._send_to = request, to, send
        self._bytes = request.build()
        self._invite = request.method == "INVITE"
        self._times = times
        self._on_provisional = on_provisional
        self.on_success_again: Callable[[Response], None] | None = None
        self.final: asyncio.Future[Response | None] = loop.create_future()
        self.provisional: Response | None = None
        longest = times.give_up if self._invite else times.t2
        self._repeater = _Repeater(self._send, times.t1, longest)
        self._deadline = loop.call_later(times.give_up, self.give_up)
        self._send()

    def _send(self) -> None:
        self._send_to(self._bytes, self.to)

    def receive(self, response: Response) -> None:
        """Take a response of this transaction."""
        if response.code < 200:
            self.provisional = response
            if self._invite:  # it may ring for as long as the caller likes
                self._repeater.stop()
                self._deadline.cancel()
            else:
                self._repeater.slow_down()
            if self._on_provisional and not self.final.done():
                self._on_provisional(response)
            return
        first = not self.final.done()
        self.stop()
        if self._invite and response.code >= 300:
            self._send_to(self._acknowledgement(response).build(), self.to)
        if first:
            self.final.set_result(response)
        elif self.on_success_again and response.code < 300:
            self.on_success_again(response)

    def give_up(self) -> None:
        """No final response is expected any more."""
        self.stop()
        if not self.final.done():
            self.final.set_result(None)

    def stop(self) -> None:
        self._repeater.stop()
        self._deadline.cancel()

    def cancel(self) -> Request:
        """The CANCEL of this INVITE (9.1); only valid after a provisional response."""
        return self._same_branch("CANCEL", [("To", self.request.get("to"))])

    def _acknowledgement(self, response: Response) -> Request:
        return self._same_branch("ACK", [("To", response.get("to"))])

    def _same_branch(self, method: str, to: list[tuple[str, str]]) -> Request:
        request = self.request
        kept = [(name, value) for name, value in request.headers if name.lower() in _KEPT]
        headers: Headers = (*kept, *to, ("CSeq", f"{request.cseq[0]} {method}"))
        return Request(headers, method=method, uri=request.uri)


_KEPT = {"via", "from", "call-id", "max-forwards", "route", "authorization", "proxy-authorization"}


class ServerTransaction:
    """A request of the other side: what we answered is sent again when it is asked again.

    A final answer to INVITE is repeated until its ACK (17.2.1; for 2xx 13.3.1.4, which the dialog
    acknowledges); `on_unacknowledged` is called when none came in 64*T1.
    """

    def __init__(self, request: Request, source: Address, send: SendTo, times: Times) -> None:
        self.request, self.source = request, source
        self._send_to, self._times = send, times
        self._answer = b""
        self._repeater: _Repeater | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self.answered = False
        self.answered = False
        self.on_final: Callable[[], None] | None = None
        self.on_unacknowledged: Callable[[], None] | None = None

    def respond(self, response: Response) -> None:
        """Send a response; after a final one further calls do nothing."""
        if self.answered:
            return
        self._answer = response.build()
        self._send()
        if response.code >= 200:
            self.answered = True
            if self.on_final:
                self.on_final()
            if self.request.method == "INVITE":
                loop = asyncio.get_running_loop()
                self._repeater = _Repeater(self._send, self._times.t1, self._times.t2)
                self._deadline = loop.call_later(self._times.give_up, self._unacknowledged)

    def repeat(self) -> None:
        """The request came again: so does the last answer."""
        if self._answer:
            self._send()

    def acknowledged(self) -> None:
        """The ACK is here."""
        if self._repeater and self._deadline:
            self._repeater.stop()
            self._deadline.cancel()

    def _unacknowledged(self) -> None:
        self.acknowledged()
        if self.on_unacknowledged:
            self.on_unacknowledged()

    def _send(self) -> None:
        self._send_to(self._answer, self.source)
