"""The engine's signs of life in one place: made first, asked by the web server, closed last."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

from cti.health.counts import Counts, LoopLag
from cti.health.exposition import exposition
from cti.health.readiness import Reason, ready, reasons, told
from cti.health.watchdog import Watchdog
from cti.settings import Settings
from ivr.agi.call import AgiCall
from ivr.logs import CALL

Status = Callable[[], Mapping[str, Any]]


class Vitals:
    """Counts what happens and answers how the engine is. Made inside the running loop.

    `status` gives what `santral status` shows, `journal` the journal's `Status`; `speech` and
    `manager` say whether those are there, None for an engine without. All are set once they exist.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.counts = Counts()
        self.lag = LoopLag()
        self.status: Status = dict
        self.journal_status: Callable[[], Any] | None = None
        self.speech: Callable[[], bool] | None = None
        self.manager: Callable[[], bool] | None = None
        self.draining = False
        self._watchdog: Watchdog | None = None

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Measure the loop and watch over it for as long as the block."""
        task = asyncio.create_task(self.lag.run())
        loop = asyncio.get_running_loop()
        # asyncio's clock and uvloop's are both CLOCK_MONOTONIC, as is the thread's.
        skew = time.monotonic() - loop.time()
        ends = self._settings.watchdog
        try:
            with Watchdog(lambda: self.lag.beat + skew, ends_after=ends) as self._watchdog:
                yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @contextlib.contextmanager
    def serving(self, call: AgiCall) -> Iterator[None]:
        """One entry of a call: its log lines carry it, and it is counted when it is over."""
        token = CALL.set(call.info.id)
        began = time.monotonic()
        try:
            yield
        finally:
            CALL.reset(token)
            took = time.monotonic() - began
            self.counts.on_served(call.trips, call.longest_pause, took)

    def reasons(self) -> list[Reason]:
        """What stands between this engine and calls."""
        if self.journal_status is None:
            return [Reason("engine", False, "it is starting")]
        status = self.status()
        return reasons(
            draining=self.draining,
            lag=self.lag.latest,
            journal=self.journal_status(),
            flows=len(status.get("flows", ())),
            state=self._settings.state,
            speech=self.speech() if self.speech else None,
            manager=self.manager() if self.manager else None,
        )

    def readiness(self) -> tuple[bool, Mapping[str, Any]]:
        """As /readyz says it."""
        found = self.reasons()
        return ready(found), told(found)

    def metrics(self) -> bytes:
        """As /metrics says it; empty while the engine starts."""
        if self.journal_status is None:
            return b""
        frozen = self._watchdog.froze if self._watchdog else 0
        return exposition(self.counts, self.lag, self.reasons(), self.status(), frozen)
