"""Who calls again and again, and how many need not: first-call resolution."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cti.db.models import call_facts
from cti.reports.facts import QUARTER
from cti.reports.period import Period
from cti.reports.query import Query, call_sums, conditions, within
from cti.reports.rollups import WITHIN
from cti.reports.table import Column, Row, Table, share
from ivr.errors import BadInput

NAME: Final = "callers"
TITLE: Final = {"tr": "Tekrar arayanlar", "en": "Repeat callers"}
MOST: Final = 200
COLUMNS: Final = (
    Column("caller", "text", {"tr": "Arayan", "en": "Caller"}),
    Column("calls", "count", {"tr": "Arama", "en": "Calls"}, {}),
    Column("handled", "count", {"tr": "Görüşülen", "en": "Handled"}, {"ending": "handled"}),
    Column("abandoned", "count", {"tr": "Vazgeçen", "en": "Abandoned"}, {"ending": "abandoned"}),
    Column("waited", "seconds", {"tr": "Toplam bekleme", "en": "Total wait"}),
    Column("first", "moment", {"tr": "İlk", "en": "First"}),
    Column("last", "moment", {"tr": "Son", "en": "Last"}),
    Column("resolution", "percent", {"tr": "İlk aramada çözülme", "en": "First-call resolution"}),
)  # fmt: skip


async def report(connection: AsyncConnection, query: Query) -> Table:
    """The callers with the most calls, two or more. The total's `resolution`: of the answered
    calls that were made seven days before the newest one, how many were not followed by another."""
    where = conditions(call_facts, query)
    if where is None:
        raise BadInput("This report cannot be filtered by campaign.")
    c = call_facts.c
    where = [*where, *within(query), c.caller != ""]
    most = (
        select(c.caller, func.count())
        .where(*where)
        .group_by(c.caller)
        .having(func.count() > 1)
        .order_by(func.count().desc(), c.caller)
        .limit(MOST)
    )
    counts = {row[0]: row[1] for row in await connection.execute(most)}
    told = await _details(connection, where, list(counts))
    rows = [
        Row({"caller": caller, "calls": count, **told[caller]}, {"caller": caller})
        for caller, count in counts.items()
    ]
    total = {"caller": "", "calls": sum(counts.values())}
    total["resolution"] = await _resolution(connection, query)
    return Table(NAME, COLUMNS, rows, Row(total))


async def _details(
    connection: AsyncConnection, where: list[Any], callers: list[str]
) -> dict[str, dict[str, Any]]:
    c = call_facts.c

    def of(ending: str) -> Any:
        return func.sum(case((c.ending == ending, 1), else_=0))

    asked = select(
        c.caller, of("handled"), of("abandoned"), func.sum(c.waited), func.min(c.began),
        func.max(c.began),
    ).where(*where, c.caller.in_(callers))  # fmt: skip
    names = ("handled", "abandoned", "waited", "first", "last")
    return {
        caller: dict(zip(names, values, strict=True))
        for caller, *values in await connection.execute(asked.group_by(c.caller))
    }


async def _resolution(connection: AsyncConnection, query: Query) -> float | None:
    newest = (await connection.execute(select(func.max(call_facts.c.quarter)))).scalar()
    over = min(query.period.stop, (newest or 0) + 1 - int(WITHIN) // QUARTER)
    if over <= query.period.first:
        return None
    end = datetime.fromtimestamp(over * QUARTER, query.period.zone)
    sums = await call_sums(
        connection, replace(query, period=Period(query.period.start, end)), ("ending",), slots=False
    )
    answered = followed = 0.0
    for (_, ending), values in sums.items():
        if ending in ("handled", "contained"):
            answered += values["known"]
            followed += values["followed"]
    return share(answered - followed, answered)
