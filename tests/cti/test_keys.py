"""Keys told by the Manager: what AGI does not answer is handed to Asterisk again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from cti.ami.bridge import Bridge
from cti.ami.events import Newstate
from cti.keys import Keys
from ivr.agi.pressed import Pressed
from tests.cti.ami.test_bridge import account
from tests.fakes.manager import FakeManager, event, fake_manager
from tests.ivr.agi.test_pressed import Agi

CHANNEL = "PJSIP/caller-00000001"


def told(fake: FakeManager, name: str, digit: str, direction: str = "Received") -> None:
    headers = (("Channel", CHANNEL), ("Digit", digit), ("Direction", direction))
    fake.say(event(name, *headers))


@asynccontextmanager
async def watching(fake: FakeManager, pressed: Pressed) -> AsyncIterator[Keys]:
    keys = Keys()
    async with Bridge(account(fake), keys.takes) as keys.bridge:
        await keys.bridge.ready(5)
        keys.attend(CHANNEL, pressed)
        yield keys


async def until(what: object, wanted: object) -> None:
    async with asyncio.timeout(5):
        while what() != wanted:  # type: ignore[operator]
            await asyncio.sleep(0.01)


async def test_a_key_that_agi_does_not_tell_of_is_handed_in_again_and_counts_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pressed = Pressed(time.monotonic, Agi())
    with caplog.at_level(logging.INFO):
        async with fake_manager() as fake, watching(fake, pressed) as keys:
            told(fake, "DTMFBegin", "7")
            told(fake, "DTMFEnd", "7")
            (again,) = await fake.got("PlayDTMF")
            assert (again["Channel"], again["Digit"], again["Receive"]) == (CHANNEL, "7", "true")
            assert pressed.heard("7") == "7"
            told(fake, "DTMFBegin", "9")
            told(fake, "DTMFEnd", "9")
            await until(lambda: pressed.waiting, True)
            keys.leave(CHANNEL)
            await asyncio.sleep(0.8)
            assert len(fake.actions("PlayDTMF")) == 1, "the call is over"
    assert not [r for r in caplog.records if "7" in r.getMessage().replace(CHANNEL, "")]


async def test_a_key_is_not_handed_in_while_it_is_down_or_no_command_would_take_it() -> None:
    agi = Agi(b"")
    pressed = Pressed(time.monotonic, agi)
    async with fake_manager() as fake, watching(fake, pressed):
        told(fake, "DTMFBegin", "7")
        await until(lambda: pressed.waiting, True)
        await asyncio.sleep(0.8)
        told(fake, "DTMFEnd", "7")
        await asyncio.sleep(0.8)
        assert fake.actions("PlayDTMF") == []
        agi.run(b"WAIT FOR DIGIT 5000\n")
        await fake.got("PlayDTMF")


async def test_keys_that_we_send_and_other_channels_are_nothing_to_it() -> None:
    pressed = Pressed(time.monotonic, Agi())
    async with fake_manager() as fake, watching(fake, pressed) as keys:
        told(fake, "DTMFBegin", "7", "Sent")
        fake.say(event("DTMFBegin", ("Channel", "PJSIP/x-2"), ("Digit", "1"),
                       ("Direction", "Received")))  # fmt: skip
        told(fake, "DTMFBegin", "8")
        await until(lambda: pressed.waiting, True)
        assert pressed.heard("8") == "8"
        assert not pressed.waiting
        assert not keys.takes(Newstate(0.0, None))  # type: ignore[arg-type]
