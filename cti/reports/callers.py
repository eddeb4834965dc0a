"""Who calls again and again, and how many need not: first-call resolution."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import and_, case, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cti.db.models import call_facts
from cti.reports.query import Query, conditions
from cti.reports.table import Column, Row, Table, share
from ivr.errors import BadInput

NAME: Final = "callers"
TITLE: Final = {"tr": "Tekrar arayanlar", "en": "Repeat callers"}
WITHIN: Final = 7 * 86400  # a call within so many seconds of the last one says: it was not solved
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
    calls whose seven days are over, how many were not followed by another."""
    where = conditions(call_facts, query)
    if where is None:
        raise BadInput("This report cannot be filtered by campaign.")
    c = call_facts.c
    where = [*where, c.quarter >= query.period.first, c.quarter < query.period.stop, c.caller != ""]

    def of(ending: str) -> Any:
        return func.sum(case((c.ending == ending, 1), else_=0))

    asked = (
        select(c.caller, func.count(), of("handled"), of("abandoned"), func.sum(c.waited),
               func.min(c.began), func.max(c.began))
        .where(*where).group_by(c.caller).having(func.count() > 1)
        .order_by(func.count().desc(), c.caller).limit(MOST)
    )  # fmt: skip
    keys = [column.key for column in COLUMNS[:-1]]
    rows = [
        Row(dict(zip(keys, values, strict=True)), {"caller": values[0]})
        for values in await connection.execute(asked)
    ]
    total = {"caller": "", "calls": sum(row.values["calls"] for row in rows)}
    total["resolution"] = await _resolution(connection, where)
    return Table(NAME, COLUMNS, rows, Row(total))


async def _resolution(connection: AsyncConnection, where: list[Any]) -> float | None:
    c, later = call_facts.c, call_facts.alias()
    newest = (await connection.execute(select(func.max(c.began)))).scalar() or 0.0
    again = exists().where(
        and_(later.c.caller == c.caller, later.c.began > c.began, later.c.began <= c.began + WITHIN)
    )
    answered = [*where, c.ending.in_(("handled", "contained")), c.began < newest - WITHIN]
    asked = select(func.count(), func.sum(case((again, 0), else_=1))).where(*answered)
    count, solved = (await connection.execute(asked)).one()
    return share(float(solved or 0), float(count or 0))
