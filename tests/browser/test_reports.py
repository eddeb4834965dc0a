"""The page of reports: filters, from a figure to the calls behind it and on to what was said and
recorded, files for spreadsheets, the keyboard alone, and axe in both schemes and languages.

No telephone is needed for it: the desk is opened as it is, with some days of the demo's history.
"""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from sqlalchemy import insert, select

from cti import demo_history
from cti.db.engine import open_engine
from cti.db.migrate import upgrade
from cti.db.models import call_facts, recordings
from cti.reports.rollups import Rollups
from cti.settings import STATE
from cti.web.bundling import bundle, fetched
from tests.browser.desk_page import FLAGS, DeskPage, new_page, write_tone
from tests.browser.test_access import findings
from tests.cti.web.site_room import PASSWORD, SiteRoom, site_room

pytestmark = pytest.mark.browser
SAID = "Kargom gelmedi, çok memnun değilim <b>ama</b> temsilci yardımcı oldu."
SECONDS = 3.0
TODAY = demo_history.until_now()


@dataclass
class Shown:
    desk: SiteRoom
    page: Any
    person: DeskPage

    async def asks(self, path: str) -> None:
        """Open an address, and wait for its table."""
        name = re.split(r"[/?]", path.removeprefix("/reports/"))[0]
        await self.person.go(path)
        await self.page.wait_for_selector(f"table.report[data-report={name}]")

    async def column(self, title: str) -> list[str]:
        """The texts of a column, by its title."""
        heads = await self.page.locator("table.report thead th").all_inner_texts()
        place = heads.index(title) + 1
        cells = self.page.locator(f"table.report tbody tr > :nth-child({place})")
        return [text.strip() for text in await cells.all_inner_texts()]

    async def table(self) -> list[list[str]]:
        rows = self.page.locator("table.report tr")
        return [await rows.nth(n).locator("th, td").all_inner_texts()
                for n in range(await rows.count())]  # fmt: skip


async def until(page: Any, script: str, arg: Any = None) -> None:
    """Until it holds. (`wait_for_function` needs `eval`, which the page's policy forbids.)"""
    async with asyncio.timeout(15):
        while not await page.evaluate(script, arg):
            await asyncio.sleep(0.05)


async def recorded(desk: SiteRoom) -> str:
    """A call with a note that was recorded and turned into text; its id."""
    database = desk.desk.site.database
    async with database.begin() as connection:
        # the newest handled one: it is in the first list one opens
        asked = select(call_facts.c.call).where(call_facts.c.ending == "handled")
        newest = asked.order_by(call_facts.c.began.desc()).limit(1)
        call = (await connection.execute(newest)).scalar_one()
        path = desk.settings.recordings / call / "note.wav"
        path.parent.mkdir(parents=True)
        await asyncio.to_thread(write_tone, path, 440.0, SECONDS)
        row = {
            "call": call, "sequence": 900, "name": "note", "path": str(path),
            "ms": int(SECONDS * 1000), "ended_by": "hangup", "made_at": datetime.now(UTC),
            "transcript": SAID, "transcribed_by": "test",
        }  # fmt: skip
        await connection.execute(insert(recordings), row)
    return str(call)


@pytest.fixture(scope="module")
def axe(provisions: None) -> str:
    libraries = fetched(STATE / "pages", print)
    return (libraries / "axe-core" / "axe.min.js").read_text("utf-8")


@pytest.fixture
async def shown(
    chromium: str, provisions: None, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Callable[..., Awaitable[Shown]]]:
    from playwright.async_api import async_playwright

    database = tmp_path / "empty.db"
    engine = open_engine(f"sqlite:///{database}")
    await upgrade(engine)
    await demo_history.write(
        engine, demo_history.Scale(days=getattr(request, "param", 8), per_day=40), TODAY
    )
    await Rollups(engine).rebuild()
    await engine.dispose()
    await asyncio.to_thread(bundle, STATE / "pages", print)
    async with (
        site_room(tmp_path, database, manager=False, shop_api=True, web_pages=STATE) as desk,
        async_playwright() as playwright,
    ):
        running = await playwright.chromium.launch(
            executable_path=chromium, headless=True, args=list(FLAGS)
        )
        people: list[DeskPage] = []

        async def sign_in(login: str = "sema", language: str = "en", **options: Any) -> Shown:
            person = await new_page(
                running, login, 1000.0, desk.url + "/", language=language, **options
            )
            people.append(person)
            await person.go("/")
            await person.page.fill("[name=login]", login)
            await person.page.fill("[name=password]", PASSWORD)
            await person.page.click("form button.primary")
            await person.page.wait_for_selector("nav a[aria-current]")
            return Shown(desk, person.page, person)

        yield sign_in
        assert [one.problems for one in people if one.problems] == []
        await running.close()


async def test_filters_are_in_the_address_and_stay_with_it(shown: Any) -> None:
    sema = await shown()
    page = sema.page
    await sema.asks("/reports/calls?from=30d")
    everything = await sema.column("Offered")
    await page.select_option("select[name=by]", "weekday")
    await until(page, "location.search.includes('by=weekday')")
    await page.locator("th[scope=row]:text-is('Monday')").wait_for()
    options = page.locator("#known-agent option")
    known = [await options.nth(n).get_attribute("value") for n in range(await options.count())]
    assert set(demo_history.NAMES) <= set(known)
    await page.fill("input[name=agent]", "ayse")
    await page.press("input[name=agent]", "Enter")
    await until(page, "location.search.includes('agent=ayse')")
    await until(
        page,
        "old => document.querySelector('table.report tfoot td')?.innerText !== old",
        str(sum(map(int, everything))),
    )
    hers = await sema.table()
    assert 0 < sum(map(int, await sema.column("Offered"))) < sum(map(int, everything))
    # another report keeps them, and so does whoever is sent the link
    await page.click("nav.tabs a[href^='/reports/queues']")
    await page.wait_for_selector("table.report[data-report=queues]")
    assert "agent=ayse" in page.url
    assert "by=weekday" in page.url
    await page.go_back()
    await page.wait_for_selector("table.report[data-report=calls]")
    assert await sema.table() == hers
    other = await shown("root")
    await other.asks(page.url.partition(sema.desk.url)[2])
    assert await other.table() == hers
    assert await other.page.input_value("input[name=agent]") == "ayse"


async def test_from_a_figure_to_its_calls_to_what_was_said_and_recorded(shown: Any) -> None:
    sema = await shown()
    page, call = sema.page, await recorded(sema.desk)
    await sema.asks("/reports/calls?from=30d")
    cell = page.locator("table.report tbody tr:last-child td:nth-child(3) button.cell")
    count = int(await cell.inner_text())
    await cell.click()
    behind = page.locator("[data-test=behind]")
    await behind.wait_for()
    assert await behind.locator("tbody tr").count() == count
    assert await page.evaluate("document.activeElement.id") == "behind-title"
    row = behind.locator(f"tr[data-call='{call}']")
    assert SAID in await row.inner_text()  # as text, not as HTML
    await row.locator("button.cell").click()
    story = page.locator("santral-call-story dialog[open]")
    await story.locator("[data-test=told] li").first.wait_for()
    told = await story.inner_text()
    assert "main" in told
    assert SAID in told
    heard = await story.locator("audio").evaluate(
        """async (audio) => {
          await audio.play();
          await new Promise((done) => setTimeout(done, 600));
          return [audio.duration, audio.currentTime, audio.error?.message ?? ""];
        }"""
    )
    assert heard[0] == pytest.approx(SECONDS, abs=0.05)
    assert heard[1] > 0.1
    assert heard[2] == ""
    # one can jump in it, so the server gives ranges
    assert await story.locator("audio").evaluate(
        """async (audio) => { audio.currentTime = 2; await new Promise((r) => (audio.onseeked = r));
          return audio.currentTime; }"""
    ) == pytest.approx(2.0, abs=0.1)
    assert await sema.desk.audited("listen", actor="sema") >= 1
    assert await sema.desk.audited("transcript", actor="sema") == 1


async def test_files_hold_what_the_page_shows(shown: Any, tmp_path: Path) -> None:
    sema = await shown()
    page = sema.page
    for name in ("calls", "queues", "steps", "agents"):
        await sema.asks(f"/reports/{name}?from=7d")
        heads = await page.locator("table.report thead th").all_inner_texts()
        for kind in ("xlsx", "csv"):
            async with page.expect_download() as caught:
                await page.click(f"a[href*='{name}.{kind}']")
            download = await caught.value
            assert download.suggested_filename.endswith(f".{kind}")
            file = tmp_path / download.suggested_filename
            await download.save_as(file)
            data = await asyncio.to_thread(file.read_bytes)
            rows: list[Any]
            if kind == "xlsx":
                sheet = openpyxl.load_workbook(io.BytesIO(data)).active
                assert sheet is not None
                rows = [list(row) for row in sheet.iter_rows(values_only=True)]
            else:
                rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))
            assert rows[0] == heads
            for place, head in enumerate(heads):
                if head in ("Offered", "Handled", "Calls", "Visits"):
                    figures = [int(row[place]) for row in rows[1:]]
                    shown_here = [int(text.replace(",", "")) for text in await sema.column(head)]
                    assert figures[: len(shown_here)] == shown_here, (name, kind, head)


async def test_with_the_keyboard_alone(shown: Any) -> None:
    sema = await shown()
    page, call = sema.page, await recorded(sema.desk)
    await sema.asks("/reports/calls?from=30d")
    keys = page.keyboard

    async def tab_to(selector: str, most: int = 400) -> None:
        for _ in range(most):
            await keys.press("Tab")
            if await page.evaluate("one => document.activeElement.matches(one)", selector):
                return
        raise AssertionError(f"{selector} cannot be reached")

    await page.evaluate("document.querySelector('#main').focus()")
    await tab_to("nav.tabs a[href^='/reports/steps']")
    await keys.press("Enter")
    await page.wait_for_selector("table.report[data-report=steps]")
    await page.evaluate("document.querySelector('#main').focus()")
    await tab_to("nav.tabs a[href^='/reports/calls']")
    await keys.press("Enter")
    await page.wait_for_selector("table.report[data-report=calls]")
    await page.evaluate("document.querySelector('#main').focus()")
    await tab_to("table.report tbody tr:last-child td:nth-child(3) button.cell")
    await keys.press("Enter")
    await page.wait_for_selector("[data-test=behind]")
    await tab_to(f"tr[data-call='{call}'] button.cell")
    await keys.press("Enter")
    await page.wait_for_selector("santral-call-story dialog[open] [data-test=told] li")
    assert await page.evaluate("!!document.activeElement.closest('dialog')")
    await tab_to("dialog audio", 12)
    await keys.press("Space")
    await until(page, "document.querySelector('dialog audio').currentTime > 0")
    await keys.press("Escape")
    await page.wait_for_selector("santral-call-story dialog", state="detached")
    assert await page.evaluate(
        "call => document.activeElement.closest('tr')?.dataset.call === call", call
    )
    await keys.press("Escape")
    await page.wait_for_selector("[data-test=behind]", state="detached")
    focus = "document.activeElement.matches('table.report tbody tr:last-child button.cell')"
    assert await page.evaluate(focus)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["tr", "en"])
async def test_axe_finds_nothing(shown: Any, axe: str, language: str, scheme: str) -> None:
    sema = await shown(language=language, color_scheme=scheme)
    await recorded(sema.desk)
    assert await sema.page.get_attribute("html", "lang") == language
    found: dict[str, list[str]] = {}
    for name in (
        "calls", "queues", "agents", "steps", "outbound", "surveys", "busiest", "callers", "worst",
    ):  # fmt: skip
        await sema.asks(f"/reports/{name}?from=30d&queue=old_name&flow=order_line".replace(
            "queue=old_name&", "queue=old_name&" if name == "queues" else ""
        ))  # fmt: skip
        found[name] = await findings(sema.page, axe)
    await sema.asks("/reports/calls?from=30d")
    await sema.page.click("table.report tbody tr:last-child td:nth-child(3) button.cell")
    await sema.page.wait_for_selector("[data-test=behind]")
    found["behind"] = await findings(sema.page, axe)
    await sema.page.click("[data-test=behind] tbody button.cell >> nth=0")
    await sema.page.wait_for_selector("santral-call-story dialog[open] audio")
    await sema.page.wait_for_timeout(200)
    found["story"] = await findings(sema.page, axe)
    assert {where: what for where, what in found.items() if what} == {}


async def test_what_cannot_be_asked_is_said_and_what_there_never_was_is_named(shown: Any) -> None:
    sema = await shown()
    page = sema.page
    await sema.asks("/reports/queues?from=7d&queue=suport")
    note = await page.inner_text("[data-test=note]")
    assert "suport" in note
    assert "support" in note.replace("suport", "")
    first, last = TODAY - timedelta(days=1), TODAY - timedelta(days=4)
    await sema.person.go(f"/reports/calls?from={first}&to={last}")
    await page.wait_for_selector(".toast.bad")
    assert "before it begins" in await page.inner_text(".toast.bad")
    assert await page.locator("table.report").count() == 0


async def test_who_may_not_see_them_is_not_shown_them(shown: Any) -> None:
    ayse = await shown("ayse", "tr")
    assert await ayse.page.locator("nav a[href='/reports']").count() == 0
    await ayse.person.go("/reports/calls?from=7d")
    await until(ayse.page, "!location.pathname.startsWith('/reports')")
    assert await ayse.page.locator("table.report").count() == 0


async def test_the_demos_figures_are_marked_until_they_are_removed(shown: Any) -> None:
    sema = await shown()
    page = sema.page
    await sema.asks("/reports/calls?from=7d")
    assert "forget-demo" in await page.inner_text("[data-test=demo]")
    database = sema.desk.desk.site.database
    await demo_history.remove(database)
    await Rollups(database).rebuild()
    await page.reload()
    await page.wait_for_selector("text=There is nothing in this period.")
    assert await page.locator("[data-test=demo]").count() == 0
