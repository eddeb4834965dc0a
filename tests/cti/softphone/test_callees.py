from __future__ import annotations

import asyncio

import pytest

from cti.softphone import Phone, callees, heard_prompt, tone, until
from cti.softphone.levels import has_tone
from ivr.errors import CallOver, NotInTime
from tests.cti.softphone.speech import RATE, said

HELLO, GREETING, ORDER = said(21, 1), said(22, 2), said(23, 1)


async def test_each_number_has_its_own_subscriber() -> None:
    subscribers = {
        "1": callees.refuses(),
        "2": callees.refuses(603, after=0.05),
        "3": callees.never_answers(),
        "4": callees.answers(),
    }
    on_call = callees.by_number(subscribers)
    async with Phone("bob", on_call=on_call) as bob, Phone("a", server=bob.address) as alice:
        calls = [await alice.dial(number, ring_for=0.2) for number in "12345"]
        assert [call.code for call in calls] == [486, 603, 487, 200, 404]
        assert [code for _, code in calls[1].progress] == [100, 180]


async def test_a_person_says_hello_and_listens() -> None:
    person = callees.person(HELLO, after=0.05, breath=0.1)
    async with Phone("bob", on_call=person) as bob, Phone("a", server=bob.address) as alice:
        call = await alice.dial("1")
        match = await call.wait_for(until.prompt(HELLO), 3)
        assert call.answered_at
        assert match.start - call.answered_at >= 0.08
        await call.wait_for(until.silence(0.1), 2)


async def test_a_machine_greets_beeps_and_records() -> None:
    machine = callees.Machine(GREETING, beep=tone(1000, 0.25), after=0.05)
    async with Phone("bob", on_call=machine) as bob, Phone("a", server=bob.address) as alice:
        call = await alice.dial("1")
        greeting = await call.wait_for(until.prompt(GREETING, least=0.97), 5)
        beep = int((greeting.end + 0.1) * RATE)
        await call.wait_for(lambda call: len(call.heard) > beep + 1200, 2)
        assert has_tone(call.heard[beep : beep + 800], 1000)
        await call.wait_for(until.silence(0.1), 3)
        await call.play(ORDER)
        await call.hangup()
        await (await bob.next_call()).until_over(2)
        await asyncio.sleep(0.01)
        [message] = machine.messages
        assert heard_prompt(message, ORDER).whole
        assert not heard_prompt(message, GREETING)


async def test_a_machine_hangs_up_when_its_tape_is_full() -> None:
    machine = callees.Machine(HELLO, beep=tone(1000, 0.1), after=0, longest=0.05)
    async with Phone("bob", on_call=machine) as bob, Phone("a", server=bob.address) as alice:
        call = await alice.dial("1")
        await call.until_over(5)
        assert call.ended_by == "them"
    assert len(machine.messages) == 1


async def test_a_script_of_things_at_times() -> None:
    doing = callees.script(
        [
            (0.1, callees.presses("1", tone_ms=40, gap_ms=20)),
            (0.2, callees.says(HELLO[:800])),
            (0.0, callees.waits(0.05)),
            (0.4, callees.hangs_up()),
        ]
    )
    on_call = callees.answers(doing)
    async with Phone("bob", on_call=on_call) as bob, Phone("a", server=bob.address) as alice:
        call = await alice.dial("1")
        await call.until_over(5)
        assert call.keys == "1"
        assert call.ended_by == "them"
        assert call.answered_at
        assert call.ended_at
        assert call.ended_at - call.answered_at >= 0.35


async def test_a_callee_that_waits_for_a_prompt_before_it_presses() -> None:
    on_call = callees.answers(
        callees.waits_for_prompt(ORDER, timeout=5), callees.presses("2"), callees.hangs_up()
    )
    async with Phone("bob", on_call=on_call) as bob, Phone("a", server=bob.address) as alice:
        call = await alice.dial("1")
        await call.play(ORDER, wait=False)
        await call.until_over(5)
        assert call.keys == "2"


async def test_a_prompt_that_never_comes_fails_the_phone() -> None:
    on_call = callees.answers(callees.waits_for_prompt(ORDER, timeout=0.1))
    with pytest.raises(ExceptionGroup) as raised:  # noqa: PT012
        async with Phone("bob", on_call=on_call) as bob, Phone("a", server=bob.address) as alice:
            call = await alice.dial("1")
            await call.until_over(5)
    assert raised.group_contains(NotInTime, match="the prompt")


async def test_a_caller_who_hangs_up_in_the_middle_is_no_fault() -> None:
    on_call = callees.person(GREETING, callees.presses("1"), after=0, breath=0)
    async with Phone("bob", on_call=on_call) as bob, Phone("a", server=bob.address) as alice:
        call = await alice.dial("1")
        await call.pause(0.1)
        await call.hangup()
        with pytest.raises(CallOver):
            await call.press("1")
