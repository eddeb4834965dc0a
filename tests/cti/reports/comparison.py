"""Every figure of every report against the recount."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from cti import reports
from cti.reports.period import Period
from cti.reports.query import Query
from tests.cti.reports.recount import ENDINGS, UNITS, Recount

QUEUED: Final = ("handled", "abandoned", "diverted", "waiting")
MANY: Final = 10_000_000  # calls behind a cell


@dataclass(slots=True)
class Comparison:
    looked: int = 0
    wrong: list[str] = field(default_factory=list)

    def same(self, where: str, found: Any, expected: Any) -> None:
        self.looked += 1
        if isinstance(found, float) or isinstance(expected, float):
            close = (
                found is not None
                and expected is not None
                and math.isclose(found, expected, rel_tol=1e-6, abs_tol=1e-4)
            )
            if not close:
                self.wrong.append(f"{where}: {found}, recounted {expected}")
        elif found != expected:
            self.wrong.append(f"{where}: {found}, recounted {expected}")

    def all_same(self, where: str, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
        for name, value in expected.items():
            self.same(f"{where} {name}", found.get(name), value)


async def differences(engine: AsyncEngine, truth: Recount, period: Period) -> tuple[int, list[str]]:
    """How many figures were compared, and those that differ."""
    made = Comparison()
    for unit in UNITS:
        await _calls(engine, truth, Query(period, unit=unit), made)
        await _queues(engine, truth, Query(period, unit=unit), made)
    query = Query(period)
    await _agents(engine, truth, query, made)
    await _steps(engine, truth, query, made)
    await _surveys(engine, truth, query, made)
    await _people(engine, truth, query, made)
    await _behind(engine, truth, query, made)
    return made.looked, made.wrong


def _share(part: float, whole: float) -> float | None:
    return 100.0 * part / whole if whole else None


def _mean(total: float, count: float) -> float | None:
    return total / count if count else None


async def _calls(engine: AsyncEngine, truth: Recount, query: Query, made: Comparison) -> None:
    table = await reports.make(engine, "calls", query)
    expected = {label: one for (unit, label), one in truth.by_slot.items() if unit == query.unit}
    made.same(f"slots by {query.unit}", {row.values["slot"] for row in table.rows}, set(expected))
    for row in table.rows:
        counts = expected[row.values["slot"]]
        over = counts["offered"] - counts["waiting"]
        names = ("offered", *ENDINGS, "questions", "no_inputs", "no_matches", "faults")
        wanted = {name: counts[name] for name in names} | {
            "containment": _share(counts["contained"], over),
            "abandonment": _share(counts["abandoned"], over),
            "duration": _mean(counts["seconds"], over),
        }
        made.all_same(f"calls {row.values['slot']}", row.values, wanted)
        parts = sum(row.values[name] for name in ENDINGS)
        made.same(f"calls {row.values['slot']} together", row.values["offered"], parts)
    assert table.total is not None
    made.same(f"calls by {query.unit}", table.total.values["offered"], truth.calls)


async def _queues(engine: AsyncEngine, truth: Recount, query: Query, made: Comparison) -> None:
    table = await reports.make(engine, "queues", query)
    expected = {key[1:]: one for key, one in truth.by_queue.items() if key[0] == query.unit}
    found = {(row.values["slot"], row.values["queue"]) for row in table.rows}
    made.same(f"queues by {query.unit}", found, set(expected))
    offered = 0
    for row in table.rows:
        where = (row.values["slot"], row.values["queue"])
        counts = expected[where]
        handled, abandoned = counts["outcome handled"], counts["outcome abandoned"]
        base = handled + abandoned - counts["short"]
        parts = {"talk": "talked", "hold": "held", "wrap_up": "wrapped"}
        wanted = {
            "offered": counts["offered"], "handled": handled, "abandoned": abandoned,
            "short": counts["short"], "waiting": counts["outcome "],
            "asa": _mean(counts["waited"], handled), "longest": float(counts["longest"]),
            "patience": _mean(counts["patience"], abandoned),
            "aht": _mean(sum(counts[name] for name in parts.values()), handled),
            "transfer_rate": _share(counts["transferred"], handled),
        }  # fmt: skip
        wanted |= {f"level_{n}": _share(counts[f"in {n}"], base) for n in (10, 20, 30, 60)}
        wanted |= {name: _mean(counts[key], handled) for name, key in parts.items()}
        made.all_same(f"queues {where}", row.values, wanted)
        together = sum(row.values[name] for name in QUEUED)
        made.same(f"queues {where} together", row.values["offered"], together)
        offered += row.values["offered"]
    assert table.total is not None
    made.same(f"queues by {query.unit}", table.total.values["offered"], offered)


async def _agents(engine: AsyncEngine, truth: Recount, query: Query, made: Comparison) -> None:
    table = await reports.make(engine, "agents", query)
    made.same("agents", {(row.values["agent"],) for row in table.rows}, set(truth.agents))
    for row in table.rows:
        spent = truth.agents[row.values["agent"],]
        busy = float(spent["talking"] + spent["ringing"] + spent["wrap_up"])
        states = ("ready", "ringing", "talking", "wrap_up", "paused", "offline")
        work = sum(spent[name] for name in ("talked", "held", "wrapped"))
        wanted = {name: float(spent[name]) for name in states} | {
            "signed_in": float(sum(spent[name] for name in states)),
            "calls": spent["calls"],
            "aht": _mean(work, spent["calls"]),
            "talk": _mean(spent["talked"], spent["calls"]),
            "transfer_rate": _share(spent["transferred"], spent["calls"]),
            "occupancy": _share(busy, busy + spent["ready"]),
        }
        made.all_same(f"agents {row.values['agent']}", row.values, wanted)


async def _steps(engine: AsyncEngine, truth: Recount, query: Query, made: Comparison) -> None:
    table = await reports.make(engine, "steps", query)
    found = {(row.values["flow"], row.values["step"]) for row in table.rows}
    made.same("steps", found, set(truth.steps))
    for row in table.rows:
        where = (row.values["flow"], row.values["step"])
        counts = truth.steps[where]
        heard = counts["keys"] + counts["speech"]
        asked = heard + counts["no_inputs"]
        names = (
            "calls", "visits", "hung_up", "keys", "speech", "no_inputs", "no_matches", "unsure",
            "faults",
        )  # fmt: skip
        wanted = {name: counts[name] for name in names} | {
            "repeats": counts["visits"] - counts["calls"],
            "answers": asked,
            "reach": _share(counts["calls"], truth.begun[where[0]]),
            "drop_off": _share(counts["hung_up"], counts["calls"]),
            "understood": _share(heard - counts["no_matches"], asked),
        }
        made.all_same(f"steps {where}", row.values, wanted)


async def _surveys(engine: AsyncEngine, truth: Recount, query: Query, made: Comparison) -> None:
    table = await reports.make(engine, "surveys", query)
    names = ("question", "flow", "queue", "agent", "product")
    made.same(
        "surveys", {tuple(row.values[n] for n in names) for row in table.rows}, set(truth.marks)
    )
    for row in table.rows:
        where = tuple(row.values[name] for name in names)
        marks = truth.marks[where]
        good, bad = sum(mark >= 9 for mark in marks), sum(mark <= 6 for mark in marks)
        wanted: dict[str, Any] = {"answers": len(marks), "mean": sum(marks) / len(marks)}
        if where[0] == "recommend":
            wanted |= {"nps": 100.0 * (good - bad) / len(marks), "promoters": good,
                       "detractors": bad}  # fmt: skip
        else:
            wanted["csat"] = _share(sum(mark >= 4 for mark in marks), len(marks))
        made.all_same(f"surveys {where}", row.values, wanted)


async def _people(engine: AsyncEngine, truth: Recount, query: Query, made: Comparison) -> None:
    busiest = await reports.make(engine, "busiest", query)
    found = {
        (row.values["weekday"], f"h{hour}"): row.values[f"h{hour}"]
        for row in busiest.rows
        for hour in range(24)
        if row.values[f"h{hour}"]
    }
    made.same("busiest", found, dict(truth.heat))
    callers = await reports.make(engine, "callers", query)
    again = truth.again()
    made.same(
        "callers", [(r.values["calls"], r.values["caller"]) for r in callers.rows],
        again[: len(callers.rows)],
    )  # fmt: skip
    made.same("callers, how many", len(callers.rows), min(200, len(again)))
    for row in callers.rows:
        one = truth.people[row.values["caller"]]
        ends = [ending for _, ending in one.ends]
        moments = [at for at, _ in one.ends]
        wanted = {
            "handled": ends.count("handled"), "abandoned": ends.count("abandoned"),
            "waited": float(one.waited), "first": min(moments), "last": max(moments),
        }  # fmt: skip
        made.all_same(f"callers {row.values['caller']}", row.values, wanted)
    assert callers.total is not None
    made.same("first-call resolution", callers.total.values["resolution"], truth.resolution())
    worst = await reports.make(engine, "worst", query)
    most = sorted(truth.points, reverse=True)[:100]
    made.same("worst, how many", len(worst.rows), len(most))
    for number, (row, points) in enumerate(zip(worst.rows, most, strict=False), 1):
        made.same(f"worst {number}", float(row.values["points"]), float(points))


async def _behind(engine: AsyncEngine, truth: Recount, query: Query, made: Comparison) -> None:
    """The very calls behind the days on which clocks change, and behind some others."""
    table = await reports.make(engine, "calls", query)
    edges = _days_of_change(query.period)
    columns = {column.key: column for column in table.columns if column.where is not None}
    for number, row in enumerate(table.rows):
        if number % 45 and row.values["slot"] not in edges:
            continue
        for ending in ENDINGS:
            where = {**row.where, **(columns[ending].where or {})}
            behind = await reports.calls_behind(engine, "calls", query, where, MANY)
            wanted = sorted(truth.ids.get((row.values["slot"], ending), []))
            made.same(f"behind {ending} of {row.values['slot']}", sorted(behind), wanted)


def _days_of_change(period: Period) -> set[str]:
    def day(quarter: int) -> str:
        from datetime import datetime

        return str(datetime.fromtimestamp(quarter * 900, period.zone).date())

    firsts: Iterable[int] = [part.first for part in period.parts()]
    return {day(first) for first in firsts}
