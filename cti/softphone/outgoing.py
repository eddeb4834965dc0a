"""A call that we make: INVITE, what comes before the answer, the answer, CANCEL (RFC 3261 13.2)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import quote

from cti.softphone.call import Call
from cti.softphone.dialog import Dialog
from cti.softphone.leg import SDP
from cti.softphone.sip import REASONS, Request, Response, parse_uri
from cti.softphone.transactions import ClientTransaction
from cti.softphone.useragent import UserAgent
from ivr.errors import BadSip

_USER_SAFE = "+*-_.!~'()&=$,;?/"


class OutgoingCall(Call):
    """`progress` lists the provisional responses as (seconds, code)."""

    def __init__(self, ua: UserAgent, target: str, caller: str, headers: Mapping[str, str]) -> None:
        super().__init__(ua, f"{secrets.token_hex(12)}@{ua.host}", target, caller)
        self.progress: list[tuple[float, int]] = []
        self.final: Response | None = None
        host = "{}:{}".format(*ua.server) if ua.server else ua.host
        self._uri = (
            target if target.startswith("sip:") else f"sip:{quote(target, _USER_SAFE)}@{host}"
        )
        parse_uri(self._uri)
        self.tag = secrets.token_hex(6)
        self._from = f"<sip:{quote(caller, _USER_SAFE)}@{ua.host}>;tag={self.tag}"
        self._headers = tuple(headers.items())
        self._cseq = 0
        self._transaction: ClientTransaction | None = None
        self._cancelled = False
        self._offer = self._negotiation.offer()

    async def invite(self) -> None:
        """Call, and come back with the final answer in `code` and `reason`."""
        sent, response = await self._ua.ask(
            self._request, on_provisional=self._provisional, on_sent=self._on_sent
        )
        try:
            await self._concluded(sent, response)
        except BadSip as error:  # an answer that cannot even be acknowledged
            self.reason = str(error)
            self._finish("us")

    async def _concluded(self, sent: ClientTransaction, response: Response | None) -> None:
        self.final = response
        if self.over:  # given up meanwhile; an answer that crossed our CANCEL is ended at once
            if response and response.code < 300:
                self._confirm(sent, response)
                await self._bye(5.0)
            return
        self.code = response.code if response else 408
        self.reason = response.reason if response else REASONS[408]
        if response and response.code < 300:
            self._answered(sent, response)
        else:
            self._finish("us" if self._cancelled else "them")

    def _request(self) -> Request:
        self._cseq += 1
        headers = (
            ("Via", self._ua.wire.via()),
            ("Max-Forwards", "70"),
            ("From", self._from),
            ("To", f"<{self._uri}>"),
            ("Call-ID", self.id),
            ("CSeq", f"{self._cseq} INVITE"),
            *self._contact(),
            *self._headers,
            *SDP,
        )
        return Request(headers, self._offer, method="INVITE", uri=self._uri)

    def _on_sent(self, sent: ClientTransaction) -> None:
        self._transaction = sent

    def _provisional(self, response: Response) -> None:
        self.progress.append((self.clock(), response.code))
        if self._cancelled:
            self._send_cancel()
        if response.code > 100 and not self.over:
            self.state = "ringing"
            if response.body:
                self._take_answer(response)
            self._changed()

    def _take_answer(self, response: Response) -> bool:
        try:
            self._negotiation.accept(response.body)
        except BadSip:
            return False
        self._agree()
        return True

    def _answered(self, sent: ClientTransaction, response: Response) -> None:
        self._confirm(sent, response)
        self.state, self.answered_at = "up", self.clock()
        usable = self._take_answer(response) if response.body else self._negotiation.remote
        if self._cancelled or not usable:
            self._drop()
        self._changed()

    def _confirm(self, sent: ClientTransaction, response: Response) -> None:
        """The dialog stands."""
        self._dialog = Dialog.called(sent.request, response)
        self._acknowledge(self._dialog, sent, response.cseq[0])

    async def _give_up(self, timeout: float) -> None:
        """CANCEL, and wait for the 487 that ends the INVITE (or the answer that crossed it)."""
        self._cancelled = True
        if self._transaction and self._transaction.provisional:
            self._send_cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not self.over:
                    await self._change(timeout)
        self.code = self.code or 408
        self._finish("us")

    def _send_cancel(self) -> None:
        if self._transaction and not self._transaction.final.done():
            self._ua.wire.cancel(self._transaction)
