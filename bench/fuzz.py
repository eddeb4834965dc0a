"""`santral bench fuzz`: millions of broken inputs for everything that reads what others wrote.

One process, repeatable by its seed. An input that breaks a target is kept below tests/fuzz/crashes,
where it is a test from then on; one that takes longer than a second counts as a hang.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from bench.fuzzing.mutate import Mutator
from bench.fuzzing.targets import CRASHES, TARGETS, Target

SLOW = 5.0  # seconds; nothing a peer sends may hold the event loop for longer
HANG = 20  # seconds after which an input is given up
MOST_WAYS = 200_000  # the fuzzer's own memory is bounded, too
GROWTH = 200 * 1024  # kB the process may grow over a campaign


class Hung(Exception):
    """An input took longer than HANG seconds."""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="santral bench fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000, help="of all targets together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", choices=TARGETS, help="only this one")
    parser.add_argument("--report", type=Path, help="write the figures here as JSON")
    options = parser.parse_args(arguments)
    chosen = [TARGETS[options.target]] if options.target else list(TARGETS.values())
    whole = sum(target.share for target in chosen)
    signal.signal(signal.SIGALRM, _alarm)
    rows = []
    for target in chosen:
        row = campaign(target, round(options.inputs * target.share / whole), options.seed)
        rows.append(row)
        print(json.dumps(row), flush=True)
        if options.report:
            options.report.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    total, bad = sum(row["inputs"] for row in rows), sum(row["crashes"] for row in rows)
    grown = max(row["grown_kb"] for row in rows)
    slow = sum(row["slow"] for row in rows)
    print(
        f"{total} inputs, {bad} crashes, {slow} slower than {SLOW:g} s, grown by {grown} kB at most"
    )
    return 1 if bad or slow or grown > GROWTH else 0


def campaign(target: Target, inputs: int, seed: int, *, keep: bool = True) -> dict[str, Any]:
    """So many inputs for one target: what came of them. What breaks it is kept (`keep`)."""
    mutator = Mutator(seed, target.corpus(), target.words)
    led: set[int] = set()
    broken: dict[str, bytes] = {}
    slow, slowest = 0, 0.0
    began, before = time.monotonic(), _resident()
    for number in range(inputs):
        data = mutator.make()
        start = time.thread_time()  # ours alone: the machine may be busy
        if number % 256 == 0:
            signal.alarm(HANG)
        try:
            told = target.run(data, mutator)
        except Exception as error:
            signal.alarm(0)
            broken.setdefault(_place(error), data)
            continue
        took = time.thread_time() - start
        slowest = max(slowest, took)
        if took > SLOW:
            slow += 1
            broken.setdefault(f"slow {took:.1f}", data)
        if len(led) < MOST_WAYS and hash(told) not in led:
            led.add(hash(told))
            mutator.keep(data)
    signal.alarm(0)
    for place, data in broken.items():
        print(f"{target.name}: {place}: {data[:200]!r}", file=sys.stderr)
        if keep:
            _keep(target.name, data)
    return {
        "target": target.name,
        "inputs": inputs,
        "crashes": len(broken),
        "places": sorted(broken),
        "slow": slow,
        "slowest_ms": round(slowest * 1000, 1),
        "ways": len(led),
        "seconds": round(time.monotonic() - began, 1),
        "grown_kb": max(0, _resident() - before),
        "seed": seed,
    }


def _keep(name: str, data: bytes) -> None:
    folder = CRASHES / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{hashlib.sha256(data).hexdigest()[:16]}.bin").write_bytes(data)


def _place(error: BaseException) -> str:
    """One line for all inputs that break at the same place."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    line = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    text = str(error)[:60] if type(error).__name__ == "Wrong" else ""
    return f"{type(error).__name__} {line} {text}".strip()


def _resident() -> int:
    """kB in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024


def _alarm(number: int, frame: FrameType | None) -> None:
    raise Hung(f"no answer in {HANG} s")
