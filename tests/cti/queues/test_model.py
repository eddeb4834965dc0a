from pathlib import Path

import pytest

from cti.queues import Queues, load_queues
from cti.settings import HOME
from ivr.errors import FlowRefused


def load(tmp_path: Path, text: str) -> Queues:
    path = tmp_path / "queues.yaml"
    path.write_text(text)
    return load_queues(path)


def test_the_queues_that_ship_are_good() -> None:
    queues = load_queues(HOME / "scenarios/queues.yaml")
    assert set(queues.queues) == {"support", "returns", "backup"}
    support = queues.queues["support"]
    assert (support.ring, support.wrap_up) == (20.0, 20.0)
    assert support.callback is not None
    assert support.callback.key == "1"


MISTAKES = [
    ("queues:\n  a: {strategie: linear}", 2, "did you mean 'strategy'"),
    ("queues:\n  a:\n    strategy: fifo", 3, "least_recent"),
    ("queues:\n  a:\n    ring: soon", 3, "length of time"),
    ("queues:\n  a:\n    ring: 0s", 3, "greater than 0"),
    ("queues:\n  a:\n    overflow: {to: b}", 3, "there is no queue 'b'"),
    ("queues:\n  a: {overflow: {to: b}}\n  b: {overflow: {to: a}}", 2, "circle"),
    ("queues:\n  a: {overflow: {to: a}}", 2, "circle"),
    ("queues:\n  a:\n    priority: {gold: 101}", 3, "100"),
    ("queues:\n  a:\n    relax: [{after: 5s, by: 1}]", 2, "nothing to relax"),
    ("queues:\n  a:\n    skills: {x: 3}\n    relax: [{after: 9s, by: 2}, {after: 5s, by: 3}]", 2,
     "later"),
    ("queues:\n  a:\n    callback: {key: '12'}", 3, "match"),
    ("queues:\n  santral_x: {}", 2, "own"),
    ("queues:\n  a b: {}", 2, "match"),
    ("queues: {}", 1, "at least 1"),
    ("queues:\n  a:\n    crm: {open: 'ftp://x/'}", 3, "web address"),
    ("queues:\n  a:\n    crm: {open: 'https://x/?n={calle}'}", 3, "did you mean 'call"),
    ("queues:\n  a:\n    crm: {open: 'https://{caller}.x/'}", 3, "host is fixed"),
    ("queues:\n  a:\n    crm: {open: 'https://x/?n={call!r}'}", 3, "there is no"),
    ("queues:\n  a:\n    crm: {open: 'https://x/?n={call'}", 3, "pair"),
    ("queues:\n  a: 5", 2, "dictionary"),
    ("quues: {}", 1, "queues"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "said"), MISTAKES)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    with pytest.raises(FlowRefused) as refused:
        load(tmp_path, text)
    lines = str(refused.value).splitlines()
    hits = [found for found in lines if f"queues.yaml:{line}:" in found and said in found]
    assert hits, lines


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(FlowRefused) as refused:
        load(tmp_path, "queues:\n  a: {ring: x}\n  b: {weight: 1000}\n")
    assert len(str(refused.value).splitlines()) == 2
