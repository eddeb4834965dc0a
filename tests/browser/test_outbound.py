"""The page of orders that go out: figures, the brake, an order's story, the lists, messages.

No telephone is needed for it: the desk is opened as it is, before no Manager, and the shop's API
feeds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from cti.db.engine import open_engine
from cti.db.migrate import upgrade
from cti.settings import STATE
from cti.web.api.orders import EXAMPLE
from cti.web.bundling import bundle, fetched
from tests.browser.desk_page import FLAGS, DeskPage, new_page
from tests.browser.test_access import findings
from tests.cti.services.test_http import serving
from tests.cti.web.site_room import PASSWORD, SiteRoom, site_room

pytestmark = pytest.mark.browser
ORDER = "4711"


@dataclass
class Shown:
    desk: SiteRoom
    page: Any
    person: DeskPage

    async def tell(self, number: str, **order: Any) -> Any:
        """The shop tells of an order."""
        api = self.desk.room.api
        assert api is not None
        from cti.web.api.shapes import read_event
        from cti.web.api.taking import take

        given = EXAMPLE | {
            "id": f"evt-{number}", "at": datetime.now(UTC).isoformat(),
            "order": {**EXAMPLE["order"], "number": number, **order},
        }  # fmt: skip
        return await take(api, read_event.validate_python(given))


@pytest.fixture
async def shown(chromium: str, provisions: None, tmp_path: Path) -> AsyncIterator[Any]:
    from playwright.async_api import async_playwright

    database = tmp_path / "empty.db"
    engine = open_engine(f"sqlite:///{database}")
    await upgrade(engine)
    await engine.dispose()

    await asyncio.to_thread(bundle, STATE / "pages", print)
    async with (
        site_room(tmp_path, database, manager=False, shop_api=True, web_pages=STATE) as desk,
        async_playwright() as playwright,
    ):
        running = await playwright.chromium.launch(
            executable_path=chromium, headless=True, args=list(FLAGS)
        )

        async def sign_in(login: str, **options: Any) -> Shown:
            person = await new_page(running, login, 1000.0, desk.url + "/", **options)
            await person.go("/")
            await person.page.fill("[name=login]", login)
            await person.page.fill("[name=password]", PASSWORD)
            await person.page.click("form button.primary")
            await person.page.wait_for_selector('nav a[href="/outbound"]')
            await person.open("/outbound")
            await person.page.wait_for_selector("[data-campaign=order_received]")
            if str(options.get("locale", "")).startswith("en"):
                await person.page.click("header button:has-text('EN')")
                await person.page.wait_for_selector("html[lang=en]")
            people.append(person)
            return Shown(desk, person.page, person)

        people: list[DeskPage] = []
        yield sign_in
        assert [one.problems for one in people if one.problems] == []
        await running.close()


async def test_an_order_comes_in_is_explained_and_withdrawn(shown: Any) -> None:
    sema = await shown("sema", locale="en-GB")
    await sema.tell(ORDER)
    card = sema.page.locator("[data-campaign=order_received]")
    await sema.page.wait_for_selector(f"tr:has-text('{ORDER}')")
    assert await card.locator(".big dd").first.inner_text() == "1"
    await sema.page.click(f"button.link:has-text('{ORDER}')")
    dialog = sema.page.locator("santral-order-story dialog")
    await dialog.locator(".timeline li").nth(1).wait_for()
    told = await dialog.inner_text()
    assert "The shop told" in told
    assert "order.total = " in told
    await dialog.locator("button:has-text('Call nobody')").click()
    await sema.page.wait_for_selector(".toast.good")
    await dialog.locator("text=withdrawn").first.wait_for()
    await sema.page.keyboard.press("Escape")
    await card.locator(".big dd:text-is('0')").first.wait_for()


async def test_the_brake_holds_and_lets_go(shown: Any) -> None:
    sema = await shown("sema", locale="tr-TR")
    card = sema.page.locator("[data-campaign=payment_retry]")
    await card.locator("button").click()
    await card.locator(".tag.warm").wait_for()
    api = sema.desk.room.api
    assert await api.outbound.paused() == {"payment_retry"}
    await card.locator("button:has-text('Sürdür')").click()
    await card.locator("button:has-text('Duraklat')").wait_for()
    assert await api.outbound.paused() == frozenset()


async def test_who_asked_not_to_be_called_is_not(shown: Any) -> None:
    sema = await shown("sema", locale="en-GB")
    await sema.page.fill("input[name=phone]", "1234")
    await sema.page.click("button:has-text('Never call')")
    await sema.page.wait_for_selector(".toast.bad")
    await sema.page.fill("input[name=phone]", "0532 111 22 33")
    await sema.page.fill("input[name=reason]", "<script>alert(1)</script>")
    await sema.page.click("button:has-text('Never call')")
    row = sema.page.locator("[data-number='+905321112233']")
    await row.wait_for()
    assert "<script>" in await row.inner_text()
    made = await sema.tell(ORDER)
    assert (made.decision, made.why) == ("never", "do not call: on own")
    await row.locator("button").click()
    await row.wait_for(state="detached")


async def test_a_message_that_was_given_up_is_sent_again(shown: Any) -> None:
    statuses = [410]

    async def receive(_: web.Request) -> web.Response:
        return web.Response(status=statuses.pop() if statuses else 200)

    async with serving(receive) as port:
        sema = await shown("sema", locale="en-GB")
        api = sema.desk.room.api
        await api.webhooks.put("shop", f"http://127.0.0.1:{port}/", [], "s" * 20, "test")
        api.notifier.use_registered(await api.webhooks.for_sending())
        await api.notifier.notify("order_confirmed", {"number": ORDER}, "call-1:1")
        async with asyncio.timeout(10):
            while not await api.outbox.standings(state="failed"):
                await asyncio.sleep(0.05)
        await sema.page.reload()
        await sema.page.click("[data-delivery] button")
        await sema.page.wait_for_selector("[data-delivery]", state="detached")
        hook = sema.page.locator("[data-webhook=shop] td")
        assert await hook.all_inner_texts() == ["0", "1", "0"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["tr-TR", "en-GB"])
async def test_axe_finds_nothing(shown: Any, locale: str, scheme: str) -> None:
    libraries = await asyncio.to_thread(fetched, STATE / "pages", print)
    axe = (libraries / "axe-core" / "axe.min.js").read_text("utf-8")
    sema = await shown("sema", locale=locale, color_scheme=scheme)
    await sema.tell(ORDER)
    await sema.tell("4712", total="5.00")
    api = sema.desk.room.api
    await api.outbox.put("k", "order_note", {}, ["shop"])
    await sema.page.fill("input[name=phone]", "05321112299")
    await sema.page.click("form:has(input[name=phone]) button")
    await sema.page.wait_for_selector("[data-number]")
    await sema.page.wait_for_selector("tr:has-text('4712')")
    found = await findings(sema.page, axe)
    await sema.page.click("button.link >> nth=0")
    await sema.page.wait_for_selector("santral-order-story dialog[open]")
    await sema.page.wait_for_timeout(200)
    found += await findings(sema.page, axe)
    assert found == []
