"""Which ways out of a branch close, or open, for good once a circle has been walked often enough.

The rule that bounds a circle: a way from a branch is *counted* when its condition can hold only
until a counter has grown past a number, or stands behind a condition that holds for ever from then
on; when every walk round the circle that takes this way also passes the step that makes the counter
grow; and when nothing in the circle sets the counter back. Such a way is taken a bounded number of
times, so it may be left out when circles are looked for.

Counters are `visits.step` (how often a step was entered: `visits.ask >= 3`) and a variable that a
step of the circle sets to itself plus a number (`{{ tries | default(0) + 1 }}`). A variable that is
set in the circle and asked for by `is defined`, or by `==` when it is always set to that value,
counts to one; so does `language == 'tr'` behind a step that goes on in that language.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from jinja2 import nodes

from ivr.expressions import Expression, Template
from ivr.flow.verify.ways import Ways

GROWS, SET, VISITS, EQUALS = "grows", "set", "visits", "equals"
MORE: Final = frozenset({"gt", "gteq"})
LESS: Final = frozenset({"lt", "lteq"})
MIRRORED: Final = {"gt": "lt", "gteq": "lteq", "lt": "gt", "lteq": "gteq"}


@dataclass(frozen=True, slots=True)
class Counter:
    kind: str
    name: str
    value: str = ""


Grows = Callable[[Counter], bool]


def counted_ways(
    ways: Ways, part: frozenset[int], targets: Callable[[int], Iterable[int]]
) -> set[tuple[int, int]]:
    """The (step, target) pairs within a circle that are taken a bounded number of times."""
    found = set[tuple[int, int]]()
    for number in part:
        conditions = ways.steps[number].conditions()
        if not conditions:
            continue
        inside = {way.target for way in ways.ways[number] if way.target in part}
        for target in inside:

            def grows(counter: Counter, number: int = number, target: int = target) -> bool:
                return _passed(ways, part, targets, counter, number, target)

            if _closes(ways, number, target, conditions.items(), grows):
                found.add((number, target))
    return found


def _closes(
    ways: Ways,
    number: int,
    target: int,
    conditions: Iterable[tuple[str, Expression]],
    grows: Grows,
) -> bool:
    """Whether every outcome of a branch that leads to `target` is closed in the end."""
    leading = {way.outcome for way in ways.ways[number] if way.target == target}
    shut = False  # an earlier condition holds for ever: nothing behind it is taken
    for outcome, condition in conditions:
        tree = condition.tree
        if outcome in leading and not (shut or settles(tree, False, grows)):
            return False
        leading.discard(outcome)
        shut = shut or settles(tree, True, grows)
    return shut or not leading


def settles(tree: nodes.Node, to: bool, grows: Grows) -> bool:
    """Whether a condition is `to` for ever once its counters have grown far enough."""
    match tree:
        case nodes.Not():
            return settles(tree.node, not to, grows)
        case nodes.And() | nodes.Or():
            both = isinstance(tree, nodes.And) == to
            left, right = settles(tree.left, to, grows), settles(tree.right, to, grows)
            return (left and right) if both else (left or right)
        case nodes.Compare(
            expr=side, ops=[nodes.Operand(op="eq" | "ne" as op, expr=nodes.Const(value=value))]
        ):
            counter = _counter(side)
            if to != (op == "eq") or counter is None:
                return False
            return grows(Counter(EQUALS, counter.name, str(value)))
        case nodes.Compare(ops=[nodes.Operand(op=op, expr=other)]):
            for side, against, sign in (
                (tree.expr, other, op),
                (other, tree.expr, MIRRORED.get(op)),
            ):
                if sign in (MORE if to else LESS) and _number(against):
                    counter = _counter(side)
                    return counter is not None and grows(counter)
            return False
        case nodes.Test(name="defined" | "undefined", node=nodes.Name(name=name)):
            return to == (tree.name == "defined") and grows(Counter(SET, name))
        case _:
            return False


def _number(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Const) and isinstance(node.value, (int, float))


def _counter(node: nodes.Node) -> Counter | None:
    match node:
        case nodes.Getattr(node=nodes.Name(name="visits"), attr=step):
            return Counter(VISITS, step)
        case nodes.Getitem(node=nodes.Name(name="visits"), arg=nodes.Const(value=str(step))):
            return Counter(VISITS, step)
        case nodes.Name(name=name):
            return Counter(GROWS, name)
        case nodes.Filter(name="default" | "int", node=inner):
            return _counter(inner) if inner is not None else None
        case _:
            return None


def _passed(
    ways: Ways,
    part: frozenset[int],
    targets: Callable[[int], Iterable[int]],
    counter: Counter,
    number: int,
    target: int,
) -> bool:
    """Whether walking round by `number` -> `target` always passes what makes the counter grow."""
    growing = set[int]()
    for member in part:
        grows = _grows_at(ways, member, counter)
        if grows is None:
            return False  # it is set back here
        if grows:
            growing.add(member)
    if not growing or number in growing or target in growing:
        return bool(growing)
    seen, waiting = {target}, [target]
    while waiting:
        for after in targets(waiting.pop()):
            if after == number:
                return False
            if after not in seen and after not in growing:
                seen.add(after)
                waiting.append(after)
    return True


def _grows_at(ways: Ways, number: int, counter: Counter) -> bool | None:
    """Whether a step makes the counter grow; None when it sets it to something else."""
    step, name = ways.steps[number], counter.name
    if counter.kind == VISITS:
        return ways.names[number] == name
    if counter == Counter(EQUALS, "language", counter.value):
        spoken = set(step.speaks())
        return spoken == {counter.value} if spoken <= {counter.value} else None
    outcomes = step.sets()
    if name not in outcomes:
        return False
    if counter.kind == SET:
        taken = outcomes[name]
        return taken is None or taken >= {way.outcome for way in ways.ways[number]}
    made = [source for variable, source in step.makes() if variable == name]
    if counter.kind == EQUALS:
        return True if {source.source for source in made} == {counter.value} else None
    return True if made and all(map(_adds, made, [name] * len(made))) else None


def _adds(source: Template | Expression, name: str) -> bool:
    """Whether a value is the variable's own plus a number above nought."""
    text = source.source.strip()
    if isinstance(source, Template):
        if not (text.startswith("{{") and text.endswith("}}")) or source.values != 1:
            return False
        text = text[2:-2]
    tree = Expression(text).tree
    if not isinstance(tree, nodes.Add):
        return False
    return any(
        _counter(side) == Counter(GROWS, name) and _number(other) and other.value > 0  # type: ignore[attr-defined]
        for side, other in ((tree.left, tree.right), (tree.right, tree.left))
    )
