"""The demo shop with its desk, and people with browsers: real engine, Asterisk and Chromium."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from cti.asterisk import find_asterisk, find_espeak
from cti.demo import Demo, demo_running
from cti.settings import Settings
from cti.web.bundling import bundle
from ivr.errors import CannotInstall
from tests.browser.network import own_network

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
HUMS = {"ayse": 1000.0, "mehmet": 1400.0, "elif": 1850.0, "zeynep": 1150.0, "admin": 1600.0}


@pytest.fixture(scope="session")
def chromium() -> str:
    """Its program; skipped, with the reason, where there is none."""
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("playwright is not installed")
    for name in CHROMIUMS:
        if (found := shutil.which(name)) is not None:
            return found
    pytest.skip("there is no Chromium on this machine (Debian: apt-get install chromium)")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def provisions(chromium: str) -> None:
    """What is fetched once for a checkout, while the world can still be reached."""
    state = Settings.from_environment().state
    try:
        await find_asterisk(state, print)
        await find_espeak(state, print)
        await asyncio.to_thread(bundle, state / "pages", print)
    except CannotInstall as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def network(provisions: None) -> Iterator[None]:
    """Inside, sound can flow between a page and Asterisk."""
    try:
        inside = own_network()
        inside.__enter__()
    except OSError as reason:
        pytest.skip(f"no network of our own: {reason}")
    yield
    inside.__exit__(None, None, None)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shop(
    chromium: str, network: None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Demo]:
    """A demo of the tests' own, for the whole session."""
    state = Settings.from_environment().state
    try:
        async with demo_running(
            state, print, home=tmp_path_factory.mktemp("shop"), prompt_cache=state / "prompts"
        ) as demo:
            yield demo
    except CannotInstall as reason:
        pytest.skip(str(reason))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browsers(
    chromium: str, network: None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Callable[[str], Awaitable[Any]]]:
    """A running Chromium for each microphone; started when first asked for."""
    from playwright.async_api import async_playwright

    from tests.browser.desk_page import browser

    folder: Path = tmp_path_factory.mktemp("microphones")
    async with async_playwright() as playwright, AsyncExitStack() as stack:
        running: dict[str, Any] = {}

        async def of(login: str) -> Any:
            if login not in running:
                running[login] = await stack.enter_async_context(
                    browser(playwright, chromium, folder, HUMS[login])
                )
            return running[login]

        yield of


@pytest_asyncio.fixture(loop_scope="session")
async def person(
    shop: Demo, browsers: Callable[[str], Awaitable[Any]]
) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
    """`await person("ayse")`: their page, signed in; closed and signed out with the test."""
    from tests.browser.desk_page import DeskPage, new_page

    pages: list[DeskPage] = []

    async def sign_in(login: str, path: str = "/desk", **options: Any) -> DeskPage:
        url = options.pop("url", shop.url)
        desk = await new_page(await browsers(login), login, HUMS[login], url, **options)
        pages.append(desk)
        await desk.sign_in(shop.passwords[login], path)
        return desk

    yield sign_in
    problems = [(desk.login, desk.problems) for desk in pages if desk.problems]
    for desk in pages:
        await desk.leave()
    assert problems == [], "no script failed, and nothing was refused by the page's policy"
