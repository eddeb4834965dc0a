"""A loop whose time is what it has waited: a machine that holds the process up costs none of it.

Sleeps are real, and so are sockets. But where the process was held up - in a callback, or past the
end of a wait - its clock stands still, so that what is due a while later is never due at once. For
tests whose two sides share the loop, and whose times are short.
"""

from __future__ import annotations

import asyncio
import selectors
import time


class Waits(selectors.DefaultSelector):
    """Counts the seconds that it was asked to wait, and did."""

    def __init__(self) -> None:
        super().__init__()
        self.waited = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        began = time.monotonic()
        ready = super().select(timeout)
        spent = time.monotonic() - began
        self.waited += spent if timeout is None else min(spent, max(0.0, timeout))
        return ready


class UnhurriedLoop(asyncio.SelectorEventLoop):
    """For pytest-asyncio's hook `pytest_asyncio_loop_factories`."""

    def __init__(self) -> None:
        self._waits = Waits()
        super().__init__(self._waits)

    def time(self) -> float:
        return self._waits.waited
