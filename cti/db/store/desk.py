"""What agents leave behind: notes, contacts, and the times of their work and of their queues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.engine import BEGIN
from cti.db.models import (
    agent_spans,
    agents,
    contacts,
    dispositions,
    notes,
    queue_visits,
    users,
)
from cti.ledger import Span, Stay
from cti.reports.facts import quarter


@dataclass(frozen=True, slots=True)
class Talk:
    """An agent talked with somebody."""

    call: str
    phone: str
    at: float
    direction: str
    outcome: str
    login: str
    summary: str = ""


class DeskStore:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._writing = engine.execution_options(**{BEGIN: "IMMEDIATE"})
        self._insert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert

    # --- customers

    async def contacts(self, phone: str, most: int = 10) -> Sequence[Mapping[str, Any]]:
        """Every way we were in touch, the newest first; `login` and `agent` of who talked."""
        query = (
            select(
                contacts.c.at, contacts.c.channel, contacts.c.direction, contacts.c.outcome,
                contacts.c.call, contacts.c.summary, agents.c.name.label("agent"),
                users.c.login,
            )
            .select_from(contacts.outerjoin(agents).outerjoin(users))
            .where(contacts.c.phone == phone)
            .order_by(contacts.c.at.desc())
            .limit(most)
        )  # fmt: skip
        return await self._rows(query)

    async def notes(self, phone: str, most: int = 20) -> Sequence[Mapping[str, Any]]:
        query = (
            select(
                notes.c.id, notes.c.at, notes.c.text, notes.c.disposition, notes.c.call,
                agents.c.name.label("agent"),
            )
            .select_from(notes.outerjoin(agents))
            .where(notes.c.phone == phone)
            .order_by(notes.c.at.desc())
            .limit(most)
        )  # fmt: skip
        return await self._rows(query)

    async def note(
        self, agent: int | None, phone: str, text: str, *, call: str = "", disposition: str = ""
    ) -> int:
        """Write one; with a call, its contact gets the disposition as outcome."""
        row = {
            "call": call or None, "phone": phone or None, "agent_id": agent, "text": text,
            "disposition": disposition or None, "at": datetime.now(UTC),
        }  # fmt: skip
        async with self._writing.begin() as connection:
            done = await connection.execute(insert(notes), row)
            if call and disposition:
                change = update(contacts).where(contacts.c.call == call)
                await connection.execute(change.values(outcome=disposition))
            assert done.inserted_primary_key is not None
            return int(done.inserted_primary_key[0])

    async def know_dispositions(self, rows: Mapping[str, Mapping[str, str]]) -> None:
        """Those of the file; others stay for the notes that name them, and are not offered."""
        async with self._writing.begin() as connection:
            await connection.execute(update(dispositions).values(active=False))
            for position, (code, words) in enumerate(rows.items()):
                first = next(iter(words.values()))
                values = {
                    "tr": words.get("tr", first), "en": words.get("en", first),
                    "position": position, "active": True,
                }  # fmt: skip
                statement = self._insert(dispositions).values(code=code, **values)
                await connection.execute(
                    statement.on_conflict_do_update(index_elements=["code"], set_=values)
                )

    async def talked(self, talk: Talk) -> None:
        """Keep the contact of a call. A talk goes before a missed ring, and the last one wins."""
        found = select(agents.c.id).join(users).where(users.c.login == talk.login)
        async with self._writing.begin() as connection:
            agent = await connection.scalar(found)
            values = {
                "phone": talk.phone, "at": _moment(talk.at), "channel": "call",
                "direction": talk.direction, "agent_id": agent, "summary": talk.summary,
            }  # fmt: skip
            statement = self._insert(contacts).values(
                call=talk.call, outcome=talk.outcome, **values
            )
            await connection.execute(
                statement.on_conflict_do_update(index_elements=["call"], set_=values)
            )

    async def was_with(self, call: str, login: str, since: float) -> bool:
        """Whether an agent had this call at their phone, not long ago."""
        c = agent_spans.c
        recent = or_(c.until == 0, c.until >= since)
        query = select(c.id).where(c.agent == login, c.call == call, recent).limit(1)
        return bool(await self._rows(query))

    # --- times

    async def spans(self, since: float, login: str = "") -> Sequence[Span]:
        """What was not over by `since`."""
        c = agent_spans.c
        columns = [c[name] for name in Span.__dataclass_fields__]
        query = select(*columns).where(or_(c.until == 0, c.until > since))
        if login:
            query = query.where(c.agent == login)
        return [Span(**row) for row in await self._rows(query.order_by(c.since))]

    async def visits(self, since: float) -> Sequence[Stay]:
        """Those that began since then."""
        c = queue_visits.c
        columns = [c[name] for name in Stay.__dataclass_fields__]
        query = select(*columns).where(c.quarter >= quarter(since), c.entered >= since)
        return [Stay(**row) for row in await self._rows(query)]

    async def _rows(self, query: Any) -> Sequence[Mapping[str, Any]]:
        async with self._engine.connect() as connection:
            return [dict(row._mapping) for row in await connection.execute(query)]


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
