"""What stands in other files."""

from __future__ import annotations

from tests.ivr.flow.defects.making import Made, kind, step_of
from tests.ivr.flow.defects.world import Files


def _renamed(good: Files, type_: str, key: str) -> Made:
    """Steps of a type that name something that is not there."""
    for file, name, step in good.steps():
        if step["type"] == type_:
            files, changed = step_of(good, file, name)
            changed[key] = step[key] + "_x"
            yield f"{file} {name}", files


@kind("no-such-query")
def a_query_that_is_not_there(good: Files) -> Made:
    yield from _renamed(good, "lookup", "query")


@kind("no-such-entry")
def an_update_that_is_not_there(good: Files) -> Made:
    yield from _renamed(good, "update", "query")


@kind("no-such-hours")
def hours_that_are_not_there(good: Files) -> Made:
    yield from _renamed(good, "hours", "table")


@kind("no-such-queue")
def a_queue_that_is_not_there(good: Files) -> Made:
    yield from _renamed(good, "queue", "to")
    files, changed = step_of(good, "shop.yaml", "to_desk")
    changed["to"] = "supprot"
    yield "a transfer", files


@kind("no-such-flow")
def a_flow_that_is_not_there(good: Files) -> Made:
    yield from _renamed(good, "call", "flow")
    files = good.copy()
    files.data["tables.yaml"]["lines"]["100"]["flow"] = "shoppe"
    yield "a line", files


@kind("missing-parameter")
def a_parameter_left_out(good: Files) -> Made:
    for file, name, step in good.steps():
        for parameter in step.get("with", {}):
            if (step.get("query"), parameter) not in {
                ("customer_by_code", "phone"),
                ("order_by_number", "phone"),
            }:
                files, changed = step_of(good, file, name)
                del changed["with"][parameter]
                yield f"{file} {name} {parameter}", files


@kind("missing-parameter")
def a_line_into_a_flow_that_takes_something(good: Files) -> Made:
    files = good.copy()
    files.data["shop.yaml"]["takes"] = ["campaign"]
    files.data["shop.yaml"]["prompts"]["hello"]["en"] += " {{ campaign }}"
    yield "a line", files


@kind("unknown-parameter")
def a_parameter_too_many(good: Files) -> Made:
    for file, name, step in good.steps():
        if "with" in step:
            files, changed = step_of(good, file, name)
            changed["with"]["colour"] = "red"
            yield f"{file} {name}", files


@kind("endless-calls")
def a_flow_that_enters_itself(good: Files) -> Made:
    for flow in ("identify", "shop"):
        files = good.copy()
        steps = files.data["identify.yaml"]["steps"]
        steps["unknown"]["next"] = "again"
        give = {"with": {"phone": "1"}} if flow == "identify" else {}
        steps["again"] = {"type": "call", "flow": flow, "next": "return", **give}
        yield f"identify enters {flow}", files


@kind("return-from-top")
def a_line_into_a_sub_flow(good: Files) -> Made:
    files = good.copy()
    files.data["tables.yaml"]["lines"]["200"] = {"flow": "identify"}
    yield "a line", files
    for name in ("goodbye", "thanks", "closed", "busy"):
        if name in good.data["shop.yaml"]["steps"]:
            files, changed = step_of(good, "shop.yaml", name)
            changed["next"] = "return"
            yield f"shop {name} returns", files
