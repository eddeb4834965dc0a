"""A thread that waits at a socket another one has closed is freed by a wake, and by nothing else."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path

import pytest

from cti.asterisk.waking import Waker, owner, wake

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="poll(2) and SIGSTOP of Linux")

# What Asterisk does: one thread waits at a number that another one closes; it says "freed" at its
# end. It has a control socket as Asterisk has, so that it can be found.
STUCK = """
import os, select, socket, sys, threading, time
control = socket.socket(socket.AF_UNIX)
control.bind(sys.argv[1])
control.listen()
ours, theirs = socket.socketpair()
def read():
    poll = select.poll()
    poll.register(ours.fileno(), select.POLLIN)
    print("freed", poll.poll(), flush=True)
reader = threading.Thread(target=read)
reader.start()
def state():
    return open(f"/proc/self/task/{reader.native_id}/syscall").read().split()[0]
while state() == "running":
    time.sleep(0.01)
time.sleep(0.2)
os.close(ours.detach())
print("closed", flush=True)
reader.join()
"""


async def stuck_at(control: Path) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STUCK, str(control), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"closed\n"
    return process


async def test_a_thread_at_a_closed_socket_is_freed(tmp_path: Path) -> None:
    control = tmp_path / "asterisk.ctl"
    process = await stuck_at(control)
    try:
        assert process.stdout is not None
        with pytest.raises(TimeoutError):  # by itself it stays
            async with asyncio.timeout(0.5):
                await process.wait()
        assert owner(control) == process.pid
        assert await wake(control)
        async with asyncio.timeout(10):
            assert (await process.stdout.readline()).startswith(b"freed")
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_the_waker_frees_it_when_it_is_told(tmp_path: Path) -> None:
    process = await stuck_at(tmp_path / "asterisk.ctl")
    waker = Waker(tmp_path / "asterisk.ctl")
    running = asyncio.create_task(waker.run())
    try:
        waker.stuck()
        async with asyncio.timeout(10):
            assert await process.wait() == 0
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_no_asterisk_is_no_error(tmp_path: Path) -> None:
    assert not await wake(tmp_path / "none.ctl")


async def test_it_never_stops_itself(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as mine:
        mine.bind(str(tmp_path / "mine.ctl"))
        mine.listen()
        assert owner(tmp_path / "mine.ctl") == os.getpid()
        assert not await wake(tmp_path / "mine.ctl")
