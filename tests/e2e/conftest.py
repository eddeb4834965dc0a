"""A real Asterisk for the tests that dial: one for the whole session, or one of a test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from cti.asterisk import (
    Account,
    Asterisk,
    Installation,
    InstanceSettings,
    find_asterisk,
    free_ports,
)
from cti.settings import Settings
from ivr.errors import CannotInstall

StartAsterisk = Callable[..., Awaitable[Asterisk]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def installation() -> Installation:
    """The Asterisk of this machine or checkout; skipped, with the reason, where none can be had."""
    try:
        return await find_asterisk(Settings.from_environment().state, print)
    except CannotInstall as reason:
        pytest.skip(str(reason))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def asterisk(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Asterisk]:
    """One running Asterisk for all tests, with a caller's account (`demo`) and two desk phones.

    Nobody listens at its `agi_url`: a test that needs an engine starts one there.
    """
    settings = InstanceSettings.fresh(
        tmp_path_factory.mktemp("asterisk"), **instance_defaults(tries=3, wait=0.2)
    )
    async with Asterisk(installation, settings) as running:
        yield running


@pytest_asyncio.fixture
async def start_asterisk(
    installation: Installation, tmp_path: Path
) -> AsyncIterator[StartAsterisk]:
    """Start an instance of a test's own: `await start_asterisk(tries=3, …)`; it ends with the test.

    Keywords are those of `InstanceSettings`.
    """
    async with AsyncExitStack() as stack:
        count = 0

        async def start(**rest: Any) -> Asterisk:
            nonlocal count
            count += 1
            directory = rest.pop("directory", tmp_path / f"asterisk-{count}")
            settings = InstanceSettings.fresh(directory, **instance_defaults(**rest))
            return await stack.enter_async_context(Asterisk(installation, settings))

        yield start


def instance_defaults(**rest: Any) -> dict[str, Any]:
    """An engine's address of its own, a caller and two desks."""
    defaults: dict[str, Any] = {
        "agi_url": f"agi://127.0.0.1:{free_ports(1)[0]}",
        "accounts": (
            Account.fresh("demo", context="santral-inbound", contacts=5, title="Demo"),
            Account.fresh("desk1", title="Ayşe"),
            Account.fresh("desk2", title="Mehmet"),
        ),
    }
    return defaults | rest
