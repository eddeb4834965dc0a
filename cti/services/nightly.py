"""The job of every night: what is older than it may be kept goes (`cti/db/store/retention.py`).

It runs at a time of day of the shop's own. A night that was missed, because no engine ran or the
database was away, is made up for. Two engines that do it at once harm nobody.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.store.retention import Retention, retire
from cti.settings import Settings
from ivr.services import Clock

FILE: Final = "retention.json"  # in the state directory: when it was done last, and what went
LOOK_EVERY: Final = 30.0  # seconds; no longer sleep, as the machine's clock may be set
AGAIN: Final = 300.0  # seconds after one that failed
log = logging.getLogger(__name__)


def is_due(now: datetime, at: time, last: datetime | None) -> bool:
    """Whether it has to run: its time of day has come since it did last. `now` and `at` are in the
    shop's zone. One that never ran waits for its time."""
    today = now.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
    latest = today if today <= now else today - timedelta(days=1)
    if last is None:
        return now - latest < timedelta(minutes=5)
    return last < latest


def retention_of(settings: Settings) -> Retention:
    """How long each kind is kept, as the settings say."""
    return Retention(
        recordings=settings.keep_recordings or None,
        personal=settings.keep_personal or None,
        events=settings.keep_events or None,
        audit=settings.keep_audit or None,
    )


class Nightly:
    """`run` does it whenever it is due, until it is cancelled."""

    def __init__(
        self,
        engine: AsyncEngine,
        recordings: Path,
        state: Path,
        keep: Retention,
        at: time,
        clock: Clock,
    ) -> None:
        self._engine, self._recordings, self._keep = engine, recordings, keep
        self._file, self._at, self._clock = state / FILE, at, clock

    async def run(self) -> None:
        while True:
            wait = LOOK_EVERY
            if is_due(self._clock.now(), self._at, await asyncio.to_thread(self._last)):
                wait = LOOK_EVERY if await self.retire() else AGAIN
            await asyncio.sleep(wait)

    async def retire(self) -> Mapping[str, int] | None:
        """Do it now; what went, or None when it has to be done again. Never raises."""
        now = self._clock.now()
        try:
            gone = await retire(self._engine, self._recordings, self._keep, now)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.error("what is old could not be removed: %s", type(error).__name__)
            return None
        text = json.dumps({"at": now.isoformat(), "gone": gone}) + "\n"
        try:
            await asyncio.to_thread(self._file.write_text, text, "utf-8")
        except OSError as error:
            log.error("%s cannot be written: %s", self._file.name, error.strerror)
        return gone

    def _last(self) -> datetime | None:
        try:
            return datetime.fromisoformat(json.loads(self._file.read_text("utf-8"))["at"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
