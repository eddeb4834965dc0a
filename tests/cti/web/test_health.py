"""/healthz, /readyz and /metrics: for machines, and no more of it than each may know."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from cti.health.vitals import Vitals
from cti.journal.journal import Status
from tests.cti.web.site_room import SiteRoom

WELL = Status(0, 0, 5, 0, 0, disk_full=False, database_away=0.0)


@pytest.fixture
async def vitals(desk: SiteRoom) -> AsyncIterator[Vitals]:
    vitals = Vitals(desk.settings)
    desk.desk.site.vitals = vitals
    async with vitals.open():
        yield vitals


def well(vitals: Vitals, **changes: object) -> None:
    status = {"spooled_bytes": 0, "waiting_in_memory": 0, "stored": 5, "lost": 0, "refused": 0,
              "database_away": 0.0}  # fmt: skip
    vitals.journal_status = lambda: WELL
    vitals.status = lambda: {"flows": {"x": 1}, "calls": 0, "started": 1.0, "journal": status}


async def test_an_engine_that_starts_is_alive_and_not_ready(desk: SiteRoom, vitals: Vitals) -> None:
    page = desk.page()
    assert (await page.get("/healthz")).status == 200
    answer = await page.get("/readyz")
    assert answer.status == 503
    assert (await answer.json())["checks"][0]["text"] == "it is starting"


async def test_a_ready_engine_says_so_and_one_that_drains_says_why_not(
    desk: SiteRoom, vitals: Vitals
) -> None:
    well(vitals)
    page = desk.page()
    answer = await page.get("/readyz")
    told = await answer.json()
    assert (answer.status, told["ready"]) == (200, True), told
    vitals.draining = True
    answer = await page.get("/readyz")
    told = await answer.json()
    assert (answer.status, told["ready"]) == (503, False)
    assert [one["name"] for one in told["checks"] if not one["ok"]] == ["engine"]


async def test_metrics_are_text_and_count_what_happens(desk: SiteRoom, vitals: Vitals) -> None:
    well(vitals)
    await asyncio.sleep(0.3)
    answer = await desk.page().get("/metrics")
    text = await answer.text()
    assert answer.content_type == "text/plain"
    assert 'santral_up{part="loop"} 1.0' in text
    assert "santral_loop_lag_seconds_count" in text


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
async def test_what_a_proxy_passes_on_learns_nothing(
    desk: SiteRoom, vitals: Vitals, header: str
) -> None:
    well(vitals)
    passed_on = {header: "127.0.0.1"}
    page = desk.page()
    assert (await page.get("/metrics", headers=passed_on)).status == 403
    answer = await page.get("/readyz", headers=passed_on)
    assert await answer.json() == {"ready": True}
