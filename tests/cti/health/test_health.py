"""Counts, readiness, metrics, the log and the watchdog, each asked for what it must tell."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import threading
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cti.health.counts import Counts, LoopLag, Spread
from cti.health.exposition import exposition
from cti.health.readiness import Reason, ready, reasons
from cti.health.watchdog import EXIT, Watchdog
from cti.journal.journal import Status
from ivr.events import CallEnded, CallStarted, Entry, LookupDone, StepEntered
from ivr.logs import CALL, set_up

WELL = Status(0, 0, 5, 0, 0, disk_full=False, database_away=0.0)
STATUS = {"calls": 2, "started": 1.0, "journal": {
    "spooled_bytes": 7, "waiting_in_memory": 0, "stored": 5, "lost": 0, "refused": 0,
    "disk_full": False, "database_away": 0.0,
}}  # fmt: skip


def entries() -> list[Entry]:
    said = [
        CallStarted("f", "v", "tr"), StepEntered("f", "a", "menu"), StepEntered("f", "b", "menu"),
        LookupDone("q", "found", 3.0), CallEnded("hangup"),
    ]  # fmt: skip
    return [Entry("c", number, 0.0, event) for number, event in enumerate(said, 1)]


def samples(page: bytes) -> dict[str, float]:
    return {
        one.name + "".join(f",{k}={v}" for k, v in sorted(one.labels.items())): one.value
        for family in text_string_to_metric_families(page.decode())
        for one in family.samples
    }


async def test_what_happened_is_told_to_prometheus() -> None:
    counts = Counts()
    for entry in entries():
        counts.on_entry(entry)
    counts.on_served(40, 0.004, 12.0)
    lag = LoopLag()
    lag.spread.add(0.002)
    told = samples(exposition(counts, lag, [Reason("loop", True, "")], STATUS, 3))
    assert told["santral_calls"] == 2
    assert told["santral_calls_started_total"] == 1
    assert told["santral_calls_ended_total,why=hangup"] == 1
    assert told["santral_steps_total,type=menu"] == 2
    assert told["santral_lookup_seconds_bucket,le=0.005"] == 1
    assert told["santral_lookup_seconds_bucket,le=0.0025"] == 0
    assert told["santral_agi_commands_total"] == 40
    assert told["santral_agi_longest_pause_seconds_count"] == 1
    assert told["santral_journal_spool_bytes"] == 7
    assert told["santral_loop_frozen_total"] == 3
    assert told["santral_up,part=loop"] == 1
    assert told["santral_file_descriptors"] > 3


def test_a_spread_puts_a_value_on_its_bound_below_it() -> None:
    spread = Spread((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        spread.add(value)
    assert spread.buckets == [2, 1, 1]
    assert spread.quantile(0.5) == 1.0
    assert spread.total == 12.0


def looked(tmp_path: Path, **changes: object) -> dict[str, Reason]:
    given: dict[str, object] = {
        "draining": False, "lag": 0.0, "journal": WELL, "flows": 3, "state": tmp_path,
        "speech": None, "manager": None,
    }  # fmt: skip
    return {one.name: one for one in reasons(**(given | changes))}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "name", "stops"),
    [
        ({"draining": True}, "engine", True),
        ({"lag": 3.0}, "loop", True),
        ({"flows": 0}, "flows", True),
        ({"journal": Status(0, 9, 5, 0, 0, True, 0.0)}, "journal", True),
        ({"journal": Status(0, 0, 5, 2, 0, False, 0.0)}, "journal", False),
        ({"journal": Status(9, 0, 5, 0, 0, False, 20.0)}, "database", False),
        ({"journal": Status(9, 0, 5, 0, 0, False, 900.0)}, "database", True),
        ({"state": Path("/nowhere")}, "disk", True),
        ({"speech": False}, "speech", False),
        ({"manager": False}, "manager", False),
    ],
)
def test_every_reason_is_told_and_only_some_send_calls_away(
    tmp_path: Path, changes: dict[str, object], name: str, stops: bool
) -> None:
    assert ready(list(looked(tmp_path).values()))
    found = looked(tmp_path, **changes)
    assert not found[name].ok
    assert [one.name for one in found.values() if not one.ok] == [name]
    assert ready(list(found.values())) is not stops


async def test_the_loops_lag_is_measured() -> None:
    lag = LoopLag(every=0.01)
    task = asyncio.create_task(lag.run())
    await asyncio.sleep(0.05)
    time.sleep(0.2)
    await asyncio.sleep(0.05)
    task.cancel()
    assert lag.spread.number > 2
    assert lag.spread.total > 0.15


def test_a_loop_that_stands_still_is_told_and_then_ended(capfd: pytest.CaptureFixture[str]) -> None:
    ended: list[int] = []
    over = threading.Event()

    def end(code: int) -> None:
        ended.append(code)
        over.set()

    still = time.monotonic()
    with Watchdog(lambda: still, told_after=0.05, ends_after=0.2, end=end) as dog:
        assert over.wait(10)
    assert ended == [EXIT]
    assert dog.froze == 1
    assert "test_a_loop_that_stands_still" in capfd.readouterr().err  # the stack says where


def test_a_loop_that_moves_is_left_alone() -> None:
    with Watchdog(time.monotonic, told_after=0.02, ends_after=0.03, end=pytest.fail) as dog:  # type: ignore[arg-type]
        time.sleep(0.1)
    assert dog.froze == 0


@pytest.fixture
def log_stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture(autouse=True)
def _root_logger() -> object:
    root = logging.getLogger()
    kept = root.level, list(root.handlers)
    yield
    root.setLevel(kept[0])
    root.handlers[:] = kept[1]


async def test_each_line_of_the_log_carries_its_call(log_stream: io.StringIO) -> None:
    set_up("info", "json", log_stream)
    log = logging.getLogger("cti.test")

    async def serve(call: str) -> None:
        CALL.set(call)
        await asyncio.sleep(0)
        log.warning("%s is odd", call, extra={"step": "menu"})

    await asyncio.gather(serve("call-1"), serve("call-2"))
    log.error("none")
    lines = [json.loads(line) for line in log_stream.getvalue().splitlines()]
    assert [line["call"] for line in lines] == ["call-1", "call-2", ""]
    assert lines[0]["message"] == "call-1 is odd"
    assert lines[0]["step"] == "menu"
    assert lines[0]["level"] == "warning"
    assert lines[0]["at"].endswith("Z")


def test_an_exception_is_one_line_too(log_stream: io.StringIO) -> None:
    set_up("info", "json", log_stream)
    try:
        raise ValueError("line one\nline two")
    except ValueError:
        logging.getLogger("x").exception("it broke")
    (line,) = log_stream.getvalue().splitlines()
    assert "line two" in json.loads(line)["exception"]


def test_people_read_the_call_before_the_message(log_stream: io.StringIO) -> None:
    set_up("info", "plain", log_stream)
    token = CALL.set("abc")
    logging.getLogger("x").warning("odd")
    CALL.reset(token)
    logging.getLogger("x").warning("even")
    first, second = log_stream.getvalue().splitlines()
    assert first.endswith("WARNING x: [abc] odd")
    assert second.endswith("WARNING x: even")
