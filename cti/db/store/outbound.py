"""Calls that go out, as the database has them: events, jobs with their reasons, attempts, lists.

What the dialler does with attempts is in `dialling.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cti.db.engine import BEGIN
from cti.db.models import (
    do_not_call,
    outbound_attempts,
    outbound_events,
    outbound_jobs,
    outbound_lanes,
)
from ivr.events import from_json, to_json

OPEN, DONE, NEVER, CANCELLED = "open", "done", "never", "cancelled"  # states of a job
DUE, CLAIMED, DIALLING, TALKED, ENDED = "due", "claimed", "dialling", "talked", "ended"
OWN: Final = "own"  # the shop's own do-not-call list
REMEMBERED: Final = timedelta(days=33)  # how far back calls to a number are looked at


@dataclass(frozen=True, slots=True)
class Job:
    """What one campaign does about one event. `verdict` and `reasons` are the last decision's;
    `next_at` is when the next call is due; `result` and `details` are there when it is over."""

    id: int
    key: str
    event_key: str
    event: str
    campaign: str
    flow: str
    phone: str
    zones: Sequence[str]
    country: str
    consent: bool
    language: str
    order_number: str | None
    customer: Mapping[str, Any]
    facts: Mapping[str, Any]
    priority: int
    state: str
    verdict: str
    reasons: Sequence[Mapping[str, Any]]
    decided_at: datetime
    result: str
    details: Mapping[str, Any]
    next_at: datetime | None
    event_at: datetime
    expires_at: datetime
    created_at: datetime
    closed_at: datetime | None
    told_at: datetime | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call for a job. `id` is the call's and the channel's, too."""

    id: str
    job_id: int
    number: int
    phone: str
    campaign: str
    state: str
    due_at: datetime
    claimed_by: str | None
    claimed_until: datetime | None
    boot: str
    started_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    outcome: str
    reasons: Sequence[Mapping[str, Any]]
    cause: int | None


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job about to be kept. Without a moment `at` there is nothing to be called."""

    campaign: str
    flow: str
    priority: int
    expires_at: datetime
    verdict: str
    at: datetime | None
    reasons: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event about to be kept. `closes` are events whose open jobs for the order it ends."""

    key: str
    name: str
    at: datetime
    phone: str
    order_number: str | None
    facts: Mapping[str, Any]
    customer: Mapping[str, Any]
    zones: Sequence[str] = ()
    country: str = ""
    consent: bool = False
    language: str = ""
    closes: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class DialledCall:
    """A call to a number that was really dialled; an `outcome` of "" is not known yet."""

    at: datetime
    event: str
    campaign: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A number on a do-not-call list."""

    phone: str
    list: str
    reason: str
    source: str
    added_at: datetime
    added_by: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """The lists a number stands on, the calls dialled to it, and the campaign's calls of a day."""

    lists: frozenset[str]
    calls: Sequence[DialledCall]
    day: date
    count: int


_JOB: Final = [outbound_jobs.c[part.name] for part in fields(Job)]
_ATTEMPT: Final = [outbound_attempts.c[part.name] for part in fields(Attempt)]
_LISTED: Final = [do_not_call.c[part.name] for part in fields(Listed)]


def job_of(row: Any) -> Job:
    """A row of `_JOB` as an object, with the facts' own types."""
    job = Job(*row)
    return replace(job, customer=from_json(job.customer), facts=from_json(job.facts))


def job_columns() -> list[Any]:
    return list(_JOB)


def attempt_columns() -> list[Any]:
    return list(_ATTEMPT)


class OutboundStore:
    def __init__(self, engine: AsyncEngine) -> None:
        self._reader = engine
        self._engine = engine.execution_options(**{BEGIN: "IMMEDIATE"})
        self._insert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert

    # --- what comes in

    async def keep(self, event: NewEvent, jobs: Sequence[NewJob], now: datetime) -> bool:
        """Keep an event and what is done about it, all or nothing; False when it was kept before.

        Jobs of `event.closes` for the same order that nobody is being called for are closed; those
        that are on the line end by themselves.
        """
        row = {
            "key": event.key, "name": event.name, "at": event.at, "phone": event.phone,
            "order_number": event.order_number, "facts": to_json(event.facts), "closed": [],
            "received_at": now,
        }  # fmt: skip
        kept = self._insert(outbound_events).values(row).on_conflict_do_nothing()
        async with self._engine.begin() as connection:
            made = await connection.scalar(kept.returning(outbound_events.c.key))
            if made is None:
                return False
            closed = await self._close_for(connection, event, now)
            if closed:
                this = outbound_events.c.key == event.key
                await connection.execute(update(outbound_events).where(this).values(closed=closed))
            for job in jobs:
                await self._add(connection, event, job, now)
        return True

    async def _add(
        self, connection: AsyncConnection, event: NewEvent, job: NewJob, now: datetime
    ) -> None:
        wanted = job.at is not None
        row = {
            "key": f"{event.key}:{job.campaign}", "event_key": event.key, "event": event.name,
            "campaign": job.campaign, "flow": job.flow, "phone": event.phone,
            "zones": list(event.zones), "country": event.country, "consent": event.consent,
            "language": event.language, "order_number": event.order_number,
            "customer": to_json(event.customer), "facts": to_json(event.facts),
            "priority": job.priority, "state": OPEN if wanted else NEVER, "verdict": job.verdict,
            "reasons": list(job.reasons), "decided_at": now, "details": {}, "next_at": job.at,
            "event_at": event.at, "expires_at": job.expires_at, "created_at": now,
            "closed_at": None if wanted else now, "told_at": None if wanted else now,
        }  # fmt: skip
        number = await connection.scalar(insert(outbound_jobs).values(row).returning(_JOB[0]))
        if job.at is not None:
            await connection.execute(insert(outbound_attempts).values(new_attempt(
                int(number or 0), 1, event.phone, job.campaign, job.at, job.reasons
            )))  # fmt: skip

    async def _close_for(
        self, connection: AsyncConnection, event: NewEvent, now: datetime
    ) -> list[int]:
        if not event.closes or not event.order_number:
            return []
        which = (
            outbound_jobs.c.order_number == event.order_number,
            outbound_jobs.c.event.in_(sorted(event.closes)),
        )
        return await cancel(connection, which, f"{event.name} came", now)

    async def cancel_job(self, job: int, why: str, now: datetime) -> bool:
        """Nobody is called for a job any more; False when it is over, or on the line now."""
        async with self._engine.begin() as connection:
            return bool(await cancel(connection, (outbound_jobs.c.id == job,), why, now))

    # --- what is known

    async def event(self, key: str) -> tuple[str, str | None, Sequence[int]] | None:
        """An event's name, order and the jobs it closed; None for an unknown one."""
        columns = (
            outbound_events.c.name, outbound_events.c.order_number, outbound_events.c.closed,
        )  # fmt: skip
        query = select(*columns).where(outbound_events.c.key == key)
        async with self._reader.connect() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else (row[0], row[1], row[2])

    async def of_event(self, key: str) -> Sequence[Job]:
        return await self._jobs(outbound_jobs.c.event_key == key)

    async def job(self, number: int) -> Job | None:
        found = await self._jobs(outbound_jobs.c.id == number)
        return found[0] if found else None

    async def of_order(self, order: str) -> Sequence[Job]:
        """Every job for an order, the first first."""
        return await self._jobs(outbound_jobs.c.order_number == order)

    async def jobs(
        self, *, after: int = 0, limit: int = 50, campaign: str = "", state: str = "",
        phone: str = "", order: str = "",
    ) -> Sequence[Job]:  # fmt: skip
        """The latest first; `after` is the id of the last one seen."""
        wanted: list[ColumnElement[bool]] = [outbound_jobs.c.id < after] if after else []
        given = {"campaign": campaign, "state": state, "phone": phone, "order_number": order}
        wanted += [outbound_jobs.c[name] == value for name, value in given.items() if value]
        query = select(*_JOB).where(*wanted).order_by(outbound_jobs.c.id.desc()).limit(limit)
        async with self._reader.connect() as connection:
            return [job_of(row) for row in await connection.execute(query)]

    async def attempts(self, job: int) -> Sequence[Attempt]:
        """Every attempt of a job, in order; one that is due is the last."""
        query = select(*_ATTEMPT).where(outbound_attempts.c.job_id == job)
        async with self._reader.connect() as connection:
            rows = await connection.execute(query.order_by(outbound_attempts.c.number))
            return [Attempt(*row) for row in rows]

    async def attempt(self, attempt: str) -> Attempt | None:
        query = select(*_ATTEMPT).where(outbound_attempts.c.id == attempt)
        async with self._reader.connect() as connection:
            row = (await connection.execute(query)).one_or_none()
            return None if row is None else Attempt(*row)

    async def counts(self) -> Mapping[str, Mapping[str, int]]:
        """For each campaign: jobs by state (or result), and attempts by state."""
        jobs = select(
            outbound_jobs.c.campaign, outbound_jobs.c.state, outbound_jobs.c.result, func.count()
        ).group_by(outbound_jobs.c.campaign, outbound_jobs.c.state, outbound_jobs.c.result)
        line = (
            select(outbound_attempts.c.campaign, outbound_attempts.c.state, func.count())
            .where(outbound_attempts.c.state != ENDED)
            .group_by(outbound_attempts.c.campaign, outbound_attempts.c.state)
        )
        found: dict[str, dict[str, int]] = {}
        async with self._reader.connect() as connection:
            for campaign, state, result, count in await connection.execute(jobs):
                name = result or state
                mine = found.setdefault(campaign, {})
                mine[name] = mine.get(name, 0) + count
            for campaign, state, count in await connection.execute(line):
                found.setdefault(campaign, {})[f"attempts_{state}"] = count
        return found

    async def outcomes(self, now: datetime) -> Mapping[str, int]:
        """How the calls of the last weeks ended."""
        attempts = outbound_attempts.c
        query = (
            select(attempts.outcome, func.count())
            .where(attempts.started_at > now - REMEMBERED, attempts.outcome != "")
            .group_by(attempts.outcome)
        )
        async with self._reader.connect() as connection:
            return {row[0]: row[1] for row in await connection.execute(query)}

    async def known(
        self, phone: str, campaign: str, now: datetime, zone: ZoneInfo,
        turn: datetime | None = None,
    ) -> Known:  # fmt: skip
        """What decides about a call, read in one go."""
        day = now.astimezone(zone).date()
        async with self._reader.connect() as connection:
            return Known(
                await lists_of(connection, phone, now),
                await calls_to(connection, phone, now),
                day,
                await dialled_on(connection, campaign, day, zone, turn),
            )

    async def lists_of(self, phone: str, now: datetime) -> frozenset[str]:
        """The do-not-call lists that a number stands on."""
        async with self._reader.connect() as connection:
            return await lists_of(connection, phone, now)

    async def calls_to(self, phone: str, now: datetime) -> Sequence[DialledCall]:
        """The calls that were dialled to a number, whatever for."""
        async with self._reader.connect() as connection:
            return await calls_to(connection, phone, now)

    async def dialled_on(
        self, campaign: str, day: date, zone: ZoneInfo, turn: datetime | None = None
    ) -> int:
        """How many calls a campaign has dialled on a day, or is about to (before `turn`)."""
        async with self._reader.connect() as connection:
            return await dialled_on(connection, campaign, day, zone, turn)

    # --- lists

    async def list_number(self, one: Listed) -> bool:
        """Put a number on a list; False when it stood there (then the entry is changed)."""
        row = {part.name: getattr(one, part.name) for part in fields(Listed)}
        made = self._insert(do_not_call).values(row)
        new = made.on_conflict_do_nothing().returning(do_not_call.c.phone)
        async with self._engine.begin() as connection:
            if await connection.scalar(new) is not None:
                return True
            this = (do_not_call.c.phone == one.phone, do_not_call.c.list == one.list)
            await connection.execute(update(do_not_call).where(*this).values(row))
            return False

    async def unlist_number(self, phone: str, name: str = OWN) -> bool:
        gone = delete(do_not_call).where(do_not_call.c.phone == phone, do_not_call.c.list == name)
        async with self._engine.begin() as connection:
            return bool((await connection.execute(gone)).rowcount)

    async def listed(
        self, *, name: str = "", phone: str = "", after: tuple[str, str] = ("", ""),
        limit: int = 50,
    ) -> Sequence[Listed]:  # fmt: skip
        """In the order of numbers; `after` is number and list of the last one seen."""
        columns = do_not_call.c
        wanted = [
            or_(
                columns.phone > after[0],
                (columns.phone == after[0]) & (columns.list > after[1]),
            )
        ]
        if name:
            wanted.append(columns.list == name)
        if phone:
            wanted.append(columns.phone == phone)
        query = select(*_LISTED).where(*wanted).order_by(columns.phone, columns.list).limit(limit)
        async with self._reader.connect() as connection:
            return [Listed(*row) for row in await connection.execute(query)]

    # --- campaigns

    async def pause(self, campaign: str, paused: bool, now: datetime) -> None:
        """Dial nobody for a campaign, in whatever process, or go on. Calls on the line go on."""
        name = lane_of(campaign)
        row = {"name": name, "next_at": now, "paused": paused}
        made = self._insert(outbound_lanes).values(row)
        kept = made.on_conflict_do_update(index_elements=["name"], set_={"paused": paused})
        async with self._engine.begin() as connection:
            await connection.execute(kept)

    async def paused(self) -> frozenset[str]:
        """The campaigns that are paused."""
        query = select(outbound_lanes.c.name).where(outbound_lanes.c.paused)
        async with self._reader.connect() as connection:
            return frozenset(name.partition(":")[2] for name in await connection.scalars(query))

    async def _jobs(self, which: ColumnElement[bool]) -> Sequence[Job]:
        query = select(*_JOB).where(which).order_by(outbound_jobs.c.id)
        async with self._reader.connect() as connection:
            return [job_of(row) for row in await connection.execute(query)]


def lane_of(campaign: str) -> str:
    return f"campaign:{campaign}"


def new_attempt(
    job: int, number: int, phone: str, campaign: str, due: datetime, reasons: Sequence[Any]
) -> dict[str, Any]:
    """The row of an attempt that nobody has claimed."""
    return {
        "id": str(uuid.uuid4()), "job_id": job, "number": number, "phone": phone,
        "campaign": campaign, "state": DUE, "due_at": due, "reasons": list(reasons),
    }  # fmt: skip


async def cancel(
    connection: AsyncConnection, which: Sequence[ColumnElement[bool]], why: str, now: datetime
) -> list[int]:
    """Close open jobs whose attempt nobody has begun; their ids."""
    attempts = outbound_attempts.c
    waits = (
        select(outbound_jobs.c.id, attempts.id)
        .join(outbound_attempts, attempts.job_id == outbound_jobs.c.id)
        .where(*which, outbound_jobs.c.state == OPEN, attempts.state == DUE)
        .with_for_update(of=outbound_attempts)
    )
    found = (await connection.execute(waits)).all()
    if not found:
        return []
    jobs = [row[0] for row in found]
    ended = update(outbound_attempts).where(attempts.id.in_([row[1] for row in found]))
    await connection.execute(ended.values(state=ENDED, ended_at=now, outcome=CANCELLED))
    closed = update(outbound_jobs).where(outbound_jobs.c.id.in_(jobs))
    await connection.execute(
        closed.values(
            state=CANCELLED,
            result=CANCELLED,
            details={"why": why},
            next_at=None,
            closed_at=now,
            told_at=now,
        )
    )
    return jobs


async def lists_of(connection: AsyncConnection, phone: str, now: datetime) -> frozenset[str]:
    query = select(do_not_call.c.list).where(
        do_not_call.c.phone == phone,
        or_(do_not_call.c.expires_at.is_(None), do_not_call.c.expires_at > now),
    )
    return frozenset(await connection.scalars(query))


async def calls_to(connection: AsyncConnection, phone: str, now: datetime) -> Sequence[DialledCall]:
    attempts = outbound_attempts.c
    query = (
        select(attempts.started_at, outbound_jobs.c.event_key, attempts.campaign, attempts.outcome)
        .join(outbound_jobs, outbound_jobs.c.id == attempts.job_id)
        .where(attempts.phone == phone, attempts.started_at > now - REMEMBERED)
        .order_by(attempts.started_at)
    )
    return [DialledCall(*row) for row in await connection.execute(query)]


async def dialled_on(
    connection: AsyncConnection,
    campaign: str,
    day: date,
    zone: ZoneInfo,
    turn: datetime | None = None,
) -> int:
    """Dialled on that day, or claimed now: whoever is claimed may be dialled in a moment. A claimed
    attempt is due at its turn."""
    begin = datetime.combine(day, datetime.min.time(), zone).astimezone(UTC)
    end = datetime.combine(day + timedelta(days=1), datetime.min.time(), zone).astimezone(UTC)
    attempts = outbound_attempts.c
    mine = select(func.count()).select_from(outbound_attempts).where(attempts.campaign == campaign)
    dialled = await connection.scalar(
        mine.where(attempts.started_at >= begin, attempts.started_at < end)
    )
    waiting = mine.where(attempts.state == CLAIMED)
    if turn is not None:
        waiting = waiting.where(attempts.due_at < turn)
    claimed = await connection.scalar(waiting)
    return int(dialled or 0) + int(claimed or 0)
