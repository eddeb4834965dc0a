"""Frees threads of Asterisk that wait for ever at a socket they have closed themselves.

A thread that reads from a recogniser waits in poll(2). When another one closes that socket, because
a write failed, the reader is not told: it sleeps on at what is no longer there, and the caller's
channel, which joins it, never ends (`ast_aeap_disconnect`, res/res_aeap/aeap.c; no time-out, and no
hang-up reaches it). A process that is stopped and goes on takes up its poll(2) anew, by the
number; the reader is told that it is closed and ends. It takes Asterisk about a millisecond.

Linux only, and only for an Asterisk of the same user (or for root) on the same machine: the control
socket says who it is (SO_PEERCRED, unix(7)).
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
import sys
from pathlib import Path
from typing import Final

from cti.asterisk import stirring

log = logging.getLogger(__name__)
# Seconds from the start: an engine before this one cannot say whom it left waiting, and what they
# were asked may have gone on for half a minute.
AFTER_START: Final = (20.0, 60.0)
BETWEEN: Final = 5.0  # seconds at least
TIMEOUT: Final = 5.0
_CREDENTIALS: Final = struct.Struct("3i")


class Waker:
    """`stuck` may be called as often as one likes; `run` goes on beside everything."""

    def __init__(self, control: Path | None) -> None:
        self._control = control
        self._stuck = asyncio.Event()
        self.done = 0

    def stuck(self) -> None:
        """A caller's channel has not come back from speech."""
        self._stuck.set()

    async def run(self) -> None:
        """Wake it whenever it is needed, and twice after the start."""
        if self._control is None:
            return
        loop = asyncio.get_running_loop()
        later = [loop.call_later(after, self.stuck) for after in AFTER_START]
        try:
            await self._wake_whenever(self._control)
        finally:
            for timer in later:
                timer.cancel()

    async def _wake_whenever(self, control: Path) -> None:
        while True:
            await self._stuck.wait()
            self._stuck.clear()
            if await wake(control):
                self.done += 1
            await asyncio.sleep(BETWEEN)


async def wake(control: Path) -> bool:
    """Stir the Asterisk behind this control socket; False where that cannot be."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        pid = await asyncio.to_thread(owner, control)
        if pid <= 0 or pid == os.getpid():
            log.warning("Asterisk is on another machine: a caller stuck in speech stays there")
            return False
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", stirring.__file__, str(pid)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        async with asyncio.timeout(TIMEOUT):
            told, _ = await process.communicate()
    except (OSError, TimeoutError) as error:
        log.warning("Asterisk cannot be woken (%s)", type(error).__name__)
        return False
    if process.returncode:
        log.warning("Asterisk cannot be woken: it belongs to another user")
        return False
    log.info("Asterisk's threads were woken; it stood still for %s ms", told.decode().strip())
    return True


def owner(control: Path) -> int:
    """The process that listens there, as this one knows it; 0 for one it cannot see. OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(TIMEOUT)
        line.connect(str(control.resolve()))
        told = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(told)[0])
