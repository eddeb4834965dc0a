from __future__ import annotations

import asyncio
import itertools
import socket
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from cti.softphone import sdp
from cti.softphone.media import Pump, Stream

TICK = 0.02


@pytest.fixture
async def pump() -> AsyncIterator[Pump]:
    pump = Pump()
    yield pump
    pump.close()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.setblocking(False)
        yield listener


def stream_to(listener: socket.socket) -> Stream:
    stream = Stream("127.0.0.1", asyncio.get_running_loop().time())
    remote = sdp.Media("127.0.0.1", listener.getsockname()[1], ("PCMU",))
    stream.agree(remote, "PCMU")
    return stream


def received(listener: socket.socket) -> list[bytes]:
    packets: list[bytes] = []
    try:
        while True:
            packets.append(listener.recv(2048))
    except BlockingIOError:
        return packets


async def ticks_sent(stream: Stream, pump: Pump, seconds: float) -> tuple[int, float]:
    """Packets sent in about so many seconds, and those 20 ms that really went by."""
    loop = asyncio.get_running_loop()
    pump.add(stream)
    begun = loop.time()
    await asyncio.sleep(seconds)
    passed = loop.time() - begun
    sent = stream.talker.sent
    pump.remove(stream)
    return sent, passed / TICK


async def test_every_stream_sends_one_packet_for_every_20_ms_that_went_by(
    pump: Pump, listener: socket.socket
) -> None:
    streams = [stream_to(listener) for _ in range(7)]
    for stream in streams[1:]:
        pump.add(stream)
    sent, due = await ticks_sent(streams[0], pump, 0.3)
    assert abs(sent - due) <= 2
    for stream in streams[1:]:
        assert abs(stream.talker.sent - due) <= 3
        pump.remove(stream)
    for stream in streams:
        stream.close()


async def test_a_process_that_was_held_up_catches_up_without_drift(
    pump: Pump, listener: socket.socket
) -> None:
    stream = stream_to(listener)
    asyncio.get_running_loop().call_later(0.05, time.sleep, 0.2)
    sent, due = await ticks_sent(stream, pump, 0.4)
    assert abs(sent - due) <= 2
    stamps = [int.from_bytes(packet[4:8]) for packet in received(listener)]
    assert {after - before for before, after in itertools.pairwise(stamps)} == {160}
    assert pump.worst_lateness >= 0.15
    stream.close()


async def test_what_piled_up_meanwhile_is_heard_whole(pump: Pump, listener: socket.socket) -> None:
    one, other = stream_to(listener), stream_to(listener)
    for here, there in ((one, other), (other, one)):
        here.agree(sdp.Media("127.0.0.1", there.port, ("PCMU",)), "PCMU")
        pump.add(here)
    asyncio.get_running_loop().call_later(0.05, time.sleep, 0.2)
    await asyncio.sleep(0.35)
    for stream in (one, other):
        pump.remove(stream)
        stream.close()
    assert one.ear.tape.received >= other.talker.sent - 1
    one.ear.tape.samples()
    assert one.ear.tape.lost == 0


async def test_the_timer_stops_with_the_last_stream(pump: Pump, listener: socket.socket) -> None:
    stream = stream_to(listener)
    await ticks_sent(stream, pump, 0.05)
    await asyncio.sleep(0.03)
    assert pump._timer is None
    sent, due = await ticks_sent(stream, pump, 0.1)
    assert sent > due / 2
    stream.close()


async def test_nobody_listening_is_no_fault(pump: Pump) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        stream = stream_to(gone)
    ends: list[bool] = []
    stream.talker.press("1", 60, 20, ends.append)
    before = stream.talker.timestamp
    sent, due = await ticks_sent(stream, pump, 0.15)
    assert abs(sent - 2 - due) <= 2  # a key's end is sent three times
    assert stream.talker.timestamp - before == (sent - 2) * 160
    assert ends == [True]
    stream.close()


async def test_a_stream_does_not_begin_where_its_timestamps_soon_wrap() -> None:
    for _ in range(20):
        stream = Stream("127.0.0.1", 0.0)
        assert stream.talker.timestamp < 2**31
        stream.close()


async def test_ports_are_even_and_others_are_not_heard(pump: Pump, listener: socket.socket) -> None:
    stream = stream_to(listener)
    assert stream.port % 2 == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(
            bytes.fromhex("800000010000000000000001") + b"\0" * 160, ("127.0.0.1", stream.port)
        )
    listener.sendto(
        bytes.fromhex("800000010000000000000002") + b"\0" * 160, ("127.0.0.1", stream.port)
    )
    await ticks_sent(stream, pump, 0.05)
    assert stream.ear.tape.received == 1
    stream.close()
