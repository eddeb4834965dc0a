"""One at a time, by a lock that the kernel drops with its last holder (flock(2))."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from ivr.errors import BadInput

POLL = 0.05


@asynccontextmanager
async def locked(
    path: Path, timeout: float, on_wait: Callable[[], None] = lambda: None
) -> AsyncIterator[int]:
    """Hold the lock file for the block and give its descriptor, for a child that shall hold it too.

    `on_wait` is called once when somebody else has it. `BadInput` after `timeout` seconds.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            async with asyncio.timeout(timeout):
                if not _try(handle):
                    on_wait()
                    while not _try(handle):  # noqa: ASYNC110 - the holder is another process
                        await asyncio.sleep(POLL)
        except TimeoutError:
            raise BadInput(f"{path.parent} is in use by another run.") from None
        yield handle
    finally:
        os.close(handle)


def _try(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
