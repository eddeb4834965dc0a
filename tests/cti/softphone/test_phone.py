"""Our phone calls our phone, over loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from cti.softphone import IncomingCall, Phone, tone


async def picks_up(call: IncomingCall) -> None:
    call.ring()
    await call.answer()
    await call.until_over(20)


@pytest.fixture
async def bob() -> AsyncIterator[Phone]:
    async with Phone("bob", on_call=picks_up) as phone:
        yield phone


@pytest.fixture
async def alice(bob: Phone) -> AsyncIterator[Phone]:
    async with Phone("alice", server=bob.address) as phone:
        yield phone


async def test_a_call_is_answered_and_hung_up(alice: Phone, bob: Phone) -> None:
    call = await alice.dial("+90 532#1")
    there = await bob.next_call()
    assert (call.state, call.code, call.reason) == ("up", 200, "OK")
    assert [code for _, code in call.progress] == [100, 180]
    assert (there.number, there.caller) == ("+90 532#1", "alice")
    await call.hangup()
    await there.until_over(2)
    assert (call.ended_by, there.ended_by) == ("us", "them")


async def test_every_key_arrives_once_and_in_order(alice: Phone, bob: Phone) -> None:
    call = await alice.dial("100")
    await call.press("1123#*0ABCD", tone_ms=40, gap_ms=20)
    there = await bob.next_call()
    await there.wait_for(lambda call: [key.ms for key in call.keys_heard] == [40] * 11, 2)
    assert there.keys == "1123#*0ABCD"


async def test_what_one_plays_the_other_hears(alice: Phone, bob: Phone) -> None:
    call = await alice.dial("100")
    there = await bob.next_call()
    sound = tone(440, 0.4)
    assert await call.play(sound)
    await asyncio.sleep(0.1)
    heard = there.heard
    start = int(np.flatnonzero(np.abs(heard) > 500)[0])
    level = np.sqrt(np.mean(heard[start : start + 3000].astype(float) ** 2))
    assert level == pytest.approx(np.sqrt(np.mean(sound.astype(float) ** 2)), rel=0.05)
    assert np.abs(heard[start + len(sound) :]).max() == 0
