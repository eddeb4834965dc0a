"""The signalling of one established call: what the other side asks inside it, and what we ask.

How a call begins is in outgoing.py and incoming.py; what a person does with it is in call.py.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

from cti.softphone.dialog import ALLOW, Dialog
from cti.softphone.media import Stream
from cti.softphone.negotiation import Negotiation
from cti.softphone.sip import Headers, Request, Response
from cti.softphone.transactions import ClientTransaction, ServerTransaction
from cti.softphone.useragent import UserAgent
from ivr.errors import BadSip, CallOver, SoftphoneFault

State = Literal["calling", "ringing", "up", "over"]
Who = Literal["", "us", "them"]

SDP: Headers = (("Content-Type", "application/sdp"),)
_GLARE = (2.1, 4.0)  # seconds to wait after 491 before asking again (RFC 3261 section 14.1)


class Leg:
    """One end of one call. All times are seconds of the call's own clock, which starts with it.

    `code` and `reason` are the final answer to the INVITE (0 before it), `cause` the Q.850 cause of
    the hang-up where the other side gave one, `ended_by` who ended it.
    """

    def __init__(self, ua: UserAgent, call_id: str, number: str, caller: str) -> None:
        self._ua = ua
        self._loop = asyncio.get_running_loop()
        self.id = call_id
        self.number = number
        self.caller = caller
        self.state: State = "calling"
        self.code = 0
        self.reason = ""
        self.answered_at: float | None = None
        self.ended_at: float | None = None
        self.ended_by: Who = ""
        self.cause = 0
        self.on_over: Callable[[], None] | None = None
        self._epoch = self._loop.time()
        self._stream = Stream(ua.host, self._epoch)
        self._negotiation = Negotiation(self._stream.host, self._stream.port, ua.codecs)
        self._dialog: Dialog | None = None
        self._renegotiating = False
        self._unacknowledged: dict[int, tuple[ServerTransaction, bool]] = {}
        self._waiters: set[asyncio.Future[None]] = set()
        ua.pump.add(self._stream)

    @property
    def over(self) -> bool:
        return self.state == "over"

    @property
    def held(self) -> bool:
        """Whether the other side has put us on hold."""
        return self._negotiation.remote is not None and self._negotiation.remote.holds

    def clock(self) -> float:
        """Seconds since the INVITE was sent or came in; stands still when the call is over."""
        return self._loop.time() - self._epoch if self.ended_at is None else self.ended_at

    async def hold(self, timeout: float = 5.0) -> None:
        """Put the other side on hold: it is to send nothing. Raises SoftphoneFault when refused."""
        await self._renegotiate("sendonly", timeout)

    async def resume(self, timeout: float = 5.0) -> None:
        """End our hold."""
        await self._renegotiate("sendrecv", timeout)

    def receive(self, asked: ServerTransaction) -> None:
        """Take a request of the other side inside this call."""
        request, dialog = asked.request, self._dialog
        if dialog is None or self.over:
            self._reply(asked, 200 if request.method == "BYE" else 481)  # two BYEs may cross
            return
        if request.cseq[0] < dialog.remote_cseq:
            self._reply(asked, 500)
            return
        dialog.remote_cseq = request.cseq[0]
        match request.method:
            case "BYE":
                self._reply(asked, 200)
                self._finish("them", _cause(request))
            case "INVITE" | "UPDATE":
                self._offered(asked)
            case "OPTIONS" | "INFO" | "NOTIFY":
                self._reply(asked, 200)
            case _:
                self._reply(asked, 405, more=(("Allow", ALLOW),))

    def acknowledged(self, ack: Request) -> None:
        """Take the ACK of a 2xx of ours; it carries the answer when the 2xx had the offer."""
        asked, awaits_answer = self._unacknowledged.pop(ack.cseq[0], (None, False))
        if not asked:
            return
        asked.acknowledged()
        if awaits_answer:
            try:
                self._negotiation.accept(ack.body)
            except BadSip:
                self._drop()
            else:
                self._agree()
        self._changed()

    def _offered(self, asked: ServerTransaction) -> None:
        """A new offer inside the call: hold, resume, another address (RFC 3261 section 14.2)."""
        if self._renegotiating or self._unacknowledged:
            self._reply(asked, 491)
        elif asked.request.method == "UPDATE" and not asked.request.body:
            self._reply(asked, 200, more=self._contact())
        else:
            try:
                self._accept(asked)
            except BadSip:
                self._reply(asked, 488)

    def _accept(self, invite: ServerTransaction) -> None:
        """200 with our answer, or with our offer when the request had none."""
        body = invite.request.body
        ours = self._negotiation.answer(body) if body else self._negotiation.offer()
        if body:
            self._agree()
        if invite.request.method == "INVITE":
            self._unacknowledged[invite.request.cseq[0]] = invite, not body
            invite.on_unacknowledged = self._drop
        self._reply(invite, 200, more=(*self._contact(), *SDP), body=ours)

    def _reply(
        self,
        asked: ServerTransaction,
        code: int,
        reason: str = "",
        *,
        more: Headers = (),
        body: bytes = b"",
    ) -> None:
        asked.respond(asked.request.reply(code, reason, tag=self._tag(), more=more, body=body))

    def _tag(self) -> str:
        return ""

    def _contact(self) -> Headers:
        return (("Contact", self._ua.contact), ("Allow", ALLOW), ("User-Agent", "santral"))

    def _agree(self) -> None:
        """Let the sound follow what was negotiated."""
        if self._negotiation.remote and not self.over:
            self._stream.agree(self._negotiation.remote, self._negotiation.codec)
            self._changed()

    async def _renegotiate(self, direction: str, timeout: float) -> None:
        if self.state != "up" or not self._dialog:
            raise CallOver("There is no established call to hold.")
        self._negotiation.want = direction
        self._renegotiating = True
        try:
            async with asyncio.timeout(timeout):
                response = await self._reinvite(self._dialog)
                if response and response.code == 491:
                    await asyncio.sleep(random.uniform(*_GLARE))  # noqa: S311
                    response = await self._reinvite(self._dialog)
        finally:
            self._renegotiating = False
        if not response or response.code >= 300:
            code = response.code if response else 408
            raise SoftphoneFault(f"The other side refused to change the call: {code}")

    async def _reinvite(self, dialog: Dialog) -> Response | None:
        ua, offer = self._ua, self._negotiation.offer()
        sent, response = await ua.ask(
            lambda: dialog.request("INVITE", ua.wire.via(), (*self._contact(), *SDP), offer)
        )
        if response and response.code < 300:
            self._acknowledge(dialog, sent, response.cseq[0])
            self._negotiation.accept(response.body)
            self._agree()
        return response

    def _acknowledge(self, dialog: Dialog, sent: ClientTransaction, cseq: int) -> None:
        """ACK a 2xx, and the same again whenever it is repeated (RFC 3261 section 13.2.2.4)."""
        ack = dialog.ack(cseq, self._ua.wire.via())
        data, to = ack.build(), self._ua.next_hop(ack)
        self._ua.wire.send(data, to)
        sent.on_success_again = lambda _: self._ua.wire.send(data, to)

    async def _bye(self, timeout: float) -> None:
        """Tell the other side, and wait for its answer if there is one in time."""
        dialog = self._dialog
        if dialog:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._ua.ask(lambda: dialog.request("BYE", self._ua.wire.via()))

    def _drop(self) -> None:
        """End the call because it cannot go on."""
        if not self.over:
            self._finish("us")
            self._ua.background(self._bye(5.0))

    def _finish(self, who: Who, cause: int = 0) -> None:
        if self.over:
            return
        self.ended_at = self.clock()
        self.ended_by, self.cause, self.state = who, cause, "over"
        self._ua.pump.remove(self._stream)
        self._stream.close()
        self._stream.talker.stop()
        self._stream.talker.release()
        if self.on_over:
            self.on_over()
        self._changed()

    def _changed(self) -> None:
        for waiter in self._waiters:
            _wake(waiter)

    async def _change(self, longest: float) -> None:
        """Return when something about the call changed, after `longest` seconds at the latest."""
        waiter = self._loop.create_future()
        timer = self._loop.call_later(longest, _wake, waiter)
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiters.discard(waiter)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _cause(bye: Request) -> int:
    """The Q.850 cause in a Reason header (RFC 3326)."""
    for reason in bye.all("reason"):
        found = re.match(r"Q\.850\s*;.*?cause=(\d+)", reason, re.IGNORECASE)
        if found:
            return int(found[1])
    return 0
