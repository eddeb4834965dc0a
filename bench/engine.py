"""What the engine spends on the demo's order call, part by part, without Asterisk; and its memory.

    santral bench engine [--rate 50] [--calls 300] [--rounds 1] [--layers loop,agi,...] [--json]

Callers in a process of their own speak Asterisk's bytes in real time (agi_callers.py). Counted is
the processor time of the engine's process with its threads, to the nanosecond, less
what it spends when idle. The layers are those of engine_layers.py, beside the panoramisk script.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import psutil

from bench.agi_callers import Plan
from bench.engine_layers import LAYERS
from bench.panoramisk_script import ROUTE
from bench.processor import machine, thread_seconds, versions
from cti.db.engine import open_engine
from cti.db.lookup import open_lookup
from cti.db.migrate import upgrade
from cti.db.queries import load_queries
from cti.demo_shop import CALLER, ORDER, seed_shop
from cti.settings import CHECKOUT, HOME, Settings
from ivr.call import Utterance
from ivr.errors import BadInput
from ivr.flow.loader import load_flow
from ivr.prompts.opening import PromptSettings, open_prompts

PEER: Final = "panoramisk"
IDLE: Final = 4.0  # seconds of looking at what it spends without a call
LOOKS: Final = 8  # at most
SETTLED: Final = 0.7  # of what it spent the time before: it is not getting less any more
SETTLE: Final = 2.0  # seconds until the last event is in the database
WARM_UP: Final = 20  # calls
HELD: Final = 500  # calls at once, whose memory is looked at
ENGINE_MS, CALL_KB = 1.5, 60.0  # what is asked for


@dataclass(frozen=True, slots=True)
class Stage:
    settings: Settings
    script: dict[str, str]
    plan: Plan


@contextlib.asynccontextmanager
async def stage(rate: float, calls: int) -> AsyncIterator[Stage]:
    """A shop and prompts of our own, and what is said to a caller."""
    state = HOME / ".santral"
    state.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=state) as folder:
        settings = Settings.model_validate(
            {"state": Path(folder), "prompt_cache": state / "demo" / "prompts", "agi_port": 0}
        )
        database = open_engine(settings.journal_database)
        await upgrade(database)
        await seed_shop(database)
        await database.dispose()
        yield Stage(settings, await _script(settings), Plan(0, calls, rate, CALLER, ORDER))


async def _script(settings: Settings) -> dict[str, str]:
    """The sounds by prompt, joined by `&`; what is asked is one file (as the engine plays it)."""
    flow = load_flow(settings.scenarios / "order_line.yaml")
    queries = load_queries(settings.scenarios / "queries.yaml")
    async with open_lookup(settings.lookup_database, queries) as lookup:
        order = await lookup.find("order_by_number", {"number": ORDER, "phone": CALLER}, 5.0)
    known = {"order": order, "number": ORDER, "language": "tr"}
    sounds = {}
    async with open_prompts(PromptSettings(settings.prompts, settings.sounds)) as library:
        for name in ("welcome", "main", "ask_number", "status", "goodbye"):
            pieces = flow.prompts[name].template("tr").pieces(known)
            files = await library.files(Utterance(name, "tr", pieces, flow.name))
            sounds[name] = "&".join(str(file.with_suffix("")) for file in files)
    return sounds


@contextlib.asynccontextmanager
async def served(made: Stage, layer: str) -> AsyncIterator[tuple[int, Plan]]:
    """A layer in a process of its own: its process id, and the plan with its port."""
    settings, plan, script = made.settings, made.plan, dict(made.script)
    module, arguments = "bench.engine_layers", [layer]
    if layer == PEER:
        queries = load_queries(settings.scenarios / "queries.yaml")
        script |= {
            "sql": queries["order_by_number"].sql, "phone": CALLER,
            "database": settings.lookup_database.partition(":///")[2],
        }  # fmt: skip
        module, arguments = "bench.panoramisk_script", ["0"]
        plan = replace(plan, path=ROUTE, dialled="")
    environment = {
        **os.environ, "PYTHONPATH": str(CHECKOUT), "SANTRAL_STATE": str(settings.state),
        "SANTRAL_PROMPT_CACHE": str(settings.prompts), "SANTRAL_AGI_PORT": "0",
        "SANTRAL_WEB_PAGES": str(HOME / ".santral"),  # made anew they would be no idling
    }  # fmt: skip
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, stdin=pipe, stdout=pipe, env=environment
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        child.stdin.write(json.dumps(script).encode() + b"\n")
        word, _, port = (await child.stdout.readline()).decode().partition(" ")
        if word != "ready":
            raise BadInput(f"the layer {layer} did not start")
        yield child.pid, replace(plan, port=int(port))
    finally:
        if child.returncode is None:
            child.terminate()
            await child.wait()


async def call(plan: Plan) -> int:
    """Have the callers call; how many failed."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.agi_callers", stdin=pipe, stdout=pipe
    )
    said, _ = await child.communicate(plan.to_json().encode() + b"\n")
    return plan.calls - int(said or 0)


async def measure(made: Stage, layer: str) -> dict[str, Any]:
    """Milliseconds a call, idle milliseconds a second, and failed calls."""
    async with served(made, layer) as (pid, plan):
        failed = await call(replace(plan, calls=WARM_UP))
        await asyncio.sleep(SETTLE)
        idle = await idle_of(pid)
        loop = asyncio.get_running_loop()
        before, began = thread_seconds(pid), loop.time()
        failed += await call(plan)
        await asyncio.sleep(SETTLE)
        spent = thread_seconds(pid) - before - idle * (loop.time() - began)
    return {
        "ms": round(spent / plan.calls * 1e3, 3),
        "idle_ms": round(idle * 1e3, 3),
        "failed": failed,
    }


async def idle_of(pid: int) -> float:
    """CPU seconds a second without calls, once it is done with what every start does (the pages'
    bundle, say): the last of several looks, which is no less than most of the one before."""
    last = math.inf
    for _ in range(LOOKS):
        before = thread_seconds(pid)
        await asyncio.sleep(IDLE)
        spent = (thread_seconds(pid) - before) / IDLE
        if spent > last * SETTLED:
            return min(spent, last)
        last = spent
    return last


async def memory(made: Stage) -> dict[str, Any]:
    """Kilobytes a call takes, with so many held in their first prompt at once.

    What the process allocates on the way to so many, and keeps, counts as theirs.
    """
    async with served(made, "all") as (pid, plan):
        failed = await call(replace(plan, calls=WARM_UP))
        await asyncio.sleep(SETTLE)
        process = psutil.Process(pid)
        idle = process.memory_full_info().uss
        calls = asyncio.create_task(call(replace(plan, calls=HELD, rate=200.0, hold=6.0)))
        await asyncio.sleep(HELD / 200.0 + 3.0)
        held = process.memory_full_info().uss
        failed += await calls
    return {"call_kb": round((held - idle) / HELD / 1e3, 1), "idle_mb": round(idle / 1e6, 1),
            "calls": HELD, "failed": failed}  # fmt: skip


async def run(rate: float, calls: int, rounds: int, layers: Sequence[str]) -> dict[str, Any]:
    """The report as data."""
    about = machine()
    async with stage(rate, calls) as made:
        measured: dict[str, list[dict[str, Any]]] = {layer: [] for layer in layers}
        for turn in range(rounds):
            for layer in layers:
                print(f"round {turn + 1} of {rounds}: {layer}", file=sys.stderr, flush=True)
                measured[layer].append(await measure(made, layer))
        held = await memory(made) if "all" in layers else {}
    return {
        "machine": about, "versions": versions("uvloop", "panoramisk", "sqlalchemy"),
        "rate": rate, "calls": calls, "layers": measured, "memory": held,
    }  # fmt: skip


def as_text(report: dict[str, Any]) -> str:
    lines = [f"{'':12}{'ms a call':>10}{'lowest':>9}{'idle ms/s':>11}{'failed':>8}"]
    for layer, rounds in report["layers"].items():
        spent = [one["ms"] for one in rounds]
        idle = statistics.median(one["idle_ms"] for one in rounds)
        failed = sum(one["failed"] for one in rounds)
        lines.append(
            f"{layer:12}{statistics.median(spent):10.3f}{min(spent):9.3f}{idle:11.2f}{failed:8d}"
        )
    if held := report["memory"]:
        lines.append(f"memory: {held['call_kb']} kB a call, {held['calls']} held at once "
                     f"(at most {CALL_KB:g}); idle {held['idle_mb']} MB")  # fmt: skip
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="santral bench engine", description=__doc__)
    parser.add_argument("--rate", type=float, default=50.0, help="calls a second")
    parser.add_argument("--calls", type=int, default=300, help="calls to each layer")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--layers", default=",".join((PEER, *LAYERS)))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    layers = options.layers.split(",")
    report = asyncio.run(run(options.rate, options.calls, options.rounds, layers))
    print(json.dumps(report, indent=2) if options.json else as_text(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
