"""Attempts on their way: claimed by one dialler at a time, begun, ended, and what follows.

Whoever claims holds the row of the campaign's and the trunk's lane, so the pace is one pace for all
processes; of attempts only rows that nobody else holds are taken (SKIP LOCKED). SQLite has one
writer at a time, which promises the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import bindparam, delete, exists, func, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cti.db.engine import BEGIN
from cti.db.models import (
    calls,
    outbound_attempts,
    outbound_jobs,
    outbound_lanes,
    outbound_numbers,
    recordings,
)
from cti.db.store.outbound import (
    CLAIMED,
    DIALLING,
    DONE,
    DUE,
    ENDED,
    NEVER,
    OPEN,
    TALKED,
    Attempt,
    Job,
    attempt_columns,
    job_columns,
    job_of,
    lane_of,
    new_attempt,
)
from cti.db.types import UtcDateTime

ON_THE_LINE: Final = (CLAIMED, DIALLING)
MANY: Final = 1000  # values in one statement
# One statement for a whole batch: many small ones cost a round trip each.
MARK: Final = text(
    "UPDATE outbound_attempts AS a SET state = 'claimed', claimed_by = :owner,"
    " claimed_until = :until, due_at = turns.at"
    " FROM unnest(CAST(:ids AS text[]), CAST(:turns AS timestamptz[])) AS turns(id, at)"
    " WHERE a.id = turns.id"
).bindparams(bindparam("until", type_=UtcDateTime))
WIDTH: Final = len(attempt_columns())
_a, _j = outbound_attempts.c, outbound_jobs.c


@dataclass(frozen=True, slots=True)
class Limit:
    """Calls at once and a second."""

    at_once: int
    per_second: float


@dataclass(frozen=True, slots=True)
class Lane:
    """A campaign's way out: its limit, its trunk's, and every campaign that uses the trunk."""

    campaign: str
    limit: Limit
    trunk: str
    trunk_limit: Limit
    campaigns: Collection[str]


@dataclass(frozen=True, slots=True)
class Claim:
    """An attempt that is ours; it may be dialled at `at`."""

    attempt: Attempt
    job: Job
    at: datetime


@dataclass(frozen=True, slots=True)
class Next:
    """What follows an attempt: another one at `at`, or the end of the job with a `result`.

    `state` is that of the job when it is over; `told`: nobody has to be told how it ended.
    """

    verdict: str
    reasons: Sequence[Mapping[str, Any]]
    at: datetime | None = None
    state: str = DONE
    result: str = ""
    details: Mapping[str, Any] | None = None


class DiallingStore:
    """`owner` names this dialler; what it claims is its own until the lease runs out."""

    def __init__(self, engine: AsyncEngine, owner: str, lease: float = 15.0) -> None:
        self.owner, self.lease = owner, timedelta(seconds=lease)
        self._reader = engine
        self._engine = engine.execution_options(**{BEGIN: "IMMEDIATE"})
        self._insert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert

    # --- claiming

    async def claim(
        self, lane: Lane, now: datetime, most: int, ahead: timedelta
    ) -> Sequence[Claim]:
        """Up to `most` due attempts, each with the moment it may be dialled, at most `ahead`."""
        async with self._engine.begin() as connection:
            next_at = await self._lanes(connection, lane, now)
            if next_at is None:
                return ()
            slots, after = _slots(lane, next_at, now, await self._room(connection, lane, most),
                                  ahead)  # fmt: skip
            if not slots:
                return ()
            found = await self._due(connection, lane.campaign, now, len(slots))
            if not found:
                return ()
            await self._mark(connection, [a.id for a, _ in found], slots, now)
            for name, moment in zip((lane_of(lane.campaign), _trunk(lane.trunk)),
                                    after[len(found) - 1], strict=True):  # fmt: skip
                await connection.execute(
                    update(outbound_lanes)
                    .where(outbound_lanes.c.name == name)
                    .values(next_at=moment)
                )
        return [Claim(a, j, at) for (a, j), at in zip(found, slots, strict=False)]

    async def _mark(
        self,
        connection: AsyncConnection,
        attempts: Sequence[str],
        slots: Sequence[datetime],
        now: datetime,
    ) -> None:
        """They are ours, each due at its turn: by that the calls about to be made are ordered."""
        turns = slots[: len(attempts)]
        until = now + self.lease
        if connection.dialect.name == "postgresql":
            known = {"ids": list(attempts), "turns": turns, "owner": self.owner, "until": until}
            await connection.execute(MARK, known)
            return
        statement = (
            update(outbound_attempts)
            .where(_a.id == bindparam("_id"))
            .values(
                state=CLAIMED, claimed_by=self.owner, claimed_until=until,
                due_at=bindparam("_turn"),
            )
        )  # fmt: skip
        rows = [{"_id": a, "_turn": at} for a, at in zip(attempts, turns, strict=True)]
        await connection.execute(statement, rows)

    async def _lanes(
        self, connection: AsyncConnection, lane: Lane, now: datetime
    ) -> tuple[datetime, datetime] | None:
        """When the campaign and the trunk are free next; None while the campaign is paused."""
        names = (lane_of(lane.campaign), _trunk(lane.trunk))
        columns = outbound_lanes.c
        query = (
            select(columns.name, columns.next_at, columns.paused)
            .where(columns.name.in_(names))
            .order_by(columns.name)
            .with_for_update()
        )
        rows = {row[0]: row for row in await connection.execute(query)}
        if missing := [name for name in names if name not in rows]:
            made = [{"name": name, "next_at": now, "paused": False} for name in missing]
            await connection.execute(self._insert(outbound_lanes).on_conflict_do_nothing(), made)
            rows = {row[0]: row for row in await connection.execute(query)}
        if rows[names[0]][2]:
            return None
        return rows[names[0]][1], rows[names[1]][1]

    async def _room(self, connection: AsyncConnection, lane: Lane, most: int) -> int:
        """How many more calls may be on the line."""
        query = (
            select(_a.campaign, func.count())
            .where(_a.campaign.in_(sorted(lane.campaigns)), _a.state.in_(ON_THE_LINE))
            .group_by(_a.campaign)
        )
        busy: dict[str, int] = {row[0]: row[1] for row in await connection.execute(query)}
        ours, all_ = busy.get(lane.campaign, 0), sum(busy.values())
        return min(lane.limit.at_once - ours, lane.trunk_limit.at_once - all_, most)

    async def _due(
        self, connection: AsyncConnection, campaign: str, now: datetime, most: int
    ) -> list[tuple[Attempt, Job]]:
        """Due attempts to numbers that nobody calls now, one a number; those numbers are ours."""
        called = exists().where(outbound_numbers.c.phone == _a.phone)
        query = (
            select(*attempt_columns(), *job_columns())
            .join(outbound_jobs, _j.id == _a.job_id)
            .where(_a.campaign == campaign, _a.state == DUE, _a.due_at <= now, ~called)
            .order_by(_a.due_at, _a.job_id)
            .limit(most)
            .with_for_update(of=outbound_attempts, skip_locked=True)
        )
        found: dict[str, tuple[Attempt, Job]] = {}
        for row in await connection.execute(query):
            attempt = Attempt(*row[:WIDTH])
            found.setdefault(attempt.phone, (attempt, job_of(row[WIDTH:])))
        if not found:
            return []
        # In one order everywhere, so that two who want the same two numbers cannot wait in a ring.
        rows = [{"phone": p, "attempt": found[p][0].id} for p in sorted(found)]
        made = self._insert(outbound_numbers).values(rows).on_conflict_do_nothing()
        got = set(await connection.scalars(made.returning(outbound_numbers.c.phone)))
        return [one for phone, one in found.items() if phone in got]

    # --- dialling

    async def begin(self, attempt: str, now: datetime, boot: str) -> bool:
        """The intent: from here on it counts as dialled until it is known not to have been.

        False when it is not ours any more.
        """
        return await self._change(
            attempt, (CLAIMED,), _a.claimed_until > now,
            state=DIALLING, started_at=now, boot=boot, claimed_until=now + self.lease,
        )  # fmt: skip

    async def answered(self, attempt: str, at: datetime) -> None:
        await self._change(attempt, (DIALLING,), answered_at=at)

    async def give_back(self, attempt: str, due: datetime, reasons: Sequence[Any] = ()) -> bool:
        """It was not dialled: it is due again."""
        async with self._engine.begin() as connection:
            values: dict[str, Any] = {
                "state": DUE, "due_at": due, "started_at": None, "claimed_by": None,
                "claimed_until": None, "boot": "",
            }  # fmt: skip
            if reasons:
                values["reasons"] = list(reasons)
            this = (_a.id == attempt, _a.state.in_(ON_THE_LINE), _a.claimed_by == self.owner)
            done = await connection.execute(update(outbound_attempts).where(*this).values(values))
            if not done.rowcount:
                return False
            await self._free(connection, [attempt])
            job = select(_a.job_id).where(_a.id == attempt).scalar_subquery()
            await connection.execute(update(outbound_jobs).where(_j.id == job).values(next_at=due))
            return True

    async def talked(self, attempt: str, at: datetime, outcome: str, cause: int | None) -> bool:
        """The call is over and was answered: its journal tells the rest. The line is free again."""
        async with self._engine.begin() as connection:
            this = (_a.id == attempt, _a.state == DIALLING, _a.claimed_by == self.owner)
            values = {"state": TALKED, "ended_at": at, "outcome": outcome, "cause": cause,
                      "claimed_until": None}  # fmt: skip
            done = await connection.execute(update(outbound_attempts).where(*this).values(values))
            if done.rowcount:
                await self._free(connection, [attempt])
            return bool(done.rowcount)

    async def finish(
        self, attempt: Attempt, outcome: str, cause: int | None, at: datetime, then: Next,
        now: datetime,
    ) -> bool:  # fmt: skip
        """The end of an attempt, and the next one or the end of the job; False when it had ended.

        A claimed attempt that ends so was never dialled.
        """
        async with self._engine.begin() as connection:
            this = (_a.id == attempt.id, _a.state.in_((DUE, *ON_THE_LINE, TALKED)))
            values = {
                "state": ENDED, "outcome": outcome, "cause": cause, "ended_at": at,
                "claimed_until": None, "reasons": list(then.reasons),
            }  # fmt: skip
            done = await connection.execute(update(outbound_attempts).where(*this).values(values))
            if not done.rowcount:
                return False
            await self._free(connection, [attempt.id])
            await self._follow(connection, attempt, then, now)
            return True

    async def postpone(self, claim: Claim, then: Next, now: datetime) -> bool:
        """The rules say otherwise by now: later, or never. Nobody was dialled."""
        if then.at is None:
            return await self.finish(claim.attempt, NEVER, None, now, then, now)
        if not await self.give_back(claim.attempt.id, then.at, then.reasons):
            return False
        changes = {"verdict": then.verdict, "reasons": list(then.reasons), "decided_at": now}
        async with self._engine.begin() as connection:
            await connection.execute(
                update(outbound_jobs).where(_j.id == claim.job.id).values(changes)
            )
        return True

    async def _follow(
        self, connection: AsyncConnection, attempt: Attempt, then: Next, now: datetime
    ) -> None:
        values: dict[str, Any] = {
            "verdict": then.verdict, "reasons": list(then.reasons), "decided_at": now,
            "next_at": then.at,
        }  # fmt: skip
        if then.at is not None:
            row = new_attempt(attempt.job_id, attempt.number + 1, attempt.phone, attempt.campaign,
                              then.at, then.reasons)  # fmt: skip
            await connection.execute(insert(outbound_attempts).values(row))
        else:
            values |= {"state": then.state, "result": then.result, "closed_at": now,
                       "details": dict(then.details or {})}  # fmt: skip
        this = (_j.id == attempt.job_id, _j.state == OPEN)
        await connection.execute(update(outbound_jobs).where(*this).values(values))

    async def _free(self, connection: AsyncConnection, attempts: Sequence[str]) -> None:
        await connection.execute(
            delete(outbound_numbers).where(outbound_numbers.c.attempt.in_(attempts))
        )

    async def _change(self, attempt: str, states: Sequence[str], *more: Any, **values: Any) -> bool:
        this = (_a.id == attempt, _a.state.in_(states), _a.claimed_by == self.owner, *more)
        async with self._engine.begin() as connection:
            done = await connection.execute(update(outbound_attempts).where(*this).values(values))
            return bool(done.rowcount)

    # --- leases

    async def renew(self, attempts: Sequence[str], now: datetime) -> None:
        """What is ours, and somebody works on, stays ours for another lease."""
        this = (
            _a.claimed_by == self.owner, _a.state.in_(ON_THE_LINE), _a.claimed_until > now,
        )  # fmt: skip
        async with self._engine.begin() as connection:
            for start in range(0, len(attempts), MANY):
                some = attempts[start : start + MANY]
                await connection.execute(
                    update(outbound_attempts)
                    .where(_a.id.in_(some), *this)
                    .values(claimed_until=now + self.lease)
                )

    async def let_go(self, now: datetime) -> None:
        """We end: what we hold is anybody's at once."""
        async with self._engine.begin() as connection:
            await connection.execute(
                update(outbound_attempts)
                .where(_a.claimed_by == self.owner, _a.state.in_(ON_THE_LINE))
                .values(claimed_until=now)
            )

    async def take_over(self, now: datetime, most: int = 100) -> Sequence[tuple[Attempt, Job]]:
        """What a dialler that is gone was dialling; ours now. What it had claimed and not begun is
        due again: nobody was dialled."""
        gone = (
            select(_a.id, _a.state)
            .where(_a.claimed_until <= now, _a.state.in_(ON_THE_LINE))
            .limit(most)
            .with_for_update(of=outbound_attempts, skip_locked=True)
        )
        async with self._engine.begin() as connection:
            rows = (await connection.execute(gone)).all()
            claimed = [number for number, state in rows if state == CLAIMED]
            ours = [number for number, state in rows if state == DIALLING]
            if claimed:
                await connection.execute(
                    update(outbound_attempts)
                    .where(_a.id.in_(claimed))
                    .values(state=DUE, claimed_by=None, claimed_until=None)
                )
                await self._free(connection, claimed)
            if not ours:
                return ()
            await connection.execute(
                update(outbound_attempts)
                .where(_a.id.in_(ours))
                .values(claimed_by=self.owner, claimed_until=now + self.lease)
            )
            return await self._with_jobs(connection, _a.id.in_(ours))

    # --- reading

    async def over(self, most: int = 100) -> Sequence[tuple[Attempt, Job, bool]]:
        """Calls that were talked and are over, and whether the journal knows their end."""
        query = (
            select(*attempt_columns(), *job_columns(), calls.c.ended_at.is_not(None))
            .join(outbound_jobs, _j.id == _a.job_id)
            .outerjoin(calls, calls.c.id == _a.id)
            .where(_a.state == TALKED)
            .order_by(_a.ended_at)
            .limit(most)
        )
        async with self._reader.connect() as connection:
            return [
                (Attempt(*row[:WIDTH]), job_of(row[WIDTH:-1]), bool(row[-1]))
                for row in await connection.execute(query)
            ]

    async def expired(self, now: datetime, most: int = 500) -> Sequence[Attempt]:
        """Attempts that are due for jobs whose time is over."""
        query = (
            select(*attempt_columns())
            .join(outbound_jobs, _j.id == _a.job_id)
            .where(_a.state == DUE, _j.state == OPEN, _j.expires_at <= now)
            .limit(most)
        )
        async with self._reader.connect() as connection:
            return [Attempt(*row) for row in await connection.execute(query)]

    async def untold(self, now: datetime, most: int = 100) -> Sequence[Job]:
        """Jobs that are over and of which the shop has not been told."""
        query = (
            select(*job_columns())
            .where(_j.told_at.is_(None), _j.state.in_((DONE, NEVER)))
            .order_by(_j.closed_at)
            .limit(most)
        )
        async with self._reader.connect() as connection:
            return [job_of(row) for row in await connection.execute(query)]

    async def text_of(self, call: str, recording: str) -> str | None:
        """What was said in a recording; None when nobody has written it down (yet)."""
        this = (recordings.c.call == call, recordings.c.name == recording)
        async with self._reader.connect() as connection:
            text: str | None = await connection.scalar(select(recordings.c.transcript).where(*this))
            return text

    async def told(self, job: int, now: datetime) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(update(outbound_jobs).where(_j.id == job).values(told_at=now))

    async def next_due(self, campaigns: Collection[str]) -> datetime | None:
        """When the next attempt is due; None when there is none."""
        found = []
        async with self._reader.connect() as connection:
            for campaign in campaigns:  # one by one: each is the head of an index
                mine = select(_a.due_at).where(_a.campaign == campaign, _a.state == DUE)
                due = await connection.scalar(mine.order_by(_a.due_at).limit(1))
                found += [due] if due is not None else []
        return min(found, default=None)

    async def _with_jobs(
        self, connection: AsyncConnection, which: Any
    ) -> Sequence[tuple[Attempt, Job]]:
        query = (
            select(*attempt_columns(), *job_columns())
            .join(outbound_jobs, _j.id == _a.job_id)
            .where(which)
        )
        return [
            (Attempt(*row[:WIDTH]), job_of(row[WIDTH:])) for row in await connection.execute(query)
        ]


def _trunk(name: str) -> str:
    return f"trunk:{name}"


def _slots(
    lane: Lane, free: tuple[datetime, datetime], now: datetime, most: int, ahead: timedelta
) -> tuple[list[datetime], list[tuple[datetime, datetime]]]:
    """The moments at which calls may go out, and for each when campaign and trunk are free after
    it. Nothing that was left unused is made up for: pace is a limit, not an average."""
    campaign, trunk = (max(moment, now) for moment in free)
    gaps = [timedelta(seconds=1 / one.per_second) for one in (lane.limit, lane.trunk_limit)]
    slots: list[datetime] = []
    after: list[tuple[datetime, datetime]] = []
    while len(slots) < most and (at := max(campaign, trunk)) <= now + ahead:
        campaign, trunk = at + gaps[0], at + gaps[1]
        slots.append(at)
        after.append((campaign, trunk))
    return slots, after
