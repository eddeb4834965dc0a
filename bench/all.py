"""`santral bench all`: every measurement, one after the other, and one report of them.

    santral bench all               about a quarter of an hour; the machine should do nothing else
    santral bench all --whole       everything in full: an hour and more
    santral bench all --only calls,engine

Writes `report.md` and `report.json` (--into FOLDER): the machine, the versions, every ratio against
a peer, every bench's own figures, and which of them did not reach what is asked for. A bench that
fails or cannot run here is in the report by its name and reason; nothing is left out in silence.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from bench.processor import machine, versions
from cti.settings import CHECKOUT

PACKAGES: Final = ("aiohttp", "asyncpg", "panoramisk", "sqlalchemy", "uvloop", "vosk")
RATIO: Final = ("_to_", "ratio", "_growth")
LONGEST: Final = 3 * 3600.0  # seconds that one bench may take
SHOWN: Final = 60  # lines of a bench's text


@dataclass(frozen=True, slots=True)
class Part:
    """One bench: its options for the short report, and for the whole one."""

    name: str
    short: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()


PARTS: Final = (
    Part("calls", ("--calls", "150", "--json"), ("--rounds", "3", "--json")),
    Part("engine", ("--calls", "150", "--json"), ("--rounds", "3", "--json")),
    Part("capacity", ("--rates", "5,10", "--seconds", "15", "--json"), ("--json",)),
    Part("journal", ("--calls", "200", "--json"), ("--json",)),
    Part("lookup", ("--json",), ("--json",)),
    Part("check"),
    Part("policy"),
    Part("pop", ("--desks", "50", "--seconds", "20"), ()),
    Part("dial", ("pace", "--seconds", "15"), ("pace", "--seconds", "60")),
    Part("outage", ("--rate", "5", "--seconds", "15", "--json"), ("--json",)),
    Part("crash", ("--kills", "10", "--json"), ("--json",)),
    Part("speech", ("--items", "20", "--skip", "load"), ()),
    Part("reports", ("--calls", "5000", "--engines", "sqlite"), ()),
    Part("fuzz", ("--inputs", "50000"), ("--inputs", "1000000")),
    Part("soak", ("--hours", "0.03", "--rate", "2"), ("--hours", "0.5", "--rate", "20")),
    Part("defences", ("--only", "expressions"), ()),
)


def measure(part: Part, *, whole: bool) -> dict[str, Any]:
    """Run one in a process of its own: its figures where it tells them as JSON, else its text."""
    options = part.whole if whole else part.short
    command = [sys.executable, "-m", "cti.cli", "bench", part.name, *options]
    began = time.monotonic()
    try:
        done = subprocess.run(
            command, cwd=CHECKOUT, env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LONGEST, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"name": part.name, "options": options, "code": None, "why": f"over {LONGEST:g} s"}
    figures = _figures(done.stdout)
    told: dict[str, Any] = {
        "name": part.name, "options": list(options), "code": done.returncode,
        "seconds": round(time.monotonic() - began, 1), "figures": figures,
    }  # fmt: skip
    if figures is None:
        told["text"] = done.stdout.strip().splitlines()[-SHOWN:]
    if done.returncode:
        told["why"] = (done.stderr.strip().splitlines() or [""])[-1]
    return told


def _figures(text: str) -> Any:
    """The JSON that a bench printed, wherever it begins; None when it printed none."""
    for begin in ("{\n", "{", "["):
        start = text.find(begin)
        if start >= 0:
            try:
                return json.loads(text[start:])
            except ValueError:
                continue
    return None


def ratios(figures: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, float]]:
    """Every figure that compares two, by its place."""
    if isinstance(figures, Mapping):
        for name, value in figures.items():
            yield from ratios(value, (*path, str(name)))
    elif isinstance(figures, int | float) and not isinstance(figures, bool):
        last = path[-1] if path else ""
        yield from [(".".join(path), float(figures))] * any(mark in last for mark in RATIO)


def report(parts: Sequence[Part], *, whole: bool) -> dict[str, Any]:
    about = {**machine(), "versions": {**versions(*PACKAGES), "santral": _ours()}}
    told = []
    for part in parts:
        print(f"{part.name} ...", file=sys.stderr, flush=True)
        told.append(measure(part, whole=whole))
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"), "whole": whole, "machine": about,
        "load_after": round(os.getloadavg()[0], 2),
        "ratios": {
            f"{one['name']}.{name}": value
            for one in told
            for name, value in ratios(one.get("figures"))
        },
        "benches": told,
    }  # fmt: skip


def _ours() -> str:
    """The commit, in a checkout; else the version."""
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=CHECKOUT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode == 0:
        return done.stdout.strip()
    try:
        return version("santral")
    except PackageNotFoundError:
        return "unknown"


def as_markdown(told: Mapping[str, Any]) -> str:
    about = told["machine"]
    words = ", ".join(f"{name} {one}" for name, one in about["versions"].items())
    lines = [
        "# Santral, measured",
        "",
        f"{told['at']}; {'in full' if told['whole'] else 'the short run'}. {about['cores']} cores "
        f"{about['processor']}, Linux {about['kernel']}, load {about['load_before']} before and "
        f"{told['load_after']} after. {words}.",
        "",
        "## Ratios",
        "",
        "| what | ratio |",
        "| --- | --: |",
        *(f"| {name} | {value:.3f} |" for name, value in told["ratios"].items()),
        "",
        "## Benches",
        "",
        "| bench | options | seconds | reached what is asked for |",
        "| --- | --- | --: | --- |",
    ]
    for one in told["benches"]:
        why = f"no: {one.get('why', '')}".rstrip(": ") if one["code"] != 0 else "yes"
        options = " ".join(one["options"]) or "-"
        lines.append(f"| {one['name']} | `{options}` | {one.get('seconds', 0):.0f} | {why} |")
    for one in told["benches"]:
        lines += ["", f"## {one['name']}", "", "```"]
        text = one.get("text")
        if text is None:
            text = json.dumps(_short(one.get("figures")), indent=1, ensure_ascii=False).splitlines()
        lines += [*text, "```"]
    return "\n".join(lines) + "\n"


def _short(figures: Any) -> Any:
    """Without long lists: those are in the JSON."""
    if isinstance(figures, Mapping):
        return {name: _short(value) for name, value in figures.items()}
    if isinstance(figures, list):
        return [_short(one) for one in figures[:6]] + (["..."] if len(figures) > 6 else [])
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="santral bench all", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--whole", action="store_true", help="every bench in full")
    parser.add_argument("--only", default="", help="these, by commas")
    parser.add_argument("--into", type=Path, default=Path("bench-report"), help="the folder")
    options = parser.parse_args(arguments)
    names = options.only.split(",") if options.only else [part.name for part in PARTS]
    if unknown := set(names) - {part.name for part in PARTS}:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    told = report([part for part in PARTS if part.name in names], whole=options.whole)
    options.into.mkdir(parents=True, exist_ok=True)
    (options.into / "report.json").write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    (options.into / "report.md").write_text(as_markdown(told), "utf-8")
    print(as_markdown(told).partition("\n## Benches")[0])
    print(f"written: {options.into / 'report.md'}, {options.into / 'report.json'}")
    return 0 if all(one["code"] == 0 for one in told["benches"]) else 1


if __name__ == "__main__":
    sys.exit(main())
