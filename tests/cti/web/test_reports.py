"""Reports over HTTP: who may see them, what they are asked, what opens behind a cell, files."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from urllib.parse import quote
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from cti import demo_history
from cti.reports import REPORTS
from cti.reports.rollups import Rollups
from cti.reports.table import Column, Row, Table
from tests.cti.web.site_room import Page, SiteRoom

TODAY = demo_history.until_now()


@pytest.fixture
async def page(desk: SiteRoom) -> Page:
    database = desk.desk.site.database
    scale = demo_history.Scale(days=3, per_day=25, agents=("ayse", "bora"))
    await demo_history.write(database, scale, TODAY)
    await Rollups(database).rebuild()
    return await desk.signed_in("sema")


def day(ago: int) -> str:
    return str(TODAY - timedelta(days=ago))


async def test_every_report_and_what_is_behind_its_cells(page: Page) -> None:
    about = await (await page.get("/api/reports")).json()
    assert {one["name"] for one in about["reports"]} == set(REPORTS)
    assert about["demo"] is True
    opened = 0
    for name in REPORTS:
        where = f"from={day(3)}&to={day(1)}"
        table = await (await page.get(f"/api/reports/{name}?{where}")).json()
        # nobody was called, and nobody left a text
        assert table["rows"] or name in ("outbound", "themes"), name
        for row in table["rows"][:3]:
            for column in table["columns"]:
                if column.get("where") is None or not row["values"][column["key"]]:
                    continue
                both = json.dumps({**row["where"], **column["where"]})
                answer = await page.get(f"/api/reports/{name}/calls?{where}&where={quote(both)}")
                behind = await answer.json()
                assert answer.status == 200
                assert behind["calls"], (name, column["key"])
                assert {"call", "began", "ending", "caller"} <= set(behind["calls"][0])
                opened += 1
    assert opened > 20


async def test_titles_in_both_languages_and_the_period_before(page: Page) -> None:
    query = f"from={day(1)}&to={day(1)}"
    table = await (await page.get(f"/api/reports/calls?{query}&language_of_titles=tr")).json()
    assert table["columns"][1]["title"] == "Gelen"
    before = await (await page.get(f"/api/reports/calls?from={day(2)}&to={day(2)}")).json()
    assert table["before"]["offered"] == before["total"]["offered"] > 0


async def test_files_that_spreadsheets_open(page: Page) -> None:
    query = f"from={day(3)}&to={day(1)}"
    table = await (await page.get(f"/api/reports/calls?{query}")).json()
    answer = await page.get(f"/api/reports/calls.xlsx?{query}&language_of_titles=en")
    assert "attachment" in answer.headers["Content-Disposition"]
    sheet = openpyxl.load_workbook(io.BytesIO(await answer.read())).active
    assert sheet is not None
    rows = list(sheet.iter_rows(values_only=True))
    assert rows[0][:3] == ("Time", "Offered", "Handled")
    assert [row[1] for row in rows[1:-1]] == [r["values"]["offered"] for r in table["rows"]]
    assert rows[-1][1] == table["total"]["offered"]
    answer = await page.get(f"/api/reports/calls.csv?{query}&language_of_titles=tr")
    lines = list(csv.reader(io.StringIO((await answer.read()).decode("utf-8-sig"))))
    assert lines[0][1] == "Gelen"
    assert int(lines[-1][1]) == table["total"]["offered"]


def test_no_text_becomes_a_formula() -> None:
    columns = (Column("caller", "text", {"en": "Caller"}),)
    table = Table("callers", columns, (Row({"caller": "=1+1"}),))
    made = table.to_xlsx("en", "Callers", ZoneInfo("UTC"))
    sheet = openpyxl.load_workbook(io.BytesIO(made)).active
    assert sheet is not None
    cell = sheet["A2"]
    assert (cell.value, cell.data_type == "f") == ("=1+1", False)
    assert "'=1+1" in table.to_csv("en")


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("calls?from=2026-11-30&to=2026-11-01", "before it begins"),
        ("calls?from=2026-02-31", "no date"),
        ("calls?by=fortnight", "no unit"),
        ("calls?colour=red", "colour"),
        ("calls/calls?where=[]", "object"),
        ('calls/calls?where={"nonsense":"1"}', "nonsense"),
        ("agents?flow=x", "cannot be filtered"),
    ],
)
async def test_what_cannot_be_asked(page: Page, asked: str, says: str) -> None:
    answer = await page.get(f"/api/reports/{asked}")
    assert answer.status == 400
    assert says in (await answer.json())["error"]["message"]


async def test_who_may_not_see_them(desk: SiteRoom) -> None:
    for login in ("ayse", "emre"):
        page = await desk.signed_in(login)
        for path in ("reports", "reports/calls", "reports/calls/calls", "reports/calls.csv"):
            assert (await page.get(f"/api/{path}")).status == 403
    page = await desk.signed_in("sema")
    assert (await page.get("/api/reports/nothing")).status == 404
