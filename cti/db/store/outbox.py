"""The outbox: what calls handed on, kept until every place that is to have it has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.engine import BEGIN
from cti.db.models import deliveries, delivery_log, outbox

WAITING, DONE, FAILED = "waiting", "done", "failed"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message on its way to one place; `attempts` were made before."""

    id: int
    key: str
    event: str
    data: Mapping[str, Any]
    made_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try as the delivery log has it."""

    place: str
    at: datetime
    status: int | None
    ms: float
    error: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands with one message at one place. `due_at`: when the next try is, if it waits.

    `tries` are those of the log, oldest first; only where they were asked for.
    """

    id: int
    place: str
    key: str
    event: str
    data: Mapping[str, Any]
    made_at: datetime
    state: str
    attempts: int
    due_at: datetime | None
    tries: tuple[Attempt, ...] = ()


class OutboxStore:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.execution_options(**{BEGIN: "IMMEDIATE"})
        self._insert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert

    async def put(
        self, key: str, event: str, data: Mapping[str, Any], places: Sequence[str]
    ) -> bool:
        """Keep a message for its places; False when `key` was kept before."""
        now = datetime.now(UTC)
        row = {"key": key, "event": event, "data": dict(data), "made_at": now}
        statement = self._insert(outbox).values(row).on_conflict_do_nothing().returning(outbox.c.id)
        async with self._engine.begin() as connection:
            message = await connection.scalar(statement)
            if message is None:
                return False
            rows = [
                {"message_id": message, "place": place, "state": WAITING, "due_at": now}
                for place in places
            ]
            await connection.execute(insert(deliveries), rows)
            return True

    async def claim(self, place: str, limit: int, lease: float) -> Sequence[Delivery]:
        """What is due at a place, oldest first; nobody else gets it for `lease` seconds."""
        now = datetime.now(UTC)
        columns = (deliveries.c.id, outbox.c.key, outbox.c.event, outbox.c.data, outbox.c.made_at)
        query = (
            select(*columns, deliveries.c.attempts)
            .join(outbox, outbox.c.id == deliveries.c.message_id)
            .where(
                deliveries.c.place == place,
                deliveries.c.state == WAITING,
                deliveries.c.due_at <= now,
            )
            .order_by(deliveries.c.id)
            .limit(limit)
            .with_for_update(of=deliveries, skip_locked=True)
        )
        async with self._engine.begin() as connection:
            found = [Delivery(*row) for row in await connection.execute(query)]
            if found:
                await connection.execute(
                    update(deliveries)
                    .where(deliveries.c.id.in_([one.id for one in found]))
                    .values(due_at=now + timedelta(seconds=lease))
                )
            return found

    async def note(
        self, delivery: int, state: str, due_in: float, status: int | None, ms: float, error: str
    ) -> None:
        """Write a try down, and what becomes of the delivery."""
        now = datetime.now(UTC)
        log = {"delivery_id": delivery, "at": now, "status": status, "ms": ms, "error": error}
        async with self._engine.begin() as connection:
            await connection.execute(insert(delivery_log), log)
            await connection.execute(
                update(deliveries)
                .where(deliveries.c.id == delivery)
                .values(
                    state=state,
                    attempts=deliveries.c.attempts + 1,
                    due_at=now + timedelta(seconds=due_in),
                )
            )

    async def next_due(self, place: str) -> datetime | None:
        """When something is due at a place; None when nothing waits."""
        query = select(func.min(deliveries.c.due_at)).where(
            deliveries.c.place == place, deliveries.c.state == WAITING
        )
        async with self._engine.connect() as connection:
            due: datetime | None = await connection.scalar(query)
            return due

    async def places(self) -> Sequence[str]:
        """The places that something waits for."""
        query = select(deliveries.c.place).where(deliveries.c.state == WAITING).distinct()
        async with self._engine.connect() as connection:
            return [place for (place,) in await connection.execute(query)]

    async def log(self, key: str) -> Sequence[Attempt]:
        """Every try for a message, in order."""
        columns = (
            delivery_log.c.at,
            delivery_log.c.status,
            delivery_log.c.ms,
            delivery_log.c.error,
        )
        query = (
            select(deliveries.c.place, *columns)
            .join(deliveries, deliveries.c.id == delivery_log.c.delivery_id)
            .join(outbox, outbox.c.id == deliveries.c.message_id)
            .where(outbox.c.key == key)
            .order_by(delivery_log.c.id)
        )
        async with self._engine.connect() as connection:
            return [Attempt(*row) for row in await connection.execute(query)]

    async def states(self, key: str) -> Mapping[str, str]:
        """How it stands with a message, by place."""
        query = (
            select(deliveries.c.place, deliveries.c.state)
            .join(outbox, outbox.c.id == deliveries.c.message_id)
            .where(outbox.c.key == key)
        )
        async with self._engine.connect() as connection:
            rows = await connection.execute(query)
            return {str(place): str(state) for place, state in rows}

    async def standings(
        self,
        *,
        place: str = "",
        state: str = "",
        event: str = "",
        key: str = "",
        but: str = "",
        before: int | None = None,
        limit: int = 50,
    ) -> Sequence[Standing]:
        """Deliveries, the latest first; without those to the place `but`. `before` is the id of the
        last one seen."""
        wanted = {
            deliveries.c.place: place, deliveries.c.state: state, outbox.c.event: event,
            outbox.c.key: key,
        }  # fmt: skip
        query = _STANDING.where(*(column == value for column, value in wanted.items() if value))
        if but:
            query = query.where(deliveries.c.place != but)
        if before is not None:
            query = query.where(deliveries.c.id < before)
        async with self._engine.connect() as connection:
            rows = await connection.execute(query.order_by(deliveries.c.id.desc()).limit(limit))
            return [_standing(row) for row in rows]

    async def standing(self, delivery: int) -> Standing | None:
        """One delivery, with every try."""
        names = (
            deliveries.c.place, delivery_log.c.at, delivery_log.c.status, delivery_log.c.ms,
            delivery_log.c.error,
        )  # fmt: skip
        log = (
            select(*names)
            .join(deliveries, deliveries.c.id == delivery_log.c.delivery_id)
            .where(delivery_log.c.delivery_id == delivery)
            .order_by(delivery_log.c.id)
        )
        async with self._engine.connect() as connection:
            row = (
                await connection.execute(_STANDING.where(deliveries.c.id == delivery))
            ).one_or_none()
            if row is None:
                return None
            return _standing(row, tuple(Attempt(*one) for one in await connection.execute(log)))

    async def counts(self, but: str = "") -> Mapping[tuple[str, str], int]:
        """How many deliveries there are by place and state."""
        query = (
            select(deliveries.c.place, deliveries.c.state, func.count())
            .where(deliveries.c.place != but)
            .group_by(deliveries.c.place, deliveries.c.state)
        )
        async with self._engine.connect() as connection:
            return {(place, state): n for place, state, n in await connection.execute(query)}

    async def replay(self, delivery: int) -> bool:
        """Send a message once more, from the first try on; False when there is no such delivery, or
        it is on its way."""
        now = datetime.now(UTC)
        again = (
            update(deliveries)
            .where(deliveries.c.id == delivery, deliveries.c.state != WAITING)
            .values(state=WAITING, attempts=0, due_at=now)
        )
        async with self._engine.begin() as connection:
            return bool((await connection.execute(again)).rowcount)

    async def replay_failed(self, place: str) -> int:
        """Send everything once more that was given up at a place; how much that is."""
        again = (
            update(deliveries)
            .where(deliveries.c.place == place, deliveries.c.state == FAILED)
            .values(state=WAITING, attempts=0, due_at=datetime.now(UTC))
        )
        async with self._engine.begin() as connection:
            return (await connection.execute(again)).rowcount


_STANDING: Final = select(
    deliveries.c.id, deliveries.c.place, outbox.c.key, outbox.c.event, outbox.c.data,
    outbox.c.made_at, deliveries.c.state, deliveries.c.attempts, deliveries.c.due_at,
).join(outbox, outbox.c.id == deliveries.c.message_id)  # fmt: skip


def _standing(row: Any, tries: tuple[Attempt, ...] = ()) -> Standing:
    one = Standing(*[*row, tries])
    return one if one.state == WAITING else replace(one, due_at=None)
