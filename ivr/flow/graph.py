"""A flow as a graph: Mermaid, DOT, or an SVG of our own that a person can read.

The graph is the one that runs: steps and the ways their outcomes lead. Ways between the same two
steps are drawn as one, with all their outcomes on it. So that no thicket hides the flow, ends that
many steps lead to (an agent, a goodbye) are drawn again beside each of them, and what works in
every question is told once, in words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ivr.flow.model import Flow
from ivr.steps.base import RETURN, Step

CROWDED: Final = 4  # ways into an end from which on it is drawn beside each step
LONGEST_PROMPT: Final = 70
LONGEST_LABEL: Final = 32


@dataclass(frozen=True, slots=True)
class Node:
    """A box: `id` is unique, `step` the step's name ("" for `return`), `lines` what is said of it.

    `kind` is ask, end, person, decide, sub or plain.
    """

    id: str
    step: str
    title: str
    kind: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Edge:
    """A way: `outcomes` that lead from one box to another, as they are shown in `label`; `failing`
    where no answer came."""

    source: str
    target: str
    outcomes: tuple[str, ...]
    label: str = ""
    failing: bool = False


@dataclass(frozen=True, slots=True)
class Graph:
    """The boxes, the start's first, and the ways."""

    flow: str
    about: str
    language: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    everywhere: str = ""


def graph_of(flow: Flow, language: str = "", *, whole: bool = False) -> Graph:
    """The graph of a flow, its prompts in a language. `whole` draws every box once only, and every
    way."""
    return _Maker(flow, language or flow.languages[0], whole).graph()


class _Maker:
    """One flow being made a graph."""

    def __init__(self, flow: Flow, language: str, whole: bool) -> None:
        self.flow, self.language, self.whole = flow, language, whole
        self.order = _order(flow)
        self.crowded = set[str]() if whole else self._crowded()
        self.drawn = set[str]()  # crowded ones that a way leads to already

    def _crowded(self) -> set[str]:
        into: dict[str, set[str]] = {}
        for name in self.order:
            for _, target in self._shown(name):
                into.setdefault(target, set()).add(name)
        ends = {name for name, step in self.flow.steps.items() if step.ends}
        return {name for name in {*ends, RETURN} if len(into.get(name, ())) >= CROWDED}

    def _shown(self, name: str) -> Iterator[tuple[str, str]]:
        """The ways of a step that are drawn."""
        step = self.flow.steps[name]
        hidden = self.flow.command_ways if step.obeys and not self.whole else {}
        own = step.exits()
        for outcome, target in self.flow.ways[name].items():
            if outcome not in hidden or outcome in own:
                yield outcome, target

    def graph(self) -> Graph:
        nodes: dict[str, Node] = {}
        edges = []
        for name in self.order:
            if not (name in self.crowded and not self.flow.ways[name]):
                nodes[name] = self._node(name, name)
            for edge in self._edges(name):
                edges.append(edge)
                target = edge.target.partition("__")[0]
                if edge.target not in nodes and target in {*self.crowded, RETURN}:
                    nodes[edge.target] = self._node(target, edge.target)
        known = (
            {edge.target for edge in edges} | {edge.source for edge in edges} | {self.flow.start}
        )
        boxes = [node for node in nodes.values() if node.id in known or node.step == node.id]
        flow = self.flow
        return Graph(
            flow.name, flow.about, self.language, tuple(boxes), tuple(edges), self._everywhere()
        )

    def _edges(self, name: str) -> Iterator[Edge]:
        ways: dict[str, list[str]] = {}
        for outcome, target in self._shown(name):
            ways.setdefault(target, []).append(outcome)
        given_up = self.flow.steps[name].gives_up()
        for target, outcomes in ways.items():
            failing = given_up.issuperset(outcomes)
            label = ", ".join(filter(None, (self._label(name, o) for o in outcomes)))
            yield Edge(name, self._place(target, name), tuple(outcomes), label, failing)

    def _place(self, target: str, source: str) -> str:
        """The box that a way to a step leads to: for a crowded one, one beside its source."""
        if target not in self.crowded:
            return target
        if target in self.flow.steps and self.flow.ways[target] and target not in self.drawn:
            self.drawn.add(target)  # it goes on from there, so it is drawn itself once
            return target
        return f"{target}__{source}"

    def _label(self, name: str, outcome: str) -> str:
        """An outcome as it is shown: a key with its word, a condition, nothing for `next`."""
        step = self.flow.steps[name]
        if condition := step.conditions().get(outcome):
            text = condition.source
            return text if len(text) <= LONGEST_LABEL else text[:LONGEST_LABEL].rstrip() + "…"
        for offer in step.offers():
            if offer.outcome == outcome:
                word = next(iter(offer.spoken(self.language)), "")
                return " ".join(dict.fromkeys(filter(None, (offer.key, word))))
        return "" if outcome == "next" else outcome

    def _node(self, name: str, id_: str) -> Node:
        if name == RETURN:
            return Node(id_, "", "return", "end")
        step = self.flow.steps[name]
        lines = tuple(_lines(self.flow, step, self.language))
        return Node(id_, name, name, _kind(step), lines[:1] if id_ != name else lines)

    def _everywhere(self) -> str:
        """What works in every question, in words."""
        told = []
        for name, command in () if self.whole else self.flow.commands:
            if command is not None:
                by = [command.key, *command.words.get(self.language, ())[:1]]
                to = self.flow.command_ways.get(name, "")
                told.append(f"{name} ({', '.join(filter(None, by))})" + (f" → {to}" if to else ""))
        return "In every question: " + "; ".join(told) if told else ""


def _order(flow: Flow) -> list[str]:
    """The steps as a caller comes to them, depth first; those nobody reaches last."""
    seen: dict[str, None] = {}
    waiting = [flow.start]
    while waiting:
        name = waiting.pop()
        if name in seen or name not in flow.steps:
            continue
        seen[name] = None
        waiting += reversed(list(flow.ways[name].values()))
    return [*seen, *(name for name in flow.steps if name not in seen)]


def _kind(step: Step) -> str:
    if step.to_person:
        return "person"
    if step.ends:
        return "end"
    if step.asks:
        return "ask"
    if step.enters():
        return "sub"
    return "decide" if len(set(step.exits().values())) > 1 else "plain"


def _lines(flow: Flow, step: Step, language: str) -> Iterator[str]:
    """The step's type with what it names, and the beginning of what it says."""
    named = [reference.name for reference in step.refers()]
    yield " ".join((step.type, *dict.fromkeys(named)))
    prompt = next(step.prompts(), None)
    if prompt and (said := flow.prompts.get(prompt) or flow.shared.get(prompt)):
        text = re.sub(r"\{\{\s*(.*?)\s*(?:\|[^}]*)?\}\}", r"<\1>", said.template(language).source)
        text = " ".join(re.sub(r"\{%.*?%\}", "", text).split())
        yield text if len(text) <= LONGEST_PROMPT else text[:LONGEST_PROMPT].rstrip() + "…"


def mermaid(graph: Graph) -> str:
    """A Mermaid flowchart."""
    shapes = {"ask": ("{{", "}}"), "end": ("([", "])"), "person": ("([", "])"),
              "decide": ("{", "}"), "sub": ("[[", "]]"), "plain": ("[", "]")}  # fmt: skip
    numbers = _numbers(graph)
    lines = ["flowchart TD"]
    for node in graph.nodes:
        left, right = shapes[node.kind]
        text = "<br/>".join(_mermaid_text(part) for part in (f"{node.title}", *node.lines))
        lines.append(f'  {numbers[node.id]}{left}"{text}"{right}:::{node.kind}')
    for edge in graph.edges:
        arrow = "-.->" if edge.failing else "-->"
        label = f'|"{_mermaid_text(edge.label)}"|' if edge.label else ""
        lines.append(f"  {numbers[edge.source]} {arrow}{label} {numbers[edge.target]}")
    for kind, (fill, stroke) in COLOURS.items():
        lines.append(f"  classDef {kind} fill:{fill},stroke:{stroke},color:#1b1f24")
    return "\n".join(lines) + "\n"


def _mermaid_text(text: str) -> str:
    for sign, entity in (("&", "#amp;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;")):
        text = text.replace(sign, entity)
    return text


def dot(graph: Graph) -> str:
    """A Graphviz digraph."""
    shapes = {"ask": "hexagon", "end": "oval", "person": "oval", "decide": "diamond",
              "sub": "component", "plain": "box"}  # fmt: skip
    numbers = _numbers(graph)
    lines = [f"digraph {_quoted(graph.flow)} {{", '  node [style=filled, fontname="sans-serif"];']
    for node in graph.nodes:
        fill, stroke = COLOURS[node.kind]
        label = _quoted("\n".join((node.title, *node.lines)))
        shape = shapes[node.kind]
        colours = f'fillcolor="{fill}", color="{stroke}"'
        lines.append(f"  {numbers[node.id]} [label={label}, shape={shape}, {colours}];")
    for edge in graph.edges:
        style = ", style=dashed" if edge.failing else ""
        ends = f"{numbers[edge.source]} -> {numbers[edge.target]}"
        lines.append(f"  {ends} [label={_quoted(edge.label)}{style}];")
    return "\n".join([*lines, "}"]) + "\n"


def _numbers(graph: Graph) -> Mapping[str, str]:
    return {node.id: f"n{number}" for number, node in enumerate(graph.nodes)}


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


# Fill and line by kind; dark text on each has a contrast above 10 to 1.
COLOURS: Final[Mapping[str, tuple[str, str]]] = {
    "plain": ("#f6f8fa", "#8c959f"),
    "ask": ("#ddf4ff", "#218bff"),
    "decide": ("#fff8c5", "#bf8700"),
    "sub": ("#fbefff", "#a475f9"),
    "person": ("#dafbe1", "#2da44e"),
    "end": ("#eaeef2", "#57606a"),
}
