"""Limits."""

from __future__ import annotations

from tests.ivr.flow.defects.making import Made, kind
from tests.ivr.flow.defects.world import Files


@kind("slow-to-person")
def too_long_to_a_person(good: Files) -> Made:
    for seconds in ("1s", "10s", "20s"):
        files = good.copy()
        files.data["shop.yaml"]["limits"]["person"] = seconds
        yield f"a limit of {seconds}", files
    for prompt in ("hello", "main"):
        for language in ("tr", "en"):
            files = good.copy()
            files.data["shop.yaml"]["prompts"][prompt][language] += " Sizi seviyoruz." * 120
            yield f"{prompt} grows long in {language}", files


@kind("deep-menu")
def a_menu_too_deep(good: Files) -> Made:
    files = good.copy()
    files.data["shop.yaml"]["limits"]["menus"] = 1
    yield "a limit of 1", files
    files = good.copy()
    steps = files.data["shop.yaml"]["steps"]
    option = steps["why"]["options"][0]
    for number in range(3):
        steps[f"deep_{number}"] = {
            "type": "menu", "prompt": "returns",
            "options": [
                {"key": 1, "next": option["next"]},
                {"key": 2, "next": f"deep_{number + 1}" if number < 2 else "changed"},
            ],
        }  # fmt: skip
    option["next"] = "deep_0"
    yield "three more menus", files
