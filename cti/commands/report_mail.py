"""`santral reports mail`: who gets which report when, a look before it goes, and sending it."""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cti.reports.mails import NAME, Mails, all_due, load_mails, next_due
from cti.reports.postman import Postman
from cti.reports.worker import Mailing
from cti.settings import Settings
from ivr.errors import BadInput

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


async def run_mail(arguments: argparse.Namespace, engine: AsyncEngine, settings: Settings) -> int:
    mails = load_mails(settings.scenarios / NAME)
    if arguments.name:
        if arguments.name not in mails.mails:
            there = ", ".join(mails.mails) or "none"
            raise BadInput(f"There is no mail {arguments.name!r}; there are: {there}.")
        mails = Mails(mails={arguments.name: mails.mails[arguments.name]})
    if arguments.send and not arguments.dry_run:
        if not settings.smtp:
            raise BadInput("No mail server is set: SANTRAL_SMTP, SANTRAL_MAIL_FROM.")
        post = Mailing.of(settings).post
        sent = await Postman(engine, mails, ZoneInfo(settings.time_zone), post).deliver()
        print(f"{sent} mails sent", file=sys.stderr)
        return 0
    post = Mailing.of(settings).post if settings.smtp else None
    postman = Postman(engine, mails, ZoneInfo(settings.time_zone), post)
    if arguments.dry_run or arguments.out:
        return await _dry(arguments, postman, mails, settings)
    return await _listed(postman, mails, settings)


async def _dry(
    arguments: argparse.Namespace, postman: Postman, mails: Mails, settings: Settings
) -> int:
    for due in all_due(mails, datetime.now(UTC), ZoneInfo(settings.time_zone)):
        made = await postman.preview(due, due.mail.to[0])
        if arguments.out:
            await asyncio.to_thread(Path(arguments.out).write_bytes, bytes(made))
            print(f"{arguments.out}: {due.name}, {due.key}", file=sys.stderr)
            return 0
        print(f"--- {due.name}, {due.key}: to {', '.join(due.mail.to)}")
        print(_text(made))
    return 0


def _text(made: EmailMessage) -> str:
    """The mail's text, and what is attached."""
    body = made.get_body(("plain",))
    assert body is not None
    files = [part.get_filename() or "" for part in made.iter_attachments()]
    attached = [f"[{name}]" for name in files]
    return "\n".join(
        [f"Subject: {made['Subject']}", "", body.get_content().rstrip(), *attached, ""]
    )


async def _listed(postman: Postman, mails: Mails, settings: Settings) -> int:
    zone = ZoneInfo(settings.time_zone)
    if not settings.smtp:
        print("No mail server is set (SANTRAL_SMTP): nothing is sent.", file=sys.stderr)
    if not mails.mails:
        print(f"{settings.scenarios / 'mails.yaml'} names no mail.", file=sys.stderr)
    for name, mail in mails.mails.items():
        coming = next_due(name, mail, datetime.now(UTC), zone)
        print(f"{name}: {', '.join(mail.reports)}, by the {mail.every}, to {', '.join(mail.to)}")
        print(f"  next {coming.moment:%Y-%m-%d %H:%M}, for {coming.key}")
    for row in await postman.states():
        what = f"{row['name']} {row['period']} {row['recipient']}: {row['state']}"
        print(f"  {row['at'].astimezone(zone):%Y-%m-%d %H:%M} {what} {row['error']}".rstrip())
    return 0
