"""README's pictures, from a demo that really runs, with real callers on the line:

PYTHONPATH=. .venv/bin/python -m tests.browser.screenshots docs/images [reports]
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from cti.demo import Demo, demo_running
from cti.settings import Settings
from tests.browser.callers import ask_about_order, ask_for_agent, calling, hum
from tests.browser.conftest import CHROMIUMS, HUMS
from tests.browser.network import own_network

LANGUAGE = "en"  # README's
SIZE = {"width": 1560, "height": 940}


class Studio:
    """The demo, its people's pages and its callers, all open until the pictures are taken."""

    def __init__(self, demo: Demo, stack: AsyncExitStack, playwright: Any, folder: Path) -> None:
        self.demo, self.stack, self.playwright, self.folder = demo, stack, playwright, folder
        self.program = next(found for name in CHROMIUMS if (found := shutil.which(name)))

    async def person(self, login: str, path: str, scheme: str = "light") -> Any:
        from tests.browser.desk_page import browser, new_page

        running = await self.stack.enter_async_context(
            browser(self.playwright, self.program, self.folder, HUMS[login])
        )
        desk = await new_page(
            running, login, HUMS[login], self.demo.url, language=LANGUAGE, color_scheme=scheme
        )
        await desk.page.set_viewport_size(SIZE)
        await desk.sign_in(self.demo.passwords[login], path)
        return desk

    async def caller(self) -> Any:
        call = await self.stack.enter_async_context(calling(self.demo))
        await call.pause(0.4)
        return call


async def take(studio: Studio, target: Path) -> None:
    ayse = await studio.person("ayse", "/desk")
    mehmet = await studio.person("mehmet", "/desk")
    zeynep = await studio.person("zeynep", "/floor")
    await ayse.work()
    first = await studio.caller()
    await ask_about_order(first)
    await ayse.answer()
    await hum(first)
    await ayse.page.fill("#note", "Wanted to cancel 1234; keeps it, as it arrives tomorrow.")
    await mehmet.work()
    second = await studio.caller()
    await ask_for_agent(second)
    await mehmet.answer()
    await hum(second)
    for _ in range(2):  # they wait
        await ask_for_agent(await studio.caller())
    for keys in ("", "", "1", "2"):  # they are with the IVR
        call = await studio.caller()
        if keys:
            await call.press(keys)
    await ayse.page.wait_for_timeout(4000)
    await ayse.page.evaluate("document.activeElement.blur()")
    await _picture(ayse, target / "desk.png")
    await zeynep.page.mouse.move(2, 400)
    await _picture(zeynep, target / "wallboard.png")
    await zeynep.page.click('nav a[href="/flows"]')
    await zeynep.page.click('[data-flow="order_line"]')
    await zeynep.page.wait_for_selector(".box.busy")
    await zeynep.page.click("[data-caller]")
    await zeynep.page.wait_for_selector(".transcript .told li")
    await zeynep.page.wait_for_timeout(500)
    await _picture(zeynep, target / "flow.png")


async def take_reports(studio: Studio, target: Path) -> None:
    """Thirty days of the demo's history, which the page says it is."""
    zeynep = await studio.person("zeynep", "/reports")
    await zeynep.go("/reports/calls?from=30d&by=day")
    await zeynep.page.wait_for_selector("table.report[data-report=calls] tfoot")
    await zeynep.page.wait_for_timeout(300)
    await _picture(zeynep, target / "reports.png")


async def _picture(desk: Any, path: Path) -> None:
    assert desk.problems == []
    await desk.page.screenshot(path=path)
    print(path, path.stat().st_size)


async def main(target: Path, only: Sequence[str] = ()) -> None:
    from playwright.async_api import async_playwright

    state = Settings.from_environment().state
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        async with (
            demo_running(
                state, print, home=home, prompt_cache=state / "prompts", history=True
            ) as demo,
            async_playwright() as playwright,
            AsyncExitStack() as stack,
        ):
            studio = Studio(demo, stack, playwright, home)
            if "reports" not in only:
                await take(studio, target)
            await take_reports(studio, target)


if __name__ == "__main__":
    with own_network():
        asyncio.run(main(Path(sys.argv[1]), sys.argv[2:]))
