"""Calls that went out: for each campaign what became of its orders, and the money confirmed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, case, exists, func, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cti.db.models import outbound_attempts, outbound_jobs
from cti.db.money import order_currency, order_hundredths
from cti.reports.query import Query
from cti.reports.table import Column, Row, Table, share
from ivr.errors import BadInput

NAME: Final = "outbound"
TITLE: Final = {"tr": "Giden aramalar", "en": "Calls that went out"}
_END: Final = "end"
COLUMNS: Final = (
    Column("campaign", "text", {"tr": "Kampanya", "en": "Campaign"}),
    Column("currency", "text", {"tr": "Para birimi", "en": "Currency"}),
    Column("jobs", "count", {"tr": "Sipariş", "en": "Orders"}, {}),
    Column("confirmed", "count", {"tr": "Onaylanan", "en": "Confirmed"}, {_END: "confirmed"}),
    Column("cancelled", "count", {"tr": "İptal", "en": "Cancelled"}, {_END: "cancelled"}),
    Column("other", "count", {"tr": "Başka sonuç", "en": "Another end"}, {_END: "other"}),
    Column("unreachable", "count", {"tr": "Ulaşılamayan", "en": "Unreachable"},
           {_END: "unreachable"}),
    Column("withdrawn", "count", {"tr": "Geri çekilen", "en": "Withdrawn"}, {_END: "withdrawn"}),
    Column("not_called", "count", {"tr": "Aranmayan", "en": "Not called"}, {_END: "not_called"}),
    Column("open", "count", {"tr": "Açık", "en": "Open"}, {_END: "open"}),
    Column("calls", "count", {"tr": "Arama", "en": "Calls"}, {}),
    Column("reached", "percent", {"tr": "Ulaşma", "en": "Reached"}),
    Column("confirmation", "percent", {"tr": "Onay", "en": "Confirmation"}),
    Column("money", "money", {"tr": "Onaylanan tutar", "en": "Money confirmed"}),
)  # fmt: skip
ENDS: Final = (
    "confirmed", "cancelled", "other", "unreachable", "withdrawn", "not_called", "open",
)  # fmt: skip
REACHED: Final = ("confirmed", "cancelled", "other")


def end() -> ColumnElement[str]:
    """The one end that a job has."""
    c = outbound_jobs.c
    tries = outbound_attempts.alias().c
    tried = exists().where(tries.job_id == c.id, tries.started_at.is_not(None))
    return case(
        (c.state == "open", "open"),
        (c.state == "cancelled", "withdrawn"),
        (or_(c.result == "unreachable", and_(c.state == "never", tried)), "unreachable"),
        (c.state == "never", "not_called"),
        (c.result.in_(("confirmed", "cancelled")), c.result),
        (and_(c.result == "", not_(tried)), "not_called"),
        else_="other",
    )


async def report(connection: AsyncConnection, query: Query) -> Table:
    """A row for each campaign and currency, of the orders that came in within the period."""
    where = _conditions(query)
    c, a = outbound_jobs.c, outbound_attempts.c
    dialled = (
        select(func.count()).where(a.job_id == c.id, a.started_at.is_not(None)).scalar_subquery()
    )
    each = (
        select(
            c.campaign,
            func.coalesce(order_currency(c.facts), "").label("unit"),
            end().label("how"),
            order_hundredths(c.facts, connection.dialect.name).label("cents"),
            dialled.label("calls"),
        )
        .where(*where)
        .subquery()
    )
    keys = (each.c.campaign, each.c.unit, each.c.how)
    sums = select(*keys, func.count(), func.sum(each.c.cents), func.sum(each.c.calls))
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for campaign, unit, how, count, cents, calls in await connection.execute(sums.group_by(*keys)):
        row = found.setdefault((campaign, unit), dict.fromkeys((*ENDS, "calls", "cents"), 0))
        row[how] += count
        row["calls"] += int(calls or 0)
        if how == "confirmed":
            row["cents"] += int(cents or 0)
    rows = [
        Row({"campaign": campaign, "currency": unit, **_measures(row)},
            {"campaign": campaign, "currency": unit})
        for (campaign, unit), row in sorted(found.items())
    ]  # fmt: skip
    return Table(NAME, COLUMNS, rows, _total(list(found.items())))


def _measures(row: Mapping[str, int]) -> dict[str, Any]:
    counts = {name: row[name] for name in ENDS}
    reached = sum(counts[name] for name in REACHED)
    return {
        "jobs": sum(counts.values()),
        **counts,
        "calls": row["calls"],
        "reached": share(reached, reached + counts["unreachable"]),
        "confirmation": share(counts["confirmed"], reached),
        "money": Decimal(row["cents"]).scaleb(-2),
    }


def _total(found: Sequence[tuple[tuple[str, str], Mapping[str, int]]]) -> Row:
    """Of everything; money of one currency only adds up."""
    names = (*ENDS, "calls", "cents")
    whole = _measures({name: sum(row[name] for _, row in found) for name in names})
    units = {unit for (_, unit), row in found if row["cents"]}
    if len(units) > 1:
        whole["money"] = None
    return Row({"campaign": "", "currency": units.pop() if len(units) == 1 else "", **whole})


def _conditions(query: Query) -> list[ColumnElement[bool]]:
    wrong = [name for name in query.filters if name not in ("campaign", "flow")]
    if wrong:
        raise BadInput(f"This report cannot be filtered by {', '.join(wrong)}.")
    c = outbound_jobs.c
    start, stop = (edge.astimezone(UTC) for edge in (query.period.start, query.period.end))
    given = [c[name] == value for name, value in query.filters.items()]
    return [c.created_at >= start, c.created_at < stop, *given]


async def calls_behind(
    connection: AsyncConnection, query: Query, where: Mapping[str, str], limit: int
) -> list[str]:
    """The calls that were dialled for the orders of a cell. `BadInput` for what is no cell."""
    c, a = outbound_jobs.c, outbound_attempts.c
    columns = {"campaign": c.campaign, "currency": order_currency(c.facts), _END: end()}
    if unknown := [name for name in where if name not in columns]:
        raise BadInput(f"There is no {unknown[0]!r} to look for.")
    asked = [columns[name] == value for name, value in where.items()]
    chosen = (
        select(a.id)
        .join(outbound_jobs, c.id == a.job_id)
        .where(*_conditions(query), *asked, a.started_at.is_not(None))
        .order_by(a.started_at.desc(), a.id)
    )
    return list((await connection.execute(chosen.limit(limit))).scalars())
