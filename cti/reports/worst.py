"""The worst-served calls: for listening to, one by one."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from cti.db.models import call_facts
from cti.reports.query import Query, conditions, within
from cti.reports.table import Column, Row, Table
from ivr.errors import BadInput

NAME: Final = "worst"
TITLE: Final = {"tr": "En kötü hizmet alanlar", "en": "Worst-served calls"}
MOST: Final = 100
COLUMNS: Final = (
    Column("call", "call", {"tr": "Arama", "en": "Call"}, {}),
    Column("began", "moment", {"tr": "Zaman", "en": "Time"}),
    Column("caller", "text", {"tr": "Arayan", "en": "Caller"}),
    Column("points", "number", {"tr": "Puan", "en": "Points"}),
    Column("ending", "text", {"tr": "Sonuç", "en": "Ending"}),
    Column("reason", "text", {"tr": "Neden", "en": "Reason"}),
    Column("waited", "seconds", {"tr": "Bekleme", "en": "Waited"}),
    Column("no_inputs", "count", {"tr": "Sessizlik", "en": "No input"}),
    Column("no_matches", "count", {"tr": "Anlaşılmayan", "en": "No match"}),
    Column("faults", "count", {"tr": "Arıza", "en": "Faults"}),
    Column("transfers", "count", {"tr": "Aktarma", "en": "Transfers"}),
    Column("mark", "number", {"tr": "Puan verdi", "en": "Rated"}),
)  # fmt: skip


async def report(connection: AsyncConnection, query: Query) -> Table:
    """The calls with the most points; see `Facts.points`."""
    c = call_facts.c
    where = conditions(call_facts, query)
    if where is None:
        raise BadInput("This report cannot be filtered by campaign.")
    asked = (
        select(c.call, c.began, c.caller, c.points, c.ending, c.reason, c.waited, c.no_inputs,
               c.no_matches, c.faults, c.transfers, c.mark)
        .where(*within(query), c.points > 0, *where)
        .order_by(c.points.desc(), c.began.desc()).limit(MOST)
    )  # fmt: skip
    keys = [column.key for column in COLUMNS]
    rows = [
        Row(dict(zip(keys, values, strict=True)), {"call": values[0]})
        for values in await connection.execute(asked)
    ]
    return Table(NAME, COLUMNS, rows)
