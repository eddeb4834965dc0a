"""Forgetting a person, with a receipt; and telling them what we hold.

A call stays as a statistic - when, which flow, which way, how it ended - and everything of the
person's goes: the number, what was said, keyed, looked up or recorded, notes and contacts.
Accounts and orders belong to the shop; in the demo shop's own tables a forgotten customer loses
name, number and address, and the orders stay. A do-not-call entry stays too: it is a wish not to be
called, and it cannot be kept without the number.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Text, cast, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cti.db.engine import BEGIN
from cti.db.models import (
    audit_log,
    call_events,
    calls,
    contacts,
    customers,
    do_not_call,
    erasures,
    idempotency_keys,
    journal_gaps,
    notes,
    order_lines,
    orders,
    outbound_attempts,
    outbound_events,
    outbound_jobs,
    outbox,
    recordings,
    survey_answers,
    survey_people,
)
from cti.db.store.scrub import batches, empty_jobs, scrub_calls, unlink
from cti.journal.reading import purge_refused
from cti.phone import e164, national

MESSAGES: Final = 500  # calls of a person whose messages are looked for by the call alone


@dataclass(frozen=True, slots=True)
class Receipt:
    """That a person was forgotten: whom (a slow hash of the number, to be checked with
    `is_receipt_of`), when, by whom, and how many records of each kind changed or went.
    """

    id: str
    at: datetime
    subject: str
    requested_by: str
    counts: Mapping[str, int] = field(default_factory=dict)


class PrivacyStore:
    """`recordings_folder` is where the recordings' paths begin; their files go with them.

    `spool_folder` is the journal's. What an engine has drained of its spool it removes itself,
    within `Options.keep_seconds` (ten minutes).
    """

    def __init__(self, engine: AsyncEngine, recordings_folder: Path, spool_folder: Path) -> None:
        self._engine = engine.execution_options(**{BEGIN: "IMMEDIATE"})
        self._folder = recordings_folder
        self._spool = spool_folder

    async def forget(self, phone: str, requested_by: str) -> Receipt:
        """Erase a person everywhere. `BadInput` when `phone` is no telephone number.

        Calls in which the number was only spoken of, keyed or looked up lose their contents too.
        """
        number = e164(phone)
        digits = national(number)
        async with self._engine.begin() as connection:
            found = await _calls_of(connection, number)
            found += await _calls_that_mention(connection, digits, found)
            paths = await self._recordings_of(connection, found)
            counts = {"calls": len(found), "recordings": len(paths)}
            await scrub_calls(connection, found)
            counts |= await _forget_rows(connection, number, digits, found)
            # Before the commit: rows without files are found by a second try, files alone never.
            await asyncio.to_thread(unlink, self._folder, paths)
            await asyncio.to_thread(purge_refused, self._spool, digits)
            receipt = Receipt(
                str(uuid.uuid4()), datetime.now(UTC), _sealed(number), requested_by, counts
            )
            row = {name: getattr(receipt, name) for name in Receipt.__slots__}
            await connection.execute(insert(erasures), row)
        return receipt

    async def export(self, phone: str) -> dict[str, Any]:
        """Everything we hold of a person, as plain data for JSON; nothing of others' calls."""
        number = e164(phone)
        async with self._engine.connect() as connection:
            found = await _calls_of(connection, number)
            own = await _rows(connection, select(customers).where(customers.c.phone == number))
            ids = [customer["id"] for customer in own]
            placed = await _rows(connection, select(orders).where(orders.c.customer_id.in_(ids)))
            numbers = [order["id"] for order in placed]
            jobs = select(outbound_jobs).where(outbound_jobs.c.phone == number)
            told = select(outbound_events).where(outbound_events.c.phone == number)
            events = select(call_events).order_by(call_events.c.call, call_events.c.sequence)
            lines = select(order_lines).where(order_lines.c.order_id.in_(numbers))
            return {
                "phone": number,
                "at": datetime.now(UTC).isoformat(),
                "customers": own,
                "orders": placed,
                "order_lines": await _rows(connection, lines),
                "calls": await _of(connection, select(calls), calls.c.id, found),
                "events": await _of(connection, events, call_events.c.call, found),
                "recordings": await _of(connection, select(recordings), recordings.c.call, found),
                "answers": await _of(
                    connection, select(survey_answers), survey_answers.c.call, found
                ),
                "surveys": await _rows(
                    connection, select(survey_people).where(survey_people.c.phone == number)
                ),
                "notes": await _rows(connection, select(notes).where(_noted(number, found))),
                "contacts": await _rows(
                    connection, select(contacts).where(contacts.c.phone == number)
                ),
                "outbound_events": await _rows(connection, told),
                "outbound_jobs": await _rows(connection, jobs),
                "do_not_call": await _rows(
                    connection, select(do_not_call).where(do_not_call.c.phone == number)
                ),
            }

    async def _recordings_of(
        self, connection: AsyncConnection, found: Sequence[str]
    ) -> Sequence[str]:
        paths: list[str] = []
        for some in batches(found):
            paths += await connection.scalars(
                select(recordings.c.path).where(recordings.c.call.in_(some))
            )
            await connection.execute(delete(recordings).where(recordings.c.call.in_(some)))
        return paths


def is_receipt_of(receipt: Receipt, phone: str) -> bool:
    """Whether a receipt is this number's. Slow on purpose: numbers are easily tried out."""
    salt, _, _ = receipt.subject.partition("$")
    return secrets.compare_digest(_sealed(e164(phone), salt), receipt.subject)


def _sealed(number: str, salt: str = "") -> str:
    salt = salt or secrets.token_hex(16)
    sealed = hashlib.scrypt(number.encode(), salt=bytes.fromhex(salt), n=2**14, r=8, p=1, dklen=24)
    return f"{salt}${sealed.hex()}"


async def _calls_of(connection: AsyncConnection, number: str) -> list[str]:
    either = or_(calls.c.caller == number, calls.c.dialled == number)
    return list(await connection.scalars(select(calls.c.id).where(either)))


async def _calls_that_mention(
    connection: AsyncConnection, digits: str, known: Sequence[str]
) -> list[str]:
    """Calls in which a number was keyed, spoken of or looked up."""
    text = cast(call_events.c.data, Text)
    query = select(call_events.c.call).where(text.contains(digits, autoescape=True)).distinct()
    return sorted(set(await connection.scalars(query)) - set(known))


def _noted(number: str, found: Sequence[str]) -> Any:
    return or_(notes.c.phone == number, notes.c.call.in_(found))


def _told_of(digits: str, found: Sequence[str]) -> Any:
    """Messages to webhooks of their calls, or with their number in them."""
    of_calls = [outbox.c.key.startswith(f"{call}:", autoescape=True) for call in found[-MESSAGES:]]
    return or_(cast(outbox.c.data, Text).contains(digits, autoescape=True), *of_calls)


async def _forget_rows(
    connection: AsyncConnection, number: str, digits: str, found: Sequence[str]
) -> dict[str, int]:
    """Everything that is not a call's own record."""
    nobody: dict[str, Any] = dict.fromkeys(("name", "phone", "email", "city", "tier"), "")
    nobody["consent"] = None
    statements = {
        "notes": delete(notes).where(_noted(number, found)),
        "contacts": delete(contacts).where(contacts.c.phone == number),
        "customers": update(customers).where(customers.c.phone == number).values(nobody),
        "outbound_attempts": update(outbound_attempts)
        .where(outbound_attempts.c.phone == number)
        .values(phone="", reasons=[]),
        "outbound_events": update(outbound_events)
        .where(outbound_events.c.phone == number)
        .values(phone="", facts={}, order_number=None),
        "outbound_jobs": empty_jobs(outbound_jobs.c.phone == number),
        "surveys": delete(survey_people).where(survey_people.c.phone == number),
        "messages": delete(outbox).where(_told_of(digits, found)),
        "requests": delete(idempotency_keys).where(
            idempotency_keys.c.body.contains(digits, autoescape=True)
        ),
        "journal_gaps": update(journal_gaps)
        .where(journal_gaps.c.detail.contains(digits, autoescape=True))
        .values(detail=""),
        "audit_log": update(audit_log)
        .where(
            or_(
                audit_log.c.subject.contains(digits, autoescape=True),
                cast(audit_log.c.detail, Text).contains(digits, autoescape=True),
            )
        )
        .values(subject="", detail={}),
    }
    counts = {
        name: (await connection.execute(statement)).rowcount
        for name, statement in statements.items()
    }
    kept = await connection.scalars(
        select(do_not_call.c.phone).where(do_not_call.c.phone == number)
    )
    return {**counts, "do_not_call_kept": len(list(kept))}


async def _of(
    connection: AsyncConnection, query: Any, column: Any, found: Sequence[str]
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for some in batches(found):
        rows += await _rows(connection, query.where(column.in_(some)))
    return rows


async def _rows(connection: AsyncConnection, query: Any) -> list[dict[str, Any]]:
    found = await connection.execute(query)
    return [{name: _plain(value) for name, value in row._mapping.items()} for row in found]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, (Decimal, date)) else value
