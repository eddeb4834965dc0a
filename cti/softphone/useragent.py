"""What every call and the registration share: the socket, who we are, and answering challenges."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cti.softphone.digest import Challenge, Credentials, best
from cti.softphone.media import Pump
from cti.softphone.sip import Request, Response, parse_uri, uri_in
from cti.softphone.transactions import Address, ClientTransaction
from cti.softphone.wire import Wire

_TRIES = 3  # without a nonce or with an old one, with a fresh one, and once more if that was stale


@dataclass(slots=True)
class UserAgent:
    """`server` is where requests go unless a dialog says otherwise; None for a phone that only
    talks to other phones."""

    wire: Wire
    pump: Pump
    user: str
    host: str
    server: Address | None
    credentials: Credentials | None
    codecs: Sequence[str]
    background: Callable[[Coroutine[Any, Any, None]], None]
    _challenge: Challenge | None = field(default=None, init=False)
    _count: int = field(default=0, init=False)

    @property
    def contact(self) -> str:
        host, port = self.wire.address
        return f"<sip:{self.user}@{host}:{port}>"

    def next_hop(self, request: Request) -> Address:
        """The first Route or the request's URI if that is an address, else our server (8.1.2)."""
        uri = parse_uri(uri_in(request.get("route") or request.uri))
        try:
            ipaddress.ip_address(uri.host)
        except ValueError:
            return self.server or (uri.host, uri.port or 5060)
        return uri.host, uri.port or 5060

    async def ask(
        self,
        make: Callable[[], Request],
        *,
        to: Address | None = None,
        on_provisional: Callable[[Response], None] | None = None,
        on_sent: Callable[[ClientTransaction], None] | None = None,
    ) -> tuple[ClientTransaction, Response | None]:
        """Send a request and get its final response; None when there was none in time.

        A challenge is answered with a new request from `make` (22.2).
        """
        tried = 0
        while True:
            request = self._signed(make())
            sent = self.wire.request(request, to or self.next_hop(request), on_provisional)
            if on_sent:
                on_sent(sent)
            response = await sent.final
            tried += 1
            if response is None or response.code not in {401, 407}:
                return sent, response
            challenge = _challenge(response)
            fresh = tried == 1 or (challenge is not None and challenge.stale)
            if not challenge or not self.credentials or not fresh or tried == _TRIES:
                return sent, response
            self._challenge, self._count = challenge, 0

    def _signed(self, request: Request) -> Request:
        """The request with an answer to the last challenge, if there was one."""
        if not self._challenge or not self.credentials:
            return request
        self._count += 1
        header = self.credentials.answer(
            self._challenge,
            request.method,
            request.uri,
            count=self._count,
            cnonce=secrets.token_hex(8),
        )
        return replace(request, headers=(*request.headers, header))


def _challenge(response: Response) -> Challenge | None:
    proxy = response.code == 407
    values = response.all("proxy-authenticate" if proxy else "www-authenticate")
    return best([Challenge.parse(value, proxy=proxy) for value in values])
