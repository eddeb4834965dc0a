"""What is asked of a report, and the sums that answer it: from roll-ups, or from the calls' own
facts where a filter looks at something that the roll-ups do not hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from math import gcd
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, Table, and_, case, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import visitors

from cti.db.models import (
    call_facts,
    call_steps,
    queue_visits,
    rollup_calls,
    rollup_local_steps,
    rollup_local_visits,
    rollup_queues,
    rollup_steps,
    survey_answers,
)
from cti.reports.coarse import pieces
from cti.reports.facts import QUARTER
from cti.reports.local import first_quarter, summed, whole_days
from cti.reports.period import AROUND, Part, Period, Unit, slot, slot_size
from cti.reports.rollups import visit_measures
from ivr.errors import BadInput

Sums = dict[tuple[Any, ...], dict[str, float]]
FILTERS: Final = (
    "queue", "agent", "campaign", "caller", "flow", "version", "line", "direction", "language",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Query:
    """A report's period, its unit of time, and filters; an empty one filters nothing."""

    period: Period
    unit: Unit = "day"
    queue: str = ""
    agent: str = ""
    campaign: str = ""
    caller: str = ""
    flow: str = ""
    version: str = ""
    line: str = ""
    direction: str = ""
    language: str = ""

    @property
    def filters(self) -> Mapping[str, str]:
        return {name: getattr(self, name) for name in FILTERS if getattr(self, name)}


DAY: Final = 86400  # seconds
NO_PART: Final = Part(0, 0, 0)  # days and longer slots are the same whatever the zone's distance
LONG: Final = 45 * 96  # quarters
NO_OPTIONS: Final[Mapping[str, Any]] = {}
NAMES: Final = frozenset(field.name for field in fields(Query))


def conditions(table: Table, query: Query) -> list[ColumnElement[bool]] | None:
    """The query's filters as conditions on a table; None when the table cannot answer them."""
    found = []
    for name, value in query.filters.items():
        if name not in table.c:
            return None
        found.append(_is(table.c[name], value))
    return found


def _is(column: ColumnElement[str], value: str) -> ColumnElement[bool]:
    """Of a version its beginning is enough."""
    if column.key == "version":
        return column.startswith(value, autoescape=True)
    return column == value


def within(query: Query) -> list[ColumnElement[bool]]:
    """The calls of the period. Of a long one, an order or a group of callers is read from its own
    index: there is none by `began` alone, so the database does not think of that of time."""
    c, period = call_facts.c, query.period
    if period.stop - period.first > LONG:
        return [c.began >= period.first * QUARTER, c.began < period.stop * QUARTER]
    return [c.quarter >= period.first, c.quarter < period.stop]


async def call_sums(
    connection: AsyncConnection, query: Query, by: Sequence[str], slots: bool = True
) -> Sums:
    """Sums of calls by slot of time (first) and by columns of the facts."""
    names = ("questions", "no_inputs", "no_matches", "faults", "resumed", "seconds")
    where = conditions(rollup_calls, query)
    table = rollup_calls
    if where is None or any(name not in rollup_calls.c for name in by):
        table = call_facts
        where = conditions(call_facts, query)
    if where is None:
        raise _cannot(query, call_facts)
    count = func.count() if table is call_facts else func.sum(table.c.calls)
    sums: dict[str, Any] = {"calls": count} | {name: func.sum(table.c[name]) for name in names}
    if table is call_facts:
        sums["known"] = func.sum(case((call_facts.c.caller != "", 1), else_=0))
        sums["followed"] = func.sum(func.coalesce(call_facts.c.followed, 0))
    else:
        sums |= {name: func.sum(table.c[name]) for name in ("known", "followed")}
    return await _sums(connection, query, table, where, by, sums, slots)


async def visit_sums(
    connection: AsyncConnection, query: Query, by: Sequence[str], slots: bool = True
) -> Sums:
    """Sums of visits to queues; filters on the call itself are looked up in its facts, where the
    sums by whole days do not hold them."""
    if not slots or slot_size(query.unit) >= DAY:
        return await _by_days(connection, query, rollup_local_visits, by, slots, _visit_sums)
    return await _visit_sums(connection, query, by, slots)


async def _visit_sums(
    connection: AsyncConnection, query: Query, by: Sequence[str], slots: bool
) -> Sums:
    c = rollup_queues.c
    where = conditions(rollup_queues, query)
    if where is None:
        found: Sums = {}
        for part in query.period.parts():  # each with the calls of its own time only
            edges = (datetime.fromtimestamp(n * QUARTER, query.period.zone)
                     for n in (part.first, part.end))  # fmt: skip
            here = replace(query, period=Period(*edges))
            for key, values in (
                await _raw_visits(connection, here, [_visits_of_calls(here)], by, slots)
            ).items():
                add(found, key, values)
        return found
    keys = {column.name for column in rollup_queues.primary_key}
    sums: dict[str, Any] = {
        column.name: func.sum(column) for column in c if column.name not in {*keys, "longest"}
    }
    sums["longest"] = func.max(c.longest)
    return await _sums(connection, query, rollup_queues, where, by, sums, slots)


async def _raw_visits(
    connection: AsyncConnection,
    query: Query,
    where: list[ColumnElement[bool]],
    by: Sequence[str],
    slots: bool,
) -> Sums:
    return await _sums(connection, query, queue_visits, where, by, visit_measures(), slots)


def _visits_of_calls(query: Query) -> ColumnElement[bool]:
    c, f = queue_visits.c, call_facts.c
    own = [c[name] == value for name, value in query.filters.items() if name in ("queue", "agent")]
    rest = [name for name in query.filters if name not in ("queue", "agent")]
    if any(name not in f for name in rest):
        raise _cannot(query, call_facts)
    # a call joins its queues at most a day after it began
    near = f.quarter.between(query.period.first - 96, query.period.stop)
    theirs = [_is(f[name], query.filters[name]) for name in rest]
    return and_(*own, c.call.in_(select(f.call).where(near, *theirs)))


async def step_sums(
    connection: AsyncConnection, query: Query, by: Sequence[str], slots: bool = False
) -> Sums:
    """Sums of steps. Filters on anything but flow and version are looked up in the calls' facts,
    where the sums by whole days do not hold them."""
    if query.filters and (not slots or slot_size(query.unit) >= DAY):
        return await _by_days(connection, query, rollup_local_steps, by, slots, _step_sums)
    return await _step_sums(connection, query, by, slots)


async def _step_sums(
    connection: AsyncConnection, query: Query, by: Sequence[str], slots: bool
) -> Sums:
    names = (
        "visits", "keys", "speech", "no_inputs", "no_matches", "unsure", "faults", "hung_up",
        "ended",
    )  # fmt: skip
    where = conditions(rollup_steps, query)
    table = rollup_steps
    if where is None:
        table = call_steps
        f = call_facts.c
        others: dict[str, Any] = {name: "" for name in query.filters if name not in table.c}
        own = conditions(table, replace(query, **others))
        theirs = conditions(call_facts, replace(query, flow="", version=""))
        if theirs is None:
            raise _cannot(query, call_facts)
        near = f.quarter.between(query.period.first, query.period.stop - 1)
        where = [*(own or ()), table.c.call.in_(select(f.call).where(near, *theirs))]
    count = func.count() if table is call_steps else func.sum(table.c.calls)
    sums = {"calls": count} | {name: func.sum(table.c[name]) for name in names}
    return await _sums(connection, query, table, where, by, sums, slots)


async def _by_days(
    connection: AsyncConnection,
    query: Query,
    table: Table,
    by: Sequence[str],
    slots: bool,
    rest: Callable[[AsyncConnection, Query, Sequence[str], bool], Awaitable[Sums]],
) -> Sums:
    """The whole days of the period from their sums; what lies before and after them, and everything
    where there are none that can answer, by `rest`."""
    zone, period, c = query.period.zone, query.period, table.c
    where = conditions(table, query)
    if where is None or not {*by} <= {*c.keys()}:
        return await rest(connection, query, by, slots)
    days = whole_days(period.first, period.stop, await summed(connection, zone), zone)
    if not days:
        return await rest(connection, query, by, slots)
    columns = [*([c.day] if slots else []), *(c[name] for name in by)]
    measures = {
        one.name: func.max(one) if one.name == "longest" else func.sum(one)
        for one in c
        if not one.primary_key
    }
    asked = select(*columns, *measures.values()).where(
        c.day >= days.start, c.day < days.stop, *where
    )
    found: Sums = {}
    for row in await connection.execute(asked.group_by(*columns)):
        at = slot(query.unit, NO_PART, int(row[0])) if slots else (0, "")
        names, values = row[slots : len(columns)], row[len(columns) :]
        numbers = dict(zip(measures, (float(one or 0) for one in values), strict=True))
        add(found, (at, *names), numbers)
    for first, stop in (
        (period.first, first_quarter(days.start, zone)),
        (first_quarter(days.stop, zone), period.stop),
    ):
        if first < stop:
            here = replace(query, period=_stretch(first, stop, zone))
            for key, some in (await rest(connection, here, by, slots)).items():
                add(found, key, some)
    return found


def _stretch(first: int, stop: int, zone: ZoneInfo) -> Period:
    return Period(*(datetime.fromtimestamp(one * QUARTER, zone) for one in (first, stop)))


async def _sums(
    connection: AsyncConnection,
    query: Query,
    table: Table,
    where: Sequence[ColumnElement[bool]],
    by: Sequence[str],
    sums: Mapping[str, Any],
    slots: bool,
) -> Sums:
    """Group by slot and columns, one query for each part between two clock changes."""
    found: Sums = {}
    size = slot_size(query.unit)
    names = [*by, *query.filters]
    for part in query.period.parts() if slots else _whole(query.period):
        # blocks of a slot must end where the zone's hours and days do
        aligned = gcd(size, part.offset) // QUARTER if slots else 0
        for piece in pieces(table, names, part.first, part.end, aligned):
            at: Any = literal(0)
            if slots:
                at = (piece.number * (piece.quarters * QUARTER) + part.offset) // size
                if query.unit in AROUND:
                    at = at % AROUND[query.unit]
            columns = [piece.table.c[name] for name in by]
            asked: Select[Any] = select(
                at.label("slot"),
                *columns,
                *(moved(one, table, piece.table) for one in sums.values()),
            )
            asked = asked.where(piece.where, *(moved(one, table, piece.table) for one in where))
            asked = asked.group_by(*([at] if slots else []), *columns)
            for number, *rest in await connection.execute(asked):
                key = (slot(query.unit, part, int(number)) if slots else (0, ""), *rest[: len(by)])
                numbers = [float(number or 0) for number in rest[len(by) :]]
                add(found, key, dict(zip(sums, numbers, strict=True)))
    return found


def moved(clause: Any, table: Table, to: Table) -> Any:
    """The same clause about another table's columns of the same names."""
    if table is to:
        return clause

    def there(element: Any, **_: Any) -> Any:
        return to.c[element.name] if getattr(element, "table", None) is table else None

    return visitors.replacement_traverse(clause, NO_OPTIONS, there)


def _whole(period: Period) -> Iterator[Part]:
    """The period at once, where nobody asks what time it was."""
    yield Part(period.first, period.stop, 0)


def add(into: Sums, key: tuple[Any, ...], values: Mapping[str, float]) -> None:
    """Add values to those of the same key; the longest is the longest of both."""
    there = into.get(key)
    if there is None:
        into[key] = defaultdict(float, values)
        return
    for name, number in values.items():
        there[name] = max(there[name], number) if name == "longest" else there[name] + number


def merged(sums: Sums, key: Callable[[tuple[Any, ...]], tuple[Any, ...]]) -> Sums:
    """The same sums by fewer keys."""
    found: Sums = {}
    for old, values in sums.items():
        add(found, key(old), values)
    return found


def _cannot(query: Query, table: Table) -> BadInput:
    wrong = [name for name in query.filters if name not in table.c]
    return BadInput(f"This report cannot be filtered by {', '.join(wrong)}.")


def _recurring(
    column: ColumnElement[int], query: Query, name: str, value: int
) -> ColumnElement[bool]:
    """Whether a quarter is at an hour of the day, or on a day of the week (0: Monday)."""
    cases = []
    for part in query.period.parts():
        local = column * QUARTER + part.offset
        number = local // 3600 % 24 if name == "hour_of_day" else (local // 86400 + 3) % 7
        cases.append(and_(column >= part.first, column < part.end, number == value))
    return or_(*cases)


async def behind(
    connection: AsyncConnection, query: Query, of: str, where: Mapping[str, str], limit: int = 1000
) -> list[str]:
    """The calls behind a cell: `where` is its row's and its column's together.

    Keys of `where` are columns of what the report counts (`of`), `since` and `until` (seconds since
    1970: the row's slot), and `outcome`/`ending` with several values separated by `|`. An id stands
    there as often as the call is counted.
    """
    table = {"calls": call_facts, "visits": queue_visits, "steps": call_steps}[of]
    c = table.c
    asked = []
    for name, value in where.items():
        if name in ("since", "until"):
            edge = int(float(value) // QUARTER)
            asked.append(c.quarter >= edge if name == "since" else c.quarter < edge)
        elif name in ("weekday", "hour_of_day"):
            asked.append(_recurring(c.quarter, query, name, int(value)))
        elif name == "rated":
            asked.append(c.mark.is_not(None))
        elif name in ("question", "product"):
            a = survey_answers.c
            asked.append(c.call.in_(select(a.call).where(a[name] == value)))
        elif name.endswith(">0"):
            asked.append(c[name.removesuffix(">0")] > 0)
        elif name in c:
            asked.append(or_(*(c[name] == one for one in value.split("|"))))
        else:
            raise BadInput(f"There is no {name!r} to look for.")
    own = conditions(table, query)
    if own is None:
        f = call_facts.c
        theirs = [_is(f[name], value) for name, value in query.filters.items() if name not in c]
        own = [_is(c[name], value) for name, value in query.filters.items() if name in c]
        own.append(c.call.in_(select(f.call).where(*theirs)))
    chosen = select(c.call).where(
        c.quarter >= query.period.first, c.quarter < query.period.stop, *asked, *own
    )
    rows = await connection.execute(chosen.order_by(c.quarter.desc(), c.call).limit(limit))
    return list(rows.scalars())
