"""RTP on sockets: one timer sends for all calls of a phone and takes what came in.

Every call sends each 20 ms, at times counted from the timer's start, so nothing drifts. The timer
ticks four times as often and each tick serves a quarter of the calls: 250 calls do not send in one
burst, and arrival times are good to 5 ms.
"""

from __future__ import annotations

import asyncio
import random
import selectors
import socket

from cti.softphone.rtp import Ear, Talker
from cti.softphone.sdp import PAYLOADS, Media

TICK = 0.005
_PARTS = 4
_LONGEST_BURST = 200  # ticks made up for after the process was held up; older ones are skipped
_TRIES = 50


class Stream:
    """The sound of one call: a socket of its own, what we say (`talker`), what we hear (`ear`).

    `epoch` is the loop's time at position 0 of the call's clock. Raises OSError when no port is
    free.
    """

    def __init__(self, host: str, epoch: float) -> None:
        self._socket = _even_port(host)
        self.host, self.port = self._socket.getsockname()[:2]
        self.epoch = epoch
        self.ear = Ear()
        # Asterisk hears no key after a stream's timestamps wrap (res_rtp_asterisk.c compares them
        # as plain numbers), so they begin in the lower half: 74 hours to the wrap.
        self.talker = Talker(random.getrandbits(32), random.getrandbits(16), random.getrandbits(31))
        self.deaf = False
        self._receive = self._socket.recv
        self._send_now = self._socket.send
        self.remote: tuple[str, int] | None = None

    def agree(self, remote: Media, codec: str) -> None:
        """Send to the other side's address with this codec; be still while it holds us."""
        to = (remote.host, remote.port)
        if to != self.remote and remote.port and not remote.holds:
            self._socket.connect(to)  # and from now on hear only that address
            self.remote = to
        if (PAYLOADS[codec], remote.events) != (self.talker.payload, self.talker.events):
            self.talker.use(PAYLOADS[codec], remote.events)
        self.talker.held = remote.holds or not remote.port

    def tick(self) -> None:
        """Send what is due for 20 ms."""
        if self.remote:
            self.talker.tick(self._send)

    def receive(self, now: float, *, everything: bool) -> None:
        """Take one waiting packet, or every one."""
        if self.deaf:
            return
        try:
            self.ear.hear(now - self.epoch, self._receive(2048))
            while everything:
                self.ear.hear(now - self.epoch, self._receive(2048))
        except OSError:
            pass  # empty, or the news that an earlier packet of ours found nobody

    def _send(self, packet: bytes | bytearray) -> None:
        try:
            self._send_now(packet)
        except OSError:
            pass  # nobody listens there (yet, or any more), or the buffer is full: RTP may be lost

    def shrink(self) -> None:
        """Let the kernel keep as little of what arrives as it can."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()


class Pump:
    """The one timer. It runs while there is a stream; `worst_lateness` is in seconds."""

    def __init__(self) -> None:
        self._parts: list[dict[Stream, None]] = [{} for _ in range(_PARTS)]
        self._selector = selectors.DefaultSelector()
        self._timer: asyncio.TimerHandle | None = None
        self._start = 0.0
        self._count = 0
        self.worst_lateness = 0.0

    def add(self, stream: Stream) -> None:
        """Serve a stream from the next tick on."""
        min(self._parts, key=len)[stream] = None
        self._selector.register(stream, selectors.EVENT_READ, stream.receive)
        if not self._timer:
            loop = asyncio.get_running_loop()
            self._start, self._count = loop.time(), 0
            self._timer = loop.call_at(self._start, self._run, loop)

    def deafen(self, stream: Stream) -> None:
        """Never take what arrives for it: the kernel drops that, which costs next to nothing."""
        stream.deaf = True
        stream.shrink()
        self._selector.unregister(stream)

    def remove(self, stream: Stream) -> None:
        """Serve it no more, after taking what has already arrived."""
        for part in self._parts:
            if stream in part:
                del part[stream]
                if not stream.deaf:
                    self._selector.unregister(stream)
                stream.receive(asyncio.get_running_loop().time(), everything=True)

    def close(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._selector.close()

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        if not any(self._parts):
            self._timer = None
            return
        now = loop.time()
        late = now - (self._start + self._count * TICK)
        self.worst_lateness = max(self.worst_lateness, late)
        behind = int(late / TICK) + 1
        due = range(self._count + max(0, behind - _LONGEST_BURST), self._count + behind)
        self._count += behind
        # set before anything can go wrong with one call: the others go on
        self._timer = loop.call_at(self._start + self._count * TICK, self._run, loop)
        for key, _ in self._selector.select(0):
            key.data(now, everything=late > 2 * TICK)
        for tick in due:
            for stream in self._parts[tick % _PARTS]:
                stream.tick()


def _even_port(host: str) -> socket.socket:
    """RTP sits on an even port; the odd one above is RTCP's (RFC 3550 section 11)."""
    for _ in range(_TRIES):
        found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        found.setblocking(False)
        found.bind((host, 0))
        if found.getsockname()[1] % 2 == 0:
            return found
        found.close()
    raise OSError(f"no even port free on {host}")
