"""For everybody: axe finds nothing on any page in either language and scheme; the keyboard is
enough; what customers are called is text."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cti.demo import Demo
from cti.settings import STATE
from cti.web.bundling import fetched
from tests.browser.callers import ask_about_order, ask_for_agent, calling

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
Person = Callable[..., Awaitable[Any]]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def axe(shop: Demo) -> str:
    libraries = fetched(STATE / "pages", print)
    return (libraries / "axe-core" / "axe.min.js").read_text("utf-8")


async def findings(page: Any, axe: str) -> list[str]:
    await page.evaluate(axe)
    found = await page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
    assert len(found["passes"]) > 10, "axe has looked"
    return [
        f"{one['id']}: {node['html'][:160]}" for one in found["violations"] for node in one["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["tr", "en"])
async def test_axe_finds_nothing_on_any_page(
    shop: Demo, person: Person, axe: str, language: str, scheme: str
) -> None:
    admin = await person("admin", "/desk", language=language, color_scheme=scheme)
    assert await admin.page.get_attribute("html", "lang") == language
    found = {}
    for path in ("/desk", "/floor", "/flows", "/users"):
        await admin.open(path)
        await admin.page.wait_for_timeout(600)
        found[path] = await findings(admin.page, axe)
    await admin.press("?")
    await admin.page.wait_for_selector("santral-help dialog[open]")
    found["help"] = await findings(admin.page, axe)
    await admin.page.keyboard.press("Escape")
    await admin.page.click("header.top button:has(svg) >> nth=1")
    await admin.page.wait_for_selector("santral-settings dialog[open]")
    found["settings"] = await findings(admin.page, axe)
    await admin.page.keyboard.press("Escape")
    await admin.page.click("header.top button >> nth=-1")
    await admin.page.wait_for_selector(".sign-in form")
    found["sign-in"] = await findings(admin.page, axe)
    assert {where: what for where, what in found.items() if what} == {}


async def test_axe_finds_nothing_while_somebody_calls(shop: Demo, person: Person, axe: str) -> None:
    ayse, zeynep = await person("ayse"), await person("zeynep", "/floor")
    await ayse.work()
    found = {}
    async with calling(shop) as call:
        await ask_about_order(call)
        await ayse.page.wait_for_selector(".call-now.ringing", timeout=30_000)
        found["ringing"] = await findings(ayse.page, axe)
        await ayse.answer()
        found["talking"] = await findings(ayse.page, axe)
        await ayse.press("t")
        await ayse.page.wait_for_selector("santral-transfer dialog[open] li")
        found["transfer"] = await findings(ayse.page, axe)
        await ayse.page.keyboard.press("Escape")
        found["floor"] = await findings(zeynep.page, axe)
        await call.hangup()
    await ayse.state("wrap_up")
    found["wrap-up"] = await findings(ayse.page, axe)
    assert {where: what for where, what in found.items() if what} == {}


async def test_the_keyboard_is_enough(shop: Demo, person: Person) -> None:
    """From sign-in to a finished call, without a mouse."""
    ayse = await person("ayse")
    keys = ayse.page.keyboard
    await ayse.phone_ready()
    await ayse.press("?")
    listed = await ayse.page.eval_on_selector_all(
        ".shortcuts kbd", "all => all.map(one => one.innerText)"
    )
    assert {"a", "e", "h", "m", "t", "r", "p", "n", "/", "?"} <= set(listed)
    await keys.press("Escape")
    await ayse.press("r")
    await ayse.state("ready")
    async with calling(shop) as call:
        await ask_for_agent(call)
        await ayse.page.wait_for_selector(".call-now.ringing", timeout=15_000)
        await ayse.press("a")
        await ayse.talking()
        await ayse.press("n")
        await keys.type("he called; a, e, h and m are letters here")
        assert not call.over
        await ayse.page.wait_for_selector(".call-now.talking")
        await keys.press("Tab")
        await keys.press("Tab")
        await keys.press("Enter")
        await ayse.page.wait_for_selector(".toast.good")
        await ayse.press("e")
        await call.until_over(5)
    await ayse.press("/")
    await keys.type("Yılmaz")
    await ayse.page.wait_for_selector(".search .pick-list button")
    await keys.press("Tab")
    await keys.press("Enter")
    await ayse.shows(".customer", "he called; a, e, h and m are letters here")


async def test_what_is_written_in_a_record_is_text(shop: Demo, person: Person) -> None:
    ayse = await person("ayse")
    alerts: list[str] = []
    ayse.page.on("dialog", lambda dialog: alerts.append(dialog.message))
    text = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    await ayse.page.fill("#search", "Yılmaz")
    await ayse.page.click(".search .pick-list button")
    await ayse.page.fill(".customer form input", text)
    await ayse.page.click(".customer form button")
    await ayse.shows(".customer .notes", text)
    await asyncio.sleep(0.3)
    assert alerts == []


async def test_a_number_with_a_line_break_is_refused(shop: Demo, person: Person) -> None:
    ayse = await person("ayse")
    answer = await ayse.page.evaluate(
        """async () => {
          const me = await (await fetch("/api/me")).json();
          const ask = (path, body) => fetch(path, {method: "POST", body: JSON.stringify(body),
            headers: {"Content-Type": "application/json", "X-CSRF-Token": me.csrf}});
          return [
            (await ask("/api/dial", {to: "123\\r\\nAction: Originate"})).status,
            (await ask("/api/listen", {call: "x", agent: "PJSIP/mehmet", how: "listen"})).status,
            (await ask("/api/calls/not-mine/transfer", {to: "mehmet"})).status,
          ];
        }"""
    )
    assert answer == [400, 403, 400]
