"""A caller and two agents: what is on the page, and what each side hears."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cti.demo import Demo
from cti.queues import personal_queue
from tests.browser.callers import (
    HUMS,
    ask_about_order,
    ask_for_agent,
    calling,
    hum,
    until_hears,
    until_silent_of,
)

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
Person = Callable[..., Awaitable[Any]]


async def test_the_story_is_on_the_page_before_the_phone_rings(shop: Demo, person: Person) -> None:
    ayse = await person("ayse")
    await ayse.work()
    async with calling(shop) as call:
        await ask_about_order(call)
        await ayse.page.wait_for_selector(".call-now.ringing", timeout=30_000)
        seen = await ayse.seen()
        assert seen["pop"] < seen["ringing"], "the story first, by whatever way it came"
        assert seen["ringing"] - seen["invite"] < 700, (
            "the ring waited for it, not for the deadline"
        )
        await ayse.shows("[data-test=customer]", "Ayşe Yılmaz")
        steps = await ayse.page.eval_on_selector_all(
            "[data-test=path] li", "all => all.map(one => one.dataset.step)"
        )
        assert steps == [
            "welcome", "main", "ask_cancel", "find_cancel", "can_cancel", "too_late", "to_agent",
        ]  # fmt: skip
        await ayse.shows("[data-step=main] kbd", "2")
        await ayse.shows("[data-step=ask_cancel] kbd", "1234")
        first = ayse.page.locator("[data-test=orders] li").first
        assert await first.get_attribute("data-order") == "1234"
        assert "asked" in (await first.get_attribute("class") or "")
        await ayse.shows(".facts", "+90 532 111 22 33")

        await ayse.answer()
        await hum(call)
        await until_hears(call, ayse.hums)
        await ayse.until_hears(HUMS)
        await ayse.state("talking")

        await ayse.press("m")
        await until_silent_of(call, ayse.hums)
        await ayse.press("m")
        await until_hears(call, ayse.hums)

        await ayse.press("h")
        await until_silent_of(call, ayse.hums)
        await ayse.page.wait_for_selector(".call-now.held")
        await ayse.press("h")
        await until_hears(call, ayse.hums)
        await ayse.until_hears(HUMS)

        await ayse.press("e")
        await call.until_over(5)
    await ayse.state("wrap_up")
    await ayse.page.fill("#note", "Takip numarası okundu. <b>teşekkür etti</b>")
    await ayse.page.click("form.note button.primary")
    await ayse.page.wait_for_selector(".toast.good")
    await ayse.press("r")
    await ayse.state("ready")


async def test_who_calls_again_comes_to_the_same_agent(shop: Demo, person: Person) -> None:
    """By the agent's own queue; script, wrap-up and figures are of the queue they are for."""
    ayse = await person("ayse")
    await ayse.work()
    own = f"queue show {personal_queue('ayse')}"

    def served(shown: str) -> int:
        found = re.search(r"C:(\d+)", shown)
        assert found, shown
        return int(found[1])

    before = served(await shop.asterisk.command(own))
    for _ in range(6):  # the first talk is on record within seconds
        async with calling(shop) as call:
            await ask_for_agent(call)
            await ayse.page.wait_for_selector(".call-now.ringing", timeout=30_000)
            await ayse.shows("section.script", "sipariş numarasını ekrandan doğrulayın")
            await ayse.answer()
            await call.hangup()
        await ayse.state("wrap_up", 3)
        await ayse.press("r")
        await ayse.state("ready")
        if served(await shop.asterisk.command(own)) > before:
            return
    raise AssertionError("no call came by the agent's own queue")


async def test_blind_transfer(shop: Demo, person: Person) -> None:
    ayse, mehmet = await person("ayse"), await person("mehmet")
    await ayse.work()
    async with calling(shop) as call:
        await ask_for_agent(call)
        await ayse.answer()
        await hum(call)
        await until_hears(call, ayse.hums)
        await mehmet.phone_ready()
        await ayse.press("t")
        await ayse.page.fill("santral-transfer [name=to]", "mehmet")
        await ayse.page.click("santral-transfer .buttons.end button:not(.primary)")
        await mehmet.page.wait_for_selector(".call-now.ringing", timeout=15_000)
        await mehmet.shows("[data-test=customer]", "Ayşe Yılmaz")
        await mehmet.page.wait_for_selector("[data-test=path] [data-step=to_agent]")
        await mehmet.answer()
        await until_hears(call, mehmet.hums)
        await until_silent_of(call, ayse.hums)
        await mehmet.until_hears(HUMS)
        await ayse.state("wrap_up")
        await call.hangup()
    await mehmet.page.wait_for_selector(".call-now", state="detached")


async def test_asking_first_then_back_then_all_three_then_handing_over(
    shop: Demo, person: Person
) -> None:
    ayse, mehmet = await person("ayse"), await person("mehmet")
    await ayse.work()
    await mehmet.phone_ready()
    async with calling(shop) as call:
        await ask_for_agent(call)
        await ayse.answer()
        await hum(call)
        await until_hears(call, ayse.hums)

        await _consult(ayse, mehmet)
        await ayse.until_hears(mehmet.hums, silent=(HUMS,))
        await mehmet.until_hears(ayse.hums, silent=(HUMS,))
        await until_silent_of(call, ayse.hums)
        await ayse.page.click("text=Müşteriye dön")
        await until_hears(call, ayse.hums)
        await ayse.until_hears(HUMS, silent=(mehmet.hums,))
        await mehmet.page.wait_for_selector(".call-now", state="detached")

        await _consult(ayse, mehmet)
        await ayse.page.click("text=Üçlü görüşme")
        await until_hears(call, ayse.hums, mehmet.hums)
        await ayse.until_hears(HUMS, mehmet.hums)
        await mehmet.until_hears(HUMS, ayse.hums)

        await ayse.press("e")
        await until_silent_of(call, ayse.hums)
        await until_hears(call, mehmet.hums)
        await mehmet.until_hears(HUMS, silent=(ayse.hums,))
        await ayse.page.wait_for_selector(".call-now", state="detached")
        await call.hangup()


async def _consult(ayse: Any, mehmet: Any) -> None:
    await ayse.press("t")
    await ayse.page.fill("santral-transfer [name=to]", "mehmet")
    await ayse.page.click("santral-transfer .buttons.end button.primary")
    await mehmet.answer()
    await ayse.page.wait_for_selector(".call-now.consulting")
