"""The sample of a step type, run: a flow and a conversation, for the documentation and its test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from ivr.flow.loader import Library, load_text
from ivr.hours import OpeningHours
from ivr.lab.script import Act, ScriptCall, Turn, VirtualClock
from ivr.lab.trial import Around, Talked, Trial, info_of, run_trial


@dataclass(frozen=True)
class Example:
    """A sample file: the flow as it is written, and its first conversation."""

    flow: str
    case: Mapping[str, Any]


def read_example(path: Path) -> Example:
    """A file of `tests/ivr/steps`: a flow, then conversations."""
    text = path.read_text("utf-8")
    flow, *cases = text.split("\n---\n")
    return Example(flow.strip(), yaml.safe_load(cases[0]))


async def run_example(example: Example) -> Talked:
    """Its first conversation, run by the engine."""
    case = example.case
    flow = load_text(example.flow)
    library = Library([*map(load_text, case.get("others", ())), flow])
    hours = {name: OpeningHours.model_validate(t) for name, t in case.get("hours", {}).items()}
    given = {"call.caller": "+905321112233", "call.dialled": "100", **_given(case.get("given", {}))}
    trial = Trial(name=case["name"], flow=flow.name, given=given, language="en", now=_now(case))
    clock = VirtualClock()
    call = ScriptCall(info_of(trial), _turns(case.get("script", ())), clock)
    return await run_trial(trial, Around(library, hours), call, clock)


def _now(case: Mapping[str, Any]) -> datetime | None:
    return datetime.fromisoformat(str(case["now"])) if "now" in case else None


def _given(given: Mapping[str, Any]) -> dict[str, Any]:
    """Samples name what is given by its bare name: it stands for whatever is asked by it."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        bare = name.partition("://")[2] or name
        found |= {f"{area}.{bare}": value for area in ("query", "update", "notify", "switch")}
        found[f"http.{bare}"] = value
    return found


def _turns(script: Any) -> list[Turn]:
    """`"1"` presses keys, `"says:yes"` speaks, `""` is silence, `"hangup"` hangs up."""
    turns = []
    for line in map(str, script):
        if line == "hangup":
            turns.append(Turn(Act.HANGS_UP))
        elif line.startswith("says:"):
            turns.append(Turn(Act.SAYS, line.removeprefix("says:")))
        else:
            turns.append(Turn(Act.PRESSES, line) if line else Turn(Act.SILENT))
    return turns
