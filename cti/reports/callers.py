"""Who calls again and again, and how many need not: first-call resolution."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cti.db.models import call_facts, caller_totals
from cti.reports.facts import QUARTER
from cti.reports.period import Period
from cti.reports.query import LONG, Query, call_sums, conditions, within
from cti.reports.rollups import WITHIN
from cti.reports.table import Column, Row, Table, share
from ivr.errors import BadInput

NAME: Final = "callers"
TITLE: Final = {"tr": "Tekrar arayanlar", "en": "Repeat callers"}
MOST: Final = 200
AT_ONCE: Final = 500  # callers that are looked at together
LOOKED_AT: Final = 5000  # of these, before all calls are counted after all
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
    counts = await _most_frequent(connection, query, where)
    told = await _details(connection, where, list(counts))
    rows = [
        Row({"caller": caller, "calls": count, **told[caller]}, {"caller": caller})
        for caller, count in counts.items()
    ]
    total = {"caller": "", "calls": sum(counts.values())}
    total["resolution"] = await _resolution(connection, query)
    return Table(NAME, COLUMNS, rows, Row(total))


async def _most_frequent(
    connection: AsyncConnection, query: Query, where: list[Any]
) -> dict[str, int]:
    """The callers with the most calls, most first. Of a long period those are looked at first who
    have the most calls at all: nobody has more in a part of the time than in all of it, so whoever
    comes later cannot be among the most frequent any more."""
    c, t = call_facts.c, caller_totals.c
    count = func.count()
    frequent = select(c.caller, count).where(*where).group_by(c.caller).having(count > 1)
    if not query.filters and query.period.stop - query.period.first > LONG:
        by_total = select(t.caller, t.calls).order_by(t.calls.desc(), t.caller)
        found: dict[str, int] = {}
        for start in range(0, LOOKED_AT, AT_ONCE):
            some = (await connection.execute(by_total.offset(start).limit(AT_ONCE))).all()
            here = frequent.where(c.caller.in_([row.caller for row in some]))
            found |= {row[0]: row[1] for row in await connection.execute(here)}
            most = sorted(found.items(), key=lambda one: (-one[1], one[0]))[:MOST]
            if len(some) < AT_ONCE or (len(most) == MOST and most[-1][1] > some[-1].calls):
                return dict(most)
    asked = frequent.order_by(count.desc(), c.caller).limit(MOST)
    return {row[0]: row[1] for row in await connection.execute(asked)}


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
