from __future__ import annotations

import random
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cti.softphone.tape import Tape
from ivr.audio import Samples, ulaw_decode, ulaw_encode

SOUND = ulaw_decode(ulaw_encode((8000 * np.sin(np.arange(16000) / 9)).astype(np.int16)))


def packet(
    number: int,
    *,
    stamp: int | None = None,
    ssrc: int = 1,
    sequence: int | None = None,
    marker: bool = False,
) -> bytes:
    """The packet of the `number`th 20 ms of SOUND."""
    header = struct.pack(
        "!BBHII",
        0x80,
        0x80 if marker else 0,
        (number if sequence is None else sequence) & 0xFFFF,
        (number * 160 if stamp is None else stamp) & 0xFFFFFFFF,
        ssrc,
    )
    return header + ulaw_encode(SOUND[number * 160 : (number + 1) * 160])


def heard(*arrivals: tuple[float, bytes]) -> Samples:
    tape = Tape()
    for at, data in arrivals:
        tape.add(at, data)
    return tape.samples()


def test_a_stream_starts_where_it_arrived() -> None:
    samples = heard((0.5, packet(0)), (0.52, packet(1)))
    assert len(samples) == 4000 + 320
    assert not samples[:4000].any()
    assert np.array_equal(samples[4000:], SOUND[:320])


def test_lateness_does_not_move_the_sound() -> None:
    rough = random.Random(3)
    arrivals = [(n * 0.02 + rough.random() * 0.4 * (n > 0), packet(n)) for n in range(50)]
    assert np.array_equal(heard(*sorted(arrivals)), SOUND[:8000])


def test_order_does_not_matter() -> None:
    numbers = [0, 2, 1, 3, 5, 4, 4]
    samples = heard(*((0.02 * n, packet(n)) for n in numbers))
    assert np.array_equal(samples, SOUND[: 6 * 160])


def test_a_lost_packet_is_a_gap_of_silence_and_is_counted() -> None:
    tape = Tape()
    for number in (0, 1, 3, 4):
        tape.add(number * 0.02, packet(number))
    samples = tape.samples()
    assert not samples[320:480].any()
    assert np.array_equal(samples[480:], SOUND[480:800])
    assert (tape.received, tape.lost) == (4, 1)


def test_a_late_packet_is_not_lost_after_all() -> None:
    tape = Tape()
    for number in (0, 2, 1):
        tape.add(0.1, packet(number))
    assert np.array_equal(tape.samples()[800:], SOUND[:480])
    assert tape.lost == 0


def test_numbers_and_stamps_wrap() -> None:
    samples = heard(
        (0.0, packet(0, sequence=65535, stamp=2**32 - 160)),
        (0.02, packet(1, sequence=0, stamp=0)),
        (0.04, packet(2, sequence=1, stamp=160)),
    )
    assert np.array_equal(samples, SOUND[:480])


def test_a_pause_is_as_long_as_the_stamps_say() -> None:
    """Asterisk sends nothing between two prompts and counts on: arrival may be 100 ms off."""
    samples = heard((0.0, packet(0)), (1.1, packet(1, stamp=8000)))
    assert np.array_equal(samples[8000:], SOUND[160:320])
    assert not samples[160:8000].any()


@pytest.mark.parametrize("stamp", [160 * 5000, 160, 5, -90000])
def test_stamps_that_arrival_does_not_bear_out_are_not_believed(stamp: int) -> None:
    jump = packet(1, stamp=stamp, marker=True)
    after = packet(2, stamp=stamp + 160)
    samples = heard((0.0, packet(0)), (2.0, jump), (2.02, after))
    assert len(samples) == 16000 + 320
    assert np.array_equal(samples[16000:], SOUND[160:480])


def test_a_new_stream_starts_where_it_arrived_and_cuts_off_nothing() -> None:
    samples = heard(
        (0.0, packet(0)),
        (0.02, packet(1)),
        (0.035, packet(2, ssrc=2, stamp=77, sequence=900)),
        (1.0, packet(3, ssrc=3, stamp=5, sequence=1)),
    )
    assert np.array_equal(samples[:480], SOUND[:480])
    assert np.array_equal(samples[8000:], SOUND[480:640])


def test_a_stalled_reader_then_everything_at_once() -> None:
    """Our own process was held up for a second: the sound is whole all the same."""
    on_time = [(n * 0.02, packet(n)) for n in range(10)]
    burst = [(1.2, packet(n)) for n in range(10, 60)]
    after = [(n * 0.02, packet(n)) for n in range(60, 70)]
    assert np.array_equal(heard(*on_time, *burst, *after), SOUND[: 70 * 160])


def test_keys_between_packets_are_no_loss() -> None:
    tape = Tape()
    tape.add(0.0, packet(0))
    for number in range(1, 4):
        tape.add(0.02 * number, bytes([0x80, 101]) + packet(number)[2:12] + b"\1\x0a\0\xa0")
    tape.add(0.08, packet(4))
    samples = tape.samples()
    assert np.array_equal(samples[640:], SOUND[640:800])
    assert tape.lost == 0


def test_sources_extension_and_padding_are_no_sound() -> None:
    plain = packet(0)
    header = bytes([0x80 | 0x20 | 0x10 | 2]) + plain[1:12]
    extended = header + b"\0" * 8 + b"\xbe\xde\0\1" + b"\0" * 4 + plain[12:] + b"\0\0\0\4"
    assert np.array_equal(heard((0.0, extended)), SOUND[:160])
    assert len(heard((0.0, header))) == 0


def test_silence_up_to_now_is_added() -> None:
    tape = Tape()
    tape.add(0.0, packet(0))
    assert len(tape.samples(0.01)) == 160
    assert len(tape.samples(1.0)) == 8000
    assert len(tape.samples()) == 160
    tape.add(0.02, packet(1))
    assert np.array_equal(tape.samples(), SOUND[:320])


@given(
    st.lists(st.tuples(st.integers(0, 12), st.sampled_from([0, 0, 0, 0, 1, 2]), st.booleans())),
    st.integers(1, 9),
)
def test_it_does_not_matter_when_somebody_listens(
    packets: list[tuple[int, int, bool]], every: int
) -> None:
    """Packets in any order, twice, missing, of two streams, with markers: the same sound."""
    at_once, now_and_then = Tape(), Tape()
    number = 0
    for index, (step, kind, marker) in enumerate(packets):
        number = max(0, min(99, number + (1 if step < 10 else step - 11)))
        arrived = (
            index * 0.02,
            packet(number, ssrc=2 if kind == 2 else 1, marker=marker and kind == 1),
        )
        at_once.add(*arrived)
        now_and_then.add(*arrived)
        if index % every == 0:
            now_and_then.samples()
    assert np.array_equal(at_once.samples(), now_and_then.samples())
    assert at_once.lost == now_and_then.lost


def test_a_long_recording() -> None:
    tape = Tape()
    for number in range(50 * 120):
        tape.add(number * 0.02, packet(number % 100, stamp=number * 160, sequence=number))
    samples = tape.samples()
    assert len(samples) == 120 * 8000
    assert np.array_equal(samples, np.tile(SOUND, 60))
