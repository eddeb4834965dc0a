"""Sums by days of the shop's own calendar, with what is known of the call beside its queue or step:
its language, flow and queue. A year that is filtered by these is read from them.

Only days that are over are summed, so that a busy day is not summed again every minute; the rest of
a period is read from the calls' own facts. The mark `days ZONE` in `rollup_state` is the first day
that is not summed yet; another zone has none, and everything is read as if these sums were not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Table, and_, delete, func, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cti.db.models import (
    call_facts,
    call_steps,
    queue_visits,
    rollup_local_steps,
    rollup_local_visits,
    rollup_state,
)
from cti.reports.facts import QUARTER

EPOCH: Final = date(1970, 1, 1)
SOURCES: Final[Mapping[str, Table]] = {"visits": queue_visits, "steps": call_steps}
TABLES: Final[Mapping[str, Table]] = {"visits": rollup_local_visits, "steps": rollup_local_steps}


def mark(zone: ZoneInfo) -> str:
    return f"days {zone}"


def day_of(quarter: int, zone: ZoneInfo) -> int:
    """The day on the zone's calendar that a quarter is in, counted from 1970."""
    return (datetime.fromtimestamp(quarter * QUARTER, zone).date() - EPOCH).days


def first_quarter(day: int, zone: ZoneInfo) -> int:
    midnight = datetime.combine(EPOCH + timedelta(days=day), time(), zone)
    return int(midnight.timestamp() // QUARTER)


async def summed(connection: AsyncConnection, zone: ZoneInfo) -> int:
    """The first day that is not summed; 0 where this zone's days are not summed at all."""
    asked = select(rollup_state.c.upto).where(rollup_state.c.name == mark(zone))
    return int((await connection.execute(asked)).scalar() or 0)


def whole_days(first: int, stop: int, upto: int, zone: ZoneInfo) -> range:
    """The summed days that lie within quarters `first` to before `stop`."""
    low = day_of(first, zone)
    low += first_quarter(low, zone) < first
    return range(low, min(day_of(stop, zone), upto))


async def sum_days(
    connection: AsyncConnection, of: str, days: Iterable[int], zone: ZoneInfo,
    sums: Mapping[str, Any],
) -> None:  # fmt: skip
    """Make these days' sums again. `sums`: by column of the table, over `SOURCES[of]`."""
    table, source, f = TABLES[of], SOURCES[of], call_facts
    keys = [column for column in table.primary_key if column.name != "day"]
    values = [
        source.c[key.name] if key.name in source.c else func.coalesce(f.c[key.name], "")
        for key in keys
    ]
    for day in sorted(set(days)):
        first, stop = first_quarter(day, zone), first_quarter(day + 1, zone)
        await connection.execute(delete(table).where(table.c.day == day))
        query = (
            select(literal(day), *values, *sums.values())
            .select_from(source.outerjoin(f, f.c.call == source.c.call))
            .where(and_(source.c.quarter >= first, source.c.quarter < stop))
            .group_by(*values)
        )
        await connection.execute(
            insert(table).from_select(["day", *(key.name for key in keys), *sums], query)
        )
