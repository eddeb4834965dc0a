"""Where the boxes of a graph go: layers from top to bottom, few crossings, short ways (Sugiyama,
Tagawa and Toda 1981). Pure: sizes in, places out.

Ways that lead back up are turned round for the while; every box goes one layer below the lowest
that leads to it; a way over several layers gets a bend in each; the order in a layer is swept by
medians, down and up; places across are pulled to the middle of what a box is tied to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

GAP_X: Final = 28.0  # between boxes side by side
GAP_Y: Final = 64.0  # between layers, for the ways and their labels
BEND: Final = 14.0  # the room a way takes that passes through a layer
SWEEPS: Final = 24
PULLS: Final = 16

Pair = tuple[str, str]
Size = tuple[float, float]
Point = tuple[float, float]


@dataclass
class Layout:
    """The left upper corner of each box, the top and bottom of the layer it is in, the bends of
    each way from top to bottom, and the whole size. `back` are the ways that lead up."""

    places: dict[str, Point] = field(default_factory=dict)
    rows: dict[str, Point] = field(default_factory=dict)
    bends: dict[Pair, list[Point]] = field(default_factory=dict)
    back: set[Pair] = field(default_factory=set)
    width: float = 0.0
    height: float = 0.0


def lay_out(sizes: Mapping[str, Size], ways: Sequence[Pair]) -> Layout:
    """Places for boxes (by id, the start first) and the ways between them."""
    layout = Layout()
    straight = [(a, b) for a, b in ways if a != b]
    layout.back = _leading_back(list(sizes), straight)
    down = list(dict.fromkeys((b, a) if (a, b) in layout.back else (a, b) for a, b in straight))
    layers = _layers(list(sizes), down)
    grid = _Grid(sizes, down, layers)
    grid.sweep()
    grid.place(layout)
    for a, b in straight:
        way = (b, a) if (a, b) in layout.back else (a, b)
        layout.bends[a, b] = grid.bends(way)
    return layout


def _leading_back(names: list[str], ways: Sequence[Pair]) -> set[Pair]:
    """The ways that close a circle, seen depth first from the start."""
    targets: dict[str, list[str]] = {name: [] for name in names}
    for a, b in ways:
        targets[a].append(b)
    done, open_, back = set[str](), set[str](), set[Pair]()
    for root in names:
        if root in done:
            continue
        work = [(root, iter(targets[root]))]
        open_.add(root)
        while work:
            name, rest = work[-1]
            target = next(rest, None)
            if target is None:
                work.pop()
                open_.discard(name)
                done.add(name)
            elif target in open_:
                back.add((name, target))
            elif target not in done:
                open_.add(target)
                work.append((target, iter(targets[target])))
    return back


def _layers(names: list[str], down: Sequence[Pair]) -> dict[str, int]:
    """One below the lowest that leads there; boxes without a way in stand above their first."""
    sources: dict[str, list[str]] = {name: [] for name in names}
    targets: dict[str, list[str]] = {name: [] for name in names}
    for a, b in down:
        sources[b].append(a)
        targets[a].append(b)
    layer: dict[str, int] = {}
    missing = {name: len(sources[name]) for name in names}
    waiting = [name for name in names if not missing[name]]
    for name in waiting:  # grows while it is walked
        layer[name] = max((layer[source] + 1 for source in sources[name]), default=0)
        for target in targets[name]:
            missing[target] -= 1
            if not missing[target]:
                waiting.append(target)
    for name in names[1:]:
        if not sources[name] and targets[name]:
            layer[name] = max(0, min(layer[target] for target in targets[name]) - 1)
    return layer


class _Grid:
    """Boxes and bends in layers. A bend is named by its way and its layer."""

    def __init__(
        self, sizes: Mapping[str, Size], down: Sequence[Pair], layer: Mapping[str, int]
    ) -> None:
        self.sizes = dict(sizes)
        self.rows: list[list[str]] = [[] for _ in range(max(layer.values(), default=0) + 1)]
        for name in sizes:
            self.rows[layer[name]].append(name)
        self.above: dict[str, list[str]] = {}
        self.below: dict[str, list[str]] = {}
        self.chains: dict[Pair, list[str]] = {}
        for a, b in down:
            chain = [a]
            for row in range(layer[a] + 1, layer[b]):
                bend = f"{a}\0{b}\0{row}"
                self.sizes[bend] = (BEND, 0.0)
                self.rows[row].append(bend)
                chain.append(bend)
            chain.append(b)
            self.chains[a, b] = chain
            for upper, lower in pairwise(chain):
                self.below.setdefault(upper, []).append(lower)
                self.above.setdefault(lower, []).append(upper)
        self.x: dict[str, float] = {}
        self.row: dict[str, Point] = {}

    def sweep(self) -> None:
        """Order each layer by the medians of what stands above, then below, keeping the best."""
        best, fewest = [list(row) for row in self.rows], self._crossings()
        for turn in range(SWEEPS):
            downward = turn % 2 == 0
            rows = range(1, len(self.rows)) if downward else range(len(self.rows) - 2, -1, -1)
            tied = self.above if downward else self.below
            for row in rows:
                place = {name: p for near in (row - 1, row + 1) if 0 <= near < len(self.rows)
                         for p, name in enumerate(self.rows[near])}  # fmt: skip
                keys = {name: _median([place[t] for t in tied.get(name, ())], position)
                        for position, name in enumerate(self.rows[row])}  # fmt: skip
                self.rows[row].sort(key=keys.__getitem__)
            crossings = self._crossings()
            if crossings < fewest:
                best, fewest = [list(row) for row in self.rows], crossings
            if not fewest:
                break
        self.rows = best

    def _crossings(self) -> int:
        total = 0
        for upper, lower in zip(self.rows, self.rows[1:], strict=False):
            place = {name: position for position, name in enumerate(lower)}
            ends = [sorted(place[t] for t in self.below.get(name, ())) for name in upper]
            seen: list[int] = []
            for targets in ends:
                total += sum(1 for target in targets for other in seen if other > target)
                seen += targets
        return total

    def place(self, layout: Layout) -> None:
        for row in self.rows:
            x = 0.0
            for name in row:
                self.x[name] = x + self.sizes[name][0] / 2
                x += self.sizes[name][0] + GAP_X
        for turn in range(PULLS):
            rows = self.rows if turn % 2 == 0 else list(reversed(self.rows))
            for row in rows:
                self._pull(row, turn)
        left = min((self.x[n] - self.sizes[n][0] / 2 for n in self.x), default=0.0)
        y = 0.0
        for row in self.rows:
            height = max((self.sizes[name][1] for name in row), default=0.0)
            for name in row:
                self.x[name] -= left
                self.row[name] = (y, y + height)
                if "\0" not in name:
                    width, tall = self.sizes[name]
                    layout.places[name] = (self.x[name] - width / 2, y + (height - tall) / 2)
                    layout.rows[name] = self.row[name]
            y += height + GAP_Y
        layout.height = max(0.0, y - GAP_Y)
        layout.width = max((self.x[n] + self.sizes[n][0] / 2 for n in self.x), default=0.0)

    def _pull(self, row: Sequence[str], turn: int) -> None:
        """Move each box of a layer to the middle of what it is tied to, none over another."""
        wanted = []
        for name in row:
            near = self.above.get(name, []) if turn % 2 == 0 else self.below.get(name, [])
            near = near or [*self.above.get(name, []), *self.below.get(name, [])]
            wanted.append(sum(self.x[n] for n in near) / len(near) if near else self.x[name])
        for name, x in zip(row, _apart([self.sizes[n][0] for n in row], wanted), strict=True):
            self.x[name] = x

    def bends(self, way: Pair) -> list[Point]:
        """Where a way enters and leaves each layer that it passes, straight down in between, so
        that it goes behind no box."""
        passed = self.chains[way][1:-1]
        return [(self.x[name], y) for name in passed for y in self.row[name]]


def _median(places: list[int], otherwise: int) -> float:
    if not places:
        return float(otherwise)
    places = sorted(places)
    middle = len(places) // 2
    return places[middle] if len(places) % 2 else (places[middle - 1] + places[middle]) / 2


def _apart(widths: Sequence[float], wanted: Sequence[float]) -> list[float]:
    """The places nearest to those wanted at which nothing overlaps and the order is kept (pool
    adjacent violators)."""
    offsets, position = [], 0.0
    for index, width in enumerate(widths):
        position += width / 2 + (widths[index - 1] / 2 + GAP_X if index else 0.0)
        offsets.append(position)
    groups: list[tuple[float, int]] = []  # the sum of what members want, and how many they are
    for offset, want in zip(offsets, wanted, strict=True):
        total, count = want - offset, 1
        while groups and groups[-1][0] / groups[-1][1] > total / count:
            before, many = groups.pop()
            total, count = total + before, count + many
        groups.append((total, count))
    shifts = [total / count for total, count in groups for _ in range(count)]
    return [offset + shift for offset, shift in zip(offsets, shifts, strict=True)]
