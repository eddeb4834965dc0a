"""Variables."""

from __future__ import annotations

from tests.ivr.flow.defects.making import Made, kind, step_of
from tests.ivr.flow.defects.world import Files, put


@kind("unknown-name")
def a_name_that_nothing_sets(good: Files) -> Made:
    for file, name, prompt in good.prompts():
        for language, text in prompt.items():
            if isinstance(text, str) and "{{ " in text and "flow" in good.data[file]:
                files = good.copy()
                wrong = text.replace("{{ ", "{{ x", 1)
                files.data[file]["prompts"][name][language] = wrong
                yield f"{file} {name} {language}", files
    for file, name, step in good.steps():
        for index, case in enumerate(step.get("cases", [])):
            files, changed = step_of(good, file, name)
            put(changed, ("cases", index, "when"), "x" + case["when"])
            yield f"{file} {name} case {index}", files


@kind("maybe-unset", "never-set")
def a_way_round_what_sets_it(good: Files) -> Made:
    for file, name, step in good.steps():
        kinds = {"lookup": ("not_found", "error"), "http": ("error",), "call": ()}
        if step["type"] in kinds and "save" in step:
            goal = step.get("found") or step.get("ok")
            uses = any(
                f"{step['save']}." in str(text)
                for n, prompt in good.data[file].get("prompts", {}).items()
                if n == good.data[file]["steps"].get(goal, {}).get("prompt")
                for text in prompt.values()
            )
            for outcome in kinds[step["type"]] if uses else ():
                files, changed = step_of(good, file, name)
                changed[outcome] = goal
                yield f"{file} {name} {outcome} leads to {goal}", files
    for name in ("broken", "changed"):
        files, changed = step_of(good, "shop.yaml", name)
        del changed["values"]["reason"]
        yield f"shop.yaml {name} no longer sets reason", files


@kind("never-set")
def a_name_that_is_set_too_late(good: Files) -> Made:
    for start in ("status", "address", "stock", "greet"):
        files = good.copy()
        steps = files.data["shop.yaml"]["steps"]
        files.data["shop.yaml"]["start"] = "first"
        steps["first"] = {"type": "say", "prompt": steps[start]["prompt"], "next": "when"}
        yield f"{start} is said first", files


@kind("never-set")
def a_recording_announced_with_what_is_set_later(good: Files) -> Made:
    for way in ("announce", "consent"):
        for prompt in ("status", "address", "stock"):
            files = good.copy()
            flow = files.data["shop.yaml"]
            flow["record_calls"] = {way: flow["steps"][prompt]["prompt"]}
            yield f"{way} says the prompt of {prompt}", files


@kind("unused-variable")
def a_variable_that_nobody_uses(good: Files) -> Made:
    for file, name, step in good.steps():
        if step["type"] == "set":
            files, changed = step_of(good, file, name)
            changed["values"]["nobody_wants"] = "1"
            yield f"{file} {name}", files


@kind("unknown-column")
def a_column_that_is_not_there(good: Files) -> Made:
    for file, name, prompt in good.prompts():
        for language, text in prompt.items():
            for wrong in ("order.number", "order.total", "order.status"):
                if isinstance(text, str) and wrong in text:
                    files = good.copy()
                    files.data[file]["prompts"][name][language] = text.replace(wrong, wrong + "s")
                    yield f"{file} {name} {language} {wrong}", files
