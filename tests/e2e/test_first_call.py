"""Real calls: a SIP phone, a real Asterisk, the engine in its own process, the demo shop.

What a caller heard is measured by correlation with the prompts' own sound, not read from a log.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio
from sqlalchemy import select

from cti.db.engine import open_engine
from cti.db.models import call_events, calls
from cti.demo import Demo, demo_running
from cti.demo_call import expected_sounds
from cti.settings import HOME
from cti.softphone import OutgoingCall, Phone, Prompt, in_order, until
from ivr import events
from ivr.errors import CannotInstall
from ivr.events import Entry

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]
Sounds = dict[str, Sequence[Prompt]]
NOBODY_THERE = "backup"  # no agent has signed in: `support` overflows at once


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def demo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Demo]:
    """A demo of our own beside the one a developer may have running; the prompts are shared."""
    state = HOME / ".santral"
    home = tmp_path_factory.mktemp("demo")
    try:
        async with demo_running(
            state, print, home=home, prompt_cache=state / "demo" / "prompts", drain=1.0
        ) as running:
            yield running
    except CannotInstall as reason:
        pytest.skip(str(reason))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sounds(demo: Demo) -> Sounds:
    return dict(await expected_sounds(demo))


@pytest_asyncio.fixture(loop_scope="session")
async def phone(demo: Demo) -> AsyncIterator[Phone]:
    async with Phone(demo.account.name, server=demo.sip, password=demo.account.password) as phone:
        yield phone
    await no_channel_is_left(demo)


async def no_channel_is_left(demo: Demo) -> None:
    async with asyncio.timeout(10):
        while "0 active channels" not in await demo.asterisk.command("core show channels count"):
            await asyncio.sleep(0.1)


async def hears(call: OutgoingCall, prompt: Sequence[Prompt], *, after: float = 0.0) -> None:
    await call.wait_for(until.prompt(prompt[0], least=0.4, after=after), 20, "the prompt")


def heard_whole(call: OutgoingCall, prompt: Sequence[Prompt]) -> bool:
    return all(in_order(call.heard, prompt, least=0.97))


async def story(demo: Demo, number: int = 1) -> list[Entry]:
    """The journal of the latest call, once it has ended."""
    engine = open_engine(demo.settings.journal_database)
    latest = select(calls.c.id).order_by(calls.c.started_at.desc()).limit(1)
    try:
        async with asyncio.timeout(10):
            while True:
                async with engine.connect() as connection:
                    call = await connection.scalar(latest)
                    rows = await connection.execute(
                        select(call_events)
                        .where(call_events.c.call == call)
                        .order_by(call_events.c.sequence)
                    )
                    entries = [Entry.from_dict(dict(row)) for row in rows.mappings()]
                if entries and isinstance(entries[-1].event, events.CallEnded):
                    return entries
                await asyncio.sleep(0.1)
    finally:
        await engine.dispose()


def path(entries: Sequence[Entry]) -> list[str]:
    return [e.event.step for e in entries if isinstance(e.event, events.StepEntered)]


async def test_the_right_number_is_answered_from_the_database(
    demo: Demo, phone: Phone, sounds: Sounds
) -> None:
    call = await phone.dial("100")
    await hears(call, sounds["main"])
    await call.press("1")
    await hears(call, sounds["ask_number"])
    await call.press("1234#")
    await call.until_over(40)
    assert heard_whole(call, sounds["welcome"])
    assert heard_whole(call, sounds["status"])
    assert heard_whole(call, sounds["goodbye"])
    assert call.ended_by == "them"
    entries = await story(demo)
    assert path(entries) == [
        "welcome",
        "main",
        "ask_number",
        "find",
        "say_status",
        "goodbye",
        "bye",
    ]
    assert [entry.sequence for entry in entries] == list(range(1, len(entries) + 1))


async def test_the_english_line_speaks_english(demo: Demo, phone: Phone) -> None:
    english = await expected_sounds(demo, "en")
    call = await phone.dial("200")
    await hears(call, english["main"])
    await call.press("1")
    await call.press("1234#")  # typed ahead: the question need not be heard
    await call.until_over(40)
    assert heard_whole(call, english["status"])


async def test_a_wrong_number_is_told_and_goes_to_a_person(
    demo: Demo, phone: Phone, sounds: Sounds
) -> None:
    call = await phone.dial("100")
    await hears(call, sounds["main"])
    await call.press("19999#")
    await hears(call, sounds["sorry"])
    await in_queue(demo, NOBODY_THERE)
    assert heard_whole(call, sounds["sorry"])
    assert not heard_whole(call, sounds["status"])
    await call.hangup()
    assert path(await story(demo))[-2:] == ["sorry", "to_agent"]


async def in_queue(demo: Demo, queue: str) -> None:
    async with asyncio.timeout(15):
        while "PJSIP/demo" not in await demo.asterisk.command(f"queue show {queue}"):
            await asyncio.sleep(0.1)


async def test_silence_is_asked_again_in_short_and_goes_to_a_person(
    demo: Demo, phone: Phone, sounds: Sounds
) -> None:
    call = await phone.dial("100")
    await hears(call, sounds["main_short"])
    await in_queue(demo, NOBODY_THERE)
    assert heard_whole(call, sounds["main"])
    assert heard_whole(call, sounds["main_short"])
    await call.hangup()


async def test_a_wrong_key_is_told_and_the_question_is_put_again(
    demo: Demo, phone: Phone, sounds: Sounds
) -> None:
    call = await phone.dial("100")
    await hears(call, sounds["main"])
    pressed = call.clock()
    await call.press("7")
    await hears(call, sounds["santral_no_match"], after=pressed)
    await hears(call, sounds["main"], after=pressed)
    await call.press("0")
    await in_queue(demo, NOBODY_THERE)
    await call.hangup()
    entries = await story(demo)
    assert [e.event.answer for e in entries if isinstance(e.event, events.Heard)] == [None, "0"]


async def test_a_hang_up_in_the_middle_of_a_prompt_ends_everything(
    demo: Demo, phone: Phone, sounds: Sounds
) -> None:
    call = await phone.dial("100")
    await hears(call, sounds["main"])
    await call.hangup()
    ended = (await story(demo))[-1].event
    assert isinstance(ended, events.CallEnded)
    assert (ended.why, ended.step) == ("caller_hung_up", "main")


async def test_ten_calls_at_once_all_hear_their_answer(
    demo: Demo, phone: Phone, sounds: Sounds
) -> None:
    async def one() -> bool:
        call = await phone.dial("100")
        await call.pause(1.0)
        await call.press("1")
        await call.pause(1.0)
        await call.press("1234#")
        await call.until_over(40)
        return heard_whole(call, sounds["status"])

    assert await asyncio.gather(*(one() for _ in range(10))) == [True] * 10


async def test_an_engine_that_is_killed_and_comes_back_takes_the_caller_up_again(
    demo: Demo, phone: Phone, sounds: Sounds
) -> None:
    call = await phone.dial("100")
    await hears(call, sounds["main"])
    await call.press("1")
    await hears(call, sounds["ask_number"])
    await demo.engine.kill()
    killed = call.clock()
    await demo.engine.start()
    await hears(call, sounds["santral_resumed"], after=killed)
    await hears(call, sounds["ask_number"], after=killed)
    await call.press("1234#")
    await call.until_over(40)
    assert heard_whole(call, sounds["status"])
    entries = await story(demo)
    assert path(entries) == [
        "welcome",
        "main",
        "ask_number",
        "find",
        "say_status",
        "goodbye",
        "bye",
    ]
    assert [entry.sequence for entry in entries] == list(range(1, len(entries) + 1))
    assert sum(isinstance(entry.event, events.CallResumed) for entry in entries) == 1


async def test_the_rest_of_an_answer_that_was_cut_is_not_taken_for_one(
    demo: Demo, phone: Phone, sounds: Sounds
) -> None:
    """The engine dies while a number is keyed: the last keys reach the one that comes after it."""
    call = await phone.dial("100")
    await hears(call, sounds["main"])
    await call.press("1")
    await hears(call, sounds["ask_number"])
    await demo.engine.kill()
    killed = call.clock()
    await demo.engine.start()
    resumed = until.prompt(sounds["santral_resumed"][0], least=0.3, after=killed)
    await call.wait_for(resumed, 40, "the phrase")
    await call.press("34#")
    await hears(call, sounds["ask_number"], after=killed)
    await call.press("1234#")
    await call.until_over(40)
    assert heard_whole(call, sounds["status"])
    keyed = [e.event.text for e in await story(demo) if isinstance(e.event, events.Heard)]
    assert keyed == ["1", "1234"]


async def test_without_an_engine_the_caller_hears_an_apology_and_waits_for_people(
    demo: Demo, phone: Phone, sounds: Sounds
) -> None:
    await demo.engine.kill()
    try:
        call = await phone.dial("100", ring_for=40)
        await hears(call, sounds["santral_apology"])
        await in_queue(demo, "santral-fallback")
        await call.hangup()
    finally:
        await demo.engine.start()
