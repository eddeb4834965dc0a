"""A call's trace, as a collector gets it over OTLP/HTTP. The receiver here decodes the real thing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from cti.settings import Settings
from cti.tracing import trace_id, tracing_to
from ivr import events
from ivr.errors import BadSetting
from ivr.events import Entry, Event

NUMBER = "4111111111111111"


class Collector:
    """Keeps the spans that it is sent."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.port = 0

    async def take(self, request: web.Request) -> web.Response:
        told = ExportTraceServiceRequest.FromString(await request.read())
        for resource in told.resource_spans:
            for scope in resource.scope_spans:
                self.spans += scope.spans
        return web.Response(content_type="application/x-protobuf")

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/traces"

    def named(self, name: str) -> Span:
        (span,) = [span for span in self.spans if span.name == name]
        return span


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    made, app = Collector(), web.Application()
    app.router.add_post("/v1/traces", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


def entries(call: str, *happened: Event) -> list[Entry]:
    return [Entry(call, number, 1000.0 + number, one) for number, one in enumerate(happened, 1)]


CALL = (
    events.CallStarted("order_line", "v1", "tr", "+905321112233", "100"),
    events.StepEntered("order_line", "ask", "digits"),
    events.PromptPlayed("ask", "tr", f"card {NUMBER}", 900),
    events.Heard("keys", NUMBER),
    events.StepEntered("order_line", "find", "lookup", "next"),
    events.LookupDone("order_by_number", "found", 250.0),
    events.Failed("ServiceFailed", f"no {NUMBER}", "order_line", "find"),
    events.CallEnded("hangup"),
)


async def traced(collector: Collector, *written: Entry) -> None:
    """Write it with a tracer that is closed afterwards, off the loop that serves the collector."""

    def write() -> None:
        with tracing_to(collector.endpoint) as tracing:
            for entry in written:
                tracing.on_entry(entry)

    await asyncio.to_thread(write)


async def test_a_call_is_one_trace_of_its_steps_and_their_work(collector: Collector) -> None:
    call = str(uuid4())
    await traced(collector, *entries(call, *CALL))
    root = collector.named("call order_line")
    ask, find = collector.named("digits ask"), collector.named("lookup find")
    work = collector.named("lookup order_by_number")
    assert {span.trace_id.hex() for span in collector.spans} == {call.replace("-", "")}
    assert ask.parent_span_id == find.parent_span_id == root.span_id
    assert work.parent_span_id == find.span_id
    assert (root.start_time_unix_nano, root.end_time_unix_nano) == (1001 * 10**9, 1008 * 10**9)
    assert ask.end_time_unix_nano == find.start_time_unix_nano
    assert work.end_time_unix_nano - work.start_time_unix_nano == 250 * 10**6
    assert [event.name for event in ask.events] == ["said", "heard"]
    assert root.status.code == Status.STATUS_CODE_ERROR


async def test_what_is_said_keyed_or_who_calls_is_in_no_span(collector: Collector) -> None:
    await traced(collector, *entries(str(uuid4()), *CALL))
    told = "".join(map(str, collector.spans))
    assert "order_line" in told
    assert NUMBER not in told
    assert "5321112233" not in told


async def test_an_engine_that_takes_over_goes_on_in_the_same_trace(collector: Collector) -> None:
    call = str(uuid4())
    written = entries(call, *CALL[:2], events.CallResumed(2), *CALL[4:])
    await traced(collector, *written[:2])
    await traced(collector, *written[2:])
    assert {span.trace_id.hex() for span in collector.spans} == {call.replace("-", "")}
    assert collector.named("call resumed")


async def test_a_collector_that_is_away_costs_no_call(collector: Collector) -> None:
    collector.port = 9
    await traced(collector, *entries(str(uuid4()), *CALL))


def test_calls_that_never_end_are_let_go_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cti.tracing.MOST_CALLS", 500)  # 20 000 spans take seconds to make
    with tracing_to("http://127.0.0.1:9/v1/traces") as tracing:
        for number in range(505):
            tracing.on_entry(Entry(str(number), 1, 1.0, CALL[0]))
        assert list(tracing._calls)[:1] == ["5"], "the oldest go first"
        assert len(tracing._calls) == 500
        tracing._calls.clear()


def test_a_trace_is_found_by_the_calls_id() -> None:
    call = uuid4()
    assert trace_id(str(call)) == call.int
    assert trace_id("a made-up id") != trace_id("another")


def test_without_an_endpoint_nothing_of_it_is_loaded() -> None:
    code = "import cti.main, sys; sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_endpoint_is_an_address() -> None:
    assert Settings.from_environment({"SANTRAL_TRACE_ENDPOINT": ""}).trace_endpoint == ""
    with pytest.raises(BadSetting, match="SANTRAL_TRACE_ENDPOINT"):
        Settings.from_environment({"SANTRAL_TRACE_ENDPOINT": "collector:4318"})
