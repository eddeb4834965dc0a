"""The counts as Prometheus reads them (text format 0.0.4, by prometheus-client)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import psutil
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from cti.health.counts import Counts, LoopLag, Spread
from cti.health.readiness import Reason

DIALLER: Final = (
    ("dialled", "campaign", "Calls that the dialler asked Asterisk for."),
    ("not_dialled", "campaign", "Calls that Asterisk did not take; they are tried again."),
    ("outcome", "outcome", "What came of the dialler's calls."),
    ("result", "result", "Jobs that are over, by what the shop is told."),
)


def exposition(
    counts: Counts,
    lag: LoopLag,
    reasons: list[Reason],
    status: Mapping[str, Any],
    frozen: int = 0,
) -> bytes:
    """Everything, as one page. `status` is what `santral status` shows."""
    registry = CollectorRegistry()
    registry.register(_Everything(counts, lag, reasons, status, frozen))
    return generate_latest(registry)


class _Everything:
    def __init__(
        self,
        counts: Counts,
        lag: LoopLag,
        reasons: list[Reason],
        status: Mapping[str, Any],
        frozen: int,
    ) -> None:
        self._counts, self._lag, self._status = counts, lag, status
        self._reasons, self._frozen = reasons, frozen

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        yield from self._calls()
        yield from self._desk()
        yield from self._dialler()
        yield from self._journal()
        yield from self._process()

    def _calls(self) -> Iterator[Metric]:
        counts = self._counts
        yield _gauge("calls", "Calls in progress.", self._status["calls"])
        started = counts.events.get(_kind("CallStarted"), 0)
        yield _counter("calls_started", "Conversations begun.", started)
        resumed = counts.events.get(_kind("CallResumed"), 0)
        yield _counter("calls_resumed", "Conversations taken up again.", resumed)
        yield _counters("calls_ended", "Conversations ended, by why.", "why", counts.ends)
        yield _counters("steps", "Steps entered, by type.", "type", counts.steps)
        yield _counters("transfers", "Callers sent on, by kind of place.", "kind", counts.transfers)
        failed = counts.events.get(_kind("Failed"), 0)
        yield _counter("faults", "Faults of ours that callers met.", failed)
        yield _counters("lookups", "Lookups, by outcome.", "outcome", counts.lookups)
        yield _spread("lookup_seconds", "How long lookups took.", counts.lookup_times)
        yield _spread("call_seconds", "How long one entry into the engine lasted.", counts.talks)
        yield _counter("agi_commands", "Round trips with Asterisk.", counts.commands)
        text = "The longest that Asterisk waited for our next command, a call."
        yield _spread("agi_longest_pause_seconds", text, counts.pauses)

    def _desk(self) -> Iterator[Metric]:
        counts = self._counts
        text = "How long callers waited for an agent who then took the call."
        yield _spread("queue_wait_seconds", text, counts.queue_waits)
        text = "Callers who left a queue, by how: answered, abandoned."
        yield _counters("queue_calls", text, "how", counts.queue_calls)
        yield _counters("pops", "Screen pops shown, by state.", "state", counts.pops)

    def _dialler(self) -> Iterator[Metric]:
        for what, label, text in DIALLER:
            values = {
                which: count for (one, which), count in self._counts.dialler.items() if one == what
            }
            yield _counters(f"dialler_{what}", text, label, values)
        trying = self._status.get("dialling", 0)
        yield _gauge("dialler_attempts", "Attempts that are waited for or on the line.", trying)

    def _journal(self) -> Iterator[Metric]:
        journal = self._status["journal"]
        yield _gauge("journal_spool_bytes", "Events that wait on disk.", journal["spooled_bytes"])
        waiting = journal["waiting_in_memory"]
        yield _gauge("journal_memory_bytes", "Events that wait in memory.", waiting)
        away = journal["database_away"]
        yield _gauge("journal_database_away_seconds", "0 when the database is there.", away)
        yield _counter("journal_stored", "Events stored in the database.", journal["stored"])
        yield _counter("journal_lost", "Events lost; the gap is recorded.", journal["lost"])
        refused = journal["refused"]
        yield _counter("journal_refused", "Events that the database refused.", refused)

    def _process(self) -> Iterator[Metric]:
        yield _spread("loop_lag_seconds", "How late the event loop was.", self._lag.spread)
        yield _gauge("loop_lag_latest_seconds", "How late it was just now.", self._lag.latest)
        yield _counter("loop_frozen", "How often it stood still for seconds.", self._frozen)
        up = GaugeMetricFamily("santral_up", "1 where it is well, by part.", labels=["part"])
        for reason in self._reasons:
            up.add_metric([reason.name], float(reason.ok))
        yield up
        me = psutil.Process()
        yield _gauge("memory_bytes", "Resident memory.", me.memory_info().rss)
        with contextlib.suppress(RuntimeError):  # no event loop: asked from outside of one
            tasks = len(asyncio.all_tasks())
            yield _gauge("tasks", "asyncio tasks of the engine.", tasks)
        yield _gauge("file_descriptors", "Open files and sockets.", me.num_fds())
        yield _counter("cpu_seconds", "CPU time used.", sum(me.cpu_times()[:2]))
        yield _gauge("start_time_seconds", "Since 1970.", self._status["started"])


def _kind(name: str) -> type:
    from ivr import events

    found: type = getattr(events, name)
    return found


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"santral_{name}", text, value=float(value))


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"santral_{name}", text, value=float(value))


def _counters(name: str, text: str, label: str, values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"santral_{name}", text, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key or "other"], value)
    return family


def _spread(name: str, text: str, spread: Spread) -> Metric:
    family = HistogramMetricFamily(f"santral_{name}", text)
    seen, buckets = 0, []
    for bound, count in zip((*map(str, spread.bounds), "+Inf"), spread.buckets, strict=True):
        seen += count
        buckets.append((bound, seen))
    family.add_metric([], buckets=buckets, sum_value=spread.total)
    return family
