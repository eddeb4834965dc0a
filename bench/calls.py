"""CPU per call: the demo's order call in native dialplan, as a bare panoramisk script, and by us.

    santral bench calls [--rate 50] [--calls 300] [--rounds 1] [--json]

One run, one Asterisk, the same calls at the same rate, one variant after the other. Our own SIP
callers (a process of their own, not counted) press by barge-in one second into each prompt, listen
to the whole status and the goodbye, and check by ear that it was the right one. Counted is the
processor time (user and system, threads and children) of Asterisk and of the engine or script, from
before the first call until the journal is in the database, less what they spend when idle.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from bench.callers import Plan
from bench.native_dialplan import NATIVE, PANORAMISK, dialplan, put_order
from bench.panoramisk_script import ROUTE
from bench.processor import cpu_seconds, machine, versions
from cti.asterisk import free_ports
from cti.db.queries import load_queries
from cti.demo import Demo, demo_running
from cti.demo_call import LINE, expected_files
from cti.demo_shop import CALLER, ORDER
from cti.settings import HOME
from ivr.audio import read_wav
from ivr.errors import BadInput

INTO_PROMPT: Final = 1.0  # seconds after which the caller presses
TONE: Final = 0.14  # seconds one key takes, with the gap behind it
SPARE: Final = 10.0  # seconds a call may last longer than its prompts
SETTLE: Final = 2.0  # seconds until the last event is in the database
IDLE: Final = 5.0  # seconds of looking at what idle processes spend
WARM_UP: Final = 10  # calls
ENGINE_MS, TOTAL_RATIO = 1.5, 1.15  # what is asked for
NUMBERS: Final = {"native": NATIVE, "panoramisk": PANORAMISK, "santral": LINE}
Sounds = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that runs, and what a caller does."""

    demo: Demo
    pids: Mapping[str, int]  # asterisk, panoramisk, santral
    plan: Plan
    idle: dict[str, float]  # CPU seconds a second

    def spent(self) -> dict[str, float]:
        return {name: cpu_seconds(pid) for name, pid in self.pids.items()}


async def run(rate: float, calls: int, rounds: int) -> dict[str, Any]:
    """The whole comparison; the report as data."""
    about = machine()
    async with stage(rate, calls) as made:
        for number in NUMBERS.values():
            await place(replace(made.plan, number=number, calls=WARM_UP, rate=10.0))
        await look_at_idle(made)
        measured: dict[str, list[dict[str, Any]]] = {name: [] for name in NUMBERS}
        for turn in range(rounds):
            for name in _rotated(list(NUMBERS), turn):
                tell(f"round {turn + 1} of {rounds}: {calls} calls to {name}")
                measured[name].append(await measure(made, name))
        about["asterisk"] = made.demo.asterisk.installation.title
        idle = {name: round(seconds * 1000, 3) for name, seconds in made.idle.items()}
    return {
        "machine": about,
        "versions": versions("panoramisk", "uvloop", "sqlalchemy"),
        "rate": rate,
        "calls": calls,
        "idle_ms_per_second": idle,
        "rounds": measured,
        **verdict(measured),
    }


async def measure(stage: Stage, name: str) -> dict[str, Any]:
    """All calls to one variant: CPU per call in milliseconds, and what came of the calls."""
    loop, plan = asyncio.get_running_loop(), replace(stage.plan, number=NUMBERS[name])
    before, began = stage.spent(), loop.time()
    used: dict[str, float] = {}

    async def over() -> None:
        await asyncio.sleep(SETTLE)
        lasted = loop.time() - began
        for process, seconds in stage.spent().items():
            spent = seconds - before[process] - stage.idle[process] * lasted
            used[process] = round(spent / plan.calls * 1000, 3)

    outcome = await place(plan, over)
    engine = used.get(name, 0.0)
    total = round(used["asterisk"] + engine, 3)
    return {"asterisk_ms": used["asterisk"], "engine_ms": engine, "total_ms": total, **outcome}


async def look_at_idle(stage: Stage) -> None:
    before = stage.spent()
    await asyncio.sleep(IDLE)
    stage.idle.update({name: (now - before[name]) / IDLE for name, now in stage.spent().items()})


def verdict(rounds: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """The ratios (medians over the rounds, each within its own round), and whether all is well."""
    native, bare, ours = (rounds[name] for name in NUMBERS)
    total = [our["total_ms"] / its["total_ms"] for our, its in zip(ours, native, strict=True)]
    engine = [our["engine_ms"] / its["engine_ms"] for our, its in zip(ours, bare, strict=True)]
    failed = sum(one["failed"] for variant in rounds.values() for one in variant)
    engine_ms = statistics.median(our["engine_ms"] for our in ours)
    ratio = statistics.median(total)
    return {
        "engine_ms": engine_ms,
        "total_to_native": round(ratio, 3),
        "total_to_native_spread": [round(min(total), 3), round(max(total), 3)],
        "engine_to_panoramisk": round(statistics.median(engine), 3),
        "engine_to_panoramisk_spread": [round(min(engine), 3), round(max(engine), 3)],
        "failed": failed,
        "good": failed == 0 and engine_ms <= ENGINE_MS and ratio <= TOTAL_RATIO,
    }


@contextlib.asynccontextmanager
async def stage(rate: float, calls: int) -> AsyncIterator[Stage]:
    """Asterisk with all three variants, the engine, the script; a new shop and journal."""
    state = HOME / ".santral"
    state.mkdir(exist_ok=True)
    async with contextlib.AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=state)))
        prompts = state / "demo" / "prompts"
        demo = await stack.enter_async_context(
            demo_running(state, tell, home=home, prompt_cache=prompts, speech_port=0)
        )
        files = await expected_files(demo)
        sounds = {name: "&".join(str(f.with_suffix("")) for f in files[name]) for name in files}
        port = free_ports(1)[0]
        script = await stack.enter_async_context(_script(port, demo, sounds))
        asterisk = demo.asterisk
        extra = {"extensions.conf": dialplan(sounds, f"agi://127.0.0.1:{port}/{ROUTE}")}
        await asterisk.reload(replace(asterisk.settings, extra=extra))
        await put_order(asterisk)
        pids = {"asterisk": asterisk.pid, "panoramisk": script, "santral": demo.engine.pid}
        yield Stage(demo, pids, _plan(demo, files, rate, calls), {})


def _plan(demo: Demo, files: Mapping[str, Sequence[Path]], rate: float, calls: int) -> Plan:
    def seconds(prompt: str) -> float:
        sounds = [read_wav(file) for file in files[prompt]]
        return sum(len(samples) / sample_rate for samples, sample_rate in sounds)

    first = seconds("welcome") + INTO_PROMPT
    press = [(first, "1"), (first + TONE + INTO_PROMPT, f"{ORDER}#")]
    listening = press[-1][0] + TONE * (len(ORDER) + 1)
    host, sip_port = demo.sip
    return Plan(
        host, sip_port, demo.account.name, demo.account.password, "", calls, rate, press,
        listening + seconds("status") + seconds("goodbye") + SPARE,
        [str(file) for file in files["status"]],
    )  # fmt: skip


@contextlib.asynccontextmanager
async def _script(port: int, demo: Demo, sounds: Sounds) -> AsyncIterator[int]:
    """The panoramisk script's process id, while it runs."""
    queries = load_queries(demo.settings.scenarios / "queries.yaml")
    database = demo.settings.lookup_database.partition(":///")[2]
    script = {
        **{name: sounds[name] for name in ("welcome", "main", "ask_number", "status", "goodbye")},
        "sql": queries["order_by_number"].sql, "phone": CALLER, "database": database,
    }  # fmt: skip
    async with _child("bench.panoramisk_script", str(port)) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps(script).encode() + b"\n")
        if await child.stdout.readline() != b"ready %d\n" % port:
            raise BadInput("the panoramisk script did not start")
        yield child.pid


async def place(plan: Plan, over: Any = None) -> dict[str, Any]:
    """Have the callers call; `over` is awaited between the last call and the check by ear."""
    async with _child("bench.callers") as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(plan.to_json().encode() + b"\n")
        if await child.stdout.readline() != b"over\n":
            raise BadInput("the callers gave up")
        if over is not None:
            await over()
        child.stdin.write(b"\n")
        outcome: dict[str, Any] = json.loads(await child.stdout.readline())
        await child.wait()
        return outcome


@contextlib.asynccontextmanager
async def _child(module: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, stdin=pipe, stdout=pipe
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


def _rotated(names: list[str], turn: int) -> list[str]:
    return names[turn % len(names) :] + names[: turn % len(names)]


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def as_text(report: Mapping[str, Any]) -> str:
    head = f"{'':14}{'Asterisk':>10}{'engine':>10}{'total':>10}{'failed':>9}   (ms of CPU a call)"
    lines = [head]
    for name, rounds in report["rounds"].items():
        for one in rounds:
            lines.append(
                f"{name:14}{one['asterisk_ms']:10.2f}{one['engine_ms']:10.2f}"
                f"{one['total_ms']:10.2f}{one['failed']:9d}"
                + (f"   {one['faults']}" if one["faults"] else "")
            )
    low, high = report["total_to_native_spread"]
    lines += [
        f"Asterisk and engine to native dialplan   {report['total_to_native']:.3f}"
        f"  ({low:.3f} to {high:.3f}; at most {TOTAL_RATIO})",
        f"engine to panoramisk script              {report['engine_to_panoramisk']:.3f}",
        f"engine, ms of CPU a call                 {report['engine_ms']:.3f} (at most {ENGINE_MS})",
        "good" if report["good"] else "NOT as it should be",
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="santral bench calls", description="CPU per call.")
    parser.add_argument("--rate", type=float, default=50.0, help="calls begun a second (50)")
    parser.add_argument("--calls", type=int, default=300, help="calls to each variant (300)")
    parser.add_argument("--rounds", type=int, default=1, help="how often all of it is done (1)")
    parser.add_argument("--json", action="store_true", help="the report as data")
    given = parser.parse_args(arguments)
    report = asyncio.run(run(given.rate, given.calls, given.rounds))
    print(json.dumps(report, indent=2) if given.json else as_text(report))
    return 0 if report["good"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
