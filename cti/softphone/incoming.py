"""A call that comes in: ring, early sound, answer or refusal (RFC 3261 13.3)."""

from __future__ import annotations

import secrets
from urllib.parse import unquote

from cti.softphone.call import Call
from cti.softphone.dialog import Dialog
from cti.softphone.leg import SDP
from cti.softphone.sip import REASONS, Request, parse_uri, uri_in
from cti.softphone.transactions import ServerTransaction
from cti.softphone.useragent import UserAgent
from ivr.errors import BadSip, CallOver, NotInTime, SoftphoneFault


class IncomingCall(Call):
    """`number` is what was dialled, `caller` who calls, `invite` the request with its headers."""

    def __init__(self, ua: UserAgent, invite: ServerTransaction) -> None:
        request = invite.request
        number = unquote(parse_uri(request.uri).user)
        caller = unquote(parse_uri(uri_in(request.get("from"))).user)
        super().__init__(ua, request.call_id, number, caller)
        self._invite = invite
        self.tag = secrets.token_hex(6)
        self._dialog = Dialog.answering(request, self.tag)
        self._early: bytes = b""
        self._reply(invite, 100)

    @property
    def invite(self) -> Request:
        return self._invite.request

    def ring(self) -> None:
        """180: the caller hears it ring."""
        self._must_be_open()
        self.state = "ringing"
        self._reply(self._invite, 180, more=self._contact())

    def progress(self) -> None:
        """183 with our sound: what is played now, the caller hears before the answer."""
        self._must_be_open()
        self.state = "ringing"
        self._early = self._answer_offer()
        self._reply(self._invite, 183, more=(*self._contact(), *SDP), body=self._early)

    async def answer(self, timeout: float = 5.0) -> None:
        """200, and wait for the ACK. Raises NotInTime without one, CallOver when given up."""
        self._must_be_open()
        self.code, self.reason = 200, REASONS[200]
        body = self._early or self._answer_offer()
        self._unacknowledged[self.invite.cseq[0]] = self._invite, not self.invite.body
        self._invite.on_unacknowledged = self._drop
        self.state, self.answered_at = "up", self.clock()
        self._reply(self._invite, 200, more=(*self._contact(), *SDP), body=body)
        self._changed()
        try:
            await self.wait_for(lambda call: not call._unacknowledged, timeout, "the ACK")
        except NotInTime:
            self._drop()
            raise

    def refuse(self, code: int = 486, reason: str = "") -> None:
        """Turn the call away: 486 busy, 603 declined, 480 not here."""
        self._must_be_open()
        self.code, self.reason = code, reason or REASONS.get(code, "Refused")
        self._reply(self._invite, code, self.reason, more=self._contact())
        self._finish("us")

    def cancelled(self) -> None:
        """The caller gave up before the answer (9.2)."""
        if self.answered_at is None and not self.over:
            self.code, self.reason = 487, REASONS[487]
            self._reply(self._invite, 487)
            self._finish("them")

    async def _give_up(self, timeout: float) -> None:
        self.refuse(480)

    def _answer_offer(self) -> bytes:
        if not self.invite.body:
            return self._negotiation.offer()
        try:
            body = self._negotiation.answer(self.invite.body)
        except BadSip as error:
            self.refuse(488)
            raise SoftphoneFault(f"The caller's offer cannot be used: {error}") from error
        self._agree()
        return body

    def _tag(self) -> str:
        return self.tag

    def _must_be_open(self) -> None:
        if self.over or self.answered_at is not None:
            raise CallOver(f"The call does not wait for an answer any more ({self}).")
