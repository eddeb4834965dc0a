"""A graph as an SVG that reads well on a page, on paper and to a screen reader."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from html import escape
from itertools import pairwise
from typing import Final

from ivr.flow.graph import COLOURS, Edge, Graph, Node
from ivr.flow.layout import Layout, Point, lay_out

LETTER: Final = 6.3  # the width of a letter at 11 px, on the safe side
TITLE: Final = 7.6  # of one at 13 px, bold
LINE: Final = 15.0
ROOM: Final = 12.0  # between a box's edge and its text
MARGIN: Final = 24.0
HEAD: Final = 58.0
WIDEST: Final = 30  # letters in a line of a box
RADIUS: Final = 9.0


class Drawing:
    """One graph, drawn."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.texts = {node.id: _texts(node) for node in graph.nodes}
        self.sizes = {node.id: _size(node, self.texts[node.id]) for node in graph.nodes}
        ways = [(edge.source, edge.target) for edge in graph.edges]
        self.layout: Layout = lay_out(self.sizes, ways)
        self.ports = self._ports()

    def svg(self) -> str:
        told = max(len(self.graph.about), len(self.graph.everywhere)) * LETTER
        width = max(self.layout.width + self._loops(), told) + 2 * MARGIN
        height = self.layout.height + 2 * MARGIN + HEAD
        about = self.graph.about or f"{len(self.graph.nodes)} steps"
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
            f'width="{width:.0f}" height="{height:.0f}" role="img" lang="{self.graph.language}" '
            'aria-labelledby="title desc" font-family="system-ui, sans-serif" font-size="11">',
            f'<title id="title">{escape(self.graph.flow)}</title>',
            f'<desc id="desc">{escape(" ".join(self._told()))}</desc>',
            _STYLE,
            f'<rect class="page" width="{width:.0f}" height="{height:.0f}"/>',
            f'<text class="name" x="{MARGIN}" y="{MARGIN + 6}">{escape(self.graph.flow)}</text>',
            f'<text x="{MARGIN}" y="{MARGIN + 24}">{escape(about)}</text>',
            f'<text x="{MARGIN}" y="{MARGIN + 40}">{escape(self.graph.everywhere)}</text>',
            f'<g transform="translate({MARGIN},{MARGIN + HEAD})">',
            '<g class="ways">', *self._ways(), "</g>",
            '<g class="steps">', *(self._box(node) for node in self.graph.nodes), "</g>",
            '<g class="labels">', *self._labels(), "</g>",
            "</g></svg>",
        ]  # fmt: skip
        return "\n".join(parts) + "\n"

    def _told(self) -> Iterator[str]:
        """The graph in words, for those who do not see it."""
        names = {node.id: node.title for node in self.graph.nodes}
        if self.graph.about:
            yield self.graph.about
        for node in self.graph.nodes:
            ways = [
                f"{', '.join(edge.outcomes)} to {names[edge.target]}"
                for edge in self.graph.edges
                if edge.source == node.id
            ]
            yield f"{node.title}: {', '.join(node.lines)}. {'; '.join(ways)}".strip() + "."

    def _box(self, node: Node) -> str:
        x, y = self.layout.places[node.id]
        width, height = self.sizes[node.id]
        fill, stroke = COLOURS[node.kind]
        round_ = height / 2 if node.kind in {"end", "person"} else RADIUS
        middle = x + width / 2
        shape = (
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'rx="{min(round_, 22):.1f}" fill="{fill}" stroke="{stroke}"/>'
        )
        if node.kind == "sub":
            shape += f'<path d="M{x + 6:.1f} {y:.1f}v{height:.1f}M{x + width - 6:.1f} {y:.1f}v{height:.1f}" stroke="{stroke}" fill="none"/>'  # noqa: E501
        texts = []
        for index, (text, css) in enumerate(self.texts[node.id]):
            line = y + ROOM + 11 + index * LINE
            texts.append(
                f'<text class="{css}" x="{middle:.1f}" y="{line:.1f}">{escape(text)}</text>'
            )
        name = escape(f"{node.title}: {', '.join(node.lines)}")
        return f'<g class="step {node.kind}" id="step-{escape(node.id)}"><title>{name}</title>{shape}{"".join(texts)}</g>'  # noqa: E501

    def _ports(self) -> dict[tuple[str, str, str], float]:
        """Where on a box's lower and upper edge each way leaves and arrives, in the order of where
        it comes from, so that ways do not cross at the box."""
        down: dict[tuple[str, str], list[tuple[float, Edge]]] = {}
        for edge in self.graph.edges:
            if edge.source == edge.target:
                continue
            upper, lower = self._ends(edge)
            bends = self.layout.bends[edge.source, edge.target]
            first = bends[0][0] if bends else self._middle(lower)
            last = bends[-1][0] if bends else self._middle(upper)
            down.setdefault((upper, "below"), []).append((first, edge))
            down.setdefault((lower, "above"), []).append((last, edge))
        ports = {}
        for (box, side), edges in down.items():
            width = self.sizes[box][0]
            room = min(width - 2 * ROOM, 26.0 * (len(edges) - 1))
            left = self._middle(box) - room / 2
            step = room / (len(edges) - 1) if len(edges) > 1 else 0.0
            for index, (_, edge) in enumerate(sorted(edges, key=lambda pair: pair[0])):
                ports[edge.source, edge.target, side] = left + index * step
        return ports

    def _ends(self, edge: Edge) -> tuple[str, str]:
        """The upper and the lower box of a way."""
        back = (edge.source, edge.target) in self.layout.back
        return (edge.target, edge.source) if back else (edge.source, edge.target)

    def _middle(self, box: str) -> float:
        return self.layout.places[box][0] + self.sizes[box][0] / 2

    def _points(self, edge: Edge) -> list[Point]:
        """A way from its upper to its lower box."""
        upper, lower = self._ends(edge)
        key = (edge.source, edge.target)
        top = self.layout.places[upper][1] + self.sizes[upper][1]
        bottom = self.layout.places[lower][1]
        leave, arrive = self.ports[(*key, "below")], self.ports[(*key, "above")]
        # Straight to the edge of its layer first: a neighbour may be taller.
        return [
            (leave, top), (leave, self.layout.rows[upper][1]), *self.layout.bends[key],
            (arrive, self.layout.rows[lower][0]), (arrive, bottom),
        ]  # fmt: skip

    def _ways(self) -> Iterator[str]:
        for edge in self.graph.edges:
            css = "way failing" if edge.failing else "way"
            if edge.source == edge.target:
                yield f'<path class="{css}" d="{self._loop(edge)}"/>{self._arrow_at_loop(edge)}'
                continue
            points = self._points(edge)
            back = (edge.source, edge.target) in self.layout.back
            yield f'<path class="{css}" d="{_curve(points)}"/>' + _arrow(points, up=back)

    def _loop(self, edge: Edge) -> str:
        x, y = self.layout.places[edge.source]
        width, height = self.sizes[edge.source]
        return f"M{x + width:.1f} {y + height * 0.65:.1f}c30 6 30 {-height * 0.3 - 12:.1f} 4 {-height * 0.3:.1f}"  # noqa: E501

    def _arrow_at_loop(self, edge: Edge) -> str:
        x, y = self.layout.places[edge.source]
        width, height = self.sizes[edge.source]
        tip = (x + width, y + height * 0.35)
        return f'<path class="tip" d="M{tip[0]:.1f} {tip[1]:.1f}l8 -4v8z"/>'

    def _loops(self) -> float:
        return 60.0 if any(edge.source == edge.target for edge in self.graph.edges) else 0.0

    def _labels(self) -> Iterator[str]:
        """What leads along each way, beside the box that it leaves."""
        taken: list[tuple[float, float, float]] = []
        for edge in self.graph.edges:
            text = edge.label
            if not text:
                continue
            if edge.source == edge.target:
                x, y = self.layout.places[edge.source]
                width, height = self.sizes[edge.source]
                yield _label(x + width + 14, y + height / 2, text, anchor="start")
                continue
            points = self._points(edge)
            if (edge.source, edge.target) in self.layout.back:
                points = points[::-1]
            points = points[1:]
            x, y = _along(points, 20.0)
            wide = len(text) * LETTER
            for lower in (33.0, 46.0, 59.0):  # where no other stands already
                if not any(abs(y - b) < 12 and abs(x - a) < (wide + w) / 2 for a, b, w in taken):
                    break
                x, y = _along(points, lower)
            taken.append((x, y, wide))
            yield _label(x, y, text)


def svg(graph: Graph) -> str:
    return Drawing(graph).svg()


_STYLE: Final = """<style>
.page{fill:#fff}.name{font-size:17px;font-weight:700}
text{fill:#1b1f24}.steps text{text-anchor:middle}.title{font-weight:700;font-size:13px}
.type{fill:#424a53}.said{font-style:italic;fill:#32383f}
.way{fill:none;stroke:#57606a;stroke-width:1.3}.failing{stroke-dasharray:5 4;stroke:#8c6d1f}
.tip{fill:#57606a}.labels text{paint-order:stroke;stroke:#fff;stroke-width:4px;text-anchor:middle}
</style>"""


def _texts(node: Node) -> list[tuple[str, str]]:
    lines = [(node.title, "title")]
    for index, line in enumerate(node.lines):
        css = "type" if index == 0 else "said"
        lines += [(part, css) for part in textwrap.wrap(line, WIDEST)]
    return lines


def _size(node: Node, texts: list[tuple[str, str]]) -> tuple[float, float]:
    widest = max(len(text) * (TITLE if css == "title" else LETTER) for text, css in texts)
    edge = 10.0 if node.kind in {"sub", "end", "person"} else 0.0
    return max(widest + 2 * ROOM + edge, 70.0), len(texts) * LINE + 2 * ROOM - 4


def _curve(points: list[Point]) -> str:
    """A smooth line through the points that leaves and arrives straight down."""
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (x, y), (to_x, to_y) in pairwise(points):
        half = (to_y - y) / 2
        path += f"C{x:.1f} {y + half:.1f} {to_x:.1f} {to_y - half:.1f} {to_x:.1f} {to_y:.1f}"
    return path


def _arrow(points: list[Point], *, up: bool) -> str:
    x, y = points[0] if up else points[-1]
    way = 8 if up else -8
    return f'<path class="tip" d="M{x:.1f} {y:.1f}l-4.5 {way}h9z"/>'


def _along(points: list[Point], distance: float) -> Point:
    """The point that far down (or up) the way, on its curve."""
    (x, y), (to_x, to_y) = points[0], points[1]
    span = to_y - y
    share = min(0.9, distance / abs(span)) if span else 0.0
    t = share  # y runs nearly evenly along these curves
    bend = t * t * (3 - 2 * t)
    return x + (to_x - x) * bend, y + span * share


def _label(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y + 4:.1f}" style="text-anchor:{anchor}">{escape(text)}</text>'
