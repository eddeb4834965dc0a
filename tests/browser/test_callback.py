"""A caller who would rather be called back: the place is kept, the phone rings when it is their
turn, and the agent sees the story of the first call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from cti.asterisk.ports import free_ports
from cti.asterisk.settings import Outside, Trunk
from cti.demo import Demo
from cti.softphone import Phone
from cti.softphone.incoming import IncomingCall
from tests.browser.callers import HUMS, ask_for_agent, calling, hum, until_hears

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
Person = Callable[..., Awaitable[Any]]


@pytest_asyncio.fixture(loop_scope="session")
async def customer(shop: Demo) -> AsyncIterator[Phone]:
    """The customer's own telephone, behind a line to the outside."""
    port = free_ports(1)[0]
    before = shop.asterisk.settings
    outside = replace(
        before,
        trunks=(Trunk("customers", f"sip:127.0.0.1:{port}"),),
        outside=(Outside("_+90532XXXXXXX", "customers"),),
    )
    await shop.asterisk.reload(outside)
    async with Phone("customer", port=port, on_call=_picks_up) as phone:
        yield phone
    await shop.asterisk.reload(before)


async def _picks_up(call: IncomingCall) -> None:
    await call.answer()
    await call.until_over(120)


async def test_called_back_in_turn(shop: Demo, person: Person, customer: Phone) -> None:
    ayse = await person("ayse")
    await ayse.work()
    async with calling(shop) as first:
        await ask_for_agent(first)
        await ayse.answer()
        async with calling(shop) as second:
            await ask_for_agent(second)
            await second.pause(3)
            await second.press("1")
            await second.until_over(20)
        listed = ayse.page.locator("[data-callback]")
        await listed.wait_for(timeout=10_000)
        assert "+90 532 111 22 33" in await listed.inner_text()
        await first.hangup()
    coming = asyncio.ensure_future(customer.next_call(40))
    await ayse.state("wrap_up")
    await ayse.press("r")
    call = await coming
    await call.until_answered(10)
    await ayse.page.wait_for_selector(".call-now.ringing", timeout=20_000)
    await ayse.shows("[data-test=customer]", "Ayşe Yılmaz")
    await ayse.page.wait_for_selector("[data-test=path] [data-step=to_agent]")
    await ayse.answer()
    await hum(call)
    await until_hears(call, ayse.hums)
    await ayse.until_hears(HUMS)
    await listed.wait_for(state="detached", timeout=10_000)
    await call.hangup()
    await ayse.state("wrap_up")
