"""What callers say and the staffing plan, on the page: searched, turned by the keyboard, and axe in
both languages and schemes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.browser.test_access import findings
from tests.browser.test_reports import Shown, axe, recorded, shown, until

__all__ = ["axe", "shown"]
pytestmark = pytest.mark.browser


async def test_texts_are_searched_and_open_into_their_call(
    shown: Callable[..., Awaitable[Shown]],
) -> None:
    sema = await shown()
    call = await recorded(sema.desk)
    await sema.asks("/reports/themes?from=7d&by=day")
    assert "Delivery" in await sema.column("Theme"), "in words, not by its key"
    said = sema.page.locator("santral-said")
    await said.locator(f"li[data-call='{call}']").wait_for()
    assert await said.locator("li .tag").all_inner_texts() != []
    await said.locator("input[name=words]").fill("KARGO gelmedi")
    await sema.page.keyboard.press("Enter")
    await until(sema.page, "() => document.querySelectorAll('santral-said li').length === 1")
    assert "Kargom gelmedi" in await said.locator("blockquote").inner_text()
    assert await said.locator("blockquote b").count() == 0
    await said.locator("input[name=words]").fill("zeytin")
    await sema.page.keyboard.press("Enter")
    await until(sema.page, "() => document.querySelectorAll('santral-said li').length === 0")
    await said.locator("input[name=words]").fill("")
    await sema.page.keyboard.press("Enter")
    await said.locator("li button.cell").first.click()
    await sema.page.wait_for_selector("santral-call-story dialog[open] audio")


@pytest.mark.parametrize("shown", [30], indirect=True)
async def test_a_slider_turned_by_the_keyboard_changes_the_plan(
    shown: Callable[..., Awaitable[Shown]],
) -> None:
    sema = await shown()
    await sema.person.go("/staffing")
    hours = sema.page.locator("[data-test=told-hours]")
    await hours.wait_for()
    before = await hours.inner_text()
    slider = sema.page.locator("input[name=volume]")
    await slider.focus()
    for _ in range(6):
        await sema.page.keyboard.press("ArrowRight")
    assert await slider.get_attribute("aria-valuetext") == "130%"
    await until(
        sema.page,
        "before => document.querySelector('[data-test=told-hours]').innerText !== before",
        before,
    )
    after = await hours.inner_text()
    assert float(after.replace(",", "")) > float(before.replace(",", ""))


@pytest.mark.parametrize("shown", [30], indirect=True)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["tr", "en"])
async def test_axe_finds_nothing(
    shown: Callable[..., Awaitable[Shown]], axe: str, language: str, scheme: str
) -> None:
    sema = await shown(language=language, color_scheme=scheme)
    await recorded(sema.desk)
    await sema.asks("/reports/themes?from=7d&by=day")
    await sema.page.locator("santral-said li").first.wait_for()
    assert await findings(sema.page, axe) == []
    await sema.person.go("/staffing")
    await sema.page.locator("[data-test=told-hours]").wait_for()
    assert await findings(sema.page, axe) == []
