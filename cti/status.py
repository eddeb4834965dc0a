"""`status.json`: how the engine does, for whoever asks on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

EVERY: Final = 1.0  # seconds between two looks at whether something changed
BEAT: Final = 5.0  # seconds between two writes when nothing did
STALE: Final = 20.0  # seconds after which an engine that says nothing is not well
FILE: Final = "status.json"
log = logging.getLogger(__name__)
Look = Callable[[], Mapping[str, Any]]


class StatusFile:
    """Writes what `look` gives to `<state>/status.json`, whole each time; gone when it ends."""

    def __init__(self, state: Path, look: Look) -> None:
        self._path, self._look = state / FILE, look
        self._written: Mapping[str, Any] = {}
        self._beat = 0.0

    async def run(self) -> None:
        """Never returns, never raises but for cancellation."""
        try:
            while True:
                await self.write()
                await asyncio.sleep(EVERY)
        finally:
            with contextlib.suppress(OSError, ValueError, KeyError):
                # After a restart it is the next engine's.
                if json.loads(self._path.read_text("utf-8"))["pid"] == os.getpid():
                    self._path.unlink(missing_ok=True)

    async def write(self) -> None:
        """Write if something changed, or a beat is over."""
        status = {**self._look(), "pid": os.getpid()}
        if status == self._written and time.monotonic() - self._beat < BEAT:
            return
        try:
            await asyncio.to_thread(_put, self._path, {**status, "at": time.time()})
            self._written, self._beat = status, time.monotonic()
        except OSError as error:
            log.error("the status cannot be written: %s", error.strerror)


def read_status(state: Path) -> dict[str, Any] | None:
    """What the engine of a state directory says, with `stale` when it has said nothing for long;
    None when none runs there."""
    try:
        status: dict[str, Any] = json.loads((state / FILE).read_text("utf-8"))
        os.kill(int(status["pid"]), 0)
    except PermissionError:
        pass  # it runs, as somebody else
    except (OSError, ValueError, KeyError, TypeError):
        return None
    status["stale"] = time.time() - float(status["at"]) > STALE
    return status


def state_in_use(state: Path) -> Path:
    """The state directory that is meant: that of the demo, when it runs and no engine does here."""
    demo = state / "demo"
    return demo if read_status(state) is None and read_status(demo) is not None else state


def _put(path: Path, status: Mapping[str, Any]) -> None:
    new = path.with_suffix(f".{os.getpid()}")
    new.write_text(json.dumps(status, ensure_ascii=False, indent=1) + "\n", "utf-8")
    new.replace(path)
