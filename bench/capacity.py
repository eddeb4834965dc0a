"""How many calls this machine takes, at once and a second, by us and by Asterisk's native dialplan.

    santral bench capacity [--rates 5,10,20,40] [--seconds 25] [--json] [--write]

One Asterisk, one engine, the demo's order call (`bench calls` tells it in full). For each variant
the rate goes up step by step; a step holds when every caller was answered, heard their order whole
and was let go, and no more than 0.1% of the sound went missing. A variant is done at the first step
that does not hold. The callers are on the same machine, and what they use is told, too: where they
came late themselves (by more than 100 ms) the step says so: then it is they who are full.
`--write` makes docs/capacity.md of it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import psutil

from bench import engine as bench_engine
from bench.calls import NUMBERS, WARM_UP, Stage, look_at_idle, place, stage, tell
from bench.processor import machine, versions
from cti.settings import CHECKOUT

PAGE: Final = CHECKOUT / "docs/capacity.md"
VARIANTS: Final = ("native", "santral")
MISSING: Final = 0.001  # of the sound
LATE_MS: Final = 100.0  # of the callers' own sound
MEMORY_KB: Final = 60.0  # a call in the engine; what is asked for


async def run(rates: Sequence[float], seconds: float) -> dict[str, Any]:
    """The whole measurement as data."""
    about = machine()
    steps: dict[str, list[dict[str, Any]]] = {name: [] for name in VARIANTS}
    async with stage(rates[0], 1) as made:
        for name in VARIANTS:
            await place(replace(made.plan, number=NUMBERS[name], calls=WARM_UP, rate=5.0))
        await look_at_idle(made)
        about["asterisk"] = made.demo.asterisk.installation.title
        for name in VARIANTS:
            for rate in rates:
                tell(f"{name}: {rate:g} calls a second")
                one = await step(made, name, rate, seconds)
                steps[name].append(one)
                if not one["holds"]:
                    break
    tell("memory")
    async with bench_engine.stage(100.0, bench_engine.WARM_UP) as made_engine:
        held = await bench_engine.memory(made_engine)
    return {
        "machine": about, "versions": versions("uvloop", "sqlalchemy"), "seconds": seconds,
        "steps": steps, "memory": held, **_verdict(steps),
    }  # fmt: skip


async def step(made: Stage, name: str, rate: float, seconds: float) -> dict[str, Any]:
    """One rate: what it took, and whether it held."""
    plan = replace(made.plan, number=NUMBERS[name], calls=max(1, round(rate * seconds)), rate=rate)
    before, began = made.spent(), time.monotonic()
    busy, used = psutil.cpu_times(), {}

    async def over() -> None:
        lasted = time.monotonic() - began
        after = made.spent()
        for process in ("asterisk", "santral"):
            spent = after[process] - before[process]
            used[process] = round((spent - made.idle[process] * lasted) / plan.calls * 1000, 2)
        used["machine"] = round(_busy(busy, psutil.cpu_times()) / lasted, 2)

    told = await place(plan, over)
    rtp = told["rtp"]
    missing = rtp["lost"] / max(1, rtp["received"] + rtp["lost"])
    ours = used["santral"] if name == "santral" else 0.0
    return {
        "rate": rate, "calls": plan.calls, "at_once": told["most_at_once"],
        "failed": told["failed"], "faults": told["faults"], "sound_missing": round(missing, 5),
        "asterisk_ms": used["asterisk"], "engine_ms": ours, "cores_busy": used["machine"],
        "callers_late_ms": told["callers_late_ms"],
        "callers_full": told["callers_late_ms"] > LATE_MS,
        "holds": told["failed"] == 0 and missing <= MISSING,
    }  # fmt: skip


def _busy(before: Any, after: Any) -> float:
    """Core-seconds that the whole machine worked."""
    names = ("user", "nice", "system", "irq", "softirq")
    return sum(getattr(after, name) - getattr(before, name) for name in names)


def _verdict(steps: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, tried in steps.items():
        held = [one for one in tried if one["holds"]]
        spent = [one["asterisk_ms"] + one["engine_ms"] for one in held]
        found[name] = {
            "per_second": max((one["rate"] for one in held), default=0.0),
            "at_once": max((one["at_once"] for one in held), default=0),
            "ms_a_call": round(sum(spent) / len(spent), 2) if spent else 0.0,
        }
    spent_at = {
        name: {one["rate"]: one["asterisk_ms"] + one["engine_ms"] for one in tried}
        for name, tried in steps.items()
    }
    # Like with like: at the rates that both were tried at, whether they held or not.
    both = sorted(set(spent_at["native"]) & set(spent_at["santral"]))
    each = [spent_at["santral"][rate] / spent_at["native"][rate] for rate in both]
    ratio = round(sum(each) / len(each), 3) if each else 0.0
    return {"holds": found, "santral_to_native": ratio}


HEAD: Final = """# Capacity

How many calls one machine takes. This page is made by `./santral bench capacity --write`: run it on
your own machine, and read the method in `bench/capacity.py`.

The call is the demo's: a menu, an order number keyed, a look-up, the order's status and a goodbye,
heard to the end (about twenty seconds of sound in both directions). Each step calls for {seconds:g}
seconds; it holds when **every** caller was answered, heard their order whole and was let go, and at
most 0.1% of the sound went missing. The native dialplan has the same sounds and keys, with the
status ready in AstDB: it looks nothing up, writes nothing down, and shows nobody anything. The
callers are on the same machine and are counted in "cores busy", not in "ms a call".

"""


def as_markdown(report: Mapping[str, Any]) -> str:
    about = report["machine"]
    lines = [
        f"{about['cores']} cores {about['processor']}, {about['asterisk']}, Python "
        f"{report['versions']['python']}; load {about['load_before']} before it began.",
        "",
        "| | calls/s | at once | failed | sound missing | Asterisk, ms of CPU a call | engine, ms "
        "of CPU a call | cores busy | callers late | holds |",
        "| --- | --: | --: | --: | --: | --: | --: | --: | --: | --- |",
    ]
    for name, tried in report["steps"].items():
        for one in tried:
            holds = "yes" if one["holds"] else "no"
            if one["callers_full"]:
                holds += ", the callers were full"
            lines.append(
                f"| {name} | {one['rate']:g} | {one['at_once']} | {one['failed']} | "
                f"{one['sound_missing']:.2%} | {one['asterisk_ms']:.1f} | {one['engine_ms']:.1f} | "
                f"{one['cores_busy']:.1f} | {one['callers_late_ms']:.0f} ms | {holds} |"
            )
    lines.append("")
    for name, best in report["holds"].items():
        lines.append(
            f"- **{name}** held {best['per_second']:g} calls a second, {best['at_once']} at once, "
            f"at {best['ms_a_call']:.1f} ms of CPU a call."
        )
    held = report["memory"]
    lines += [
        f"- Asterisk and engine together spend {report['santral_to_native']:.2f} times what the "
        "native dialplan does.",
        f"- Memory in the engine: {held['call_kb']:.0f} kB a call (aim: at most {MEMORY_KB:g}), "
        f"with {held['calls']} held at once; {held['idle_mb']:.0f} MB with none "
        "(`./santral bench engine` measures it alone).",
    ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="santral bench capacity", description=__doc__)
    parser.add_argument("--rates", default="5,10,20,40", help="calls a second, step by step")
    parser.add_argument("--seconds", type=float, default=25.0, help="that each step calls")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help="write docs/capacity.md anew")
    options = parser.parse_args(arguments)
    rates = [float(word) for word in options.rates.split(",")]
    report = asyncio.run(run(rates, options.seconds))
    if options.write:
        page = HEAD.format(seconds=options.seconds) + as_markdown(report)
        PAGE.write_text(page, "utf-8")
    print(json.dumps(report, indent=1) if options.json else as_markdown(report), end="")
    return 0 if report["holds"]["santral"]["per_second"] else 1


if __name__ == "__main__":
    sys.exit(main())
