"""Sends report mails: each to each person once for its period, whatever dies in between.

A row of `report_mails` says how far one has come. What was claimed and not begun is taken up by
whoever comes next. From `sending` on, which is committed just before the message's first byte
goes, nobody knows whether it arrived: such a mail is never sent again, and is told of as `unknown`.
So a crash may cost a mail (in the moment between the message and the server's word), never double
one; and no two engines send the same.
"""

from __future__ import annotations

import asyncio
import logging
import smtplib
import ssl
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from sqlalchemy import and_, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from cti import reports
from cti.db.engine import BEGIN
from cti.db.models import report_mails
from cti.reports.letter import Sender, letter, message_id
from cti.reports.mails import Due, Mails, all_due
from cti.reports.query import Query
from cti.reports.table import Table
from ivr.errors import BadInput

log = logging.getLogger(__name__)
LEASE: Final = timedelta(minutes=5)
AGAIN: Final = (60, 300, 900, 3600)  # seconds until the next try; the last one from then on
LATE: Final = {"day": timedelta(hours=20), "week": timedelta(days=3), "month": timedelta(days=7)}
DEADLINE: Final = 20.0  # seconds an SMTP command may take
DATA_DEADLINE: Final = 120.0  # RFC 5321 4.5.3.2 asks for patience at the end of a message
PORTS: Final = {"smtp": 587, "smtps": 465}
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Post:
    """Where mails are handed in: `smtp://user@host:587` (with STARTTLS, which only a server on this
    machine may lack) or `smtps://…:465`."""

    url: str
    sender: Sender
    password: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if self.parts.scheme not in PORTS or not self.parts.hostname:
            raise BadInput("The mail server is written smtp://user@host:587 or smtps://host:465.")
        if "@" not in self.sender.address:
            raise BadInput("Mails need a sender's address: SANTRAL_MAIL_FROM.")

    @property
    def parts(self) -> Any:
        return urlsplit(self.url)


class Undelivered(Exception):
    """The server did not take it. `later`: another try may go well."""

    def __init__(self, why: str, *, later: bool) -> None:
        super().__init__(why)
        self.later = later


class Postman:
    """`deliver` now and then; `Postman.preview` for people who want to see first."""

    def __init__(
        self,
        engine: AsyncEngine,
        mails: Mails,
        zone: ZoneInfo,
        post: Post | None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = engine
        self._writing = engine.execution_options(**{BEGIN: "IMMEDIATE"})
        self._mails, self._zone, self._post, self._now = mails, zone, post, now
        self._me = uuid.uuid4().hex

    async def deliver(self) -> int:
        """Send what is due. How many were sent."""
        await self._give_up_on_the_unknown()
        sent = 0
        for due in all_due(self._mails, self._now(), self._zone):
            if self._now() - due.moment > LATE[due.mail.every]:
                continue
            tables: Sequence[Table] | None = None
            for to in due.mail.to:
                if not await self._claim(due, to):
                    continue
                try:
                    tables = tables or await self.tables(due)
                    sent += await self._send(due, to, tables)
                except BadInput as error:  # the file asks for what no report can answer
                    await self._set(due, to, "failed", str(error))
        return sent

    async def tables(self, due: Due) -> Sequence[Table]:
        """The reports of a mail. Raises `BadInput`."""
        filters: dict[str, Any] = dict(due.mail.filters)
        query = replace(Query(due.period, unit=due.mail.unit), **filters)
        return [await reports.make(self._engine, name, query) for name in due.mail.reports]

    async def preview(self, due: Due, to: str) -> EmailMessage:
        """The mail as it would go."""
        from cti import demo_history

        sender = self._post.sender if self._post else Sender("santral@localhost")
        demo = await demo_history.is_there(self._engine)
        return letter(due, to, await self.tables(due), sender, demo=demo, now=self._now())

    async def states(self) -> Sequence[Mapping[str, Any]]:
        """What became of the last hundred."""
        asked = select(report_mails).order_by(report_mails.c.at.desc()).limit(100)
        async with self._engine.connect() as connection:
            return [dict(row._mapping) for row in await connection.execute(asked)]

    # --- who sends it

    async def _claim(self, due: Due, to: str) -> bool:
        """Whether it is ours to send now."""
        c, now = report_mails.c, self._now()
        row = {
            "name": due.name, "period": due.key, "recipient": to, "state": "claimed",
            "by": self._me, "at": now, "tries": 1, "error": "",
        }  # fmt: skip
        with suppress(IntegrityError):
            async with self._writing.begin() as connection:
                await connection.execute(insert(report_mails), row)
            return True
        free = or_(
            and_(c.state == "claimed", c.at < now - LEASE), and_(c.state == "waiting", c.at <= now)
        )
        change = update(report_mails).where(*_same(due, to), free)
        async with self._writing.begin() as connection:
            taken = await connection.execute(
                change.values(state="claimed", by=self._me, at=now, tries=c.tries + 1)
            )
        return taken.rowcount == 1

    async def _set(self, due: Due, to: str, state: str, error: str = "", wait: float = 0.0) -> bool:
        """The next state of what is ours; False when it is not any more."""
        c = report_mails.c
        change = update(report_mails).where(*_same(due, to), c.by == self._me)
        before = ("claimed",) if state == "sending" else ("claimed", "sending")
        values = {"state": state, "error": error, "at": self._now() + timedelta(seconds=wait)}
        async with self._writing.begin() as connection:
            done = await connection.execute(change.where(c.state.in_(before)).values(values))
        return done.rowcount == 1

    async def _give_up_on_the_unknown(self) -> None:
        c = report_mails.c
        lost = and_(c.state == "sending", c.at < self._now() - LEASE)
        async with self._writing.begin() as connection:
            done = await connection.execute(
                update(report_mails).where(lost).values(
                    state="unknown", error="whoever sent it died before the server answered"
                )
            )  # fmt: skip
        if done.rowcount:
            log.warning("%d report mails may or may not have been sent", done.rowcount)

    # --- sending

    async def _send(self, due: Due, to: str, tables: Sequence[Table]) -> bool:
        from cti import demo_history

        if self._post is None:
            await self._set(due, to, "waiting", "no mail server is set (SANTRAL_SMTP)", AGAIN[-1])
            return False
        sender = self._post.sender
        demo = await demo_history.is_there(self._engine)
        made = await asyncio.to_thread(letter, due, to, tables, sender, demo=demo, now=self._now())
        try:
            async with handed_in(self._post, sender.address, to) as data:
                if not await self._set(due, to, "sending"):
                    return False  # another engine has taken it meanwhile
                await data(made)
        except Undelivered as error:
            await self._failed(due, to, error)
            return False
        except (OSError, TimeoutError, smtplib.SMTPException) as error:
            await self._set(due, to, "unknown", f"{type(error).__name__} after the message went")
            log.warning("report mail %s %s: unknown whether it arrived", due.name, due.key)
            return False
        await self._set(due, to, "sent")
        log.info("report mail %s for %s sent: %s", due.name, due.key, message_id(due, to, sender))
        return True

    async def _failed(self, due: Due, to: str, error: Undelivered) -> None:
        log.warning("report mail %s for %s: %s", due.name, due.key, error)
        if not error.later:
            await self._set(due, to, "failed", str(error))
            return
        asked = select(report_mails.c.tries).where(*_same(due, to))
        async with self._engine.connect() as connection:
            tries = (await connection.execute(asked)).scalar_one()
        await self._set(due, to, "waiting", str(error), AGAIN[min(tries, len(AGAIN)) - 1])


def _same(due: Due, to: str) -> tuple[Any, ...]:
    c = report_mails.c
    return c.name == due.name, c.period == due.key, c.recipient == to


@asynccontextmanager
async def handed_in(post: Post, sender: str, to: str) -> AsyncIterator[Any]:
    """Everything before the message itself; what is yielded sends that, and returns when the server
    has taken it. `Undelivered` when it certainly has not; whatever else is raised leaves it open.
    """
    try:
        server = await asyncio.to_thread(_opened, post, sender, to)
    except (OSError, smtplib.SMTPException) as error:
        raise Undelivered(_why(error), later=_later(error)) from error

    async def data(message: EmailMessage) -> None:
        try:
            if server.sock is not None:
                server.sock.settimeout(DATA_DEADLINE)
            code, said = await asyncio.to_thread(server.data, message.as_bytes(policy=WIRE))
        except smtplib.SMTPDataError as error:  # refused before the first byte of it
            raise Undelivered(_why(error), later=_later(error)) from error
        if code != 250:
            raise Undelivered(_said(code, said), later=400 <= code < 500)

    try:
        yield data
    finally:
        await asyncio.to_thread(_closed, server)


def _opened(post: Post, sender: str, to: str) -> smtplib.SMTP:
    """In a thread: connected, safe, known, and agreed about whom it is for."""
    parts, context = post.parts, ssl.create_default_context()
    port = parts.port or PORTS[parts.scheme]
    server: smtplib.SMTP
    if parts.scheme == "smtps":
        server = smtplib.SMTP_SSL(parts.hostname, port, timeout=DEADLINE, context=context)
    else:
        server = smtplib.SMTP(parts.hostname, port, timeout=DEADLINE)
    try:
        server.ehlo()
        if parts.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls(context=context)
            server.ehlo()
        elif parts.scheme == "smtp" and parts.hostname not in LOOPBACK:
            raise smtplib.SMTPNotSupportedError("it offers no STARTTLS; nothing is sent in clear")
        if parts.username:
            server.login(unquote(parts.username), post.password)
        for code, said in (server.mail(sender), server.rcpt(to)):
            if code not in (250, 251):
                raise smtplib.SMTPResponseException(code, said)
    except smtplib.SMTPResponseException:
        _closed(server)
        raise
    except BaseException:  # it may not answer any more
        server.close()
        raise
    return server


def _closed(server: smtplib.SMTP) -> None:
    if server.sock is not None:
        server.sock.settimeout(DEADLINE)
    with suppress(OSError, smtplib.SMTPException):
        server.quit()
    server.close()


def _later(error: Exception) -> bool:
    if isinstance(error, smtplib.SMTPResponseException):
        return 400 <= error.smtp_code < 500 or error.smtp_code in (530, 534, 535)  # can be mended
    return True


def _why(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return _said(error.smtp_code, error.smtp_error)
    return f"{type(error).__name__}: {error}"[:200]


def _said(code: int, said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return f"{code} {text}"[:200]
