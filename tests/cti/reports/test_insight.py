"""What callers say, and the staffing plan, from a store with calls in it."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from cti import reports
from cti.db.models import call_facts, recordings, rollup_queues
from cti.reports import themes
from cti.reports.period import Period
from cti.reports.plan import A_DAY, What, plan
from cti.reports.query import Query
from ivr.errors import BadInput
from tests.cti.reports.test_plan import rhythm

pytestmark = pytest.mark.asyncio(loop_scope="module")
ZONE = ZoneInfo("Europe/Istanbul")
DAY = datetime(2026, 11, 10, 9, tzinfo=ZONE)
TEXTS = (
    ("a", 0, "Kargom gelmedi, çok kötü", "support"),
    ("b", 0, "KARGOYU iptal ettim, kartım 4543 6012 3456 7890", "support"),
    ("c", 1, "Çok teşekkürler, harikasınız", "sales"),
    ("d", 1, "merhaba", "sales"),
    ("e", 9, "kargo başka haftada", "support"),
    ("f", 1, "", "support"),
)


def week(first: int = 9, last: int = 16, **more: str) -> Query:
    edges = (datetime(2026, 11, day, tzinfo=ZONE) for day in (first, last))
    return Query(Period(*edges), **more)  # type: ignore[arg-type]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def full(module_engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    async with module_engine.begin() as connection:
        for call, days, text, queue in TEXTS:
            at = (DAY + timedelta(days=days)).timestamp()
            await connection.execute(insert(call_facts).values(
                call=call, quarter=int(at // 900), began=at, queue=queue, flow="survey",
                caller="05320000000", language="tr",
            ))  # fmt: skip
            await connection.execute(insert(recordings).values(
                call=call, sequence=1, name="comment", path="x.wav", ms=1000, ended_by="#",
                made_at=datetime.fromtimestamp(at, UTC), transcript=text,
                deleted_at=None,
            ))  # fmt: skip
    yield module_engine


async def test_every_figure_of_the_themes_opens_into_its_calls(full: AsyncEngine) -> None:
    for unit in ("day", "week", "weekday", "hour", "total"):
        query = week(unit=unit)
        made = await reports.make(full, "themes", query)
        assert made.total is not None
        assert made.total.values["texts"] == 4
        for row in made.rows:
            for column in made.columns:
                if column.where is not None:
                    where = {**row.where, **column.where}
                    behind = await reports.calls_behind(full, "themes", query, where)
                    assert len(behind) == row.values[column.key], (unit, row, column.key)
    total = await reports.make(full, "themes", week(unit="total"))
    found = {row.values["theme"]: row.values["texts"] for row in total.rows}
    assert found == {"delivery": 2, "complaint": 1, "cancellation": 1, "praise": 1, "-": 1}


async def test_a_search_finds_forms_in_any_case_and_no_card(full: AsyncEngine) -> None:
    async with full.connect() as connection:
        texts = await themes.said(connection, week(), themes.the_judge())
        some = await themes.said(connection, week(queue="sales"), themes.the_judge())
        with pytest.raises(BadInput):
            await themes.said(connection, week(campaign="x"), themes.the_judge())
    assert {one.call for one in some} == {"c", "d"}
    assert {one.call for one in themes.search(texts, "kargo")} == {"a", "b"}
    assert {one.call for one in themes.search(texts, "İPTAL et")} == {"b"}
    assert {one.call for one in themes.search(texts, "", tone="good")} == {"c"}
    assert {one.call for one in themes.search(texts, "", theme="-")} == {"d"}
    assert themes.search(texts, "4543") == []
    told = json.dumps([themes.as_dict(one) for one in texts], ensure_ascii=False)
    assert "4543" not in told
    assert "7890" not in told


async def test_a_plan_for_the_coming_week(full: AsyncEngine) -> None:
    chance = random.Random(8)
    monday = datetime(2026, 8, 3, tzinfo=ZONE)  # holds 30 August, a Sunday: nothing is lost
    rows = []
    for slot in range(8 * 7 * A_DAY):
        calls = sum(chance.random() < rhythm(slot % (7 * A_DAY)) / 100 for _ in range(100))
        if calls:
            common = {"quarter": int(monday.timestamp() // 900) + slot * 2, "queue": "support"}
            gone = calls // 10
            rows.append({**common, "agent": "ayse", "outcome": "handled", "visits": calls - gone,
                         "talked": 200.0 * (calls - gone), "waited": 10.0 * (calls - gone)})  # fmt: skip
            rows.append({**common, "agent": "", "outcome": "abandoned", "visits": gone,
                         "talked": 0.0, "waited": 60.0 * gone})  # fmt: skip
    async with full.begin() as connection:
        for row in rows:
            await connection.execute(insert(rollup_queues).values(row))
    query = Query(Period(monday, monday + timedelta(weeks=8)), queue="support")
    async with full.connect() as connection:
        made = await plan(connection, query, What())
        calls = sum(row.values["calls"] for row in made.table.rows)
        true = sum(map(rhythm, range(7 * A_DAY)))
        assert calls == pytest.approx(true, rel=0.05)
        assert made.about["handling"] == pytest.approx(200)
        assert made.about["wape"] < 30
        assert made.about["inside"] >= 65
        busy = [row.values for row in made.table.rows if row.values["agents"]]
        assert len(busy) >= 24 * 7
        assert all(one["level"] >= 80 for one in busy)
        assert all(one["agents"] <= one["agents_c"] and one["agents"] <= one["agents_high"]
                   and one["agents"] / 0.7 <= one["rostered"] for one in busy)  # fmt: skip
        more = await plan(connection, query, What(volume=150, level=95))
        assert more.about["hours"] > made.about["hours"]
        with pytest.raises(BadInput):
            await plan(connection, week(), What())
