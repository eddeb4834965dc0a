"""The callee, and both sides of a standing call, against raw bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from cti.softphone import IncomingCall, Phone, Times
from ivr.errors import CallOver, NotInTime
from tests.cti.softphone.peer import Peer, capture, header, sdp

QUICK = Times(t1=0.04, t2=0.16)
HASTY = Times(t1=0.002, t2=0.008)  # gives up after 0.13 s


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = await Peer.open()
    yield peer
    peer.close()


async def waits(call: IncomingCall) -> None:
    await call.until_over(20)


async def picks_up(call: IncomingCall) -> None:
    await call.answer(2)
    await call.until_over(20)


@pytest.fixture
async def phone(peer: Peer) -> AsyncIterator[Phone]:
    """A phone whose calls wait for the test to do something with them."""
    async with Phone("202", on_call=waits, times=QUICK) as phone:
        peer.other = phone.address
        yield phone


class Caller:
    """Builds the requests of one caller's side."""

    def __init__(self, peer: Peer, phone: Phone) -> None:
        self.peer, self.phone = peer, phone
        self.to = "<sip:+90532@127.0.0.1>"
        self.branch = 0

    def ask(
        self, method: str, cseq: int, body: str = "", *, branch: int | None = None, more: str = ""
    ) -> str:
        self.branch += 1
        number = self.branch if branch is None else branch
        host, port = self.peer.address
        kind = "Content-Type: application/sdp\r\n" if body else ""
        text = (
            f"{method} sip:%2B90532@{self.phone.address[0]} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {host}:{port};rport;branch=z9hG4bK{number}\r\n"
            f'From: "Shop" <sip:0850@127.0.0.1>;tag=caller\r\nTo: {self.to}\r\n'
            f"Call-ID: call-1\r\nCSeq: {cseq} {method}\r\nContact: <sip:shop@{host}:{port}>\r\n"
            f"{more}{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        )
        self.peer.send(text, self.phone.address)
        return text

    async def call(self, body: str | None = None) -> IncomingCall:
        self.ask("INVITE", 1, sdp() if body is None else body, branch=900)
        call = await self.phone.next_call()
        await self.peer.expect("SIP/2.0 100")
        return call

    async def answered(self) -> IncomingCall:
        call = await self.call()
        answering = asyncio.create_task(call.answer())
        ok = await self.peer.expect("SIP/2.0 200")
        self.to = header(ok, "To")
        self.ask("ACK", 1)
        await answering
        return call


@pytest.fixture
def caller(peer: Peer, phone: Phone) -> Caller:
    return Caller(peer, phone)


async def test_ringing_early_sound_and_the_answer(caller: Caller, peer: Peer) -> None:
    call = await caller.call()
    assert (call.number, call.caller) == ("+90532", "0850")
    call.ring()
    ringing = await peer.expect("SIP/2.0 180")
    call.progress()
    early = await peer.expect("SIP/2.0 183")
    answering = asyncio.create_task(call.answer())
    ok = await peer.expect("SIP/2.0 200")
    assert header(ringing, "To") == header(early, "To") == header(ok, "To")
    assert early.partition("\r\n\r\n")[2] == ok.partition("\r\n\r\n")[2]
    assert header(ok, "Contact") == "<sip:202@{}:{}>".format(*caller.phone.address)
    assert f"rport={peer.address[1]};received=127.0.0.1" in header(ok, "Via")
    assert await peer.expect("SIP/2.0 200") == ok  # again and again until the ACK
    caller.to = header(ok, "To")
    caller.ask("ACK", 1)
    await answering
    assert call.state == "up"
    seen = len(peer.received)
    await asyncio.sleep(4 * QUICK.t1)
    assert len(peer.received) == seen


async def test_an_answer_nobody_acknowledges_is_ended_with_bye(peer: Peer) -> None:
    async with Phone("202", on_call=waits, times=HASTY) as phone:
        call = await Caller(peer, phone).call()
        with pytest.raises(CallOver):
            await call.answer(20)
        bye = await peer.expect("BYE sip:shop@")
        assert header(bye, "To").endswith(";tag=caller")
        assert call.ended_by == "us"


async def test_waiting_for_the_ack_has_its_deadline(caller: Caller, peer: Peer) -> None:
    call = await caller.call()
    with pytest.raises(NotInTime, match="the ACK"):
        await call.answer(0.05)
    await peer.expect("BYE sip:shop@")
    assert call.ended_by == "us"


async def test_the_same_invite_twice_is_one_call_and_one_answer(caller: Caller, peer: Peer) -> None:
    call = await caller.call()
    caller.ask("INVITE", 1, sdp(), branch=900)
    again = await peer.expect("SIP/2.0 100")
    assert again == peer.received[0]
    assert caller.phone.calls == [call]


async def test_a_refusal_is_repeated_until_its_ack(caller: Caller, peer: Peer) -> None:
    call = await caller.call()
    call.refuse(603)
    first = await peer.expect("SIP/2.0 603 Decline")
    assert await peer.expect("SIP/2.0 603") == first
    caller.to = header(first, "To")
    caller.ask("ACK", 1, branch=900)
    await asyncio.sleep(0)
    assert (call.code, call.reason, call.ended_by) == (603, "Decline", "us")
    with pytest.raises(CallOver):
        await call.answer()


async def test_cancel(caller: Caller, peer: Peer) -> None:
    call = await caller.call()
    call.ring()
    caller.ask("CANCEL", 1, branch=900)
    assert "CANCEL" in header(await peer.expect("SIP/2.0 200"), "CSeq")
    assert "INVITE" in header(await peer.expect("SIP/2.0 487"), "CSeq")
    assert (call.code, call.ended_by) == (487, "them")
    caller.ask("CANCEL", 1, branch=901)
    await peer.expect("SIP/2.0 481")


async def test_hold_is_mirrored_and_silences_us(caller: Caller, peer: Peer) -> None:
    call = await caller.answered()
    caller.ask("INVITE", 2, sdp(direction="sendonly"))
    ok = await peer.expect("SIP/2.0 200")
    assert "a=recvonly" in ok
    caller.ask("ACK", 2)
    assert call.held
    sent = call.packets[0]
    await asyncio.sleep(0.1)
    assert call.packets[0] == sent
    await call.wait_for(lambda call: not call._unacknowledged, 2)
    caller.ask("INVITE", 3, sdp())
    assert "a=sendrecv" in await peer.expect("SIP/2.0 200")
    caller.ask("ACK", 3)
    assert not call.held
    await call.wait_for(lambda call: call.packets[0] > sent, 2)


async def test_an_offer_that_comes_late(caller: Caller, peer: Peer) -> None:
    """No offer in the INVITE: ours is in the 200, the answer in the ACK (RFC 3261 13.2.1)."""
    call = await caller.call(body="")
    answering = asyncio.create_task(call.answer())
    ok = await peer.expect("SIP/2.0 200")
    assert "RTP/AVP 0 8 101" in ok
    caller.to = header(ok, "To")
    caller.ask("ACK", 1, sdp(41000, codecs="8 101"))
    await answering
    await call.wait_for(lambda call: call._stream.remote == ("127.0.0.1", 41000), 2)
    caller.ask("INVITE", 2)
    assert "RTP/AVP 0 8 101" in await peer.expect("SIP/2.0 200")
    caller.ask("ACK", 2, sdp(42000))
    await call.wait_for(lambda call: call._stream.remote == ("127.0.0.1", 42000), 2)


async def test_a_reinvite_we_cannot_speak_leaves_the_call(caller: Caller, peer: Peer) -> None:
    call = await caller.answered()
    caller.ask("INVITE", 2, sdp(codecs="18"))
    await peer.expect("SIP/2.0 488")
    caller.ask("UPDATE", 3, sdp(43000))
    assert "m=audio" in await peer.expect("SIP/2.0 200")
    assert call._stream.remote == ("127.0.0.1", 43000)
    caller.ask("UPDATE", 4)
    assert header(await peer.expect("SIP/2.0 200"), "CSeq") == "4 UPDATE"
    assert call.state == "up"


async def test_two_offers_at_once(caller: Caller, peer: Peer) -> None:
    call = await caller.answered()
    holding = asyncio.create_task(call.hold())
    ours = await peer.expect("INVITE sip:shop@")
    assert "a=sendonly" in ours
    caller.ask("INVITE", 2, sdp())
    await peer.expect("SIP/2.0 491")
    peer.answer(ours, "200 OK", body=sdp(direction="recvonly"))
    await peer.expect("ACK")
    await holding


async def test_bye_with_its_cause_twice(caller: Caller, peer: Peer) -> None:
    call = await caller.answered()
    caller.ask("BYE", 2, more="Reason: SIP;cause=200\r\nReason: Q.850;cause=16\r\n", branch=77)
    first = await peer.expect("SIP/2.0 200")
    caller.ask("BYE", 2, branch=77)
    assert await peer.expect("SIP/2.0 200") == first
    assert (call.ended_by, call.cause) == ("them", 16)
    caller.ask("OPTIONS", 3)
    await peer.expect("SIP/2.0 481")


@pytest.mark.parametrize(
    ("method", "code"), [("OPTIONS", 200), ("INFO", 200), ("NOTIFY", 200), ("REFER", 405)]
)
async def test_other_requests_inside_a_call(
    caller: Caller, peer: Peer, method: str, code: int
) -> None:
    await caller.answered()
    caller.ask(method, 2)
    reply = await peer.expect(f"SIP/2.0 {code}")
    assert header(reply, "CSeq") == f"2 {method}"
    caller.ask("INFO", 1)
    await peer.expect("SIP/2.0 500")  # older than what was asked before (12.2.2)


@pytest.mark.parametrize(
    ("method", "code"), [("OPTIONS", 200), ("NOTIFY", 200), ("MESSAGE", 405), ("REGISTER", 405)]
)
async def test_requests_outside_a_call(caller: Caller, peer: Peer, method: str, code: int) -> None:
    caller.ask(method, 1)
    reply = await peer.expect(f"SIP/2.0 {code}")
    assert "INVITE" in header(reply, "Allow")
    assert "tag=" in header(reply, "To")
    caller.to += ";tag=unknown"
    caller.ask("BYE", 2)
    await peer.expect("SIP/2.0 481")


async def test_garbage_is_counted_and_harms_nothing(caller: Caller, peer: Peer) -> None:
    phone = caller.phone
    for datagram in (b"\0" * 40, b"INVITE\r\n\r\n", b"\r\n\r\n", b"\xff" * 1400, capture("bye")):
        peer.send(datagram, phone.address)
    await peer.expect("SIP/2.0 481")  # the BYE of a call that is not ours
    peer.send(capture("invite").replace(b"INVITE sip:202@", b"INVITE tel:202@"), phone.address)
    await peer.expect("SIP/2.0 400")
    call = await caller.answered()
    assert call.state == "up"


async def test_a_caller_without_rport_is_answered_at_its_via(peer: Peer, phone: Phone) -> None:
    other = await Peer.open()
    text = (
        capture("invite").decode().replace("127.0.0.1:25760;rport", "{}:{}".format(*peer.address))
    )
    other.send(text, phone.address)
    reply = await peer.expect("SIP/2.0 100")
    assert header(reply, "Via").endswith(";received=127.0.0.1")
    assert other.received == []
    other.close()


async def test_asterisks_own_invite_rings_and_is_answered(peer: Peer, phone: Phone) -> None:
    phone.on_call = picks_up
    contact = "Contact: <sip:asterisk@{}:{}>".format(*peer.address).encode()
    asked = capture("invite").replace(b"Contact: <sip:asterisk@127.0.0.1:25760>", contact)
    assert contact in asked
    peer.send(asked, phone.address)
    ok = await peer.expect("SIP/2.0 200")
    call = await phone.next_call()
    assert (call.number, call.caller) == ("202", "201")
    assert call._stream.remote
    assert "m=audio" in ok


async def test_without_anybody_to_answer_it_is_480(peer: Peer) -> None:
    async with Phone("203") as phone:
        peer.send(capture("invite"), phone.address)
        await peer.expect("SIP/2.0 480")


async def test_what_a_callee_does_wrong_is_told_when_the_phone_closes(peer: Peer) -> None:
    async def fails(call: IncomingCall) -> None:
        raise RuntimeError("a callee with a fault")

    with pytest.raises(ExceptionGroup) as raised:  # noqa: PT012
        async with Phone("203", on_call=fails) as phone:
            peer.send(capture("invite"), phone.address)
            await peer.expect("SIP/2.0 480")
    assert raised.group_contains(RuntimeError, match="a callee with a fault")
