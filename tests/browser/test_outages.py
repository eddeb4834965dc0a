"""What was cut comes back: within two seconds of its return the screen and the queue agree."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cti.demo import Demo
from tests.browser.callers import HUMS, ask_for_agent, calling, hum, until_hears
from tests.browser.cut import Cable

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
Person = Callable[..., Awaitable[Any]]
AGREE = 2.0  # seconds


async def in_queue(shop: Demo, interface: str) -> dict[str, str]:
    """What Asterisk's own queue says of a member: queue -> "paused", "in use", …; asked once."""
    told = await shop.asterisk.command("queue show support")
    return {
        "here": "yes" if interface in told else "no",
        "line": next((line.strip() for line in told.splitlines() if interface in line), ""),
    }


async def test_the_page_is_closed_and_opened_again(shop: Demo, person: Person) -> None:
    ayse = await person("ayse")
    await ayse.work()
    async with calling(shop) as call:
        await ask_for_agent(call)
        await ayse.answer()
        await hum(call)
        await until_hears(call, ayse.hums)
        await ayse.page.close()
        await call.until_over(5)  # the caller does not listen to silence
    page = await ayse.context.new_page()
    ayse.page = page
    await ayse.go("/desk")
    await ayse.phone_ready()
    await page.wait_for_selector(".presence.state-wrap_up, .presence.state-ready", timeout=2000)


async def test_the_network_is_cut_and_comes_back(shop: Demo, person: Person) -> None:
    async with Cable(shop.settings.web_port) as cable:
        ayse = await person("ayse", url=f"http://127.0.0.1:{cable.port}/")
        await ayse.work()
        await cable.pull()
        await ayse.page.wait_for_selector("[data-test=connection][data-state=offline]")
        await ayse.shows(".trouble.shown", "koptu")
        await asyncio.sleep(2)
        assert (
            "Unavailable" in (await in_queue(shop, "ayse"))["line"]
            or "paused" in (await in_queue(shop, "ayse"))["line"]
        )
        async with calling(shop) as call:
            await ask_for_agent(call)
            await call.pause(1)
            await cable.mend()
            loop = asyncio.get_running_loop()
            back = loop.time()
            await ayse.page.wait_for_selector("[data-test=connection][data-state=online]")
            await ayse.page.wait_for_selector(
                ".presence.state-ready, .presence.state-ringing", timeout=AGREE * 1000
            )
            took = loop.time() - back
            assert took <= AGREE, took
            await ayse.page.wait_for_selector("article[data-pop]", timeout=10_000)
            await ayse.answer()
            await hum(call)
            await ayse.until_hears(HUMS)
            await call.hangup()


async def test_a_silent_network_is_noticed(shop: Demo, person: Person) -> None:
    """Nothing is refused, nothing comes: the beats that stay away tell."""
    async with Cable(shop.settings.web_port) as cable:
        ayse = await person("ayse", url=f"http://127.0.0.1:{cable.port}/")
        await cable.pull(silent=True)
        await ayse.page.wait_for_selector(
            "[data-test=connection][data-state=offline]", timeout=16_000
        )
        await cable.mend()
        await ayse.page.wait_for_selector(
            "[data-test=connection][data-state=online]", timeout=AGREE * 1000
        )


async def test_asterisk_is_started_again(shop: Demo, person: Person) -> None:
    ayse = await person("ayse")
    await ayse.work()
    await shop.asterisk.stop()
    await ayse.page.wait_for_selector("[data-test=connection][data-state=no_asterisk]")
    await shop.asterisk.start()
    loop = asyncio.get_running_loop()
    back = loop.time()
    await ayse.page.wait_for_selector("[data-test=connection][data-state=online]")
    await ayse.phone_ready()
    await ayse.state("ready", AGREE)
    assert loop.time() - back <= AGREE
    told = await in_queue(shop, "ayse")
    assert "Not in use" in told["line"], told
    async with calling(shop) as call:
        await ask_for_agent(call)
        await ayse.answer()
        await hum(call)
        await ayse.until_hears(HUMS)
        await call.hangup()


async def test_two_tabs_of_one_agent(shop: Demo, person: Person) -> None:
    """The later tab has the phone; both show the same; closed, the first has it back."""
    first = await person("ayse")
    await first.work()
    second_page = await first.context.new_page()
    await second_page.goto(first.url + "desk")
    await second_page.wait_for_selector(".phone[data-state=registered]", timeout=15_000)
    await first.page.wait_for_selector(".phone[data-state=elsewhere]", timeout=AGREE * 1000)
    async with calling(shop) as call:
        await ask_for_agent(call)
        await second_page.wait_for_selector(".call-now.ringing")
        for page in (first.page, second_page):
            await page.wait_for_selector("article[data-pop][data-state=ringing]")
            await page.wait_for_selector(".presence.state-ringing")
        await second_page.click(".call-now.ringing + .call-keys button.go")
        await first.page.wait_for_selector("article[data-state=answered]")
        await hum(call)
        await until_hears(call, first.hums)
        await call.hangup()
    await first.state("wrap_up", AGREE)
    await second_page.wait_for_selector(".presence.state-wrap_up", timeout=AGREE * 1000)
    await second_page.close()
    await first.phone_ready()
