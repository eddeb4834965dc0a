"""Where secret answers get to: what is made from one is secret too, through sub-flows as well.

The same walk as in `names.py`, with "may hold a secret" as what is carried along.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ivr.flow.finding import Finding
from ivr.flow.verify.view import View
from ivr.flow.verify.ways import BACK, UNKNOWN, Passage
from ivr.steps.base import Step

Tainted = frozenset[str]


def secrets(view: View) -> Iterator[Finding]:
    if view.ways.start is None:
        return
    given = view.world.given.get(view.flow.name, frozenset()) if view.world else frozenset()
    found = taints(view, given)
    if not any(found.values()) and not any(step.secrets() for step in view.ways.steps):
        return
    for number, tainted in found.items():
        step = view.ways.steps[number]
        for source in step.exposes():
            for name in sorted(source.names & tainted):
                message = f"'{name}' is secret and would be written down or sent away here"
                place = view.holding_place(view.ways.names[number], source.source)[2:]
                yield view.at("secret-exposed", number, place, message)
        heard = tainted | step.secrets()
        for prompt_name, prompt in view.said_at(number):
            texts = [text for texts in prompt.texts.values() for text in texts]
            for name in sorted(frozenset[str]().union(*(text.names for text in texts)) & heard):
                message = f"prompt '{prompt_name}' reads out '{name}', which is secret"
                place = view.holding_place(view.ways.names[number], prompt_name)[2:]
                yield view.at("secret-spoken", number, place, message)


def taints(view: View, given: Tainted) -> dict[int, Tainted]:
    """What may be secret where each reached step begins."""
    ways = view.ways
    assert ways.start is not None
    if not given and not any(step.secrets() or step.enters() for step in ways.steps):
        return dict.fromkeys(ways.reached, frozenset())
    found: dict[int, Tainted | None] = dict.fromkeys(ways.reached)
    found[ways.start] = given
    waiting = [ways.start]
    while waiting:
        number = waiting.pop()
        before = found[number] or frozenset()
        for way in ways.ways[number]:
            if way.target == BACK:
                continue
            brought = after(ways.steps[number], way.outcome, before, ways.passages)
            known = found[way.target]
            if known is None or not brought <= known:
                found[way.target] = brought | (known or frozenset())
                waiting.append(way.target)
    return {number: tainted or frozenset() for number, tainted in found.items()}


def after(step: Step, outcome: str, before: Tainted, passages: Mapping[str, Passage]) -> Tainted:
    """What may be secret once a step was left by an outcome."""
    tainted, secret = set(before), step.secrets()
    made = dict.fromkeys(name for name, _ in step.makes())
    for name, outcomes in step.sets().items():
        if name in made or (outcomes is not None and outcome not in outcomes):
            continue
        returned = step.enters() and passages.get(step.enters(), UNKNOWN).secret
        (tainted.add if name in secret or returned else tainted.discard)(name)
    for name, source in step.makes():
        (tainted.add if source.names & tainted else tainted.discard)(name)
    return frozenset(tainted)


def returned_secret(view: View, given: Tainted) -> bool:
    """Whether what the flow returns may hold a secret."""
    if view.ways.start is None:
        return False
    returns = frozenset(view.flow.returns)
    for number, tainted in taints(view, given).items():
        for way in view.ways.ways[number]:
            if way.target == BACK:
                step = view.ways.steps[number]
                if after(step, way.outcome, tainted, view.ways.passages) & returns:
                    return True
    return False


def given_on(view: View, given: Tainted) -> Iterator[tuple[str, Tainted]]:
    """The sub-flows that are entered, each with those of its variables that may be secret."""
    if view.ways.start is None:
        return
    for number, tainted in taints(view, given).items():
        step = view.ways.steps[number]
        if flow := step.enters():
            parts = {name for name, source in step.gives().items() if source.names & tainted}
            if parts:
                yield flow, frozenset(parts)
