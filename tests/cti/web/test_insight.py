"""The texts of callers and the staffing plan over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select

from cti import demo_history
from cti.db.models import call_facts, recordings
from cti.reports.rollups import Rollups
from tests.cti.web.site_room import Page, SiteRoom

TODAY = demo_history.until_now()


@pytest.fixture
async def page(desk: SiteRoom) -> Page:
    database = desk.desk.site.database
    scale = demo_history.Scale(days=30, per_day=20, agents=("ayse", "bora"))
    await demo_history.write(database, scale, TODAY)
    await Rollups(database).rebuild()
    async with database.begin() as connection:
        call = (await connection.execute(
            select(call_facts.c.call).order_by(call_facts.c.began.desc()).limit(1)
        )).scalar_one()  # fmt: skip
        await connection.execute(insert(recordings).values(
            call=call, sequence=99, name="comment", path="", ms=1, ended_by="#",
            made_at=datetime.now(UTC), transcript="kargom gelmedi, kartım 4543601234567890",
        ))  # fmt: skip
    return await desk.signed_in("sema")


async def test_texts_are_found_without_the_numbers_of_cards(page: Page) -> None:
    found = await (await page.get("/api/said?from=30d&words=KARGOYU%20gelmedi")).json()
    assert found["count"] == 0  # kargoyu is another form, not the stem
    found = await (await page.get("/api/said?from=30d&words=KARGO%20gelmedi")).json()
    assert found["count"] == 1
    assert "delivery" in found["texts"][0]["themes"]
    assert found["themes"]["delivery"]["tr"] == "Teslimat"
    assert "4543" not in str(found)
    assert (await page.get("/api/said?from=30d&wrong=1")).status == 400
    table = await (await page.get("/api/reports/themes?from=30d&by=total")).json()
    assert table["total"]["texts"] >= 1


async def test_the_coming_week(page: Page) -> None:
    made = await (await page.get("/api/staffing?from=30d")).json()
    assert len(made["rows"]) == 7 * 48
    assert made["about"]["weeks"] >= 3
    more = await (await page.get("/api/staffing?from=30d&volume=200&level=95")).json()
    assert more["about"]["hours"] > made["about"]["hours"]
    for wrong in ("from=7d", "from=30d&level=100", "from=30d&level=x", "from=30d&country=XX"):
        assert (await page.get(f"/api/staffing?{wrong}")).status == 400, wrong


async def test_who_may_not_see_it(desk: SiteRoom) -> None:
    agent = await desk.signed_in("ayse")
    for path in ("/api/said", "/api/staffing"):
        assert (await agent.get(path)).status == 403
