"""The real clock: `ivr.services.Clock` in the shop's time zone."""

from __future__ import annotations

import time
from datetime import datetime
from zoneinfo import ZoneInfo


class SystemClock:
    """The machine's clock. `zone` is the shop's: what is said and opened goes by it."""

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)

    def now(self) -> datetime:
        return datetime.now(self._zone)

    # Asked at each event of each call: the functions themselves.
    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)
