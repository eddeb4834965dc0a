"""The graph of a flow as the proofs walk it: steps by number, ways with what they ask of a caller.

A way has an effort:

- `SILENT`: nobody asked the caller anything,
- `FAILING`: a question ran out because no acceptable answer came,
- `ANSWERED`: the caller gave the one answer that leads on (a number, say),
- `CHOSEN`: the caller picked this way among several.

A step that enters a sub-flow has the effort of the easiest way through it, and no way on when the
sub-flow never returns.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from ivr.flow.model import Flow
from ivr.steps.base import RETURN, Step

SILENT, FAILING, ANSWERED, CHOSEN = range(4)
BACK: Final = -1  # the number of `return`


@dataclass(frozen=True, slots=True)
class Way:
    outcome: str
    target: int
    effort: int


@dataclass(frozen=True, slots=True)
class Passage:
    """What is known of a sub-flow that is entered: `effort` of the easiest way from its start to
    its return, None when there is none; whether what it returns may be `secret`; the `seconds` to
    its return and to a `person` inside it; the `menus` in it, and those on the way `through` it;
    whether a call may end in it."""

    effort: int | None = CHOSEN
    secret: bool = False
    seconds: float = 0.0
    person: float | None = None
    menus: int = 0
    through: int = 0
    ends: bool = False


UNKNOWN: Final = Passage()
NONE: Final = Passage(SILENT)


class Ways:
    """The graph. `passages` are the sub-flows; one that is not known is taken to be harmless."""

    def __init__(self, flow: Flow, passages: Mapping[str, Passage] | None = None) -> None:
        self.flow = flow
        self.passages = passages or {}
        self.names: tuple[str, ...] = tuple(flow.steps)
        self.steps: tuple[Step, ...] = tuple(flow.steps.values())
        self.number = {name: number for number, name in enumerate(self.names)} | {RETURN: BACK}
        self.ways: list[tuple[Way, ...]] = [
            tuple(self._ways(name, step)) for name, step in flow.steps.items()
        ]
        self.start = self.number.get(flow.start)

    def _ways(self, name: str, step: Step) -> Iterator[Way]:
        outcomes = self.flow.ways[name]
        given_up, commands = step.gives_up(), self.flow.command_ways
        accepted = {
            target
            for outcome, target in outcomes.items()
            if outcome not in given_up and outcome not in commands
        }
        answered = CHOSEN if len(accepted) > 1 else ANSWERED
        entered = step.enters()
        through = self.passages.get(entered, UNKNOWN).effort if entered else SILENT
        if through is None:
            return
        for outcome, target in outcomes.items():
            number = self.number.get(target)
            if number is None:
                continue
            effort = SILENT
            if step.asks:
                effort = FAILING if outcome in given_up else answered
                effort = CHOSEN if outcome in commands else effort
            yield Way(outcome, number, max(effort, through))

    def passage(self, number: int) -> Passage:
        """The sub-flow that a step enters, or nothing to pass."""
        entered = self.steps[number].enters()
        return self.passages.get(entered, UNKNOWN) if entered else NONE

    def ends(self, number: int) -> bool:
        step = self.steps[number]
        if (entered := step.enters()) and self.passages.get(entered, UNKNOWN).ends:
            return True
        return step.ends or any(way.target == BACK for way in self.ways[number])

    def walk(
        self, start: int, allowed: Callable[[int, Way], bool] = lambda number, way: True
    ) -> dict[int, tuple[int, str] | None]:
        """Breadth first from `start`: each step that is reached, with where from and by which
        outcome. `allowed` may close ways."""
        came: dict[int, tuple[int, str] | None] = {start: None}
        waiting = deque((start,))
        while waiting:
            number = waiting.popleft()
            for way in self.ways[number]:
                if way.target not in came and way.target != BACK and allowed(number, way):
                    came[way.target] = (number, way.outcome)
                    waiting.append(way.target)
        return came

    @cached_property
    def reached(self) -> dict[int, tuple[int, str] | None]:
        """Every step a caller can get to, in the order of the distance from the start."""
        return self.walk(self.start) if self.start is not None else {}

    @cached_property
    def back(self) -> list[list[int]]:
        """For each step, the steps that lead to it."""
        sources: list[list[int]] = [[] for _ in self.steps]
        for number, ways in enumerate(self.ways):
            for way in ways:
                if way.target != BACK:
                    sources[way.target].append(number)
        return sources

    def leading_to(self, goals: Iterable[int]) -> set[int]:
        """Every step from which one of `goals` can be reached, the goals included."""
        found = set(goals)
        waiting = list(found)
        while waiting:
            for number in self.back[waiting.pop()]:
                if number not in found:
                    found.add(number)
                    waiting.append(number)
        return found

    def path(
        self, number: int, came: Mapping[int, tuple[int, str] | None] | None = None
    ) -> tuple[str, ...]:
        """The shortest way from the start to a step, as it is shown; empty when there is none."""
        came = self.reached if came is None else came
        if number not in came:
            return ()
        shown = [self.names[number]]
        while (before := came[number]) is not None:
            number, outcome = before
            shown.append(said(self.names[number], outcome))
        return tuple(reversed(shown))


def said(step: str, outcome: str) -> str:
    """A step and how it was left, as a path shows it: `main (1)`, `find (not_found)`, `hello`."""
    return step if outcome == "next" else f"{step} ({outcome})"


def circles(
    ways: Callable[[int], Iterable[int]], members: Iterable[int]
) -> Iterator[frozenset[int]]:
    """The strongly connected parts that hold a circle (Tarjan 1972, without recursion)."""
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on_stack = set[int]()
    for root in members:
        if root in order:
            continue
        order[root] = low[root] = len(order)
        stack.append(root)
        on_stack.add(root)
        work = [(root, iter(ways(root)))]
        while work:
            node, targets = work[-1]
            for target in targets:
                if target not in order:
                    order[target] = low[target] = len(order)
                    stack.append(target)
                    on_stack.add(target)
                    work.append((target, iter(ways(target))))
                    break
                if target in on_stack:
                    low[node] = min(low[node], order[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == order[node]:
                    part = set[int]()
                    while True:
                        member = stack.pop()
                        on_stack.discard(member)
                        part.add(member)
                        if member == node:
                            break
                    if len(part) > 1 or node in ways(node):
                        yield frozenset(part)
