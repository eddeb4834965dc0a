"""The one UDP socket of a phone: datagrams to transactions and back (RFC 3261 17, 18)."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import cast

from cti.softphone.sip import Request, Response, parameters, parse
from cti.softphone.transactions import Address, ClientTransaction, ServerTransaction, Times
from ivr.errors import BadSip

Trace = Callable[[str, bytes, Address], None]
"""Sees every datagram: "sent" or "received", its bytes, and the other side's address."""


class Wire(asyncio.DatagramProtocol):
    """Sends requests and gives those of the other side to `on_request`, each once.

    `on_ack` gets the ACK of a 2xx, which belongs to a dialog and not to a transaction.
    """

    def __init__(
        self,
        on_request: Callable[[ServerTransaction], None],
        on_ack: Callable[[Request], None],
        times: Times,
        trace: Trace | None,
    ) -> None:
        self._on_request, self._on_ack = on_request, on_ack
        self.times, self._trace = times, trace
        self._transport: asyncio.DatagramTransport | None = None
        self._clients: dict[Hashable, ClientTransaction] = {}
        self._servers: dict[Hashable, ServerTransaction] = {}
        self._expiries: set[asyncio.TimerHandle] = set()
        self.address: Address = ("", 0)
        self.garbage = 0  # datagrams that were no SIP

    async def open(self, host: str, port: int) -> None:
        """Bind. Raises OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=(host, port))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        self.address = transport.get_extra_info("sockname")[:2]

    def close(self) -> None:
        """Stop everything at once; requests still open get no answer."""
        for expiry in self._expiries:
            expiry.cancel()
        for client in self._clients.values():
            client.give_up()
        for server in self._servers.values():
            server.acknowledged()
        if self._transport:
            self._transport.close()

    def via(self) -> str:
        """A Via value with a fresh branch: a new transaction (8.1.1.7), answered to where it came
        from (RFC 3581)."""
        host, port = self.address
        return f"SIP/2.0/UDP {host}:{port};rport;branch=z9hG4bK{secrets.token_hex(8)}"

    def send(self, data: bytes, to: Address) -> None:
        """One datagram, outside any transaction."""
        if self._transport and not self._transport.is_closing():
            if self._trace:
                self._trace("sent", data, to)
            self._transport.sendto(data, to)

    def request(
        self,
        request: Request,
        to: Address,
        on_provisional: Callable[[Response], None] | None = None,
    ) -> ClientTransaction:
        """Send a request (not ACK); await the transaction's `final`."""
        client = ClientTransaction(request, to, self.send, self.times, on_provisional)
        key = request.branch, request.method
        self._clients[key] = client
        client.final.add_done_callback(lambda _: self._expire(self._clients, key))
        return client

    def cancel(self, invite: ClientTransaction) -> ClientTransaction:
        """CANCEL an INVITE that has had a provisional response."""
        return self.request(invite.cancel(), invite.to)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        address = addr[0], addr[1]
        if self._trace:
            self._trace("received", data, address)
        if not data.strip(b"\r\n\0"):
            return  # keep-alive
        try:
            message = parse(data)
        except BadSip:
            self.garbage += 1
            return
        if isinstance(message, Response):
            client = self._clients.get((message.branch, message.cseq[1]))
            if client:
                client.receive(message)
        else:
            request = _stamped(message, address)
            try:
                self._take(request, address)
            except BadSip as error:
                self.garbage += 1
                self.send(request.reply(400, f"Bad Request: {error}").build(), address)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there: the transaction's timer says so in its time."""

    def invite_of(self, cancel: Request) -> ServerTransaction | None:
        """The INVITE that a CANCEL is about (9.2)."""
        return self._servers.get(_key(cancel, "INVITE"))

    def _take(self, request: Request, source: Address) -> None:
        method = "INVITE" if request.method == "ACK" else request.method
        key = _key(request, method)
        known = self._servers.get(key)
        if request.method == "ACK":
            if known:
                known.acknowledged()
            else:
                self._on_ack(request)
        elif known:
            known.repeat()
        else:
            to = _answer_to(request, source)
            server = self._servers[key] = ServerTransaction(request, to, self.send, self.times)
            server.on_final = lambda: self._expire(self._servers, key)
            self._on_request(server)

    def _expire(
        self,
        table: dict[Hashable, ClientTransaction] | dict[Hashable, ServerTransaction],
        key: Hashable,
    ) -> None:
        """Forget a finished transaction when nothing of it can still be under way."""

        def forget() -> None:
            self._expiries.discard(expiry)
            table.pop(key, None)

        expiry = asyncio.get_running_loop().call_later(self.times.give_up, forget)
        self._expiries.add(expiry)


def _key(request: Request, method: str) -> Hashable:
    sent_by = request.get("via").partition(";")[0].split()[-1]
    return request.branch, sent_by, method


def _stamped(request: Request, source: Address) -> Request:
    """The top Via with where the request really came from (18.2.1, RFC 3581 section 4)."""
    via = request.get("via")
    if "rport" in parameters(via):
        stamped = re.sub(
            r";\s*rport(?=;|$|\s)", f";rport={source[1]};received={source[0]}", via, count=1
        )
    else:
        stamped = f"{via};received={source[0]}"
    index = next(n for n, (name, _) in enumerate(request.headers) if name.lower() == "via")
    headers = (*request.headers[:index], ("Via", stamped), *request.headers[index + 1 :])
    return replace(request, headers=headers)


def _answer_to(request: Request, source: Address) -> Address:
    """Where the responses go (18.2.2): back where it came from, or to the port in its Via."""
    if "rport" in parameters(request.get("via")):
        return source
    sent_by = request.get("via").partition(";")[0].split()[-1]
    port = re.search(r":(\d+)$", sent_by)
    return source[0], int(port[1]) if port else 5060
