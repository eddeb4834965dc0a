"""Our softphone and a real Asterisk: each does what the other one's standard says."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from cti.asterisk import Account, Asterisk, Installation, InstanceSettings
from cti.softphone import Phone, callees, heard_prompt, in_order, tone, until
from cti.softphone.levels import bursts, has_tone, level
from ivr.audio import write_wav
from ivr.errors import NotRegistered
from tests.cti.softphone.speech import RATE, said
from tests.e2e.conftest import instance_defaults

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]

WELCOME, MENU, STATUS = said(41, 10), said(42, 24), said(43, 14)
PROMPTS = {"welcome": WELCOME, "menu": MENU, "status": STATUS}

DIALPLAN = """
[phones]
exten => read,1,Answer()
 same => n,Read(KEYS,,100,,1,8)
 same => n,Set(GLOBAL(KEYS_${FILTER(0-9,${CALLERID(num)})})=${KEYS})
 same => n,Hangup()
exten => plays,1,Answer()
 same => n,Playback(SOUNDS/welcome&SOUNDS/status)
 same => n,Hangup()
exten => menu,1,Answer()
 same => n,Read(KEY,SOUNDS/menu,1,,1,5)
 same => n,Playback(SOUNDS/status)
 same => n,Hangup()
exten => early,1,Progress()
 same => n,Playback(SOUNDS/welcome,noanswer)
 same => n,Busy(2)
exten => busy,1,Busy(2)
exten => congested,1,Congestion(2)
exten => refused,1,Hangup(21)
exten => unknown,1,Hangup(1)
exten => rings,1,Ringing()
 same => n,Wait(30)
exten => echo,1,Answer()
 same => n,Echo()
exten => keys,1,Answer()
 same => n,Wait(0.2)
 same => n,SendDTMF(1234567890*#ABCD,60,60)
 same => n,Wait(0.3)
 same => n,Hangup()
exten => short,1,Answer()
 same => n,Read(KEY,SOUNDS/welcome,1,,1,5)
 same => n,Hangup()
exten => _desk[12],1,Dial(PJSIP/${EXTEN},10)
exten => _direct[12],1,Dial(PJSIP/${EXTEN},10)
"""
DIRECT = "".join(
    f"""
[direct{number}](phone)
context = phones
auth = direct{number}
aors = direct{number}
direct_media = yes
moh_passthrough = yes
[direct{number}]
type = auth
auth_type = userpass
username = direct{number}
password = a-test-instance-only
[direct{number}]
type = aor
max_contacts = 1
remove_existing = yes
"""
    for number in (1, 2)
)

PhoneFor = Callable[..., Any]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def exchange(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Asterisk]:
    """An Asterisk with the dialplan above and its prompts."""
    sounds = tmp_path_factory.mktemp("sounds")
    for name, samples in PROMPTS.items():
        write_wav(sounds / f"{name}.wav", samples)
    accounts = [Account.fresh(name, context="phones") for name in ("100", "desk1", "desk2")]
    settings = InstanceSettings.fresh(
        tmp_path_factory.mktemp("exchange"),
        **instance_defaults(
            accounts=(*accounts, Account.fresh("many", context="phones", contacts=60)),
            extra={
                "extensions.conf": DIALPLAN.replace("SOUNDS", str(sounds)),
                "pjsip.conf": DIRECT,
            },
        ),
    )
    async with Asterisk(installation, settings) as running:
        yield running


@asynccontextmanager
async def phone(exchange: Asterisk, name: str, **rest: Any) -> AsyncIterator[Phone]:
    """A registered phone with one of the instance's accounts."""
    passwords = {account.name: account.password for account in exchange.settings.accounts}
    password = passwords.get(name, "a-test-instance-only")
    server = ("127.0.0.1", exchange.settings.sip_port)
    async with Phone(name, server=server, password=password, register=True, **rest) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def caller(exchange: Asterisk) -> AsyncIterator[Phone]:
    async with phone(exchange, "100") as opened:
        yield opened


async def test_it_registers_and_leaves(exchange: Asterisk) -> None:
    async with phone(exchange, "100") as opened:
        shown = await exchange.command("pjsip show contacts")
        assert "100/sip:100@{}:{}".format(*opened.address) in shown
    assert "100/sip:100@" not in await exchange.command("pjsip show contacts")


async def test_a_wrong_password_is_not_let_in(exchange: Asterisk) -> None:
    server = ("127.0.0.1", exchange.settings.sip_port)
    async with Phone("100", server=server, password="wrong") as stranger:
        with pytest.raises(NotRegistered, match="401"):
            await stranger.register()
        assert (await stranger.dial("echo")).code == 401


@pytest.mark.parametrize(
    ("tone_ms", "gap_ms", "quiet"),
    [(80, 60, False), (40, 20, False), (40, 20, True), (20, 20, False)],
)
async def test_asterisk_reads_exactly_the_keys_that_were_pressed(
    exchange: Asterisk, caller: Phone, tone_ms: int, gap_ms: int, quiet: bool
) -> None:
    count = 99 if gap_ms == 20 else 30
    keys = "".join(random.choices("0123456789*", k=count))
    call = await caller.dial("read", quiet=quiet)
    await call.press(keys + "#", tone_ms, gap_ms)
    await call.until_over(20)
    shown = await exchange.command("dialplan show globals")
    assert f"KEYS_100={keys}\n" in re.sub(r" +", "", shown)


async def test_a_prompt_that_is_played_is_heard_and_another_is_not(caller: Phone) -> None:
    call = await caller.dial("plays")
    await call.until_over(20)
    welcome, status = in_order(call.heard, [WELCOME, STATUS])
    for match in (welcome, status):
        assert match.score > 0.95
        assert match.whole
    assert status.start - welcome.end < 0.2
    other = heard_prompt(call.heard, MENU)
    assert not other
    assert other.score < 0.4
    assert (call.ended_by, call.cause) == ("them", 16)
    assert call.packets[2] == 0


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
async def test_both_codecs(exchange: Asterisk, codec: str) -> None:
    async with phone(exchange, "100", codecs=(codec,)) as opened:
        call = await opened.dial("short")
        assert (await call.wait_for(until.prompt(WELCOME), 10)).score > 0.95


async def test_a_key_interrupts_a_prompt_where_it_was_pressed(caller: Phone) -> None:
    call = await caller.dial("menu")
    await call.wait_for(until.prompt(MENU, least=0.2), 10)
    await call.press("1")
    pressed = call.clock()
    await call.until_over(20)
    menu, status = in_order(call.heard, [MENU, STATUS])
    assert menu.cut_at == pytest.approx(pressed, abs=0.3)
    assert not menu.whole
    assert status.whole
    assert status.start >= menu.end - 0.05


async def test_early_media_is_heard_without_an_answer(caller: Phone) -> None:
    call = await caller.dial("early")
    assert (call.code, call.answered_at, call.ended_by) == (486, None, "them")
    assert 183 in [code for _, code in call.progress]
    assert heard_prompt(call.heard, WELCOME).whole


@pytest.mark.parametrize(
    ("number", "code"), [("busy", 486), ("congested", 503), ("refused", 403), ("unknown", 404)]
)
async def test_a_call_that_fails_says_how(caller: Phone, number: str, code: int) -> None:
    call = await caller.dial(number)
    assert (call.state, call.code, call.answered_at) == ("over", code, None)


async def test_a_number_that_does_not_exist(caller: Phone) -> None:
    assert (await caller.dial("nowhere-at-all")).code == 404


async def test_a_call_that_nobody_answers_is_cancelled(exchange: Asterisk, caller: Phone) -> None:
    call = await caller.dial("rings", ring_for=0.3)
    assert (call.code, call.ended_by) == (487, "us")
    await nothing_left(exchange)


async def test_the_keys_asterisk_sends_are_heard(caller: Phone) -> None:
    call = await caller.dial("keys")
    await call.until_over(20)
    assert call.keys == "1234567890*#ABCD"


async def test_tones_come_back(caller: Phone) -> None:
    call = await caller.dial("echo")
    await call.pause(0.2)
    await call.play(tone(700, 0.5))
    await call.pause(0.3)
    [burst] = bursts(call.heard)
    assert burst.end - burst.start == pytest.approx(0.5, abs=0.06)
    middle = call.heard[int((burst.start + 0.1) * RATE) : int((burst.end - 0.1) * RATE)]
    assert has_tone(middle, 700)
    assert level(middle) == pytest.approx(-13, abs=1)
    await call.hangup()


async def nothing_left(exchange: Asterisk, timeout: float = 5.0) -> None:
    async with asyncio.timeout(timeout):
        while "0 active calls" not in await exchange.command("core show channels count"):
            await asyncio.sleep(0.1)


async def test_two_phones_talk_hold_and_hang_up(exchange: Asterisk) -> None:
    async with phone(exchange, "desk1") as one, phone(exchange, "desk2") as two:
        two.on_call = callees.answers()
        call = await one.dial("desk2")
        there = await two.next_call()
        assert (there.number, there.caller) == ("desk2", "desk1")
        await asyncio.gather(call.play(tone(440, 0.4)), there.play(tone(1000, 0.4)))
        for listener, hertz in ((there, 440), (call, 1000)):
            burst = await listener.wait_for(until.sound(), 3)
            middle = listener.heard[int((burst.start + 0.1) * RATE) :][:1600]
            assert has_tone(middle, hertz)
        await call.hold()
        await call.resume()
        await call.press("42", 60, 60)
        assert await there.wait_for(until.keys(2), 3) == "42"
        await there.hangup()
        await call.until_over(3)
        assert (call.ended_by, there.ended_by) == ("them", "us")
    await nothing_left(exchange)


async def test_asterisk_moves_the_sound_and_holds_by_reinvite(exchange: Asterisk) -> None:
    """direct_media: Asterisk tells the phones to talk to each other; a hold is passed on."""
    async with phone(exchange, "direct1") as one, phone(exchange, "direct2") as two:
        two.on_call = callees.answers()
        call = await one.dial("direct2")
        there = await two.next_call()
        await call.wait_for(
            lambda call: call._stream.remote == ("127.0.0.1", there._stream.port),
            5,
            "a direct line",
        )
        await there.wait_for(
            lambda there: there._stream.remote == ("127.0.0.1", call._stream.port), 5
        )
        await call.play(WELCOME)
        assert (await there.wait_for(until.prompt(WELCOME), 3)).score > 0.95
        await call.hold()
        await there.wait_for(lambda there: there.held, 3, "the hold")
        sent = there.packets[0]
        await there.pause(0.2)
        assert there.packets[0] == sent
        await call.resume()
        await there.wait_for(lambda there: not there.held, 3, "the end of the hold")
        await there.play(STATUS)
        await call.wait_for(until.prompt(STATUS), 3)
        await call.hangup()
        await there.until_over(3)
    await nothing_left(exchange)


async def test_outbound_a_person_and_a_machine_pick_up(exchange: Asterisk, tmp_path: Path) -> None:
    machine = callees.Machine(said(51, 4), after=0.1)
    async with phone(exchange, "desk1") as desk:
        desk.on_call = callees.person(said(50, 2), callees.presses("1"), after=0.1)
        await exchange.command("channel originate PJSIP/desk1 extension menu@phones")
        call = await desk.next_call()
        await call.until_over(15)
        assert heard_prompt(call.heard, MENU).cut_at
        assert heard_prompt(call.heard, STATUS).whole
        desk.on_call = machine
        await exchange.command("channel originate PJSIP/desk1 extension plays@phones")
        await (await desk.next_call()).until_over(15)
        desk.on_call = callees.refuses(486)
        await exchange.command("channel originate PJSIP/desk1 extension plays@phones")
        assert (await desk.next_call()).code == 486
    [message] = machine.messages
    assert len(message) > RATE // 2
    await nothing_left(exchange)


async def test_fifty_calls_at_once(exchange: Asterisk) -> None:
    async def converse(phone: Phone) -> tuple[float, float]:
        call = await phone.dial("menu")
        await call.pause(1.2)
        await call.press("1")
        await call.until_over(20)
        menu, status = in_order(call.heard, [MENU, STATUS])
        assert menu.cut_at
        return menu.score, status.score if status.whole else 0.0

    async with phone(exchange, "many") as opened:
        scores = await asyncio.gather(*(converse(opened) for _ in range(50)))
    assert np.min(scores) > 0.9
    await nothing_left(exchange)
