"""Every report against a recount from the raw records, written another way: no roll-up, no SQL
sums, each moment turned into local time by itself."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from cti import demo_history, reports
from cti.db.models import (
    agent_spans,
    call_events,
    call_facts,
    calls,
    queue_visits,
    rollup_calls,
    survey_answers,
)
from cti.reports.period import Period
from cti.reports.query import Query
from cti.reports.rollups import Rollups
from ivr.errors import BadInput

pytestmark = pytest.mark.asyncio(loop_scope="module")
# Clocks in Berlin go back in the night to 25 October 2026.
ZONE = ZoneInfo("Europe/Berlin")
TODAY = date(2026, 10, 29)
SCALE = demo_history.Scale(days=8, per_day=70, zone="Europe/Berlin", agents=("ayse", "burak"))
WEEK = Period(datetime(2026, 10, 21, tzinfo=ZONE), datetime(2026, 10, 29, tzinfo=ZONE))
UNITS = ("quarter", "hour", "day", "week", "month", "weekday", "hour_of_day", "total")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def full(module_engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    await demo_history.write(module_engine, SCALE, TODAY)
    # A few who are still on the line, or were when it was written down.
    async with module_engine.begin() as connection:
        some = (
            await connection.execute(
                select(queue_visits.c.id).where(queue_visits.c.outcome == "abandoned").limit(3)
            )
        ).scalars()
        for visit in list(some):
            await connection.execute(
                update(queue_visits)
                .where(queue_visits.c.id == visit)
                .values(outcome="", left=0.0, ended=0.0)
            )
    await Rollups(module_engine, now=lambda: WEEK.end.timestamp()).rebuild()
    yield module_engine


async def rows(engine: AsyncEngine, table: Any) -> list[Any]:
    async with engine.connect() as connection:
        return list(await connection.execute(select(table)))


class Truth:
    """The recount: each call's own story, from its raw events."""

    def __init__(self, events: list[Any], visits: list[Any], answers: list[Any], spans: list[Any]):
        self.stories: dict[str, list[tuple[float, str, dict[str, Any]]]] = defaultdict(list)
        for row in sorted(events, key=lambda row: (row.call, row.sequence)):
            self.stories[row.call].append((row.at, row.kind, row.data))
        self.visits, self.answers, self.spans = visits, answers, spans

    def ending(self, call: str) -> str:
        kinds = [kind for _, kind, _ in self.stories[call]]
        last = self.stories[call][-1]
        own = [visit for visit in self.visits if visit.call == call]
        if any(visit.outcome == "" for visit in own):
            return "waiting"
        if any(visit.outcome == "handled" for visit in own):
            return "handled"
        if own:
            return "abandoned" if own[-1].outcome == "abandoned" else "diverted"
        if last[2]["why"] == "hangup":
            return "contained"
        good = any(
            kind in ("LookupDone", "EffectDone") and data["outcome"] in ("found", "done")
            for _, kind, data in self.stories[call]
        )
        assert "CallStarted" in kinds
        return "contained" if good else "abandoned"

    @staticmethod
    def label(unit: str, at: float) -> str:
        local = datetime.fromtimestamp(at, ZONE)
        local = local.replace(minute=local.minute // 15 * 15, second=0, microsecond=0)
        return {
            "quarter": local.isoformat(timespec="minutes"),
            "hour": local.replace(minute=0).isoformat(timespec="minutes"),
            "day": str(local.date()), "week": f"{local:%G-W%V}", "month": f"{local:%Y-%m}",
            "weekday": f"{local:%A}".lower(), "hour_of_day": f"{local:%H}:00", "total": "",
        }[unit]  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def truth(full: AsyncEngine) -> Truth:
    tables = (call_events, queue_visits, survey_answers, agent_spans)
    return Truth(*[await rows(full, table) for table in tables])


async def made(engine: AsyncEngine, name: str, **filters: Any) -> reports.Table:
    return await reports.make(engine, name, replace(Query(WEEK), **filters))


@pytest.mark.parametrize("unit", UNITS)
async def test_calls_add_up_at_every_level(full: AsyncEngine, truth: Truth, unit: str) -> None:
    table = await made(full, "calls", unit=unit)
    expected: Counter[tuple[str, str]] = Counter()
    for call, story in truth.stories.items():
        expected[truth.label(unit, story[0][0]), truth.ending(call)] += 1
    found = {
        (row.values["slot"], ending): row.values[ending]
        for row in table.rows
        for ending in ("handled", "contained", "abandoned", "diverted", "waiting")
        if row.values[ending]
    }
    assert found == dict(expected)
    assert table.total is not None
    for row in [*table.rows, table.total]:
        parts = ("handled", "contained", "abandoned", "diverted", "waiting")
        assert row.values["offered"] == sum(row.values[name] for name in parts)
    assert table.total.values["offered"] == len(truth.stories)


@pytest.mark.parametrize("unit", UNITS)
async def test_queues_add_up_at_every_level(full: AsyncEngine, truth: Truth, unit: str) -> None:
    table = await made(full, "queues", unit=unit)
    expected: Counter[tuple[str, str]] = Counter()
    waits: dict[str, list[float]] = defaultdict(list)
    for visit in truth.visits:
        label = truth.label(unit, visit.entered)
        expected[label, visit.outcome] += 1
        if visit.outcome == "handled":
            waits[label].append(visit.left - visit.entered)
    for row in table.rows:
        label, values = row.values["slot"], row.values
        of = {key: count for (slot, key), count in expected.items() if slot == label}
        assert values["offered"] == sum(of.values())
        assert values["offered"] == (
            values["handled"] + values["abandoned"] + values["diverted"] + values["waiting"]
        )
        assert values["handled"] == of.get("handled", 0) == len(waits[label])
        assert values["waiting"] == of.get("", 0)
        if waits[label]:
            assert values["asa"] == pytest.approx(sum(waits[label]) / len(waits[label]))
            base = values["handled"] + values["abandoned"] - values["short"]
            quick = sum(wait <= 20 for wait in waits[label])
            assert values["level_20"] == pytest.approx(100 * quick / base)
    assert table.total is not None
    assert table.total.values["waiting"] == 3


async def test_every_cell_opens_the_calls_behind_it(full: AsyncEngine) -> None:
    looked = 0
    for name in reports.REPORTS:
        for unit in ("day", "weekday", "month") if reports.find(name).timed else ("day",):
            query = replace(Query(WEEK), unit=unit)
            table = await reports.make(full, name, query)
            for row in table.rows[:12]:
                for column in table.columns:
                    if column.where is None or row.values[column.key] is None:
                        continue
                    where = {**row.where, **column.where}
                    behind = await reports.calls_behind(full, name, query, where)
                    shown = row.values[column.key]
                    if column.kind == "call":
                        assert behind == [shown]
                    elif name == "surveys":
                        assert bool(behind) == bool(shown)
                    elif any(key.endswith(">0") for key in where):
                        assert bool(behind) == bool(shown)
                        assert len(behind) <= shown
                    else:
                        assert len(behind) == shown, (name, column.key, where)
                    looked += 1
    assert looked > 300


async def test_agents_time_sheet_leaves_no_second_out(full: AsyncEngine, truth: Truth) -> None:
    table = await made(full, "agents")
    for row in table.rows:
        own = [span for span in truth.spans if span.agent == row.values["agent"]]
        for state in ("ready", "talking", "wrap_up", "paused", "ringing"):
            expected = sum(span.until - span.since for span in own if span.state == state)
            assert row.values[state] == pytest.approx(expected), state
        taken = [v for v in truth.visits if v.agent == row.values["agent"]]
        assert row.values["calls"] == len(taken)
        assert row.values["talk"] == pytest.approx(
            sum(v.ended - v.left - v.held for v in taken) / len(taken)
        )
    assert {row.values["agent"] for row in table.rows} == {"ayse", "burak"}


async def test_steps_of_the_flow(full: AsyncEngine, truth: Truth) -> None:
    table = await made(full, "steps", flow="order_line")
    expected: dict[str, Counter[str]] = defaultdict(Counter)
    for story in truth.stories.values():
        here, been = "", set[str]()
        for _, kind, data in story:
            if kind == "StepEntered" and data["flow"] == "order_line":
                here = data["step"]
                expected[here]["visits"] += 1
                expected[here]["calls"] += here not in been
                been.add(here)
            elif kind == "StepEntered":
                here = ""
            elif kind == "Heard" and here:
                expected[here]["no_inputs"] += data["kind"] == "nothing"
                wrong = data["kind"] != "nothing" and data["answer"] is None
                expected[here]["no_matches"] += wrong
                expected[here]["keys"] += data["kind"] == "keys"
                expected[here]["speech"] += data["kind"] == "speech"
            elif kind == "CallEnded" and here:
                expected[here]["hung_up"] += data["why"] == "caller_hung_up"
    found = {row.values["step"]: row.values for row in table.rows}
    assert found.keys() == expected.keys()
    for step, counts in expected.items():
        for name, count in counts.items():
            assert found[step][name] == count, (step, name)
    assert [row.values["step"] for row in table.rows][:2] == ["welcome", "main"]
    assert found["main"]["reach"] == pytest.approx(100.0)


async def test_surveys(full: AsyncEngine, truth: Truth) -> None:
    marks = [answer.mark for answer in truth.answers if answer.scale == "1-5"]
    tens = [answer.mark for answer in truth.answers if answer.scale == "0-10"]
    table = await made(full, "surveys")
    assert sum(row.values["answers"] for row in table.rows) == len(truth.answers) > 10
    happy = sum(
        row.values["csat"] * row.values["answers"] / 100
        for row in table.rows
        if row.values["question"] == "service"
    )
    assert happy == pytest.approx(sum(mark >= 4 for mark in marks))
    nps = sum(
        row.values["nps"] * row.values["answers"] / 100
        for row in table.rows
        if row.values["question"] == "recommend"
    )
    assert nps == pytest.approx(sum((m >= 9) - (m <= 6) for m in tens))


async def test_busiest_repeat_callers_and_the_worst(full: AsyncEngine, truth: Truth) -> None:
    busiest = await made(full, "busiest")
    assert busiest.total is not None
    assert busiest.total.values["offered"] == len(truth.stories)
    callers = Counter(story[0][2]["caller"] for story in truth.stories.values())
    again = {caller: count for caller, count in callers.items() if count > 1}
    table = await made(full, "callers")
    assert {row.values["caller"]: row.values["calls"] for row in table.rows} == again
    worst = (await made(full, "worst")).rows
    points = [row.values["points"] for row in worst]
    assert points == sorted(points, reverse=True)
    abandoned = {call for call in truth.stories if truth.ending(call) == "abandoned"}
    shown = {row.values["call"]: row.values for row in worst}
    for visit in truth.visits:
        waited = visit.left - visit.entered if visit.left else 0.0
        if waited / 30 + 4 * (visit.call in abandoned) > points[-1]:
            assert shown[visit.call]["waited"] == pytest.approx(waited)


async def test_filters_answer_alike_from_roll_ups_and_from_raw_facts(full: AsyncEngine) -> None:
    whole = await made(full, "calls", flow="order_line")
    assert whole.total is not None
    by_caller = Counter[str]()
    for row in await rows(full, call_facts):
        by_caller[row.caller] += 1
    caller, count = by_caller.most_common(1)[0]
    table = await made(full, "calls", caller=caller)
    assert table.total is not None
    assert table.total.values["offered"] == count
    queue = await made(full, "queues", caller=caller)
    assert queue.total is not None
    assert queue.total.values["offered"] <= count
    turkish = await made(full, "steps", language="tr")
    english = await made(full, "steps", language="en")
    both = {row.values["step"]: row.values["calls"] for row in (await made(full, "steps")).rows}
    assert {
        row.values["step"]: row.values["calls"] for row in english.rows
    }.items() <= both.items() or english.rows
    total = Counter({row.values["step"]: row.values["calls"] for row in turkish.rows})
    total.update({row.values["step"]: row.values["calls"] for row in english.rows})
    assert total == Counter(both)


async def test_what_changes_later_is_taken_in_and_counted_once(full: AsyncEngine) -> None:
    rollups = Rollups(full, now=lambda: WEEK.end.timestamp())
    before = await rows(full, rollup_calls)
    await rollups.refresh()
    await rollups.refresh()
    assert sorted(await rows(full, rollup_calls)) == sorted(before)
    open_ones = [v for v in await rows(full, queue_visits) if not v.outcome]
    later = datetime.now(UTC).timestamp()
    async with full.begin() as connection:
        await connection.execute(
            update(queue_visits)
            .where(queue_visits.c.id == open_ones[0].id)
            .values(outcome="abandoned", left=open_ones[0].entered + 30,
                    ended=open_ones[0].entered + 30, changed=later)
        )  # fmt: skip
    await rollups.refresh()
    table = await made(full, "calls")
    queues = await made(full, "queues")
    assert table.total is not None
    assert queues.total is not None
    assert table.total.values["waiting"] == queues.total.values["waiting"] == len(open_ones) - 1
    async with full.begin() as connection:
        await connection.execute(
            update(queue_visits)
            .where(queue_visits.c.id == open_ones[0].id)
            .values(outcome="", left=0.0, ended=0.0, changed=later + 1)
        )
    await rollups.refresh()
    assert sorted(await rows(full, rollup_calls)) == sorted(before)


async def test_a_queue_that_was_renamed_has_two_names_and_no_call_twice(
    full: AsyncEngine,
) -> None:
    """What happened before stands under the old name; a name that never was is told of."""
    before = (await made(full, "queues", unit="total")).total
    assert before is not None
    moment = datetime(2026, 10, 26, tzinfo=ZONE).timestamp()
    rollups = Rollups(full, now=lambda: WEEK.end.timestamp())
    later = queue_visits.c.entered >= moment
    async with full.begin() as connection:
        await connection.execute(update(queue_visits).where(later).values(queue="destek"))
    try:
        await rollups.rebuild()
        table = await made(full, "queues", unit="total")
        assert [row.values["queue"] for row in table.rows] == ["destek", "support"]
        assert table.total is not None
        for name, value in before.values.items():
            found = table.total.values[name]
            assert found == (pytest.approx(value) if isinstance(value, float) else value), name
        both = [(await made(full, "queues", queue=name)).total for name in ("destek", "support")]
        assert sum(one.values["offered"] for one in both if one) == before.values["offered"]
        assert (await reports.known(full))["queue"] == ["destek", "support"]
        assert await reports.strangers(full, replace(Query(WEEK), queue="destek")) == []
        (stranger,) = await reports.strangers(full, replace(Query(WEEK), queue="suport"))
        assert (stranger.filter, stranger.known) == ("queue", ["support", "destek"])
        assert "There are: support, destek." in str(stranger)
    finally:
        async with full.begin() as connection:
            await connection.execute(update(queue_visits).where(later).values(queue="support"))
        await rollups.rebuild()


async def test_bad_questions_get_clear_answers(full: AsyncEngine) -> None:
    with pytest.raises(BadInput, match="did you mean 'queues'"):
        await made(full, "queuse")
    with pytest.raises(BadInput, match="campaign"):
        await made(full, "calls", campaign="x")
    with pytest.raises(BadInput, match="cannot be filtered by flow"):
        await made(full, "agents", flow="order_line")
    renamed = await made(full, "queues", queue="no_such_queue")
    assert renamed.rows == []
    with pytest.raises(BadInput, match="nonsense"):
        await reports.calls_behind(full, "calls", Query(WEEK), {"nonsense": "1"})


async def test_as_csv_and_json(full: AsyncEngine) -> None:
    table = await made(full, "calls")
    lines = list(csv.reader(io.StringIO(table.to_csv("tr"))))
    assert lines[0][:2] == ["Zaman", "Gelen"]
    assert len(lines) == len(table.rows) + 2
    read = json.loads(json.dumps(table.to_dict("tr")))
    assert read["rows"][0]["values"]["offered"] == int(lines[1][1])


async def test_the_demos_history_goes_without_a_trace(module_engine: AsyncEngine) -> None:
    assert await demo_history.is_there(module_engine)
    assert await demo_history.remove(module_engine) > 0
    await Rollups(module_engine).rebuild()
    assert await demo_history.was_removed(module_engine), "the demo does not make it again"
    for table in (calls, call_events, queue_visits, agent_spans, survey_answers, rollup_calls):
        assert await rows(module_engine, table) == []
