"""Sub-flows: what is known of each flow when it is entered, inner ones first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from ivr.flow.finding import Finding
from ivr.flow.model import Flow
from ivr.flow.verify.limits import depths, to_person, to_return
from ivr.flow.verify.secrets import given_on, returned_secret
from ivr.flow.verify.view import View, World
from ivr.flow.verify.ways import BACK, Passage, Ways, circles

Tainted = frozenset[str]


def with_passages(views: Mapping[str, View], world: World) -> World:
    """The world with the passage of each flow, and the secrets that each may be given.

    A flow that calls itself keeps the harmless passage of an unknown one.
    """
    passages: dict[str, Passage] = {}
    for name in _inner_first({name: view.flow for name, view in views.items()}):
        view = replace(views[name], world=replace(world, passages=dict(passages)))
        if view.ways.start is not None:
            passages[name] = _passage(view)
    given = {name: frozenset[str]() for name in views}
    while True:
        known = replace(world, passages=passages, given=given)
        more, secret = dict(given), dict[str, bool]()
        for name, view in views.items():
            seen = replace(view, world=known)
            secret[name] = returned_secret(seen, given[name])
            for entered, parts in given_on(seen, given[name]):
                if entered in more:
                    more[entered] |= parts
        for name in passages:
            passages[name] = replace(passages[name], secret=secret[name])
        changed = any(known.passages[name].secret != secret[name] for name in known.passages)
        if more == given and not changed:
            return known
        given, passages = more, dict(passages)


def _passage(view: View) -> Passage:
    deep = depths(view)
    return Passage(
        effort=_easiest(view.ways),
        seconds=to_return(view) or 0.0,
        person=to_person(view)[0],
        menus=deep.most,
        through=deep.through,
        ends=any(
            view.ways.steps[number].ends or view.ways.passage(number).ends
            for number in view.ways.reached
        ),
    )


def _easiest(ways: Ways) -> int | None:
    """The least effort with which some way leads from the start to the return."""
    assert ways.start is not None
    efforts = sorted({way.effort for found in ways.ways for way in found})
    for effort in efforts:
        came = ways.walk(ways.start, lambda number, way, effort=effort: way.effort <= effort)  # type: ignore[misc]
        for number in came:
            if any(way.target == BACK and way.effort <= effort for way in ways.ways[number]):
                return effort
    return None


def _inner_first(flows: Mapping[str, Flow]) -> Iterator[str]:
    """Each flow behind those that it enters; flows that enter one another in any order."""
    done: dict[str, None] = {}
    for root in flows:
        work = [(root, iter(entered(flows[root])))]
        open_ = {root}
        while work:
            name, inner = work[-1]
            target = next((t for t in inner if t in flows and t not in done and t not in open_), "")
            if target:
                open_.add(target)
                work.append((target, iter(entered(flows[target]))))
            else:
                work.pop()
                done.setdefault(name)
    yield from done


def entered(flow: Flow) -> Iterable[str]:
    """The sub-flows that a flow enters."""
    return dict.fromkeys(name for step in flow.steps.values() if (name := step.enters()))


def endless_calls(views: Mapping[str, View]) -> Iterator[Finding]:
    """Flows that enter themselves, straight or by others."""
    names = list(views)
    number = {name: place for place, name in enumerate(names)}

    def targets(flow: int) -> list[int]:
        inner = entered(views[names[flow]].flow)
        return [number[name] for name in inner if name in number]

    for part in circles(targets, range(len(names))):
        among = {names[member] for member in part}
        view = views[names[min(part)]]
        for place, step in enumerate(view.ways.steps):
            if step.enters() in among:
                ring = " > ".join([*sorted(among), view.flow.name])
                message = f"the flow enters itself: {ring}"
                yield view.at("endless-calls", place, ("flow",), message)
                break
