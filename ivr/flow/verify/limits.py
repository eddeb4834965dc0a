"""How long it takes to a person, and how deep the menus go, measured and held to the limits.

**To a person.** The caller wants a person: at each question they hear it out and then take the
fastest way there is, by an answer or by silence. The world is against them: where a step decides by
itself (a lookup, a branch, the hours), it takes the slowest of the ways from which a person can
still be reached. What is said takes `MS_PER_CHARACTER`, a value in it `VALUE_SECONDS`; a pressed
key takes `KEY_SECONDS`; silence all its tries with their waits, a lookup its deadline.

The values are found from the persons backwards, fastest first (Dijkstra's order; Knuth 1977): a
question is settled by the first way that is, any other step once all its ways are. What is left
over is a circle of the world's own making, and `cycles.py` tells of that. A sub-flow that is
entered counts with the time to its return, or with the time to a person inside it.

**Depth.** How many menus, that is, questions with several answers, lie on the shortest way to a
menu, itself included.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Final

from ivr.call import MS_PER_CHARACTER
from ivr.flow.finding import Finding
from ivr.flow.verify.view import View
from ivr.flow.verify.ways import BACK, Way, said

VALUE_SECONDS: Final = 1.5
KEY_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Measure:
    """Seconds to a person (None: nobody gets to one) and the way there; the deepest menu."""

    person: float | None = None
    person_path: tuple[str, ...] = ()
    menus: int = 0
    menus_path: tuple[str, ...] = ()


def limits(view: View) -> Iterator[Finding]:
    wanted = view.flow.limits
    if view.ways.start is None or (wanted.person is None and wanted.menus is None):
        return
    found = measure(view)
    if wanted.person is not None and found.person is not None and found.person > wanted.person:
        message = f"it may take {found.person:.0f} s to a person; the limit is {wanted.person:g} s"
        yield view.finding("slow-to-person", ("limits", "person"), message, found.person_path)
    if wanted.menus is not None and found.menus > wanted.menus:
        message = (
            f"the deepest menu is number {found.menus} on its way; the limit is {wanted.menus}"
        )
        yield view.finding("deep-menu", ("limits", "menus"), message, found.menus_path)


def measure(view: View) -> Measure:
    if view.ways.start is None:
        return Measure()
    seconds, path = to_person(view)
    deep = depths(view)
    return Measure(seconds, path, deep.most, _menus_path(view, deep))


def speaking(view: View, number: int) -> float:
    """How long it takes to say a step's own prompt once, in the slowest language."""
    name = next(view.ways.steps[number].prompts(), None)
    return prompt_seconds(view, name) if name else 0.0


def prompt_seconds(view: View, name: str) -> float:
    prompt = view.flow.prompts.get(name) or view.flow.shared.get(name)
    if prompt is None:
        return 0.0
    return max(
        (
            sum(map(len, text.fixed_texts)) * MS_PER_CHARACTER / 1000 + text.values * VALUE_SECONDS
            for texts in prompt.texts.values()
            for text in texts
        ),
        default=0.0,
    )


def way_seconds(view: View, number: int, way: Way) -> float:
    """How long a step takes when it is left by a way."""
    step, once = view.ways.steps[number], speaking(view, number)
    if not step.asks:
        return once + step.takes_seconds() + view.ways.passage(number).seconds
    if way.outcome not in step.gives_up():
        return once + KEY_SECONDS
    retry = getattr(view.flow, way.outcome, None)
    tries = step.tries(way.outcome) or (retry.tries if retry else 1)
    return tries * (once + step.listens_seconds())


class _Race:
    """The caller against the world, see above. `seeds` are the steps where it is won, with what
    they take themselves; BACK among them is the return from a sub-flow."""

    def __init__(self, view: View, seeds: Mapping[int, float]) -> None:
        self.view, self.ways, self.seeds = view, view.ways, seeds
        self.returning = [
            number
            for number, ways in enumerate(self.ways.ways)
            if BACK in seeds and any(way.target == BACK for way in ways)
        ]
        self.can = self.ways.leading_to({*self.returning, *seeds} - {BACK}) | (
            seeds.keys() & {BACK}
        )
        self.value: dict[int, float] = {}
        self.choice: dict[int, Way | None] = {}

    def run(self, start: int) -> tuple[float | None, tuple[str, ...]]:
        """Seconds from `start`, and the way; None when it cannot be won."""
        if start not in self.can:
            return None, ()
        self._settle()
        if start not in self.value:
            return None, ()
        path, number = list[str](), start
        while (way := self.choice[number]) is not None:
            path.append(said(self.ways.names[number], way.outcome))
            number = way.target
            if number == BACK:
                return self.value[start], tuple(path)
        return self.value[start], (*path, self.ways.names[number])

    def _settle(self) -> None:
        ties = count()  # ways cannot be compared
        heap: list[tuple[float, int, int, Way | None]] = []
        for number, cost in self.seeds.items():
            heapq.heappush(heap, (cost, next(ties), number, None))
        open_ = {
            number: len({way.target for way in self.ways.ways[number]} & self.can)
            for number in self.can
            if number != BACK and not self.ways.steps[number].asks
        }
        worst: dict[int, tuple[float, Way]] = {}
        while heap:
            value, _, number, way = heapq.heappop(heap)
            if number in self.value:
                continue
            self.value[number], self.choice[number] = value, way
            for before in self._before(number):
                costs = [
                    (value + way_seconds(self.view, before, way), way)
                    for way in self.ways.ways[before]
                    if way.target == number
                ]
                if before not in open_:
                    for cost, cheap in costs:
                        heapq.heappush(heap, (cost, next(ties), before, cheap))
                    continue
                slowest = max(costs, key=lambda pair: pair[0])
                if before not in worst or slowest[0] > worst[before][0]:
                    worst[before] = slowest
                open_[before] -= 1
                if not open_[before]:
                    cost, slow = worst[before]
                    heapq.heappush(heap, (cost, next(ties), before, slow))

    def _before(self, number: int) -> Iterator[int]:
        sources = self.returning if number == BACK else self.ways.back[number]
        for before in dict.fromkeys(sources):
            if before not in self.value and before in self.can:
                yield before


def to_person(view: View) -> tuple[float | None, tuple[str, ...]]:
    """How long it takes from the start to a person."""
    seeds = dict[int, float]()
    for number, step in enumerate(view.ways.steps):
        inside = view.ways.passage(number).person
        if step.to_person:
            seeds[number] = speaking(view, number)
        elif inside is not None:
            seeds[number] = inside
    return _Race(view, seeds).run(view.ways.start) if view.ways.start is not None else (None, ())


def to_return(view: View) -> float | None:
    """How long it takes through a sub-flow, from its start to its return."""
    start = view.ways.start
    return _Race(view, {BACK: 0.0}).run(start)[0] if start is not None else None


@dataclass(frozen=True, slots=True)
class Depths:
    """How many menus lie on the way to each step, itself included; the deepest; and to return."""

    at: Mapping[int, int]
    deepest: int | None
    most: int
    through: int


def depths(view: View) -> Depths:
    ways = view.ways
    assert ways.start is not None
    at: dict[int, int] = {}
    through = list[int]()
    heap = [(_is_menu(view, ways.start), ways.start)]
    while heap:
        depth, number = heapq.heappop(heap)
        if number in at:
            continue
        at[number] = depth
        for way in ways.ways[number]:
            on = depth + ways.passage(number).through
            if way.target == BACK:
                through.append(on)
            elif way.target not in at:
                heapq.heappush(heap, (on + _is_menu(view, way.target), way.target))
    most = {number: depth + ways.passage(number).menus for number, depth in at.items()}
    deepest = max(most, key=most.__getitem__)
    return Depths(at, deepest, most[deepest], min(through, default=0))


def _is_menu(view: View, number: int) -> int:
    return int(number in view.menus)


def _menus_path(view: View, found: Depths) -> tuple[str, ...]:
    at = found.at

    def shallow(number: int, way: Way) -> bool:
        through = view.ways.passage(number).through
        return at[way.target] == at[number] + through + _is_menu(view, way.target)

    if view.ways.start is None or found.deepest is None:
        return ()
    return view.ways.path(found.deepest, view.ways.walk(view.ways.start, shallow))
