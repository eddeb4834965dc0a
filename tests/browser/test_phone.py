"""The phone in the page by itself: dialling, keys, answering by itself, the headset's test."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cti.demo import Demo
from tests.browser.callers import HUMS, ask_for_agent, calling, hum, until_hears

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
Person = Callable[..., Awaitable[Any]]


async def test_a_colleague_is_dialled(shop: Demo, person: Person) -> None:
    """The own phone rings first, and answers itself: who asked for a call wants it."""
    ayse, mehmet = await person("ayse"), await person("mehmet")
    await ayse.phone_ready()
    await mehmet.phone_ready()
    await ayse.press("d")
    await ayse.page.keyboard.type("mehmet")
    await ayse.page.keyboard.press("Enter")
    await mehmet.answer()
    await ayse.talking()
    await mehmet.until_hears(ayse.hums)
    await ayse.until_hears(mehmet.hums)
    await mehmet.press("e")
    await ayse.page.wait_for_selector(".call-now", state="detached")


async def test_what_cannot_be_dialled_is_said(shop: Demo, person: Person) -> None:
    ayse = await person("ayse")
    await ayse.phone_ready()
    await ayse.page.fill("#dial", "0900 123 45 67")
    await ayse.page.click(".dial button")
    await ayse.shows(".toast.bad", "09001234567")
    assert await ayse.page.query_selector(".call-now") is None


async def test_the_keypad_reaches_the_other_side(shop: Demo, person: Person) -> None:
    ayse = await person("ayse")
    await ayse.work()
    async with calling(shop) as call:
        await ask_for_agent(call)
        await ayse.answer()
        await ayse.press("k")
        for key in ("4", "2", "#"):
            await ayse.page.click(f".keypad button:text-is('{key}')")
        await call.wait_for(lambda one: one.keys == "42#" or None, 10, "the keys")
        await call.hangup()


async def test_a_desk_that_answers_by_itself(shop: Demo, person: Person) -> None:
    ayse = await person("ayse")
    await ayse.page.click("header.top button:has(svg) >> nth=1")
    await ayse.page.check("santral-settings input[type=checkbox] >> nth=0")
    await ayse.page.keyboard.press("Escape")
    await ayse.work()
    async with calling(shop) as call:
        await ask_for_agent(call)
        await ayse.talking()
        seen = await ayse.seen()
        assert seen["pop"] < seen["ringing"]
        await hum(call)
        await until_hears(call, ayse.hums)
        await ayse.until_hears(HUMS)
        await call.hangup()


async def test_the_headset_is_tried(shop: Demo, person: Person) -> None:
    ayse = await person("ayse")
    await ayse.page.click("header.top button:has(svg) >> nth=1")
    await ayse.page.click("[data-test=headset] button >> nth=1")
    await ayse.shows("[data-test=headset] [role=status]", "Sizi duyuyoruz")
    names = await ayse.page.eval_on_selector_all(
        "santral-settings select option", "all => all.map(one => one.textContent)"
    )
    assert any("Fake" in name for name in names), "the devices are offered by name"
    await ayse.page.keyboard.press("Escape")
    await ayse.page.wait_for_selector("santral-settings meter", state="detached", timeout=3000)
