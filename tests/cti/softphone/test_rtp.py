from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np
import pytest

from cti.softphone.rtp import Ear, Talker
from ivr.audio import alaw_encode, ulaw_decode, ulaw_encode
from tests.cti.softphone.peer import CAPTURES


class Packet(NamedTuple):
    marker: bool
    kind: int
    sequence: int
    stamp: int
    ssrc: int
    payload: bytes


def read(packet: bytes | bytearray) -> Packet:
    first, second, sequence, stamp, ssrc = struct.unpack("!BBHII", packet[:12])
    assert first == 0x80
    return Packet(second > 127, second & 127, sequence, stamp, ssrc, bytes(packet[12:]))


def ticks(talker: Talker, count: int) -> list[list[Packet]]:
    """What each of so many ticks sends."""
    sent: list[list[Packet]] = []
    for _ in range(count):
        packets: list[Packet] = []
        talker.tick(lambda packet, into=packets: into.append(read(packet)))
        sent.append(packets)
    return sent


def talker(**rest: int) -> Talker:
    return Talker(**({"ssrc": 7, "sequence": 65534, "timestamp": 2**32 - 160} | rest))


SOUND = (np.arange(400) * 50).astype(np.int16)


class TestTalker:
    def test_silence_goes_out_every_tick_and_numbers_wrap(self) -> None:
        packets = [only for [only] in ticks(talker(), 3)]
        assert [packet.sequence for packet in packets] == [65534, 65535, 0]
        assert [packet.stamp for packet in packets] == [2**32 - 160, 0, 160]
        assert [packet.marker for packet in packets] == [True, False, False]
        assert {(packet.kind, packet.ssrc, packet.payload) for packet in packets} == {
            (0, 7, b"\xff" * 160)
        }

    def test_sound_is_played_once_and_padded_with_silence(self) -> None:
        ends: list[bool] = []
        speaker = talker()
        speaker.play(SOUND, ends.append)
        payloads = [only.payload for [only] in ticks(speaker, 5)]
        assert b"".join(payloads) == ulaw_encode(SOUND) + b"\xff" * 400
        assert ends == [True]

    def test_sounds_queue_and_can_be_stopped(self) -> None:
        ends: list[tuple[str, bool]] = []
        speaker = talker(payload=8)
        speaker.play(SOUND[:160], lambda whole: ends.append(("one", whole)))
        speaker.play(SOUND, lambda whole: ends.append(("two", whole)))
        [first], [second] = ticks(speaker, 2)
        assert first.payload + second.payload == alaw_encode(np.tile(SOUND[:160], 2))
        speaker.stop()
        [[silent]] = ticks(speaker, 1)
        assert silent.payload == b"\xd5" * 160
        assert ends == [("one", True), ("two", False)]

    def test_a_repeated_sound_has_no_gap(self) -> None:
        speaker = talker()
        speaker.play(SOUND[:100], forever=True)
        payloads = b"".join(only.payload for [only] in ticks(speaker, 5))
        assert payloads == ulaw_encode(np.tile(SOUND[:100], 8))

    def test_a_key_takes_the_place_of_sound(self) -> None:
        speaker = talker(sequence=10, timestamp=1600)
        ends: list[bool] = []
        speaker.press("5", 60, 40, ends.append)
        speaker.press("#", 20, 20, ends.append)
        sent = ticks(speaker, 8)
        assert [len(packets) for packets in sent] == [1, 1, 3, 1, 1, 3, 1, 1]
        five = [packet for packets in sent[:3] for packet in packets]
        assert [packet.payload.hex() for packet in five] == [
            "050a00a0",
            "050a0140",
            "058a01e0",
            "058a01e0",
            "058a01e0",
        ]
        assert [packet.marker for packet in five] == [True] + [False] * 4
        assert {(packet.kind, packet.stamp) for packet in five} == {(101, 1600)}
        assert [packet.sequence for packets in sent for packet in packets] == [*range(10, 22)]
        hash_key = sent[5]
        assert [packet.payload.hex() for packet in hash_key] == ["0b8a00a0"] * 3
        assert [packet.marker for packet in hash_key] == [True, False, False]
        assert hash_key[0].stamp == 1600 + 5 * 160
        sound = [*sent[3], *sent[4], *sent[6], *sent[7]]
        assert [packet.stamp for packet in sound] == [2080, 2240, 2560, 2720]
        assert [packet.marker for packet in sound] == [True, False, True, False]
        assert ends == [True, True]

    @pytest.mark.parametrize(("ms", "count"), [(1, 1), (20, 1), (21, 2), (100, 5)])
    def test_times_are_rounded_up_to_ticks(self, ms: int, count: int) -> None:
        speaker = talker()
        speaker.press("1", ms, ms)
        speaker.press("2", ms, ms)
        kinds = [packets[0].kind for packets in ticks(speaker, 2 * count + 1)]
        assert kinds == [101] * count + [0] * count + [101]

    def test_quiet_sends_keys_and_sound_but_no_silence(self) -> None:
        speaker = talker(quiet=True)
        speaker.press("1", 20, 20)
        speaker.play(SOUND[:160])
        assert [len(packets) for packets in ticks(speaker, 5)] == [3, 1, 0, 0, 0]

    def test_held_sends_nothing_and_time_goes_on(self) -> None:
        speaker = talker(timestamp=0)
        speaker.press("1", 20, 20)
        speaker.held = True
        assert ticks(speaker, 3) == [[], [], []]
        speaker.held = False
        [packets] = ticks(speaker, 1)
        assert {packet.stamp for packet in packets} == {480}

    def test_released_keys_are_told(self) -> None:
        ends: list[bool] = []
        speaker = talker()
        speaker.press("1", 40, 20, ends.append)
        ticks(speaker, 1)
        speaker.release()
        assert ends == [False]
        assert [packets[0].kind for packets in ticks(speaker, 1)] == [0]

    def test_a_change_of_codec_goes_on_in_the_middle(self) -> None:
        speaker = talker()
        speaker.play(SOUND)
        [[first]] = ticks(speaker, 1)
        speaker.use(8, 96)
        [[second]] = ticks(speaker, 1)
        assert (first.payload, first.kind) == (ulaw_encode(SOUND[:160]), 0)
        assert (second.payload, second.kind) == (alaw_encode(SOUND[160:320]), 8)
        speaker.press("1", 20, 20)
        [packets] = ticks(speaker, 1)
        assert packets[0].kind == 96


class TestEar:
    def test_the_keys_that_asterisk_sent(self) -> None:
        ear = Ear(101)
        for line in (CAPTURES / "keys.rtp").read_text().splitlines():
            at, packet = line.split()
            ear.hear(float(at), bytes.fromhex(packet))
        assert "".join(key.key for key in ear.keys) == "1234"
        assert [key.ms for key in ear.keys[:3]] == [160, 160, 160]
        assert [key.at for key in ear.keys] == [1.125, 1.326, 1.526, 1.726]

    def test_a_key_twice_is_two_keys_and_a_lost_end_is_none_less(self) -> None:
        speaker, ear = talker(), Ear(101)
        for _ in range(3):
            speaker.press("7", 60, 20)
        packets: list[bytes] = []
        for _ in range(12):
            speaker.tick(lambda packet: packets.append(bytes(packet)))
        for number, packet in enumerate(packets):
            if packet[1] & 127 == 101 and packet[13] & 0x80 and number < 6:
                continue  # every end of the first key is lost
            ear.hear(number / 50, packet)
        assert [(key.key, key.ms) for key in ear.keys] == [("7", 40), ("7", 60), ("7", 60)]

    def test_what_is_not_for_us_is_dropped(self) -> None:
        ear = Ear(101)
        report = bytes.fromhex("80c8000600000001") + b"\0" * 20  # RTCP
        other = bytes.fromhex("8012000100000000000000ff") + b"\0" * 20  # G.729
        for datagram in (b"", b"hello", b"\0" * 200, report, other, bytes(range(256))):
            ear.hear(0.0, datagram)
        unknown = bytes.fromhex("8065000100000000000000ff") + bytes.fromhex("200a00a0")
        ear.hear(0.0, unknown)
        assert ear.keys == []
        assert not ear.tape.samples().any()

    def test_mulaw_and_alaw_land_on_the_tape(self) -> None:
        ear = Ear()
        header = bytes.fromhex("8000000100000000000000ff")
        ear.hear(0.0, header + ulaw_encode(SOUND[:160]))
        alaw = bytes.fromhex("80080002000000a0000000ff") + alaw_encode(SOUND[160:320])
        ear.hear(0.02, alaw)
        heard = ear.tape.samples()
        assert np.array_equal(heard[:160], ulaw_decode(ulaw_encode(SOUND[:160])))
        assert np.abs(heard[160:] - SOUND[160:320]).max() <= 300
