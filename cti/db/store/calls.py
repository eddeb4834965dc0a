"""What calls there were: asked with filters, followed live, found by the beginning of an id."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.models import calls
from cti.phone import e164_or_same

RUNNING: Final = "running"  # the outcome of a call that is not over
OVERLAP: Final = timedelta(seconds=5)  # several engines' clocks, and commits that overtake

_EVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call as its events add up. Times are UTC; `ended_at` is None while it goes on."""

    id: str
    started_at: datetime
    ended_at: datetime | None
    caller: str
    dialled: str
    direction: str
    flow: str
    version: str
    language: str
    channel: str
    entries: int
    why: str
    ended_flow: str
    ended_step: str
    transferred_to: str
    transferred_kind: str
    error: str
    changed_at: datetime

    @property
    def outcome(self) -> str:
        return self.why or RUNNING

    @property
    def seconds(self) -> float | None:
        """How long it was; None while it goes on."""
        return None if self.ended_at is None else (self.ended_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Which calls; what is empty is not asked. `caller` may be the beginning of a number.

    `outcome` is why a call ended (`hangup`, `caller_hung_up`, `transfer`, …) or `running`.
    """

    since: datetime | None = None
    until: datetime | None = None
    caller: str = ""
    dialled: str = ""
    flow: str = ""
    outcome: str = ""
    region: str = "TR"

    def apply(self, query: Select[Any]) -> Select[Any]:
        if self.since:
            query = query.where(calls.c.started_at >= self.since)
        if self.until:
            query = query.where(calls.c.started_at < self.until)
        for name in ("caller", "dialled"):
            if wanted := getattr(self, name):
                number = e164_or_same(wanted, self.region)
                query = query.where(calls.c[name].startswith(number, autoescape=True))
        if self.flow:
            query = query.where(calls.c.flow == self.flow)
        if self.outcome:
            query = query.where(calls.c.why == ("" if self.outcome == RUNNING else self.outcome))
        return query


_COLUMNS: Final = [calls.c[part.name] for part in fields(CallRecord)]


class CallStore:
    """Reads the calls table; the journal's drain writes it."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(
        self,
        which: CallFilter,
        *,
        limit: int = 100,
        offset: int = 0,
        after: tuple[datetime, str] | None = None,
    ) -> Sequence[CallRecord]:
        """The latest calls first; `after` is when the last one seen started, and its id."""
        query = which.apply(select(*_COLUMNS)).order_by(calls.c.started_at.desc(), calls.c.id)
        if after is not None:
            started, call = after
            same = and_(calls.c.started_at == started, calls.c.id > call)
            query = query.where(or_(calls.c.started_at < started, same))
        return await self._records(query.limit(limit).offset(offset))

    async def of_id(self, beginning: str, *, limit: int = 10) -> Sequence[CallRecord]:
        """The calls whose id begins so: one, if enough of it is given. None for an empty one."""
        if not beginning:
            return ()
        query = select(*_COLUMNS).where(calls.c.id.startswith(beginning, autoescape=True))
        return await self._records(query.order_by(calls.c.started_at.desc()).limit(limit))

    async def follow(
        self, which: CallFilter, *, every: float = 0.5, since: datetime | None = None
    ) -> AsyncIterator[CallRecord]:
        """Each call as it changes (begins, is transferred, ends, …), for ever.

        From `since`, else from now on. Asks the database `every` so many seconds.
        """
        last = since or datetime.now(UTC)
        seen: dict[str, CallRecord] = {}
        told = since is not None  # else what the first look finds is what was there before
        while True:
            query = which.apply(select(*_COLUMNS).where(calls.c.changed_at > last - OVERLAP))
            for record in await self._records(query.order_by(calls.c.changed_at).limit(1000)):
                new = seen.get(record.id) != record and record.changed_at >= (since or _EVER)
                seen[record.id] = record
                last = max(last, record.changed_at)
                if new and told:
                    yield record
            told = True
            seen = {key: one for key, one in seen.items() if one.changed_at > last - 2 * OVERLAP}
            await asyncio.sleep(every)

    async def _records(self, query: Select[Any]) -> list[CallRecord]:
        async with self._engine.connect() as connection:
            return [CallRecord(*row) for row in await connection.execute(query)]
