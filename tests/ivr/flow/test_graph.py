"""Flows as pictures: nothing lost, nothing on top of anything else, told in words as well."""

from __future__ import annotations

import random
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ivr.flow.folder import check_folder
from ivr.flow.graph import Graph, dot, graph_of, mermaid
from ivr.flow.layout import GAP_X, lay_out
from ivr.flow.model import Flow
from ivr.flow.svg import svg

HOME = Path(__file__).parents[3]
FLOWS = {
    **{
        n: v.flow for n, v in check_folder(Path(__file__).parent / "defects" / "good").views.items()
    },
    **{n: v.flow for n, v in check_folder(HOME / "scenarios").views.items()},
}
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(params=sorted(FLOWS))
def flow(request: pytest.FixtureRequest) -> Flow:
    return FLOWS[request.param]


@pytest.mark.parametrize("whole", [False, True])
def test_every_step_and_every_way_is_drawn(flow: Flow, whole: bool) -> None:
    graph = graph_of(flow, whole=whole)
    assert {node.step for node in graph.nodes} - {""} == set(flow.steps)
    drawn = {
        (edge.source, outcome, edge.target.partition("__")[0])
        for edge in graph.edges
        for outcome in edge.outcomes
    }
    ways = {
        (name, outcome, target)
        for name, targets in flow.ways.items()
        for outcome, target in targets.items()
        if whole or outcome not in flow.command_ways
    }
    assert drawn == ways
    known = {node.id for node in graph.nodes}
    assert all(edge.source in known and edge.target in known for edge in graph.edges)


def test_boxes_do_not_lie_on_one_another_and_ways_lead_down(flow: Flow) -> None:
    graph = graph_of(flow)
    sizes = {node.id: (100.0 + len(node.id), 40.0) for node in graph.nodes}
    layout = lay_out(sizes, [(edge.source, edge.target) for edge in graph.edges])
    _apart(layout.places, sizes)
    for edge in graph.edges:
        if edge.source != edge.target:
            up = layout.places[edge.source][1] > layout.places[edge.target][1]
            assert up == ((edge.source, edge.target) in layout.back)


def _apart(places: dict[str, tuple[float, float]], sizes: dict[str, tuple[float, float]]) -> None:
    boxes = [(name, *places[name], *sizes[name]) for name in sizes]
    for index, (_, x, y, wide, high) in enumerate(boxes):
        for _, other_x, other_y, other_wide, other_high in boxes[:index]:
            assert (
                x + wide + GAP_X <= other_x + 0.01 or other_x + other_wide + GAP_X <= x + 0.01
                or y + high <= other_y or other_y + other_high <= y
            )  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_any_graph_can_be_laid_out(seed: int) -> None:
    dice = random.Random(seed)
    names = [f"s{n}" for n in range(dice.randrange(1, 60))]
    sizes = {name: (dice.uniform(40, 200), dice.uniform(20, 90)) for name in names}
    ways = [(dice.choice(names), dice.choice(names)) for _ in range(len(names) * 2)]
    layout = lay_out(sizes, ways)
    _apart(layout.places, sizes)
    assert set(layout.bends) == {(a, b) for a, b in ways if a != b}


def test_the_picture_is_well_formed_and_tells_itself_in_words(flow: Flow) -> None:
    text = svg(graph_of(flow))
    root = ElementTree.fromstring(text)
    assert root.get("role") == "img"
    title, told = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert title.text == flow.name
    assert told is not None
    assert told.text is not None
    for name in flow.steps:
        assert name in told.text
    boxes = [g for g in root.iter(f"{SVG}g") if (g.get("class") or "").startswith("step ")]
    assert {str(g.get("id")).removeprefix("step-").partition("__")[0] for g in boxes} == set(
        flow.steps
    ) | {g for g in ("return",) if any("return" in w.values() for w in flow.ways.values())}


def test_what_is_in_a_prompt_cannot_break_out(flow: Flow) -> None:
    evil = '"]-->x; </text><script>alert(1)</script> & "quoted"'
    graph = graph_of(flow)
    nodes = tuple(
        type(node)(node.id, node.step, node.title, node.kind, ("say", evil)) for node in graph.nodes
    )
    graph = Graph(graph.flow, evil, graph.language, nodes, graph.edges)
    root = ElementTree.fromstring(svg(graph))
    assert not [e for e in root.iter() if e.tag.endswith("script")]
    for line in mermaid(graph).splitlines():
        assert "<script>" not in line
    assert '\\"]-->x' in dot(graph)


def test_mermaid_and_dot_name_every_box_and_way(flow: Flow) -> None:
    graph = graph_of(flow)
    assert mermaid(graph).count(":::") == len(graph.nodes)
    assert sum("->" in line for line in dot(graph).splitlines()) == len(graph.edges)
    assert mermaid(graph).count("-->") + mermaid(graph).count("-.->") == len(graph.edges)
