"""`santral try`: what is run, and what is shown of it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ivr.errors import FlowRefused
from ivr.flow.folder import Checked, check_folder
from ivr.hours import OpeningHours
from ivr.lab.coverage import Coverage
from ivr.lab.trial import Around, Talked, Trial, read_trials, run_all


def say(text: str = "") -> None:
    sys.stdout.write(text + "\n")


def around_of(checked: Checked) -> Around:
    """What tests of a checked folder share. Tables of hours that are wrong are left out."""
    hours = {}
    for name, entry in checked.world.tables.get("hours", {}).items():
        try:
            hours[name] = OpeningHours.model_validate(entry.data)
        except ValidationError:
            continue
    return Around(checked.library, hours)


def read_tests(folder: Path, only: Path | None, name: str) -> list[tuple[Trial, str, int]]:
    """The tests of a folder's `tests`, or of one file; `FlowRefused` for mistakes in them."""
    files = [only] if only else sorted((folder / "tests").glob("*.yaml"))
    return [
        (trial, str(path), line)
        for path in files
        for trial, line in read_trials(path)
        if name in trial.name
    ]


def try_all(folder: Path, only: Path | None, *, name: str = "", as_json: bool = False) -> int:
    """Run the tests and show how they went; the exit code."""
    checked = check_folder(folder)
    try:
        tests = read_tests(folder, only, name)
    except FlowRefused as error:
        say(str(error))
        return 1
    around = around_of(checked)
    began = time.perf_counter()
    talked = run_all(tests, around)
    seconds = time.perf_counter() - began
    coverage = Coverage()
    for one in talked:
        coverage.add(one.entries)
    if as_json:
        say(json.dumps(_told(talked, coverage, around, seconds), ensure_ascii=False, indent=2))
    else:
        _show(talked, coverage, around, seconds)
        for found in checked.findings:
            if any(not one.passed for one in talked) and found.severity == "error":
                say(str(found))
    return int(any(not one.passed for one in talked) or not talked)


def _show(talked: list[Talked], coverage: Coverage, around: Around, seconds: float) -> None:
    for one in talked:
        if not one.passed:
            say(f"FAILED {one.file}:{one.line}: {one.trial.name}")
            for line in one.transcript():
                say(line)
            say(f"  {one.wrong}")
            say()
    flows = {one.trial.flow for one in talked}
    for flow in around.library:
        if flow.name not in coverage.steps:
            if flow.name not in flows:
                say(f"{flow.name}: no test")
            continue
        steps, ways = coverage.missing(flow)
        all_ways = sum(len(targets) for targets in flow.ways.values())
        taken = all_ways - len(ways)
        line = f"{flow.name}: {len(flow.steps) - len(steps)} of {len(flow.steps)} steps, "
        line += f"{taken} of {all_ways} outcomes"
        if ways:
            line += "; never: " + ", ".join(f"{step} ({outcome})" for step, outcome in ways[:20])
            line += f" and {len(ways) - 20} more" if len(ways) > 20 else ""
        say(line)
    failed = sum(not one.passed for one in talked)
    say(f"{len(talked) - failed} passed, {failed} failed, in {seconds:.2f} s")


def _told(
    talked: list[Talked], coverage: Coverage, around: Around, seconds: float
) -> Mapping[str, Any]:
    flows = {}
    for flow in around.library:
        steps, ways = coverage.missing(flow)
        flows[flow.name] = {
            "steps": len(flow.steps),
            "steps_not_visited": steps,
            "outcomes": sum(len(targets) for targets in flow.ways.values()),
            "outcomes_not_taken": [{"step": step, "outcome": outcome} for step, outcome in ways],
        }
    tests = [
        {
            "name": one.trial.name,
            "file": one.file,
            "line": one.line,
            "flow": one.trial.flow,
            "passed": one.passed,
            "wrong": one.wrong,
            "ended": one.end,
            "talk": [{moment.kind: moment.text} for moment in one.moments],
        }
        for one in talked
    ]
    return {"seconds": round(seconds, 3), "tests": tests, "flows": flows}


def propose(folder: Path, only: Path | None) -> int:
    """Write tests for what no test walks through yet, as YAML."""
    from ivr.lab.proposals import proposals, written

    around = around_of(check_folder(folder))
    tests = read_tests(folder, only, "")
    coverage = Coverage()
    for one in run_all(tests, around):
        coverage.add(one.entries)
    made = [trial for flow in around.library for trial in proposals(flow, around, coverage)]
    if made:
        say(written(made).rstrip())
    sys.stderr.write(f"{len(made)} tests proposed\n")
    return 0
