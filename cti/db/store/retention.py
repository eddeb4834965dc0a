"""Forgetting by age: each kind of record has its own. For a job every night."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import Delete, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.engine import BEGIN
from cti.db.models import (
    audit_log,
    call_events,
    calls,
    contacts,
    deliveries,
    idempotency_keys,
    notes,
    outbound_jobs,
    outbox,
    recordings,
    survey_invitations,
    survey_people,
)
from cti.db.store.outbox import WAITING
from cti.db.store.scrub import BATCH, batches, empty_jobs, scrub_calls, unlink

REQUESTS: Final = 7  # days in which the shop may send the same request again
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Retention:
    """How many days each kind of record is kept; None keeps it for ever.

    `personal` is what tells of a person in a call (number, words, values, notes, contacts);
    `events` is a call's whole way, after which only its line in the list of calls is left.
    """

    recordings: int | None = 90
    personal: int | None = 180
    events: int | None = 730
    audit: int | None = 730


async def retire(
    engine: AsyncEngine, recordings_folder: Path, keep: Retention, now: datetime | None = None
) -> Mapping[str, int]:
    """Remove what is older than it may be kept, in small transactions. How many of each kind."""
    job = _Job(engine, recordings_folder, now or datetime.now(UTC))
    kinds = {
        "recordings": (keep.recordings, job.recordings),
        "personal": (keep.personal, job.personal),
        "events": (keep.events, job.events),
        "audit": (keep.audit, job.audit),
    }
    kinds["requests"] = (REQUESTS, job.requests)
    counts = {
        name: await work(job.now - timedelta(days=days))
        for name, (days, work) in kinds.items()
        if days is not None
    }
    log.info("retention: %s", counts)
    return counts


class _Job:
    def __init__(self, engine: AsyncEngine, folder: Path, now: datetime) -> None:
        self.engine = engine.execution_options(**{BEGIN: "IMMEDIATE"})
        self.folder = folder
        self.now = now

    async def recordings(self, before: datetime) -> int:
        query = select(recordings.c.id, recordings.c.path).where(
            recordings.c.made_at < before, recordings.c.deleted_at.is_(None)
        )
        async with self.engine.connect() as connection:
            old = (await connection.execute(query)).all()
        for some in batches(old):
            # The file first: a row without a file is found by the next run, a file alone never.
            await asyncio.to_thread(unlink, self.folder, [path for _, path in some])
            async with self.engine.begin() as connection:
                await connection.execute(
                    update(recordings)
                    .where(recordings.c.id.in_([number for number, _ in some]))
                    .values(deleted_at=self.now, path="", transcript=None)
                )
        return len(old)

    async def personal(self, before: datetime) -> int:
        """Calls that lost their contents. One that was withheld from both ends has a channel."""
        named = or_(calls.c.caller != "", calls.c.dialled != "", calls.c.channel != "")
        query = select(calls.c.id).where(calls.c.started_at < before, named).limit(BATCH)
        total = 0
        while True:
            async with self.engine.begin() as connection:
                some = list(await connection.scalars(query))
                await scrub_calls(connection, some)
                if not total:
                    await connection.execute(delete(notes).where(notes.c.at < before))
                    await connection.execute(delete(contacts).where(contacts.c.at < before))
                    await connection.execute(empty_jobs(outbound_jobs.c.closed_at < before))
                    await connection.execute(_delivered(before))
                    await connection.execute(
                        delete(survey_people).where(survey_people.c.asked_at < before)
                    )
            total += len(some)
            if len(some) < BATCH:
                return total

    async def events(self, before: datetime) -> int:
        old = select(calls.c.id).where(
            calls.c.started_at < before, calls.c.id.in_(select(call_events.c.call))
        )
        total = 0
        while True:
            async with self.engine.begin() as connection:
                if not total:
                    decided = survey_invitations.c.at < before
                    await connection.execute(delete(survey_invitations).where(decided))
                some = list(await connection.scalars(old.limit(BATCH)))
                gone = delete(call_events).where(call_events.c.call.in_(some))
                total += (await connection.execute(gone)).rowcount
            if len(some) < BATCH:
                return total

    async def audit(self, before: datetime) -> int:
        async with self.engine.begin() as connection:
            old = delete(audit_log).where(audit_log.c.at < before)
            return (await connection.execute(old)).rowcount

    async def requests(self, before: datetime) -> int:
        async with self.engine.begin() as connection:
            old = delete(idempotency_keys).where(idempotency_keys.c.made_at < before)
            return (await connection.execute(old)).rowcount


def _delivered(before: datetime) -> Delete:
    """Messages of before that nobody waits for any more."""
    waits = select(deliveries.c.message_id).where(deliveries.c.state == WAITING)
    return delete(outbox).where(outbox.c.made_at < before, outbox.c.id.not_in(waits))
