"""The journal's tables: batches in, each once and in one transaction; a call's history out."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Text, bindparam, case, cast, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.engine import write_at_once
from cti.db.models import call_events, calls, contacts, journal_gaps, recordings, survey_answers
from cti.journal.line import GAP, Row, loads
from cti.journal.projection import Changes, moment, project

log = logging.getLogger(__name__)

INSERT: Final = {
    "sqlite": "INSERT INTO call_events (call, sequence, at, kind, data) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT DO NOTHING",
    "postgresql": "INSERT INTO call_events (call, sequence, at, kind, data)"
    " SELECT call, sequence, at, kind, data::json FROM"
    " unnest($1::text[], $2::int[], $3::float8[], $4::text[], $5::text[])"
    " AS row(call, sequence, at, kind, data) ON CONFLICT DO NOTHING",
}
AWAY: Final = (SQLAlchemyError, OSError, TimeoutError)


class Refused(Exception):
    """The database is there and does not take these rows."""


class JournalTables:
    """One per engine. Methods raise one of AWAY when the database is away or slow."""

    def __init__(self, engine: AsyncEngine, *, region: str = "TR", deadline: float = 15.0) -> None:
        self._engine = engine
        self._deadline = deadline
        self._region = region
        self._name = engine.dialect.name
        self._upsert = _upsert(self._name)
        self._contact = _contact(self._name)
        self._insert_or_not = postgresql.insert if self._name == "postgresql" else sqlite.insert

    async def insert(self, rows: Sequence[Row], engine: str) -> None:
        """Put rows in, all of them or none, each once however often it comes.

        A row whose place another event has taken is kept as a gap. `Refused` when a row is such
        that no database takes it. `engine` names who wrote them.
        """
        events = [row for row in rows if row.kind != GAP]
        try:
            changes = project(events, self._region)
            gaps = [_gap(row, engine) for row in rows if row.kind == GAP]

            def store(connection: Connection) -> None:
                lost: list[dict[str, Any]] = []
                if self._insert_events(connection, events) < len(events):
                    lost = self._collisions(connection, events, engine)
                self._apply(connection, changes)
                if gaps or lost:
                    statement = self._insert_or_not(journal_gaps).on_conflict_do_nothing()
                    connection.execute(statement, gaps + lost)

            async with asyncio.timeout(self._deadline):
                await write_at_once(self._engine, store)
        except (ValueError, OverflowError, TypeError, KeyError, AttributeError) as error:
            raise Refused(type(error).__name__) from None
        except DBAPIError as error:
            if _rows_fault(error):
                raise Refused(type(error.orig).__name__) from None
            raise

    async def history(self, call: str, deadline: float) -> list[Row]:
        """A call's rows in the database, in order."""
        columns = call_events.c
        statement = (
            select(
                columns.call, columns.sequence, columns.at, columns.kind,
                cast(columns.data, Text),
            )
            .where(columns.call == call)
            .order_by(columns.sequence)
        )  # fmt: skip
        async with asyncio.timeout(deadline), self._engine.connect() as connection:
            return [Row(*row) for row in await connection.execute(statement)]

    def _insert_events(self, connection: Connection, rows: Sequence[Row]) -> int:
        if not rows:
            return 0
        sql = INSERT[self._name]
        if self._name == "postgresql":
            columns = tuple([list(column) for column in zip(*rows, strict=True)])
            return connection.exec_driver_sql(sql, columns).rowcount
        return connection.exec_driver_sql(sql, list(rows)).rowcount

    def _collisions(
        self, connection: Connection, rows: Sequence[Row], engine: str
    ) -> list[dict[str, Any]]:
        """The rows whose place holds something else: two engines took themselves for the one."""
        columns = call_events.c
        names = {row.call for row in rows}
        statement = select(columns.call, columns.sequence, columns.at, columns.kind)
        found = connection.execute(statement.where(columns.call.in_(names)))
        stored = {(call, sequence): (at, kind) for call, sequence, at, kind in found}
        lost = [r for r in rows if stored.get((r.call, r.sequence)) != (r.at, r.kind)]
        for row in lost:
            log.error("call %s: the place of event %d is taken", row.call, row.sequence)
        return [_collision(row, engine) for row in lost]

    def _apply(self, connection: Connection, changes: Changes) -> None:
        if changes.calls:
            now = datetime.now(UTC)
            rows = [{**change, "changed_at": now} for change in changes.calls.values()]
            connection.execute(self._upsert, rows)
        if changes.ended:
            connection.execute(self._contact, [{"call": call} for call in changes.ended])
        for table, rows in ((recordings, changes.recordings), (survey_answers, changes.answers)):
            if rows:
                statement = self._insert_or_not(table).on_conflict_do_nothing()
                connection.execute(statement, rows)


def _upsert(dialect: str) -> Any:
    """Insert a call, or change the columns that the batch tells something newer of."""
    make = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = make(calls)
    new, old = statement.excluded, calls.c
    changes: dict[str, Any] = {
        "started_at": case((new.started_at < old.started_at, new.started_at), else_=old.started_at),
        "entries": case((new.entries > old.entries, new.entries), else_=old.entries),
        "changed_at": new.changed_at,
        "direction": case((new.flow != "", new.direction), else_=old.direction),
    }
    for name in ("flow", "version", "caller", "dialled", "channel", "error"):
        changes[name] = case((new[name] != "", new[name]), else_=old[name])
    groups = {
        "language": ("language",),
        "transferred": ("transferred_to", "transferred_kind"),
        "ended": ("ended_at", "why", "ended_flow", "ended_step"),
    }
    for group, names in groups.items():
        place = f"{group}_sequence"
        for name in (*names, place):
            changes[name] = case((new[place] > old[place], new[name]), else_=old[name])
    return statement.on_conflict_do_update(index_elements=["id"], set_=changes)


def _contact(dialect: str) -> Any:
    """The contact that an ended call was, from the call's row."""
    phone = case((calls.c.direction == "outbound", calls.c.dialled), else_=calls.c.caller)
    source = select(
        phone, calls.c.started_at, literal("call"), calls.c.direction, calls.c.why, calls.c.id
    ).where(calls.c.id == bindparam("call"), phone != "", calls.c.why != "")
    make = postgresql.insert if dialect == "postgresql" else sqlite.insert
    names = ["phone", "at", "channel", "direction", "outcome", "call"]
    statement = make(contacts).from_select(names, source)
    return statement.on_conflict_do_update(
        index_elements=["call"], set_={"outcome": statement.excluded.outcome}
    )


def _gap(row: Row, engine: str) -> dict[str, Any]:
    data = loads(row.data)
    return {
        "id": str(data["id"]), "engine": engine, "reason": str(data["reason"]),
        "events": int(data["events"]), "first_at": moment(float(data["first_at"])),
        "last_at": moment(row.at), "detail": str(data.get("detail", "")),
        "noted_at": datetime.now(UTC),
    }  # fmt: skip


def _collision(row: Row, engine: str) -> dict[str, Any]:
    # The same row, drained again, is the same gap.
    name = uuid.uuid5(uuid.NAMESPACE_OID, f"{row.call} {row.sequence} {row.at} {row.kind}")
    return {
        "id": str(name), "engine": engine, "reason": "collision", "events": 1,
        "first_at": moment(row.at), "last_at": moment(row.at),
        "detail": json.dumps(row._asdict(), ensure_ascii=False), "noted_at": datetime.now(UTC),
    }  # fmt: skip


def _rows_fault(error: DBAPIError) -> bool:
    """Whether the rows are wrong (SQLSTATE 22 data, 23 integrity) rather than the world."""
    original = error.orig
    state = getattr(original, "sqlstate", None)
    if state:
        return str(state)[:2] in {"22", "23"}
    name = type(getattr(original, "__cause__", None) or original).__name__
    return name in {"DataError", "IntegrityError"}
