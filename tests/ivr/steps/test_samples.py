"""Every step type has a sample beside this file, and every sample is a conversation that is run."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from ivr.flow.loader import TYPES
from ivr.hours import OpeningHours
from tests.ivr.talking import converse_with

SAMPLES = Path(__file__).parent


def cases() -> list[Any]:
    found = []
    for path in sorted(SAMPLES.glob("*.yaml")):
        flow, *conversations = yaml.safe_load_all(path.read_text("utf-8"))
        text = path.read_text("utf-8").split("\n---\n")[0]
        others = tuple(flow.get("others", ())) if isinstance(flow, dict) else ()
        for case in conversations:
            found.append(pytest.param(text, others, case, id=f"{path.stem}: {case['name']}"))
    return found


def test_every_step_type_has_a_sample_and_every_sample_a_step_type() -> None:
    assert {path.stem for path in SAMPLES.glob("*.yaml")} == set(TYPES)


@pytest.mark.parametrize(("flow", "others", "case"), cases())
async def test_sample(flow: str, others: tuple[str, ...], case: dict[str, Any]) -> None:
    script = [str(line) for line in case.get("script", [])]
    subs = tuple(case.get("others", ()))
    hours = {name: OpeningHours.model_validate(t) for name, t in case.get("hours", {}).items()}
    now = datetime.fromisoformat(case["now"]) if "now" in case else None
    call = await converse_with(
        *script, flow=flow, given=case.get("given"), others=subs, hours=hours, now=now
    )
    assert call.path == case["path"]
    if "heard" in case:
        assert call.heard == case["heard"]
    if "went" in case:
        assert list(call.went or ()) == case["went"]
    if "did" in case:
        assert [f"{name} {data}" for name, data, _ in call.world.done] == case["did"]
