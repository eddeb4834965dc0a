"""A thread that notices when the event loop stands still: says where, and at last ends the process.

Asterisk keeps the callers of an engine that is gone and comes back to the next one; the callers of
an engine that stands still it would keep waiting.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

log = logging.getLogger(__name__)
EXIT: Final = 70  # EX_SOFTWARE of sysexits(3)
LOOKS: Final = 8  # a frozen loop is noticed within an eighth of `told_after`


class Watchdog:
    """For the length of a `with`. `beat` gives the monotonic time of the loop's last sign of life.

    After `told_after` seconds without one, every thread's stack is written to standard error, once
    for each time it stands still; after `ends_after` (0: never) the process ends, with `EXIT`.
    """

    def __init__(
        self,
        beat: Callable[[], float],
        *,
        told_after: float = 5.0,
        ends_after: float = 60.0,
        end: Callable[[int], None] = os._exit,
    ) -> None:
        self._beat, self._told_after, self._ends_after = beat, told_after, ends_after
        self._end = end
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self.froze = 0  # how often the loop stood still

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        told = False
        while not self._over.wait(self._told_after / LOOKS):
            still = time.monotonic() - self._beat()
            if still < self._told_after:
                told = False
                continue
            if not told:
                told = True
                self.froze += 1
                log.critical("the event loop has stood still for %.1f s", still)
                faulthandler.dump_traceback(sys.__stderr__ or 2, all_threads=True)
            if self._ends_after and still > self._ends_after:
                log.critical("still: this process ends, so that another takes up its calls")
                self._end(EXIT)
                return
