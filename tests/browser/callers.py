"""Callers who dial the demo shop and find their way to an agent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from cti.demo import Demo
from cti.softphone import Phone, until
from cti.softphone.call import Call
from cti.softphone.levels import has_tone, tone, tone_level
from ivr.audio import TELEPHONE_RATE
from ivr.errors import CallOver

HUMS = 700.0  # the caller's own tone


@asynccontextmanager
async def calling(shop: Demo, line: str = "100") -> AsyncIterator[Call]:
    """A caller who hears the shop's line; hangs up at the end of the block."""
    async with Phone(shop.account.name, server=shop.sip, password=shop.account.password) as phone:
        call = await phone.dial(line, ring_for=20)
        await call.wait_for(until.sound(), 20, "the line's first words")
        try:
            yield call
        finally:
            if not call.over:
                await call.hangup()


async def ask_for_agent(call: Call) -> None:
    """The key for an agent, pressed into the prompt."""
    await call.pause(0.5)
    await call.press("0")


async def ask_about_order(call: Call, number: str = "1234") -> None:
    """Wants order `number` cancelled; one that is on its way brings them to an agent."""
    await call.pause(0.5)
    await call.press("2")
    await call.pause(1.2)
    await call.press(f"{number}#")
    await call.pause(1.5)
    await call.press("1")


async def hum(call: Call) -> None:
    await call.play(tone(HUMS, 1.0), forever=True)


def hears(call: Call, hertz: float, seconds: float = 0.6) -> float | None:
    """The level of a tone in the last of what the caller heard, or None when it does not stand
    out."""
    last = call.heard[-int(TELEPHONE_RATE * seconds) :]
    return tone_level(last, hertz) if has_tone(last, hertz) else None


async def until_hears(call: Call, *tones: float, timeout: float = 12.0) -> list[float]:
    """Every one of the tones, in the same stretch; alone they are most of the sound."""
    least = -45.0

    def heard(one: Call) -> list[float] | None:
        last = one.heard[-int(TELEPHONE_RATE * 0.6) :]
        levels = [tone_level(last, hertz) for hertz in tones]
        return levels if all(level > least for level in levels) else None

    return await call.wait_for(heard, timeout, f"{tones} Hz")


async def until_silent_of(call: Call, hertz: float, timeout: float = 12.0) -> None:
    """The tone is gone from what the caller hears."""
    await call.wait_for(
        lambda one: hears(one, hertz) is None or None, timeout, f"{hertz} Hz is gone"
    )


async def within(seconds: float, condition: Callable[[], bool], what: str) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not condition():
        if loop.time() > end:
            raise AssertionError(f"within {seconds} s: {what}")
        await asyncio.sleep(0.05)


__all__ = [
    "HUMS", "CallOver", "ask_about_order", "ask_for_agent", "calling", "hears", "hum",
    "until_hears", "until_silent_of", "within",
]  # fmt: skip
