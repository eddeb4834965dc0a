"""What happened so far, counted as it happens: each event costs a look-up and an addition.

Words are made of it only when somebody asks (`exposition.py`).
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

from cti.ami import events as ami
from cti.screenpop import Pop
from ivr.events import CallEnded, Entry, LookupDone, StepEntered, Transferred

QUICK = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
TALK = (5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
WAITS = (1.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)


class Spread:
    """A histogram: how many values were at most each bound (seconds), their sum, their number."""

    __slots__ = ("bounds", "buckets", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.buckets = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.buckets[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def number(self) -> int:
        return sum(self.buckets)

    def quantile(self, part: float) -> float:
        """The bound below which this part of the values lies; the last one for what is above it."""
        wanted, seen = self.number * part, 0
        for bound, count in zip(self.bounds, self.buckets, strict=False):
            seen += count
            if seen >= wanted:
                return bound
        return self.bounds[-1]


class Counts:
    """Everything counted in this process."""

    def __init__(self) -> None:
        self.events: Counter[type] = Counter()
        self.steps: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self.lookups: Counter[str] = Counter()
        self.transfers: Counter[str] = Counter()
        self.lookup_times = Spread(QUICK)
        self.pauses = Spread(QUICK)
        self.commands = 0
        self.entries = 0
        self.refused = 0
        self.talks = Spread(TALK)
        self.queue_waits = Spread(WAITS)
        self.queue_calls: Counter[str] = Counter()
        self.pops: Counter[str] = Counter()
        self.dialler: Counter[tuple[str, str]] = Counter()

    def on_entry(self, entry: Entry) -> None:
        """One event of a conversation."""
        event = entry.event
        kind = type(event)
        self.events[kind] += 1
        if kind is StepEntered:
            self.steps[event.type] += 1  # type: ignore[union-attr]
        elif kind is CallEnded:
            self.ends[event.why] += 1  # type: ignore[union-attr]
        elif kind is LookupDone:
            self.lookups[event.outcome] += 1  # type: ignore[union-attr]
            self.lookup_times.add(event.ms / 1000)  # type: ignore[union-attr]
        elif kind is Transferred:
            self.transfers[event.kind] += 1  # type: ignore[union-attr]

    def on_event(self, event: ami.Event) -> None:
        """One event of Asterisk's: how callers left their queues, and after how long."""
        kind = type(event)
        if kind is ami.AgentConnect:
            self.queue_calls["answered"] += 1
            self.queue_waits.add(float(event.hold_time))  # type: ignore[attr-defined]
        elif kind is ami.QueueCallerAbandon:
            self.queue_calls["abandoned"] += 1

    def on_pop(self, pop: Pop) -> None:
        """A screen pop, or a new revision of one."""
        self.pops[pop.state] += 1

    def on_dialler(self, what: str, which: str) -> None:
        """One thing the dialler did: `dialled` (a campaign), `not_dialled` (a campaign), `outcome`
        (of a call), `result` (of a job that is over)."""
        self.dialler[what, which] += 1

    def on_served(self, commands: int, longest_pause: float, seconds: float) -> None:
        """One entry of a call is over; `longest_pause` is the longest Asterisk waited for us."""
        self.entries += 1
        self.commands += commands
        self.pauses.add(longest_pause)
        self.talks.add(seconds)


class LoopLag:
    """How late the event loop is: a timer every `every` seconds that looks at the clock."""

    def __init__(self, every: float = 0.25) -> None:
        self.every = every
        self.spread = Spread(QUICK)
        self.beat = asyncio.get_running_loop().time()
        self.latest = 0.0

    async def run(self) -> None:
        """Never returns."""
        loop = asyncio.get_running_loop()
        while True:
            self.beat = loop.time()
            await asyncio.sleep(self.every)
            self.latest = max(0.0, loop.time() - self.beat - self.every)
            self.spread.add(self.latest)
