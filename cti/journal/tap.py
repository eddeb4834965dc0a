"""The journal with a live feed: whoever listens hears each entry as it is written."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from ivr.events import Entry, Journal

log = logging.getLogger(__name__)


class Tapped:
    """`ivr.events.Journal`. A listener that fails is logged, and neither the journal nor the call
    notices. `listeners` may grow."""

    def __init__(self, journal: Journal, listeners: Sequence[Callable[[Entry], None]]) -> None:
        self._journal, self._listeners = journal, listeners
        self._write = journal.write

    def write(self, entry: Entry) -> None:
        self._write(entry)
        for listener in self._listeners:
            try:
                listener(entry)
            except Exception:
                log.exception("a listener of the journal failed")

    async def durable(self, call: str) -> None:
        await self._journal.durable(call)

    async def history(self, call: str) -> Sequence[Entry]:
        return await self._journal.history(call)
