"""How many agents the coming week asks for: past calls, a forecast, Erlang, half an hour each.

The forecast is by day of the week and half hour, over whole weeks of local time, times a trend;
holidays are left out of the past and forecast from the past's own Sundays. The rest, agents from
calls, is `cti.reports.staffing`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final

import holidays
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cti.db.models import rollup_queues
from cti.reports.facts import QUARTER
from cti.reports.period import Period
from cti.reports.query import Query, conditions
from cti.reports.staffing import Demand, Outlook, back_test, forecast, needed
from cti.reports.table import Column, Row, Table
from ivr.errors import BadInput

NAME: Final = "staffing"
TITLE: Final = {"tr": "Kadro planı", "en": "Staffing"}
HALF: Final = 1800
A_DAY: Final = 48  # half hours
FEWEST: Final = 3  # weeks of history
TREND: Final = (0.5, 2.0)  # no forecast grows or shrinks more than that
COLUMNS: Final = (
    Column("slot", "slot", {"tr": "Zaman", "en": "Time"}),
    Column("calls", "number", {"tr": "Beklenen arama", "en": "Expected calls"}),
    Column("low", "number", {"tr": "En az", "en": "Low"}),
    Column("high", "number", {"tr": "En çok", "en": "High"}),
    Column("agents", "count", {"tr": "Temsilci", "en": "Agents"}),
    Column("agents_c", "count", {"tr": "Temsilci (Erlang C)", "en": "Agents (Erlang C)"}),
    Column("agents_high", "count", {"tr": "En çokta", "en": "Agents at high"}),
    Column("rostered", "count", {"tr": "Vardiyada", "en": "Rostered"}),
    Column("level", "percent", {"tr": "Hizmet düzeyi", "en": "Service level"}),
    Column("wait", "seconds", {"tr": "Ort. bekleme", "en": "Mean wait"}),
    Column("abandoned", "percent", {"tr": "Vazgeçen", "en": "Abandoned"}),
    Column("occupancy", "percent", {"tr": "Doluluk", "en": "Occupancy"}),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class What:
    """What is asked for. `level` (percent) of calls answered within `within` seconds; `handling`
    and `patience` in seconds (handling 0: as it was; patience 0: as it was estimated, below 0:
    nobody gives up); `shrinkage`: percent of paid time that nobody answers in; `volume`: percent of
    the forecast that is planned for."""

    level: float = 80.0
    within: float = 20.0
    handling: float = 0.0
    patience: float = 0.0
    shrinkage: float = 30.0
    volume: float = 100.0
    country: str = "TR"

    def __post_init__(self) -> None:
        numbers = (self.level, self.within, self.handling, self.patience, self.shrinkage)
        if not all(map(math.isfinite, (*numbers, self.volume))):
            raise BadInput("What is asked for has to be numbers.")
        if not 1 <= self.level <= 99.9:
            raise BadInput("The service level is from 1 to 99.9 percent.")
        if not 0 <= self.within <= 3600 or not 0 <= self.handling <= 7200:
            raise BadInput("Answered within 0 to 3600 s; a handling time of 0 to 7200 s.")
        if not 0 <= self.shrinkage <= 90 or not 0 <= self.volume <= 1000:
            raise BadInput("Shrinkage is from 0 to 90 percent, volume from 0 to 1000.")
        if self.patience > 7200:
            raise BadInput("Patience is at most 7200 s.")


@dataclass(frozen=True, slots=True)
class Past:
    """`weeks` of half hours from Monday, whole ones only, oldest first; mean times in seconds.
    `patience`: time waited by all / those who gave up (the estimate of an exponential patience)."""

    monday: date
    weeks: Sequence[Sequence[float]]
    handling: float
    patience: float
    calls: float
    days_off: tuple[date, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The table, and what it stands on: to be shown beside it."""

    table: Table
    about: Mapping[str, Any]


async def plan(connection: AsyncConnection, query: Query, what: What) -> Plan:
    """The week after the last whole one. `BadInput` with too little history."""
    past = await history(connection, query, what.country)
    return await asyncio.to_thread(_planned, past, what)


def _planned(past: Past, what: What) -> Plan:
    handling = what.handling or past.handling or 240.0
    patience = 0.0 if what.patience < 0 else what.patience or past.patience
    wape, inside = back_tested(past)
    first = past.monday + timedelta(weeks=len(past.weeks))
    rows, hours = [], 0.0
    for number, (calls, low, high) in enumerate(ahead(past, first, what.country)):
        at = first + timedelta(days=number // A_DAY)
        label = f"{at}T{number % A_DAY // 2:02}:{number % 2 * 30:02}"
        values = _staffed(calls, low, high, handling, patience, what)
        rows.append(Row({"slot": label, **values}))
        hours += values["rostered"] / 2
    about = {
        "week": str(first), "weeks": len(past.weeks), "calls": past.calls, "handling": handling,
        "patience": patience, "wape": 100 * wape, "inside": 100 * inside, "hours": hours,
        "days_off": [str(day) for day in past.days_off],
    }  # fmt: skip
    return Plan(Table(NAME, COLUMNS, rows, of="visits"), about)


def _staffed(
    calls: float, low: float, high: float, handling: float, patience: float, what: What
) -> dict[str, Any]:
    """What a half hour needs; without calls, nobody."""
    share, part = what.level / 100, what.volume / 100
    calls, low, high = calls * part, low * part, high * part
    if calls < 0.05:
        return {
            "calls": calls, "low": low, "high": high, "agents": 0, "agents_c": 0, "agents_high": 0,
            "rostered": 0, "level": None, "wait": None, "abandoned": None, "occupancy": None,
        }  # fmt: skip
    found = _needed(_step(calls), handling, patience, share, what.within)
    plain = _needed(_step(calls), handling, 0.0, share, what.within)
    most = _needed(_step(high), handling, patience, share, what.within)
    return {
        "calls": calls, "low": low, "high": high, "agents": found.agents,
        "agents_c": plain.agents, "agents_high": most.agents,
        "rostered": math.ceil(found.agents / (1 - what.shrinkage / 100) - 1e-9),
        "level": 100 * found.level, "wait": found.wait, "abandoned": 100 * found.abandoned,
        "occupancy": 100 * found.occupancy,
    }  # fmt: skip


def _step(calls: float) -> float:
    """Rounded up a little: half hours that are nearly the same are reckoned once."""
    size = 0.25 if calls < 25 else 1.0 if calls < 100 else 5.0
    return math.ceil(calls / size - 1e-9) * size


@lru_cache(maxsize=4096)
def _needed(calls: float, handling: float, patience: float, level: float, within: float) -> Outlook:
    return needed(Demand(calls, handling, HALF, patience), level, within)


async def history(connection: AsyncConnection, query: Query, country: str = "TR") -> Past:
    """Visits to queues by half hour of local time. The hour that comes twice when clocks go back
    counts as one; the one that is missing has no calls."""
    where = conditions(rollup_queues, query)
    if where is None:
        raise BadInput("Staffing can be filtered by queue.")
    c = rollup_queues.c
    monday, count = whole_weeks(query.period)
    zone = query.period.zone
    edges = [
        int(datetime.combine(day, time(), zone).timestamp() // QUARTER)
        for day in (monday, monday + timedelta(weeks=count))
    ]
    within = (c.quarter >= edges[0], c.quarter < edges[1], *where)
    asked = select(c.quarter, func.sum(c.visits)).where(*within).group_by(c.quarter)
    weeks = [[0.0] * (7 * A_DAY) for _ in range(count)]
    for quarter, visits in await connection.execute(asked):
        local = datetime.fromtimestamp(quarter * QUARTER, zone)
        days = (local.date() - monday).days
        weeks[days // 7][days % 7 * A_DAY + local.hour * 2 + local.minute // 30] += float(visits)
    calls = sum(map(sum, weeks))
    if not calls:
        raise BadInput("There are no calls to forecast from.")
    spent = func.sum(c.talked + c.held + c.wrapped)
    handled = await _of(connection, spent, func.sum(c.visits), (*within, c.outcome == "handled"))
    waited = func.sum(c.waited)
    gone = (await connection.execute(
        select(func.sum(c.visits)).where(*within, c.outcome == "abandoned")
    )).scalar() or 0  # fmt: skip
    all_waited = (await connection.execute(select(waited).where(*within))).scalar() or 0
    off = [
        day for week in range(count) for n in range(7)
        if (day := monday + timedelta(weeks=week, days=n)) in days_off(country, day.year)
    ]  # fmt: skip
    patience = float(all_waited) / float(gone) if gone else 0.0
    return Past(monday, weeks, handled, min(patience, 7200.0), calls, tuple(off))


async def _of(connection: AsyncConnection, total: Any, count: Any, where: Any) -> float:
    row = (await connection.execute(select(total, count).where(*where))).one()
    return float(row[0] or 0) / float(row[1]) if row[1] else 0.0


def whole_weeks(period: Period) -> tuple[date, int]:
    """The first Monday of the period and how many whole weeks follow it."""
    first, end = period.start.date(), period.end.date()
    monday = first + timedelta(days=-first.weekday() % 7)
    count = (end - monday).days // 7
    if count < FEWEST:
        raise BadInput(f"A forecast needs {FEWEST} whole weeks from Monday to Sunday at least; "
                       "take a longer period, such as --from 90d.")  # fmt: skip
    return monday, count


@lru_cache(maxsize=64)
def days_off(country: str, year: int) -> Mapping[date, str]:
    """Public holidays. `BadInput` for a country that the library does not know."""
    try:
        found: Mapping[date, str] = holidays.country_holidays(country, years=year)
    except NotImplementedError:
        raise BadInput(f"No holidays are known of {country!r}; write TR, DE, GB, …") from None
    return found


def trend(weeks: Sequence[Sequence[float]]) -> float:
    """How much a week has of the one before: the line through the logarithms of the weeks' totals,
    halved towards no change because weeks differ by chance, too."""
    totals = [math.log(max(sum(week), 1.0)) for week in weeks]
    middle = (len(totals) - 1) / 2
    over = sum((n - middle) ** 2 for n in range(len(totals)))
    slope = sum((n - middle) * value for n, value in enumerate(totals)) / over
    return math.exp(slope / 2)


def _levelled(weeks: Sequence[Sequence[float]]) -> tuple[list[list[float]], float]:
    """The weeks brought to the level of the coming one, and by how much each was taken on."""
    growth = trend(weeks) if len(weeks) >= 3 else 1.0
    made = []
    for number, week in enumerate(weeks):
        much = min(max(growth ** (len(weeks) - number), TREND[0]), TREND[1])
        made.append([value * much for value in week])
    return made, growth


def _without_holidays(past: Past) -> list[list[float]]:
    """A holiday's half hours become the mean of the same weekday in the other weeks."""
    weeks = [list(week) for week in past.weeks]
    off = {(day - past.monday).days for day in past.days_off}
    for days in off:
        number, start = days // 7, days % 7 * A_DAY
        others = [week for n, week in enumerate(past.weeks) if n * 7 + days % 7 not in off]
        if others:
            for slot in range(start, start + A_DAY):
                weeks[number][slot] = sum(week[slot] for week in others) / len(others)
    return weeks


def ahead(past: Past, first: date, country: str) -> list[tuple[float, float, float]]:
    """The coming week, half hour by half hour: middle and band (80%). A holiday is as Sundays."""
    levelled, _ = _levelled(_without_holidays(past))
    made = forecast(levelled)
    sunday = made[6 * A_DAY :]
    for number in range(7):
        day = first + timedelta(days=number)
        if day in days_off(country, day.year):
            made[number * A_DAY : (number + 1) * A_DAY] = sunday
    return made


def back_tested(past: Past) -> tuple[float, float]:
    """The back-test: the last week forecast from those before it, trend and all. WAPE, and the
    share of half hours that fell into the band."""
    weeks = _without_holidays(past)
    before, _ = _levelled(weeks[:-1])
    return back_test([*before, weeks[-1]])
