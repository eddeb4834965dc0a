"""Everything that happened about one order, from the event to the message that went back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.models import (
    calls,
    deliveries,
    outbound_attempts,
    outbound_events,
    outbound_jobs,
    outbox,
    recordings,
)
from cti.db.money import order_currency, order_hundredths
from cti.services.notifier import DESK

MOST: Final = 500  # of each kind


@dataclass(frozen=True, slots=True)
class ToldEvent:
    """An event as it was kept; `closed` are the jobs that it put an end to."""

    key: str
    name: str
    at: datetime
    received_at: datetime
    closed: Sequence[int]


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing in the timeline. `what` is one of event, decision, dialled, answered, ended,
    closed, note, message; `about` names what it belongs to; `data` is what is to be told of it."""

    at: datetime
    what: str
    about: str
    data: Mapping[str, Any]


class TimelineStore:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def events(self, order: str) -> Sequence[ToldEvent]:
        """What the shop told of an order, the first first."""
        c = outbound_events.c
        query = select(c.key, c.name, c.at, c.received_at, c.closed)
        query = query.where(c.order_number == order).order_by(c.received_at, c.key).limit(MOST)
        async with self._engine.connect() as connection:
            return [ToldEvent(*row) for row in await connection.execute(query)]

    async def of_order(self, order: str) -> Sequence[Happening]:
        """Everything, in the order it happened."""
        found = [
            Happening(one.received_at, "event", one.key, {"event": one.name})
            for one in await self.events(order)
        ]
        j, a = outbound_jobs.c, outbound_attempts.c
        jobs = select(
            j.id, j.campaign, j.verdict, j.state, j.result, j.decided_at, j.closed_at, j.next_at
        ).where(j.order_number == order)
        attempts = (
            select(a.id, a.number, a.campaign, a.started_at, a.answered_at, a.ended_at, a.outcome)
            .join(outbound_jobs, j.id == a.job_id)
            .where(j.order_number == order)
            .limit(MOST)
        )
        async with self._engine.connect() as connection:
            for job in await connection.execute(jobs.limit(MOST)):
                found += _of_job(job)
            tried = (await connection.execute(attempts)).all()
            for row in tried:
                found += _of_attempt(row)
            ids = [row.id for row in tried]
            notes = select(recordings.c.made_at, recordings.c.call, recordings.c.name,
                           recordings.c.ms, recordings.c.transcript)  # fmt: skip
            for at, call, name, ms, text in await connection.execute(
                notes.where(recordings.c.call.in_(ids))
            ):
                data = {"name": name, "seconds": ms / 1000, "transcript": text}
                found.append(Happening(at, "note", call, data))
            said = select(calls.c.id, calls.c.ended_at, calls.c.why, calls.c.ended_step)
            for call, at, why, step in await connection.execute(said.where(calls.c.id.in_(ids))):
                if at is not None:
                    found.append(Happening(at, "talked", call, {"ended": why, "step": step}))
            messages = select(
                outbox.c.key, outbox.c.event, outbox.c.made_at, deliveries.c.place,
                deliveries.c.state, deliveries.c.attempts,
            ).join(deliveries, deliveries.c.message_id == outbox.c.id)  # fmt: skip
            of_calls = [outbox.c.key.startswith(f"{call}:", autoescape=True) for call in ids]
            of_jobs = outbox.c.key.in_([one.about for one in found if one.what == "decision"])
            which = messages.where(deliveries.c.place != DESK, or_(of_jobs, *of_calls))
            for key, event, at, place, state, tries in await connection.execute(which):
                data = {"event": event, "webhook": place, "state": state, "tries": tries}
                found.append(Happening(at, "message", key, data))
        return sorted(found, key=lambda one: one.at)

    async def money(self, result: str, since: datetime) -> Mapping[str, Mapping[str, Decimal]]:
        """What the orders come to whose jobs had a result since then: by campaign and currency."""
        c = outbound_jobs.c
        amount = order_hundredths(c.facts, self._engine.dialect.name)
        currency = order_currency(c.facts)
        query = select(c.campaign, currency, func.sum(amount)).where(
            c.result == result, c.closed_at >= since
        )
        made: dict[str, dict[str, Decimal]] = {}
        async with self._engine.connect() as connection:
            rows = await connection.execute(query.group_by(c.campaign, currency))
            for campaign, unit, cents in rows:
                if cents is not None:
                    made.setdefault(campaign, {})[unit or ""] = Decimal(int(cents)).scaleb(-2)
        return made


def _of_job(row: Any) -> list[Happening]:
    job, data = str(row.id), {"campaign": row.campaign}
    made = [
        Happening(
            row.decided_at, "decision", job,
            {**data, "verdict": row.verdict, "next_at": row.next_at and row.next_at.isoformat()},
        )
    ]  # fmt: skip
    if row.closed_at is not None and row.state != "never":
        made.append(
            Happening(row.closed_at, "closed", job, {**data, "result": row.result or row.state})
        )
    return made


def _of_attempt(row: Any) -> list[Happening]:
    data = {"campaign": row.campaign, "number": row.number}
    made = []
    for what, at in (
        ("dialled", row.started_at), ("answered", row.answered_at), ("ended", row.ended_at),
    ):  # fmt: skip
        if at is not None and (row.started_at is not None):
            extra = {"outcome": row.outcome} if what == "ended" else {}
            made.append(Happening(at, what, row.id, {**data, **extra}))
    return made
