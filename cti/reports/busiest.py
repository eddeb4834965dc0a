"""The busiest hours of the week: a row for each day, a column for each hour."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from cti.reports.period import WEEKDAYS
from cti.reports.query import Query, call_sums
from cti.reports.table import Column, Row, Table

NAME: Final = "busiest"
TITLE: Final = {"tr": "Yoğun saatler", "en": "Busiest hours"}
COLUMNS: Final = (
    Column("weekday", "text", {"tr": "Gün", "en": "Day"}),
    Column("offered", "count", {"tr": "Gelen", "en": "Offered"}, {}),
    *(Column(f"h{hour}", "count", {"en": f"{hour:02}"}, {"hour_of_day": str(hour)})
      for hour in range(24)),
)  # fmt: skip


async def report(connection: AsyncConnection, query: Query) -> Table:
    """Calls by day of the week and hour of the day, local time."""
    counts: dict[int, dict[str, Any]] = {}
    sums = await call_sums(connection, replace(query, unit="hour_of_week"), ())
    for ((number, _),), values in sums.items():
        day, hour = divmod(int(number), 24)
        row = counts.setdefault(day, {f"h{n}": 0 for n in range(24)} | {"offered": 0})
        row[f"h{hour}"] += int(values["calls"])
        row["offered"] += int(values["calls"])
    rows = [
        Row({"weekday": WEEKDAYS[day], **values}, {"weekday": str(day)})
        for day, values in sorted(counts.items())
    ]
    total = {column.key: sum(row.values[column.key] for row in rows) for column in COLUMNS[1:]}
    return Table(NAME, COLUMNS, rows, Row({"weekday": "", **total}))
