"""Ways: missing, unreachable, circles."""

from __future__ import annotations

from ivr.flow.loader import TYPES
from ivr.steps.base import TARGET
from tests.ivr.flow.defects.making import Made, kind, step_of
from tests.ivr.flow.defects.world import Files, drop, put, targets


@kind("no-such-step")
def a_target_that_is_not_there(good: Files) -> Made:
    for file, name, step in good.steps():
        for place, target in targets(step, set(good.data[file]["steps"])):
            files, changed = step_of(good, file, name)
            put(changed, place, f"{target}x")
            yield f"{file} {name} {place}", files


@kind("no-target", "no-end")
def an_outcome_without_a_target(good: Files) -> Made:
    for file, name, step in good.steps():
        fields = TYPES[step["type"]].model_fields
        for key in step:
            field = fields.get(key)
            if field and field.description == TARGET and field.is_required():
                files, changed = step_of(good, file, name)
                drop(changed, (key,))
                yield f"{file} {name} {key}", files
        for index, _ in enumerate(step.get("options", [])):
            files, changed = step_of(good, file, name)
            drop(changed, ("options", index, "next"))
            yield f"{file} {name} option {index}", files


@kind("no-end")
def a_question_without_an_end(good: Files) -> Made:
    for file, data in good.flows():
        for key in ("no_input", "no_match"):
            if key in data:
                files = good.copy()
                del files.data[file][key]
                yield f"{file} {key}", files
    for file, name, step in good.steps():
        for key in ("no_input", "no_match"):
            if key in step and key not in good.data[file]:
                files, changed = step_of(good, file, name)
                del changed[key]
                yield f"{file} {name} {key}", files


@kind("unreachable")
def a_step_that_is_left_over(good: Files) -> Made:
    for file, data in good.flows():
        end = next(name for name, step in data["steps"].items() if step["type"] != "say")
        files = good.copy()
        files.data[file]["steps"]["left_over"] = {"type": "goto", "next": end}
        yield f"{file} a new one", files
        steps = set(data["steps"])
        for name, step in data["steps"].items():
            for place, target in targets(step, steps):
                leading = [t for s in data["steps"].values() for _, t in targets(s, steps)]
                others = [t for t in sorted(steps) if t not in {target, name} and t in leading]
                shared = {data.get(key, {}).get("next") for key in ("no_input", "no_match")}
                if leading.count(target) == 1 and target not in {*shared, data["start"]}:
                    files, changed = step_of(good, file, name)
                    put(changed, place, others[0])
                    yield f"{file} {name} no longer leads to {target}", files


@kind("silent-cycle", "no-way-out")
def a_circle_that_asks_nothing(good: Files) -> Made:
    for file, name, step in good.steps():
        if step["type"] in {"say", "goto", "set", "notify", "language"}:
            files, changed = step_of(good, file, name)
            changed["next"] = name
            yield f"{file} {name} leads to itself", files
    for file, name, step in good.steps():
        if step["type"] in {"lookup", "http", "update"}:
            files, changed = step_of(good, file, name)
            changed["error"] = name
            yield f"{file} {name} again after an error", files


@kind("unbounded-cycle")
def a_circle_of_silence(good: Files) -> Made:
    for file, name, step in good.steps():
        if step["type"] in {"menu", "collect", "rate"}:
            for key in ("no_input", "no_match"):
                files, changed = step_of(good, file, name)
                changed[key] = {"tries": 1, "next": name}
                yield f"{file} {name} {key} leads back", files
                files, changed = step_of(good, file, name)
                changed[key] = {"tries": 2, "next": "sorry_x"}
                files.data[file]["steps"]["sorry_x"] = {"type": "goto", "next": name}
                yield f"{file} {name} {key} leads back by another step", files


@kind("uncounted-retry")
def a_retry_that_nobody_counts(good: Files) -> Made:
    for file, name, step in good.steps():
        if step["type"] == "collect":
            lookup = good.data[file]["steps"].get(step["next"], {})
            if lookup.get("type") == "lookup":
                files, changed = step_of(good, file, step["next"])
                changed["not_found"] = name
                yield f"{file} {step['next']} asks again without counting", files
    for file, name, step in good.steps():
        for index, case in enumerate(step.get("cases", [])):
            if "visits" in case["when"]:
                files, changed = step_of(good, file, name)
                put(changed, ("cases", index, "when"), case["when"].replace(">=", "<="))
                yield f"{file} {name} counts the wrong way", files
                files, changed = step_of(good, file, name)
                put(changed, ("cases", index, "when"), "call.caller == '100'")
                yield f"{file} {name} does not count", files


@kind("no-way-out", "silent-cycle")
def no_way_out(good: Files) -> Made:
    for file, data in good.flows():
        files = good.copy()
        for step in files.data[file]["steps"].values():
            if step["type"] in {"hangup", "transfer", "queue"}:
                start = data["start"]
                step.clear()
                step.update({"type": "goto", "next": start})
        if files.data[file] != data:
            yield f"{file} every end leads to the start", files
