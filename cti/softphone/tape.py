"""What was heard, put where it belongs in time: by RTP timestamp, or by arrival. Pure."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from ivr.audio import TELEPHONE_RATE, Samples, alaw_decode, ulaw_decode

_FIELDS = struct.Struct("!HII").unpack_from
_HEAD = np.dtype(
    [("first", "u1"), ("kind", "u1"), ("sequence", ">u2"), ("stamp", ">u4"), ("ssrc", ">u4")]
)
_USUAL = 160  # samples in a packet of 20 ms
_DECODERS = {0: ulaw_decode, 8: alaw_decode}
_TRUST = TELEPHONE_RATE // 2
"""Samples by which timestamps and arrivals may disagree over a pause before arrival decides."""


class Tape:
    """A recording of one incoming stream; position 0 is the start of the call's clock.

    Adding is cheap (50 packets a second and call); sorting out happens when somebody listens.
    """

    __slots__ = ("_anchor", "_buffer", "_end", "_new", "_ssrc", "lost", "received")

    def __init__(self) -> None:
        self._new: list[tuple[float, bytes]] = []
        self._buffer = np.zeros(0, np.int16)
        self._end = 0
        self._ssrc: int | None = None
        self._anchor = (0, 0, 0, 0)  # sequence, timestamp, position, arrival of the newest packet
        self.received = 0
        self.lost = 0

    def add(self, at: float, packet: bytes) -> None:
        """Keep an RTP packet that arrived `at` seconds into the call.

        Only PCMU (0) and PCMA (8) are sound; others are kept for their sequence numbers.
        """
        self.received += 1
        self._new.append((at, packet))

    def samples(self, until: float | None = None) -> Samples:
        """Everything heard so far, gaps as silence; with silence up to `until` seconds if given."""
        new, self._new = self._new, []
        for first, last in _runs(new) if new else []:
            self._keep(*new[first])
            if last > first and new[first][1][2:4] == self._anchor[0].to_bytes(2):
                self._keep_run(new[first + 1 : last + 1])
            else:  # one packet, or some that are late
                for packet in new[first + 1 : last + 1]:
                    self._keep(*packet)
        more = int((until or 0) * TELEPHONE_RATE) - self._end
        return np.concatenate([self._buffer[: self._end], np.zeros(max(0, more), np.int16)])

    def _keep(self, at: float, packet: bytes) -> None:
        sequence, stamp, ssrc = _FIELDS(packet, 2)
        decode = _DECODERS.get(packet[1] & 0x7F)
        payload = _payload(packet)
        if not decode or not payload:
            self._count(sequence, ssrc)
            return
        position = self._place(
            int(at * TELEPHONE_RATE), sequence, stamp, ssrc, spurt=packet[1] > 127
        )
        if position >= 0:
            self._write(position, decode(payload))

    def _keep_run(self, packets: Sequence[tuple[float, bytes]]) -> None:
        """Packets that follow the newest one without a gap: by far the most, so all in one go."""
        sequence, stamp, position, _ = self._anchor
        count = len(packets)
        decode = _DECODERS[packets[0][1][1]]
        self._write(position + _USUAL, decode(b"".join([packet[12:] for _, packet in packets])))
        self._anchor = (
            (sequence + count) & 0xFFFF,
            (stamp + count * _USUAL) & 0xFFFFFFFF,
            position + count * _USUAL,
            int(packets[-1][0] * TELEPHONE_RATE),
        )

    def _write(self, position: int, sound: Samples) -> None:
        end = position + len(sound)
        if end > len(self._buffer):
            self._buffer = np.concatenate([self._buffer, np.zeros(end + (1 << 16), np.int16)])
        self._buffer[position:end] = sound
        self._end = max(self._end, end)

    def _count(self, sequence: int, ssrc: int) -> None:
        """A packet without sound: its number must not look like a loss."""
        steps = _signed(sequence - self._anchor[0], 16)
        if ssrc == self._ssrc and steps > 0:
            self.lost += steps - 1
            self._anchor = (sequence, *self._anchor[1:])

    def _place(self, arrival: int, sequence: int, stamp: int, ssrc: int, *, spurt: bool) -> int:
        """Where a packet goes.

        Within a stream its timestamp decides, however late packets come in. A new stream, or a jump
        in time (or a new `spurt` of speech without one) that the arrival does not bear out, starts
        where it arrived.
        """
        last_sequence, last_stamp, last_position, last_arrival = self._anchor
        steps = _signed(sequence - last_sequence, 16)
        jump = _signed(stamp - last_stamp, 32)
        if ssrc != self._ssrc:
            position = max(arrival, self._end)
        elif steps <= 0:  # late or twice: the newest packet stays the anchor
            self.lost = max(0, self.lost - (steps < 0))
            return last_position + jump if abs(jump) < 10 * TELEPHONE_RATE else -1
        else:
            self.lost += steps - 1
            position = last_position + jump
            doubtful = spurt or steps > 1 or not 0 < jump <= 3 * 160
            if doubtful and abs(jump - (arrival - last_arrival)) > _TRUST:
                position = max(arrival, self._end)
        self._ssrc = ssrc
        self._anchor = (sequence, stamp, position, arrival)
        return position


def _runs(packets: Sequence[tuple[float, bytes]]) -> list[tuple[int, int]]:
    """First and last index of each run of plain packets of 20 ms that follow one another.

    What is not plain (a marker, another length, keys, another stream) is a run by itself.
    """
    heads = np.frombuffer(b"".join([packet[:12] for _, packet in packets]), _HEAD)
    usual = np.array([len(packet) for _, packet in packets]) == 12 + _USUAL
    plain = usual & (heads["first"] == 0x80) & ((heads["kind"] == 0) | (heads["kind"] == 8))
    follows = plain[1:] & plain[:-1]
    for field, step in (("kind", 0), ("ssrc", 0), ("sequence", 1), ("stamp", _USUAL)):
        numbers = heads[field].astype(np.int64)
        bits = 8 * heads[field].itemsize
        follows &= (numbers[1:] - numbers[:-1] - step) % (1 << bits) == 0
    breaks = np.flatnonzero(~follows)
    firsts = np.concatenate([[0], breaks + 1])
    lasts = np.concatenate([breaks, [len(packets) - 1]])
    return [(int(first), int(last)) for first, last in zip(firsts, lasts, strict=True)]


def _payload(packet: bytes) -> bytes:
    """What follows the fixed header, the contributing sources and the extension (RFC 3550 5.1)."""
    first = packet[0]
    start = 12 + 4 * (first & 15)
    if first & 0x10:
        start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4])
    return packet[start : len(packet) - packet[-1]] if first & 0x20 else packet[start:]


def _signed(difference: int, bits: int) -> int:
    half = 1 << (bits - 1)
    return (difference + half) % (1 << bits) - half
