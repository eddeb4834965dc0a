"""Ways: every target is there, every question has its ends, every step can be reached, and from
every step a caller gets to a person or to the end of the call."""

from __future__ import annotations

from collections.abc import Iterator

from ivr.flow.finding import Finding, meant
from ivr.flow.verify.view import View
from ivr.steps.base import RETURN


def targets(view: View) -> Iterator[Finding]:
    """Targets that are not there, and questions without an end."""
    flow = view.flow
    if flow.start not in flow.steps:
        message = f"there is no step '{flow.start}'{meant(flow.start, flow.steps)}"
        yield view.finding("no-such-step", ("start",), message)
    told = set[tuple[object, ...]]()  # the flow's own `no_input` belongs to many questions
    for number, (name, step) in enumerate(flow.steps.items()):
        ways = flow.ways[name]
        for outcome, target in ways.items():
            if target != RETURN and target not in flow.steps:
                message = f"'{outcome}' leads to '{target}', which is not a step of this flow"
                place = view.target_place(name, outcome, target)
                if (place, outcome) in told:
                    continue
                told.add((place, outcome))
                path = view.ways.path(number)
                message += meant(target, flow.steps)
                yield view.finding("no-such-step", place, message, path)
        for outcome in sorted(step.gives_up() - ways.keys()):
            message = f"question '{name}' needs a '{outcome}' with a 'next', here or in the flow"
            yield view.at("no-end", number, (), message)


def reach(view: View) -> Iterator[Finding]:
    """Steps nobody reaches, and steps from which nobody gets out."""
    ways = view.ways
    if ways.start is None or _broken(view):
        return
    for number, name in enumerate(ways.names):
        if number not in ways.reached:
            yield view.finding("unreachable", ("steps", name), f"no way leads to step '{name}'")
    out = ways.leading_to(number for number in range(len(ways.names)) if ways.ends(number))
    stuck = [number for number in ways.reached if number not in out]
    asked = [number for number in stuck if ways.steps[number].asks]
    for number in asked or stuck[:1]:
        what = "question" if ways.steps[number].asks else "step"
        message = f"from {what} '{ways.names[number]}' no way leads to a person or to an end"
        yield view.at("no-way-out", number, (), message)


def _broken(view: View) -> bool:
    """Whether a way is missing: then what cannot be reached says little."""
    flow = view.flow
    return any(
        target != RETURN and target not in flow.steps
        for ways in flow.ways.values()
        for target in ways.values()
    )
