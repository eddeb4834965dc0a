"""A trace of each call through OpenTelemetry, where the settings name a collector; else nothing of
it is imported.

The call's id is the trace's id, so that an engine which takes a call over from another goes on in
the same trace. One span is this engine's part of the conversation, below it one a step, below that
one for each lookup, request or message. What callers say, key or hear is in no span: kinds, names,
times and outcomes only. Spans leave in a thread of the SDK's own; with the collector away they are
dropped, and no call notices.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from ivr import events
from ivr.events import Entry

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

MOST_CALLS: Final = 20_000  # in progress at once; the oldest is let go of then
EXPORT_WITHIN: Final = 5  # seconds that the collector has to take a batch
SHUTDOWN: Final = 5_000  # milliseconds that the last batches may take
NS: Final = 1_000_000_000
PLAIN: Final = re.compile(r"[0-9a-fA-F-]{32,36}")
log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Open:
    """The spans of a call that are not over: the conversation's, and the running step's."""

    call: Span
    step: Span | None = None


class Tracing:
    """Spans out of journal entries: `on_entry` hears each as it is written."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("santral")
        self._calls: dict[str, _Open] = {}

    def on_entry(self, entry: Entry) -> None:
        """Never waits: ended spans go into a queue that the SDK's thread empties."""
        event = entry.event
        if isinstance(event, events.CallStarted):
            self._begin(entry, f"call {event.flow}", {
                "santral.flow": event.flow, "santral.flow.version": event.version,
                "santral.language": event.language, "santral.direction": event.direction,
                "santral.dialled": event.dialled,
            })  # fmt: skip
            return
        if isinstance(event, events.CallResumed):
            self._end(entry.call, entry.at)
            about = {"santral.entry": event.entry, "santral.outcome": event.outcome}
            self._begin(entry, "call resumed", about)
            return
        opened = self._calls.get(entry.call)
        if opened is None:
            return
        if isinstance(event, events.StepEntered):
            self._step(opened, entry, event)
        elif isinstance(event, events.CallEnded):
            opened.call.set_attribute("santral.why", event.why)
            self._end(entry.call, entry.at)
        else:
            self._note(opened, entry)

    def close(self) -> None:
        """End what is open, send what is left."""
        for call in list(self._calls):
            self._end(call, None)
        self._provider.force_flush(SHUTDOWN)
        self._provider.shutdown()

    def _begin(self, entry: Entry, name: str, about: dict[str, Any]) -> None:
        while len(self._calls) >= MOST_CALLS:
            self._end(next(iter(self._calls)), entry.at)
        span = self._tracer.start_span(
            name, context=_trace_of(entry.call), start_time=_ns(entry.at),
            attributes={"santral.call": entry.call, **about},
        )  # fmt: skip
        self._calls[entry.call] = _Open(span)

    def _step(self, opened: _Open, entry: Entry, event: events.StepEntered) -> None:
        if opened.step is not None:
            opened.step.end(_ns(entry.at))
        opened.step = self._tracer.start_span(
            f"{event.type} {event.step}", context=_below(opened.call), start_time=_ns(entry.at),
            attributes={
                "santral.flow": event.flow, "santral.step": event.step, "santral.type": event.type,
                "santral.via": event.via, "santral.visit": event.visit,
                "santral.depth": event.depth,
            },
        )  # fmt: skip

    def _note(self, opened: _Open, entry: Entry) -> None:
        """What happened within a step: work of its own as a span, the rest as events of it."""
        event, at, inside = entry.event, _ns(entry.at), opened.step or opened.call
        if isinstance(event, events.LookupDone):
            self._work(inside, f"lookup {event.query}", at, event.ms, event.outcome)
        elif isinstance(event, events.EffectDone):
            self._work(inside, f"{event.kind} {event.name}", at, event.ms, event.outcome)
        elif isinstance(event, events.Failed):
            from opentelemetry.trace import Status, StatusCode

            for span in (inside, opened.call):
                span.set_status(Status(StatusCode.ERROR, event.error))
            inside.add_event("failed", {"santral.error": event.error}, at)
        elif isinstance(event, events.Heard):
            about: dict[str, Any] = {
                "santral.kind": event.kind,
                "santral.confidence": event.confidence,
            }
            inside.add_event("heard", about, at)
        elif isinstance(event, events.PromptPlayed):
            about = {"santral.prompt": event.prompt, "santral.ms": event.ms}
            inside.add_event("said", about, at)
        elif isinstance(event, events.Transferred):
            inside.add_event("transferred", {"santral.kind": event.kind}, at)

    def _work(self, inside: Span, name: str, at: int, ms: float, outcome: str) -> None:
        span = self._tracer.start_span(
            name, context=_below(inside), start_time=at - int(ms * 1e6),
            attributes={"santral.outcome": outcome},
        )  # fmt: skip
        span.end(at)

    def _end(self, call: str, at: float | None) -> None:
        opened = self._calls.pop(call, None)
        if opened is None:
            return
        for span in (opened.step, opened.call):
            if span is not None:
                span.end(None if at is None else _ns(at))


def _version() -> str:
    try:
        return version("santral")
    except PackageNotFoundError:
        return "checkout"  # it runs from its sources


def trace_id(call: str) -> int:
    """The call's own id as OpenTelemetry wants it: 128 bits, not 0."""
    if PLAIN.fullmatch(call):
        with contextlib.suppress(ValueError):
            return UUID(call).int or 1
    from hashlib import sha256

    return int.from_bytes(sha256(call.encode()).digest()[:16], "big") or 1


def _trace_of(call: str) -> Context:
    """A parent that nobody sends: it gives the trace its id."""
    from opentelemetry.trace import (
        NonRecordingSpan,
        SpanContext,
        TraceFlags,
        set_span_in_context,
    )

    trace = trace_id(call)
    parent = SpanContext(trace, (trace & 0xFFFFFFFFFFFFFFFF) or 1, True, TraceFlags(1))
    return set_span_in_context(NonRecordingSpan(parent))


def _below(span: Span) -> Context:
    from opentelemetry.trace import set_span_in_context

    return set_span_in_context(span)


def _ns(at: float) -> int:
    return int(at * NS)


@contextlib.contextmanager
def tracing_to(endpoint: str) -> Iterator[Tracing]:
    """Traces for the collector at `endpoint` (OTLP over HTTP), sent before the block is left."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    about = Resource.create({"service.name": "santral", "service.version": _version()})
    # Asked for neither by an exit handler of its own nor by the environment's OTEL_* sampler.
    provider = TracerProvider(resource=about, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_WITHIN)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracing = Tracing(provider)
    log.info("calls are traced to %s", endpoint)
    try:
        yield tracing
    finally:
        tracing.close()
