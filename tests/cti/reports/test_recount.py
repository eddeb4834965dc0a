"""Every report against a recount from the raw records, over both clock changes of a year; the same
with a million calls is `santral bench reports`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from sqlalchemy import delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from cti import demo_history, reports
from cti.db.models import (
    COARSE,
    call_facts,
    call_steps,
    caller_totals,
    queue_visits,
    rollup_agents,
    rollup_calls,
    rollup_local_steps,
    rollup_local_visits,
    rollup_marks,
    rollup_queues,
    rollup_state,
    rollup_steps,
)
from cti.db.store.scrub import scrub_calls
from cti.reports.coarse import sum_blocks
from cti.reports.period import Period
from cti.reports.query import Query
from cti.reports.rollups import Rollups
from tests.cti.reports.comparison import differences
from tests.cti.reports.recount import Recount

pytestmark = pytest.mark.asyncio(loop_scope="module")
# Berlin: clocks go forward in the night to 29 March 2026, and back in the night to 25 October.
ZONE = ZoneInfo("Europe/Berlin")
DAYS, TODAY = 220, date(2026, 10, 29)
ROLLUPS = (
    rollup_calls, rollup_steps, rollup_queues, rollup_agents, rollup_marks, rollup_local_visits,
    rollup_local_steps,
)  # fmt: skip
SCALE = demo_history.Scale(
    days=DAYS, per_day=4, zone="Europe/Berlin", agents=("ayse", "burak", "ceren"), callers=300,
    queues=("support", "sales"),
)  # fmt: skip
PERIOD = Period(datetime(2026, 3, 23, tzinfo=ZONE), datetime(2026, 10, 29, tzinfo=ZONE))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def full(module_engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    await demo_history.write(module_engine, SCALE, TODAY)
    async with module_engine.begin() as connection:  # some are still waiting
        some = select(queue_visits.c.id).where(queue_visits.c.outcome == "abandoned").limit(3)
        waiting = list((await connection.execute(some)).scalars())
        await connection.execute(
            update(queue_visits)
            .where(queue_visits.c.id.in_(waiting))
            .values(outcome="", left=0.0, ended=0.0)
        )
    await Rollups(module_engine, lambda: PERIOD.end.timestamp(), str(ZONE)).rebuild()
    yield module_engine


async def test_every_figure_agrees_with_the_recount(full: AsyncEngine) -> None:
    truth = await Recount.of(full, ZONE)
    assert truth.calls > 600
    looked, wrong = await differences(full, truth, PERIOD)
    assert wrong == []
    assert looked > 20_000


async def test_taken_in_bit_by_bit_comes_to_the_same(full: AsyncEngine) -> None:
    rollups = Rollups(full, lambda: PERIOD.end.timestamp(), str(ZONE))
    async with full.begin() as connection:
        for table in (call_facts, call_steps, *ROLLUPS, *COARSE):
            await connection.execute(delete(table))
        await connection.execute(text("DELETE FROM rollup_state WHERE name <> 'shape'"))
    await rollups.refresh()
    looked, wrong = await differences(full, await Recount.of(full, ZONE), PERIOD)
    assert wrong == []
    assert looked > 20_000


async def test_roll_ups_of_an_older_shape_are_made_anew(full: AsyncEngine) -> None:
    async with full.begin() as connection:
        await connection.execute(text("DELETE FROM rollup_state"))
        for table in COARSE:
            await connection.execute(delete(table))
    await Rollups(full, lambda: PERIOD.end.timestamp(), str(ZONE)).refresh()
    _, wrong = await differences(full, await Recount.of(full, ZONE), PERIOD)
    assert wrong == []


async def test_a_zone_with_a_half_hour_reads_quarters(full: AsyncEngine) -> None:
    """Blocks of hours do not fit its hours and days; the figures are the same all the same."""
    zone = ZoneInfo("Asia/Kolkata")
    period = Period(datetime(2026, 3, 22, tzinfo=zone), datetime(2026, 10, 30, tzinfo=zone))
    looked, wrong = await differences(full, await Recount.of(full, zone), period)
    assert wrong == []
    assert looked > 10_000


async def test_the_comparison_finds_one_call_too_many(full: AsyncEngine) -> None:
    """A test that cannot fail shows nothing: one call less in one roll-up is seen."""
    truth = await Recount.of(full, ZONE)
    async with full.begin() as connection:
        row = (await connection.execute(select(rollup_calls).limit(1))).mappings().one()
        same = [rollup_calls.c[key.name] == row[key.name] for key in rollup_calls.primary_key]
        await connection.execute(
            update(rollup_calls).where(*same).values(calls=rollup_calls.c.calls + 1)
        )
        await sum_blocks(connection, rollup_calls, [row["quarter"]])
    _, wrong = await differences(full, truth, PERIOD)
    async with full.begin() as connection:
        await connection.execute(update(rollup_calls).where(*same).values(calls=row["calls"]))
        await sum_blocks(connection, rollup_calls, [row["quarter"]])
    assert len(wrong) >= 8  # at every unit of time


FILTERED = (
    {"language": "tr"}, {"language": "en", "queue": "sales"}, {"line": "200"},
    {"flow": "order_line", "version": "de"}, {"queue": "support"},
)  # fmt: skip


@pytest.mark.parametrize("filters", FILTERED, ids=lambda one: " ".join(one))
async def test_days_of_the_shop_say_what_the_calls_themselves_say(
    full: AsyncEngine, filters: dict[str, str]
) -> None:
    """From noon to noon, so that the edges are read from elsewhere; and with a day that is not
    over. Without the mark of the days everything is read from the calls' own facts."""
    await Rollups(full, lambda: PERIOD.end.timestamp() - 9 * 86400, str(ZONE)).rebuild()
    period = Period(datetime(2026, 3, 23, 12, tzinfo=ZONE), datetime(2026, 10, 28, 12, tzinfo=ZONE))
    asked = [
        (name, replace(Query(period, unit=unit), **filters))  # type: ignore[arg-type]
        for name in ("queues", "steps")
        for unit in ("day", "week", "month", "weekday", "total")
    ]
    by_days = [(await reports.make(full, *one)).to_dict() for one in asked]
    days = select(rollup_state.c.upto).where(rollup_state.c.name == "days Europe/Berlin")
    async with full.begin() as connection:
        upto = (await connection.execute(days)).scalar_one()
        await connection.execute(text("DELETE FROM rollup_state WHERE name LIKE 'days %'"))
    one_by_one = [(await reports.make(full, *one)).to_dict() for one in asked]
    assert upto == (date(2026, 10, 20) - date(1970, 1, 1)).days
    assert any(table["rows"] for table in by_days)
    for days_say, calls_say in zip(by_days, one_by_one, strict=True):
        assert days_say == approximately(calls_say)


def approximately(value: Any) -> Any:
    """The same, but that sums of seconds may be added in another order."""
    if isinstance(value, float):
        return pytest.approx(value)
    if isinstance(value, dict):
        return {key: approximately(one) for key, one in value.items()}
    return [approximately(one) for one in value] if isinstance(value, list) else value


async def test_a_caller_who_is_forgotten_is_counted_no_more(full: AsyncEngine) -> None:
    """How many calls there are of each caller is kept with their facts, in one transaction."""
    t = caller_totals.c
    async with full.connect() as connection:
        most = select(t.caller, t.calls).order_by(t.calls.desc()).limit(1)
        caller, count = (await connection.execute(most)).one()
        theirs = select(call_facts.c.call).where(call_facts.c.caller == caller)
        ids = list((await connection.execute(theirs)).scalars())
    assert len(ids) == count > 1
    async with full.begin() as connection:
        await scrub_calls(connection, ids[:1])
        kept = select(t.calls).where(t.caller == caller)
        assert (await connection.execute(kept)).scalar_one() == count - 1
        await scrub_calls(connection, ids[1:])
        assert (await connection.execute(kept)).first() is None
