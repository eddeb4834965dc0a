"""A supervisor: the floor as it changes, listening in three ways, and what can be forced."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

pytest.importorskip("playwright")
from playwright.async_api import expect

from cti.demo import Demo
from tests.browser.callers import (
    HUMS,
    ask_for_agent,
    calling,
    hears,
    hum,
    until_hears,
    until_silent_of,
)
from tests.browser.desk_page import STILL

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
Person = Callable[..., Awaitable[Any]]


async def test_listen_whisper_and_step_in(shop: Demo, person: Person) -> None:
    ayse, zeynep = await person("ayse"), await person("zeynep")
    await zeynep.phone_ready()
    await zeynep.open("/floor")
    await ayse.work()
    row = '[data-agent="ayse"]'
    async with calling(shop) as call:
        await ask_for_agent(call)
        await ayse.answer()
        await hum(call)
        await until_hears(call, ayse.hums)
        await zeynep.page.wait_for_selector(f'{row}[data-state="talking"]')

        await zeynep.page.click(f'{row} button[aria-label^="Dinle"]')
        await zeynep.until_hears(HUMS, ayse.hums)
        assert hears(call, zeynep.hums) is None
        assert (await ayse.hears(zeynep.hums))[0] < STILL

        await zeynep.page.click(".listening >> text=Temsilciye fısılda")
        await ayse.until_hears(HUMS, zeynep.hums)
        await zeynep.until_hears(HUMS, ayse.hums)
        await until_silent_of(call, zeynep.hums, 3)

        await zeynep.page.click(".listening >> text=Görüşmeye gir")
        await until_hears(call, ayse.hums, zeynep.hums)
        await ayse.until_hears(HUMS, zeynep.hums)

        await zeynep.page.click(".listening button.stop")
        await ayse.until_hears(HUMS, silent=(zeynep.hums,))
        await until_silent_of(call, zeynep.hums)
        await until_hears(call, ayse.hums)
        await call.hangup()
    await ayse.state("wrap_up")


async def test_the_floor_shows_the_caller_at_each_step_and_tells_the_call(
    shop: Demo, person: Person
) -> None:
    zeynep = await person("zeynep", "/flows")
    await zeynep.page.click('[data-flow="order_line"]')
    await zeynep.page.wait_for_selector('.box[data-step="main"]')
    async with calling(shop) as call:
        await zeynep.page.wait_for_selector('.box[data-step="main"][data-callers="1"]')
        await call.press("1")
        await zeynep.page.wait_for_selector('.box[data-step="ask_number"][data-callers="1"]')
        await zeynep.page.wait_for_selector('.box[data-step="main"][data-callers="0"]')
        await zeynep.page.click("[data-caller]")
        await zeynep.page.wait_for_selector(".transcript .who-caller")
        await call.press("1234#")
        await zeynep.shows(".transcript .told", "1234")
        await call.until_over(60)
    await zeynep.page.wait_for_selector('.box[data-step="ask_number"][data-callers="0"]')


async def test_pause_ready_and_sign_out_by_force(shop: Demo, person: Person) -> None:
    ayse, zeynep = await person("ayse"), await person("zeynep", "/floor")
    await ayse.work()
    row = '[data-agent="ayse"]'
    await zeynep.page.click(f'{row}[data-state="ready"] button[aria-label^="Molaya al"]')
    await ayse.state("paused", 2)
    await zeynep.page.click(f'{row}[data-state="paused"] button[aria-label^="Hazır yap"]')
    await ayse.state("ready", 2)
    await zeynep.page.click(f'{row} button[aria-label^="Kuyruklardan çıkar"]')
    await ayse.state("signed_out", 2)


async def test_the_wallboard_counts_who_waits_and_who_gives_up(shop: Demo, person: Person) -> None:
    ayse, zeynep = await person("ayse"), await person("zeynep", "/floor")
    await ayse.work()
    await ayse.page.select_option("#pause", index=1)
    await ayse.state("paused")
    support = '[data-queue="support"]'
    waiting = zeynep.page.locator(f"{support} .big dd").first
    abandoned = zeynep.page.locator(f"{support} .small div:nth-child(2) dd")
    before = int(await abandoned.inner_text())
    async with calling(shop) as call:
        await ask_for_agent(call)
        await expect(waiting).to_have_text("1", timeout=20_000)
        await zeynep.shows("[data-phase=waiting]", "+90 532 111 22 33")
        await call.pause(1)
        await call.hangup()
    await expect(waiting).to_have_text("0")
    await expect(abandoned).to_have_text(str(before + 1))
