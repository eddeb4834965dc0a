"""A tab that the browser slows down, and a Manager that goes and comes back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cti.demo import Demo
from cti.demo_visit import visit
from tests.browser.callers import ask_for_agent, calling, until_hears
from tests.browser.cut import Cable

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
Person = Callable[..., Awaitable[Any]]
# What Chromium does to a tab that was hidden for some minutes: timers fire once a minute.
SLOW = """
for (const name of ["setTimeout", "setInterval"]) {
  const native = window[name].bind(window);
  window[name] = (work, wait, ...rest) => native(work, Math.max(60000, wait || 0), ...rest);
}
"""


async def test_a_slowed_down_tab_loses_no_pop_and_knows_when_it_is_offline(
    shop: Demo, person: Person
) -> None:
    async with Cable(shop.settings.web_port) as cable:
        ayse = await person("ayse", url=f"http://127.0.0.1:{cable.port}/", before=SLOW)
        await ayse.work()
        await cable.pull()
        await ayse.page.wait_for_selector("[data-test=connection][data-state=offline]")
        await asyncio.sleep(1)
        async with calling(shop) as call:
            await ask_for_agent(call)
            await call.pause(1)
            await cable.mend()
            await ayse.page.wait_for_selector(
                "[data-test=connection][data-state=online]", timeout=2000
            )
            await ayse.page.wait_for_selector("article[data-pop]", timeout=15_000)
            await ayse.answer()
            await until_hears(call, ayse.hums)
            shown = await ayse.page.inner_text(".call-now .timer")
            await asyncio.sleep(2.2)
            assert await ayse.page.inner_text(".call-now .timer") != shown, "the clock goes on"
            await call.hangup()


async def test_the_manager_is_cut_and_comes_back(shop: Demo, person: Person) -> None:
    ayse = await person("ayse")
    await ayse.work()
    told = await shop.asterisk.command("manager show connected")
    sessions = re.findall(r"^\s*santral\s.*?(\d+)\s*$", told, re.MULTILINE)
    async with calling(shop) as call:
        await ask_for_agent(call)
        await ayse.answer()
        await shop.asterisk.command("module reload manager")
        for session in sessions:
            await shop.asterisk.command(f"manager kick session {session}")
        await call.hangup()
        await ayse.page.wait_for_selector("[data-test=connection][data-state=online]")
        await ayse.page.wait_for_selector(
            ".presence.state-wrap_up, .presence.state-ready", timeout=4000
        )
        await ayse.page.wait_for_selector(".call-now", state="detached", timeout=2000)


async def test_the_demos_own_caller_shows_a_pop_a_talk_a_transfer_and_a_wrap_up(
    shop: Demo, person: Person
) -> None:
    """What README promises of two tabs and `./santral demo --call`."""
    ayse, mehmet = await person("ayse"), await person("mehmet")
    await ayse.work()
    await mehmet.phone_ready()
    home = shop.settings.state
    told: list[str] = []
    caller = asyncio.ensure_future(visit(home.parent, home, told.append))
    await ayse.page.wait_for_selector("article[data-state=ringing]", timeout=60_000)
    await ayse.answer()
    await ayse.press("t")
    await ayse.page.fill("santral-transfer [name=to]", "mehmet")
    await ayse.page.click("santral-transfer .buttons.end button:not(.primary)")
    await mehmet.answer()
    await ayse.state("wrap_up")
    await mehmet.press("e")
    assert await caller, told
    assert any("ended by them" in line for line in told), told
