"""RTP packets out and in (RFC 3550), and keys as telephone-events (RFC 4733). Pure.

A tick is 20 ms: 160 samples of a telephone line. `Talker` makes the packets of each tick, `Ear`
takes what arrived and says which sound was heard when, and which keys.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from cti.softphone.tape import Tape
from ivr.audio import Samples, alaw_encode, ulaw_encode

TICK_SAMPLES = 160
TICK_MS = 20
KEYS = "0123456789*#ABCD"
_ENCODERS = {0: ulaw_encode, 8: alaw_encode}
_HEADER = struct.Struct("!BBHII").pack_into
_EVENT = struct.Struct("!BBH")
_END, _VOLUME, _MARKER = 0x80, 10, 0x80  # the volume is -10 dBm0
_END_COPIES = 3  # RFC 4733 section 2.5.1.4

Send = Callable[[bytes | bytearray], object]


@dataclass(slots=True)
class _Key:
    code: int
    tone: int
    gap: int
    done: Callable[[bool], None] | None
    tick: int = 0


@dataclass(slots=True)
class _Voice:
    samples: Samples
    done: Callable[[bool], None] | None
    forever: bool
    codes: bytes = b""
    at: int = 0


@dataclass(slots=True)
class Talker:
    """One outgoing RTP stream.

    `payload` and `events` are the payload types agreed on (`events` None: the other side takes no
    keys). While `quiet` silence is not sent; while `held` nothing is, and time goes on. `done`
    callbacks get True when the whole thing was sent, False when it was cut short.
    """

    ssrc: int
    sequence: int
    timestamp: int
    payload: int = 0
    events: int | None = 101
    quiet: bool = False
    held: bool = False
    sent: int = 0
    _packet: bytearray = field(init=False)
    _silence: bytes = field(init=False)
    _keys: deque[_Key] = field(init=False, default_factory=deque)
    _voices: deque[_Voice] = field(init=False, default_factory=deque)
    _fresh: bool = field(init=False, default=True)  # the next audio packet starts a talk spurt
    _dirty: bool = field(init=False, default=False)  # the packet holds something else than silence

    def __post_init__(self) -> None:
        self.use(self.payload, self.events)

    def use(self, payload: int, events: int | None) -> None:
        """Send with these payload types from now on; what is being played goes on."""
        self.payload, self.events = payload, events
        encode = _ENCODERS[payload]
        self._silence = encode(np.zeros(TICK_SAMPLES, np.int16))
        self._packet = bytearray(12) + self._silence
        for voice in self._voices:
            voice.codes = encode(voice.samples)

    def play(
        self, samples: Samples, done: Callable[[bool], None] | None = None, *, forever: bool = False
    ) -> None:
        """Queue sound (8 kHz); `forever` repeats it without a gap until it is stopped."""
        self._voices.append(_Voice(samples, done, forever, _ENCODERS[self.payload](samples)))

    def stop(self) -> None:
        """Drop what is being played and what is queued."""
        while self._voices:
            _call(self._voices.popleft().done, False)

    @property
    def queued(self) -> int:
        """Samples still to be played before something new would be."""
        return sum(max(0, len(voice.codes) - voice.at) for voice in self._voices)

    def press(
        self, key: str, tone_ms: int, gap_ms: int, done: Callable[[bool], None] | None = None
    ) -> None:
        """Queue one key of KEYS; times are rounded up to whole ticks, the gap follows the tone."""
        tone, gap = max(1, -(-tone_ms // TICK_MS)), max(1, -(-gap_ms // TICK_MS))
        self._keys.append(_Key(KEYS.index(key.upper()), tone, gap, done))

    def release(self) -> None:
        """Drop the keys that were not sent."""
        while self._keys:
            _call(self._keys.popleft().done, False)

    def tick(self, send: Send) -> None:
        """Send what is due for the next 20 ms. The buffer given to `send` is used again."""
        keyed = not self.held and self._keys and self._key(self._keys[0], send)
        if self.held or keyed or (self.quiet and not self._voices):
            self._fresh = True
        else:
            self._sound(send)
        self.timestamp = (self.timestamp + TICK_SAMPLES) & 0xFFFFFFFF

    def _sound(self, send: Send) -> None:
        if self._voices:
            self._fill(self._voices[0])
        elif self._dirty:
            self._packet[12:] = self._silence
            self._dirty = False
        kind = self.payload | _MARKER if self._fresh else self.payload
        self._fresh = False
        _HEADER(self._packet, 0, 0x80, kind, self.sequence, self.timestamp, self.ssrc)
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.sent += 1
        send(self._packet)

    def _fill(self, voice: _Voice) -> None:
        chunk = voice.codes[voice.at : voice.at + TICK_SAMPLES]
        voice.at += TICK_SAMPLES
        while voice.forever and len(chunk) < TICK_SAMPLES:
            voice.at = TICK_SAMPLES - len(chunk)
            chunk += voice.codes[: voice.at]
        self._packet[12:] = chunk + self._silence[len(chunk) :]
        self._dirty = True
        if voice.at >= len(voice.codes) and not voice.forever:
            self._voices.popleft()
            _call(voice.done, True)

    def _key(self, key: _Key, send: Send) -> bool:
        """One tick of a key. True when it took the place of sound, False in the gap after it."""
        key.tick += 1
        if key.tick > key.tone:
            if key.tick == key.tone + key.gap:
                self._keys.popleft()
            return False
        start = self.timestamp - (key.tick - 1) * TICK_SAMPLES & 0xFFFFFFFF
        last = key.tick == key.tone
        event = _EVENT.pack(key.code, _VOLUME | (_END if last else 0), key.tick * TICK_SAMPLES)
        kind = (self.events or 0) | (_MARKER if key.tick == 1 else 0)
        for _ in range(_END_COPIES if last else 1):
            packet = bytearray(12) + event
            _HEADER(packet, 0, 0x80, kind, self.sequence, start, self.ssrc)
            self.sequence = (self.sequence + 1) & 0xFFFF
            self.sent += 1
            kind &= ~_MARKER
            send(packet)
        if last:  # the gap after it is nobody's business but the next key's
            _call(key.done, True)
            key.done = None
        return True


@dataclass(frozen=True, slots=True)
class KeyHeard:
    """A key that arrived: `at` in seconds of the call's clock, `ms` how long it was held."""

    key: str
    at: float
    ms: int


class Ear:
    """One incoming stream: sound goes onto the tape, keys into a list."""

    __slots__ = ("_key_stamp", "events", "keys", "tape")

    def __init__(self, events: int | None = 101) -> None:
        self.tape = Tape()
        self.events = events
        self.keys: list[KeyHeard] = []
        self._key_stamp: tuple[int, bytes] | None = None

    def hear(self, at: float, packet: bytes) -> None:
        """Take one datagram that arrived at `at`; anything that is not for us is dropped."""
        if len(packet) < 16 or packet[0] & 0xC0 != 0x80:
            return
        kind = packet[1] & 0x7F
        if kind == 0 or kind == 8:  # the fast path: 50 packets a second and call
            self.tape.add(at, packet)
        elif kind == self.events:
            self.tape.add(at, packet)
            self._event(at, packet)

    def _event(self, at: float, packet: bytes) -> None:
        code, _, duration = _EVENT.unpack_from(packet, 12 + 4 * (packet[0] & 15))
        if code >= len(KEYS):
            return
        stamp = int.from_bytes(packet[4:8]), packet[8:12]
        if stamp != self._key_stamp:
            self._key_stamp = stamp
            self.keys.append(KeyHeard(KEYS[code], at, duration // 8))
        elif duration // 8 > self.keys[-1].ms:
            self.keys[-1] = KeyHeard(self.keys[-1].key, self.keys[-1].at, duration // 8)


def _call(done: Callable[[bool], None] | None, whole: bool) -> None:
    if done:
        done(whole)
