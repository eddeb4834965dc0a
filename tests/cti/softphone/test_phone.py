"""Our phone calls our phone, over loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from cti.softphone import Call, IncomingCall, Phone, heard_prompt, tone, until
from cti.softphone.levels import bursts, has_tone, level
from ivr.audio import resample, write_wav
from ivr.errors import BadInput, CallOver, NotInTime, SoftphoneFault
from tests.cti.softphone.speech import RATE, said, silence

SOUND = said(11, 1)


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


async def both(alice: Phone, bob: Phone) -> tuple[Call, Call]:
    call = await alice.dial("100")
    return call, await bob.next_call()


async def test_a_call_is_answered_and_hung_up(alice: Phone, bob: Phone) -> None:
    call = await alice.dial("+90 532#1")
    there = await bob.next_call()
    assert (call.state, call.code, call.reason) == ("up", 200, "OK")
    assert [code for _, code in call.progress] == [100, 180]
    assert (there.number, there.caller) == ("+90 532#1", "alice")
    await call.hangup()
    await there.until_over(2)
    assert (call.ended_by, there.ended_by) == ("us", "them")
    assert call.ended_at == call.clock()
    assert str(call).startswith("+90 532#1: over 200 OK, ended by us at ")
    await call.hangup()


async def test_the_other_side_hangs_up(alice: Phone, bob: Phone) -> None:
    call, there = await both(alice, bob)
    await there.hangup()
    await call.until_over(2)
    assert (call.ended_by, there.ended_by) == ("them", "us")


async def test_every_key_arrives_once_and_in_order(alice: Phone, bob: Phone) -> None:
    call, there = await both(alice, bob)
    await call.press("11#*0D", tone_ms=40, gap_ms=20)
    await there.wait_for(lambda call: [key.ms for key in call.keys_heard] == [40] * 6, 2)
    assert there.keys == "11#*0D"
    with pytest.raises(SoftphoneFault, match="not keys"):
        await call.press("12x")


async def test_keys_both_ways_while_both_speak(alice: Phone, bob: Phone) -> None:
    call, there = await both(alice, bob)
    await call.play(tone(440, 1), wait=False, forever=True)
    await there.play(tone(1000, 1), wait=False, forever=True)
    await asyncio.gather(call.press("13", 40, 20), there.press("246", 40, 20))
    assert await there.wait_for(until.keys(2), 2) == "13"
    assert await call.wait_for(until.keys(3), 2) == "246"
    call.stop_playing()
    await there.wait_for(until.silence(0.2), 2)


async def test_what_one_plays_the_other_hears(alice: Phone, bob: Phone) -> None:
    call, there = await both(alice, bob)
    assert await call.play(SOUND)
    match = await there.wait_for(until.prompt(SOUND), 3)
    assert match.score > 0.98
    assert level(call.heard) < -80
    assert there.packets[2] == 0


async def test_tones_are_heard_in_both_directions_at_once(alice: Phone, bob: Phone) -> None:
    call, there = await both(alice, bob)
    await asyncio.gather(call.play(tone(440, 0.25)), there.play(tone(1000, 0.25)))
    for listener, hertz in ((there, 440), (call, 1000)):
        [burst] = await listener.wait_for(lambda call: bursts(call.heard), 2)
        middle = listener.heard[int((burst.start + 0.05) * RATE) : int((burst.start + 0.2) * RATE)]
        assert has_tone(middle, hertz)


@pytest.mark.parametrize("codecs", [("PCMA",), ("PCMU",), ("PCMA", "PCMU")])
async def test_codecs(bob: Phone, codecs: tuple[str, ...]) -> None:
    async with Phone("alice", server=bob.address, codecs=codecs) as alice:
        call, there = await both(alice, bob)
        await call.play(SOUND)
        await there.pause(0.03)
        assert heard_prompt(there.heard, SOUND).score > 0.98
        payload = {"PCMA": 8, "PCMU": 0}[codecs[0]]
        assert call._stream.talker.payload == there._stream.talker.payload == payload


async def test_no_codec_in_common_is_488(bob: Phone) -> None:
    async with (
        Phone("deaf", codecs=("PCMA",), on_call=refused) as deaf,
        Phone("alice", server=deaf.address, codecs=("PCMU",)) as alice,
    ):
        assert (await alice.dial("1")).code == 488


async def refused(call: IncomingCall) -> None:
    with pytest.raises(SoftphoneFault):
        await call.answer()


async def test_early_sound_is_heard_and_kept(alice: Phone, bob: Phone) -> None:
    async def announces(call: IncomingCall) -> None:
        call.progress()
        await call.play(SOUND)
        call.refuse(486)

    bob.on_call = announces
    call = await alice.dial("1")
    assert [code for _, code in call.progress] == [100, 183]
    assert (call.code, call.answered_at) == (486, None)
    assert heard_prompt(call.heard, SOUND).fraction > 0.9
    await asyncio.sleep(0.05)
    assert heard_prompt(call.heard, SOUND).fraction > 0.9


async def test_hold_and_resume(alice: Phone, bob: Phone) -> None:
    call, there = await both(alice, bob)
    await call.hold()
    assert there.held
    assert not call.held
    with pytest.raises(NotInTime):
        await there.wait_for(lambda call: not call.held, 0.1)
    pressing = asyncio.create_task(there.press("1"))
    before = there.packets[0]
    await asyncio.sleep(0.1)
    assert there.packets[0] == before
    await call.resume()
    await pressing
    assert not there.held
    await there.hold()
    assert call.held
    assert await call.wait_for(until.keys(1), 2) == "1"


async def test_quiet_sends_keys_only(alice: Phone, bob: Phone) -> None:
    call = await alice.dial("100", quiet=True)
    there = await bob.next_call()
    await asyncio.sleep(0.1)
    assert call.packets[0] == 0
    await call.press("7", 40, 20)
    assert await there.wait_for(until.keys(1), 2) == "7"
    assert call.packets[0] == 4


async def test_what_a_hold_keeps_from_being_sent_is_given_up(
    alice: Phone, bob: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cti.softphone.call._HELD", 0.0)
    call, there = await both(alice, bob)
    await call.hold()
    for attempt in (there.press("1", 20, 20), there.play(SOUND[:160])):
        with pytest.raises(NotInTime, match="on hold"):
            await attempt
    await call.resume()
    await there.press("2", 20, 20)
    assert await call.wait_for(until.keys(1), 2) == "2"


async def test_the_caller_gives_up(alice: Phone, bob: Phone) -> None:
    async def rings(call: IncomingCall) -> None:
        call.ring()
        await call.until_over(20)

    bob.on_call = rings
    call = await alice.dial("1", ring_for=0.1)
    there = await bob.next_call()
    await there.until_over(2)
    assert (call.code, call.ended_by) == (487, "us")
    assert (there.code, there.ended_by) == (487, "them")


async def test_a_phone_nobody_answers_at_is_480(bob: Phone, alice: Phone) -> None:
    bob.on_call = None
    assert (await alice.dial("1")).code == 480


async def test_a_call_that_is_over_takes_nothing_more(alice: Phone, bob: Phone) -> None:
    call, there = await both(alice, bob)
    playing = asyncio.create_task(call.play(silence(5)))
    pressing = asyncio.create_task(call.press("1" * 50))
    waiting = asyncio.create_task(call.wait_for(until.prompt(SOUND), 20, "the prompt"))
    await asyncio.sleep(0.05)
    await there.hangup()
    assert await playing is False
    with pytest.raises(CallOver, match="every key"):
        await pressing
    with pytest.raises(CallOver, match="the prompt"):
        await waiting
    for attempt in (call.press("1"), call.play(SOUND), call.hold(), call.pause(1)):
        with pytest.raises(CallOver):
            await attempt


async def test_sound_from_files(alice: Phone, bob: Phone, tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", resample(SOUND, RATE, 16000), 16000)
    (tmp_path / "b.wav").write_bytes(b"no wav")
    call, there = await both(alice, bob)
    await call.play(tmp_path / "a.wav")
    await there.wait_for(until.prompt(tmp_path / "a.wav"), 2)
    with pytest.raises(BadInput):
        await call.play(tmp_path / "b.wav")
    with pytest.raises(FileNotFoundError):
        await call.play(tmp_path / "c.wav")


async def test_waiting_for_sound_and_silence(alice: Phone, bob: Phone) -> None:
    call, there = await both(alice, bob)
    await call.pause(0.1)
    begun = there.clock()
    await call.play(tone(600, 0.1), wait=False)
    burst = await there.wait_for(until.sound(after=begun), 2)
    assert burst.start >= begun
    await there.wait_for(until.silence(0.1, after=burst.start), 2)
    assert level(there.heard[-800:]) < -60
    with pytest.raises(NotInTime, match="a second sound"):
        await there.wait_for(until.sound(after=there.clock()), 0.1, "a second sound")


async def test_closing_a_phone_ends_its_calls(bob: Phone) -> None:
    async with Phone("alice", server=bob.address) as alice:
        call, there = await both(alice, bob)
    await there.until_over(2)
    assert call.ended_by == "us"
    assert not bob.pump._selector.get_map()


async def test_many_calls_at_once_do_not_mix(alice: Phone, bob: Phone) -> None:
    calls = await asyncio.gather(*(alice.dial(str(100 + number)) for number in range(40)))
    await asyncio.gather(*(call.press(call.number + "#", 40, 20) for call in calls))
    there = [await bob.next_call() for _ in calls]
    for call in there:
        await call.wait_for(until.keys(4), 3)
    assert {call.number: call.keys for call in there} == {
        str(100 + number): f"{100 + number}#" for number in range(40)
    }
    assert len({call.number for call in calls}) == 40


async def test_the_port_is_taken(bob: Phone) -> None:
    with pytest.raises(OSError, match="in use"):
        async with Phone("other", port=bob.address[1]):
            pass


async def test_what_is_heard_reaches_from_the_start_of_the_call_to_its_end(
    alice: Phone, bob: Phone
) -> None:
    call, there = await both(alice, bob)
    await there.pause(0.1)
    await call.hangup()
    assert call.ended_at
    assert int(call.ended_at * RATE) <= len(call.heard) < int(call.ended_at * RATE) + 320
    assert call.heard.dtype == np.int16
