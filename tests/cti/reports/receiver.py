"""A real SMTP server (aiosmtpd) that keeps what it is given, and can be told to be difficult."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from cti.asterisk import free_ports


@dataclass
class Receiver:
    """`mails`: (recipient, message). Answers of `refuse` are given, one each, to RCPT or DATA."""

    mails: list[tuple[str, EmailMessage]] = field(default_factory=list)
    refuse_rcpt: list[str] = field(default_factory=list)
    refuse_data: list[str] = field(default_factory=list)
    on_rcpt: Callable[[], None] = lambda: None
    on_data: Callable[[], None] = lambda: None
    """Called when the whole message is there, before the server answers."""
    logins: list[str] = field(default_factory=list)
    safe: list[bool] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, to: str, _: Any) -> str:
        self.on_rcpt()
        if self.refuse_rcpt:
            return self.refuse_rcpt.pop(0)
        envelope.rcpt_tos.append(to)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.refuse_data:
            return self.refuse_data.pop(0)
        made = message_from_bytes(envelope.content, policy=default)
        assert isinstance(made, EmailMessage)
        self.mails += [(to, made) for to in envelope.rcpt_tos]
        self.safe.append(session.ssl is not None)
        self.on_data()
        return "250 taken"

    def authenticate(self, server: Any, session: Any, envelope: Any, how: str, given: Any) -> Any:
        assert isinstance(given, LoginPassword)
        self.logins.append(given.login.decode())
        return AuthResult(success=given.password == b"geheim", handled=False)


@asynccontextmanager
async def receiving(
    context: ssl.SSLContext | None = None, *, login: bool = False
) -> AsyncIterator[Receiver]:
    """Beside the test, in a thread of its own."""
    (port,) = free_ports(1)
    made = Receiver(port=port)
    controller = Controller(
        made, hostname="127.0.0.1", port=port, tls_context=context, auth_required=login,
        authenticator=made.authenticate, auth_require_tls=context is not None,
    )  # fmt: skip
    controller.start()
    try:
        yield made
    finally:
        controller.stop()
