"""Circles: nobody goes round for ever without choosing to.

The rule. A caller goes round a circle only by choosing a way among several, each time anew, or a
bounded number of times. In order of severity:

- A circle of ways that ask nothing (`silent-cycle`): the caller hears the same for ever.
- A circle of ways that ask nothing or that are taken when a question has run out
  (`unbounded-cycle`): a caller who stays silent, or is never understood, never gets out. Each
  question ends after its tries, so where there is no such circle, whoever gives no acceptable
  answer comes to an end in bounded time, from wherever they are.
- A circle that also takes the one acceptable answer of a question (`uncounted-retry`): a wrong
  order number can be keyed again and again, because the database and not the caller decides.

A way that is counted (see `counts.py`) is not part of a circle.
"""

from __future__ import annotations

from collections.abc import Iterator

from ivr.flow.finding import Finding
from ivr.flow.verify.counts import counted_ways
from ivr.flow.verify.view import View
from ivr.flow.verify.ways import ANSWERED, FAILING, SILENT, Way, circles, said

KINDS = (
    (SILENT, "silent-cycle", "a caller can go round {circle} without being asked anything"),
    (FAILING, "unbounded-cycle", "a caller who is silent or not understood goes round {circle}"),
    (ANSWERED, "uncounted-retry", "a caller can go round {circle} without end; count the rounds"),
)


Pair = tuple[int, int]


def cycles(view: View) -> Iterator[Finding]:
    closed = frozenset[Pair]()
    order = {number: place for place, number in enumerate(view.ways.reached)}
    for effort, code, words in KINDS:
        for part, shut in list(_parts(view, effort, closed)):
            first = min(part, key=order.__getitem__)
            circle = _circle(view, first, part, effort, shut)
            message = words.format(circle=" > ".join(circle))
            path = (*view.ways.path(first)[:-1], *circle)
            yield view.finding(code, ("steps", view.ways.names[first]), message, path)
            closed |= {
                (number, way.target)
                for number in part
                for way in view.ways.ways[number]
                if way.target in part and way.effort <= effort
            }


def _parts(
    view: View, effort: int, closed: frozenset[Pair]
) -> Iterator[tuple[frozenset[int], frozenset[Pair]]]:
    """The circles of ways up to an effort that are left without the counted ways, each with the
    ways that were left out."""
    waiting = [(frozenset(view.ways.reached), closed)]
    while waiting:
        members, shut = waiting.pop()

        def targets(
            number: int, members: frozenset[int] = members, shut: frozenset[Pair] = shut
        ) -> list[int]:
            return [
                way.target
                for way in view.ways.ways[number]
                if way.effort <= effort
                and way.target in members
                and (number, way.target) not in shut
            ]

        for part in circles(targets, members):

            def within(number: int, part: frozenset[int] = part) -> list[int]:
                return [target for target in targets(number) if target in part]

            counted = counted_ways(view.ways, part, within) - shut
            if counted:
                waiting.append((part, shut | counted))
            else:
                yield part, shut


def _circle(
    view: View, first: int, part: frozenset[int], effort: int, shut: frozenset[Pair]
) -> list[str]:
    """One way round, from `first` back to it."""

    def open_(number: int, way: Way) -> bool:
        return way.target in part and way.effort <= effort and (number, way.target) not in shut

    came = view.ways.walk(first, open_)
    last, outcome = next(
        (number, way.outcome)
        for number in came
        for way in view.ways.ways[number]
        if way.target == first and open_(number, way)
    )
    steps: list[tuple[int, str]] = [(last, outcome)]
    while (before := came[steps[-1][0]]) is not None:
        steps.append(before)
    names = [said(view.ways.names[number], outcome) for number, outcome in reversed(steps)]
    return [*names, view.ways.names[first]]
