"""The caller against raw bytes: what is sent, what is sent again, and what each answer leads to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from cti.softphone import OutgoingCall, Phone, Times
from ivr.errors import CallOver, NotInTime, NotRegistered
from tests.cti.softphone.peer import Peer, capture, header, sdp

QUICK = Times(t1=0.04, t2=0.16)
HASTY = Times(t1=0.002, t2=0.008)  # gives up after 0.13 s
TYPE = "Content-Type: application/sdp\r\n"
CHALLENGE = 'Digest realm="r", nonce="{}", algorithm=MD5, qop="auth"'


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = await Peer.open()
    yield peer
    peer.close()


@pytest.fixture
async def phone(peer: Peer) -> AsyncIterator[Phone]:
    async with Phone("201", server=peer.address, password="secret201", times=QUICK) as phone:
        yield phone


@pytest.fixture
async def hasty(peer: Peer) -> AsyncIterator[Phone]:
    async with Phone("201", server=peer.address, times=HASTY) as phone:
        yield phone


def accept(peer: Peer, invite: str, *, more: str = "", body: str | None = None) -> str:
    contact = "Contact: <sip:x@{}:{}>\r\n".format(*peer.address)
    peer.answer(invite, "200 OK", contact + TYPE + more, sdp() if body is None else body)
    return invite


async def answered(phone: Phone, peer: Peer) -> tuple[OutgoingCall, str]:
    """A call that stands, and its INVITE."""
    dialling = asyncio.create_task(phone.dial("100"))
    invite = accept(peer, await peer.expect("INVITE"))
    await peer.expect("ACK")
    return await dialling, invite


def count(peer: Peer, start: str) -> int:
    return sum(text.startswith(start) for text in peer.received)


async def test_an_invite_nobody_answers_is_sent_seven_times_and_fails(
    hasty: Phone, peer: Peer
) -> None:
    call = await hasty.dial("100")
    assert (call.state, call.code, call.reason) == ("over", 408, "Request Timeout")
    assert count(peer, "INVITE") == 7  # at 0, 1, 3, 7, 15, 31 and 63 T1 (RFC 3261 17.1.1.2)
    assert len(set(peer.received)) == 1
    with pytest.raises(CallOver):
        await call.press("1")


async def test_a_provisional_answer_ends_the_repeating(phone: Phone, peer: Peer) -> None:
    call = await phone.dial("100", wait=False)
    invite = await peer.expect("INVITE")
    peer.answer(invite, "100 Trying")
    await call.wait_for(lambda call: call.progress, 5)  # type: ignore[attr-defined]
    before = count(peer, "INVITE")
    await asyncio.sleep(4 * QUICK.t1)
    assert count(peer, "INVITE") == before
    assert call.state == "calling"
    peer.answer(invite, "404 Not Found")
    await call.until_over(5)


async def test_the_answer_is_acknowledged_as_often_as_it_comes(phone: Phone, peer: Peer) -> None:
    call, invite = await answered(phone, peer)
    accept(peer, invite)
    ack = await peer.expect("ACK")
    accept(peer, invite)
    assert await peer.expect("ACK") == ack
    assert ack.startswith("ACK sip:x@{}:{} ".format(*peer.address))
    assert header(ack, "To").endswith(";tag=theirs")
    assert header(ack, "CSeq") == "1 ACK"
    assert header(ack, "Via") != header(invite, "Via")
    assert (call.state, call.code) == ("up", 200)


async def test_a_refusal_is_acknowledged_in_its_transaction(phone: Phone, peer: Peer) -> None:
    dialling = asyncio.create_task(phone.dial("100"))
    invite = await peer.expect("INVITE")
    for _ in range(2):
        peer.answer(invite, "404 Nobody Here")
        ack = await peer.expect("ACK")
        assert header(ack, "Via") == header(invite, "Via")
        assert header(ack, "To").endswith(";tag=theirs")
        assert header(ack, "CSeq") == "1 ACK"
    call = await dialling
    assert (call.code, call.reason, call.ended_by) == (404, "Nobody Here", "them")
    assert call.answered_at is None


async def test_cancel_waits_for_a_provisional_answer(phone: Phone, peer: Peer) -> None:
    call = await phone.dial("100", wait=False)
    invite = await peer.expect("INVITE")
    hanging_up = asyncio.create_task(call.hangup())
    await asyncio.sleep(3 * QUICK.t1)
    assert count(peer, "CANCEL") == 0
    peer.answer(invite, "180 Ringing")
    cancel = await peer.expect("CANCEL")
    for name in ("Via", "From", "To", "Call-ID"):
        assert header(cancel, name) == header(invite, name)
    assert header(cancel, "CSeq") == "1 CANCEL"
    assert cancel.split()[1] == invite.split()[1]
    peer.answer(cancel, "200 OK")
    peer.answer(invite, "487 Request Terminated")
    await peer.expect("ACK")
    await hanging_up
    assert (call.state, call.code, call.ended_by) == ("over", 487, "us")


async def test_an_answer_that_crosses_the_cancel_is_ended(phone: Phone, peer: Peer) -> None:
    call = await phone.dial("100", wait=False)
    invite = await peer.expect("INVITE")
    peer.answer(invite, "180 Ringing")
    await call.wait_for(lambda call: call.state == "ringing", 5)
    hanging_up = asyncio.create_task(call.hangup())
    cancel = await peer.expect("CANCEL")
    accept(peer, invite)
    peer.answer(cancel, "200 OK")
    await peer.expect("ACK")
    await peer.expect("BYE")
    await hanging_up
    assert call.over


async def test_nobody_picks_up_in_time(phone: Phone, peer: Peer) -> None:
    dialling = asyncio.create_task(phone.dial("100", ring_for=0.1))
    invite = await peer.expect("INVITE")
    peer.answer(invite, "180 Ringing")
    peer.answer(await peer.expect("CANCEL"), "200 OK")
    peer.answer(invite, "487 Request Terminated")
    call = await dialling
    assert (call.state, call.code) == ("over", 487)


@pytest.mark.parametrize(
    ("status", "asks", "answers"),
    [
        ("401 Unauthorized", "WWW-Authenticate", "Authorization"),
        ("407 Proxy Authentication Required", "Proxy-Authenticate", "Proxy-Authorization"),
    ],
)
async def test_a_challenge_is_answered_once(
    phone: Phone, peer: Peer, status: str, asks: str, answers: str
) -> None:
    dialling = asyncio.create_task(phone.dial("100"))
    first = await peer.expect("INVITE")
    peer.answer(first, status, f"{asks}: {CHALLENGE.format('n1')}\r\n")
    second = await peer.expect("INVITE")
    assert header(first, answers) == ""
    assert 'nonce="n1"' in header(second, answers)
    assert "nc=00000001" in header(second, answers)
    assert header(second, "CSeq") == "2 INVITE"
    assert header(second, "Via") != header(first, "Via")
    assert header(second, "Call-ID") == header(first, "Call-ID")
    peer.answer(second, status, f"{asks}: {CHALLENGE.format('n2')}\r\n")
    call = await dialling
    assert call.code == int(status[:3])
    assert count(peer, "INVITE") == 2


async def test_a_stale_nonce_is_answered_again_and_a_good_one_is_used_again(
    phone: Phone, peer: Peer
) -> None:
    dialling = asyncio.create_task(phone.dial("100"))
    for more in (CHALLENGE.format("n1"), CHALLENGE.format("n2") + ", stale=true"):
        invite = await peer.expect("INVITE")
        peer.answer(invite, "401 Unauthorized", f"WWW-Authenticate: {more}\r\n")
    accept(peer, await peer.expect("INVITE"))
    await peer.expect("ACK")
    call = await dialling
    hanging_up = asyncio.create_task(call.hangup())
    bye = await peer.expect("BYE")
    assert 'nonce="n2"' in header(bye, "Authorization")
    assert "nc=00000002" in header(bye, "Authorization")
    await hanging_up


async def test_no_password_no_answer(peer: Peer) -> None:
    async with Phone("201", server=peer.address, times=QUICK) as phone:
        dialling = asyncio.create_task(phone.dial("100"))
        invite = await peer.expect("INVITE")
        peer.answer(invite, "401 Unauthorized", f"WWW-Authenticate: {CHALLENGE.format('n')}\r\n")
        assert (await dialling).code == 401


async def test_a_bye_nobody_answers_ends_the_call_all_the_same(hasty: Phone, peer: Peer) -> None:
    call, _ = await answered(hasty, peer)
    peer.obliging = False
    await call.hangup()
    assert (call.state, call.ended_by) == ("over", "us")
    assert count(peer, "BYE") > 3


async def test_an_answer_without_a_common_codec_is_ended(phone: Phone, peer: Peer) -> None:
    dialling = asyncio.create_task(phone.dial("100"))
    accept(peer, await peer.expect("INVITE"), body=sdp(codecs="18"))
    await peer.expect("ACK")
    await peer.expect("BYE")
    assert (await dialling).over


async def test_requests_follow_the_recorded_route(phone: Phone, peer: Peer) -> None:
    other = await Peer.open()
    dialling = asyncio.create_task(phone.dial("100"))
    invite = await peer.expect("INVITE")
    route = "<sip:{}:{};lr>".format(*other.address)
    accept(peer, invite, more=f"Record-Route: {route}\r\n")
    ack = await other.expect("ACK")
    assert header(ack, "Route") == route
    call = await dialling
    hanging_up = asyncio.create_task(call.hangup())
    await other.expect("BYE")
    await hanging_up
    other.close()


async def test_asterisks_captured_answers_are_taken(phone: Phone, peer: Peer) -> None:
    """The call's own Via and tags put into what a real Asterisk sent."""
    dialling = asyncio.create_task(phone.dial("102"))
    invite = await peer.expect("INVITE")
    for name in ("invite-183", "invite-486"):
        text = capture(name).decode()
        for field in ("Via", "From", "Call-ID"):
            text = text.replace(header(text, field), header(invite, field))
        peer.send(text)
    call = await dialling
    assert [code for _, code in call.progress] == [183]
    assert (call.code, call.reason, call.answered_at) == (486, "Busy Here", None)


async def test_what_is_dialled_and_said_of_us(phone: Phone, peer: Peer) -> None:
    call = await phone.dial("*1#é", wait=False, caller="+90532", headers={"X-Call": "7"})
    invite = await peer.expect("INVITE sip:*1%23%C3%A9@{}:{} SIP/2.0".format(*peer.address))
    assert header(invite, "From").startswith("<sip:+90532@127.0.0.1>")
    assert header(invite, "X-Call") == "7"
    assert "m=audio " in invite
    assert call.number == "*1#é"
    peer.answer(invite, "404 Not Found")
    await call.until_over(5)


class TestRegistration:
    async def test_it_registers_and_takes_it_back(self, peer: Peer) -> None:
        async def registrar() -> list[str]:
            first = await peer.expect("REGISTER")
            asks = f"WWW-Authenticate: {CHALLENGE.format('n1')}\r\n"
            peer.answer(first, "401 Unauthorized", asks)
            second = await peer.expect("REGISTER")
            contact = header(second, "Contact")
            peer.answer(second, "200 OK", f"Contact: <sip:o@h>;expires=9, {contact};expires=60\r\n")
            third = await peer.expect("REGISTER")
            peer.answer(third, "200 OK")
            return [first, second, third]

        serving = asyncio.create_task(registrar())
        phone = Phone("201", server=peer.address, password="secret201", register=True)
        async with phone:
            assert "201@{}:{}".format(*phone.address) in peer.received[1]
        first, second, third = await serving
        assert header(first, "Expires") == header(second, "Expires") == "300"
        assert header(third, "Expires") == "0"
        assert len({header(text, "Call-ID") for text in (first, second, third)}) == 1
        assert [header(text, "CSeq") for text in (first, second, third)] == [
            *("1 REGISTER", "2 REGISTER", "3 REGISTER")
        ]

    async def test_it_registers_again_before_it_runs_out(self, peer: Peer) -> None:
        async with Phone("201", server=peer.address) as phone:
            asking = asyncio.create_task(phone.register())
            request = await peer.expect("REGISTER")
            peer.answer(request, "200 OK", f"Contact: {header(request, 'Contact')};expires=60\r\n")
            assert await asking == 60

    async def test_a_refusal_and_silence_are_told(self, peer: Peer) -> None:
        async with Phone("201", server=peer.address, times=HASTY) as phone:
            asking = asyncio.create_task(phone.register())
            peer.answer(await peer.expect("REGISTER"), "403 Forbidden")
            with pytest.raises(NotRegistered, match="403 Forbidden"):
                await asking
            with pytest.raises(NotRegistered, match="no answer"):
                await phone.register()

    async def test_a_phone_that_must_register_does_not_open_without(self, peer: Peer) -> None:
        with pytest.raises(NotRegistered):
            async with Phone("201", server=peer.address, register=True, times=HASTY):
                pass


async def test_waiting_has_its_deadline(phone: Phone, peer: Peer) -> None:
    call, _ = await answered(phone, peer)
    with pytest.raises(NotInTime, match="the end of the call"):
        await call.until_over(0.1)
    with pytest.raises(NotInTime):
        await phone.next_call(0.05)
