"""Which names an expression reads, and which of them have to be there for it to have a value.

Pure functions over Jinja's syntax tree. `order` in `{{ order.total }}` has to be set; in
`{{ order | default('') }}` and behind `order is defined` it may be missing.
"""

from __future__ import annotations

from typing import Final

from jinja2 import nodes

Names = frozenset[str]
NONE: Final[Names] = frozenset()


# What makes a name's being set a question at all.
GUARDS: Final = (nodes.Test, nodes.Filter, nodes.And, nodes.Or, nodes.CondExpr, nodes.If)


def learn(tree: nodes.Node) -> tuple[Names, Names, frozenset[tuple[str, str]]]:
    """The names that are read, those that are needed, and the attributes: one walk where nothing
    guards a name. Nothing in the language binds a name, so each one is read from outside."""
    names, parts, guarded = set[str](), set[tuple[str, str]](), False
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, nodes.Name):
            names.add(node.name)
        elif isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name):
            parts.add((node.node.name, node.attr))
        elif isinstance(node, GUARDS) and not (
            isinstance(node, nodes.Filter) and node.name != "default"
        ):
            guarded = True
        waiting.extend(node.iter_child_nodes())
    read = frozenset(names)
    return (read, needed(tree), attributes(tree)) if guarded else (read, read, frozenset(parts))


def needed(node: nodes.Node, known: Names = NONE) -> Names:
    """The names whose being unset would make `node` fail, those in `known` left out."""
    match node:
        case nodes.Name():
            return NONE if node.name in known else frozenset({node.name})
        case nodes.Test(name="defined" | "undefined", node=nodes.Name()):
            return NONE
        case nodes.Filter(name="default", node=nodes.Name()):
            return _all(node.args, known)
        case nodes.And():
            return needed(node.left, known) | needed(node.right, known | set_when(node.left, True))
        case nodes.Or():
            return needed(node.left, known) | needed(node.right, known | set_when(node.left, False))
        case nodes.CondExpr():
            first = needed(node.expr1, known | set_when(node.test, True))
            second = needed(node.expr2, known | set_when(node.test, False)) if node.expr2 else NONE
            return needed(node.test, known) | first | second
        case nodes.If():
            body = _all(node.body, known | set_when(node.test, True))
            others = [*node.elif_, *node.else_]
            rest = _all(others, known | set_when(node.test, False))
            return needed(node.test, known) | body | rest
        case _:
            return _all(node.iter_child_nodes(), known)


def _all(parts: object, known: Names) -> Names:
    return NONE.union(*(needed(part, known) for part in parts))  # type: ignore[attr-defined]


def set_when(node: nodes.Node, holds: bool) -> Names:
    """The names that are surely set where `node` held, or did not hold."""
    match node:
        case nodes.Test(name="defined" | "undefined", node=nodes.Name(name=name)):
            return frozenset({name}) if holds == (node.name == "defined") else NONE
        case nodes.Not():
            return set_when(node.node, not holds)
        case nodes.And() | nodes.Or():
            left, right = set_when(node.left, holds), set_when(node.right, holds)
            return left | right if holds == isinstance(node, nodes.And) else left & right
        case nodes.Filter(name="default", node=nodes.Name()):
            return NONE
        case _:
            return NONE


def attributes(node: nodes.Node) -> frozenset[tuple[str, str]]:
    """The (variable, part) pairs that are read, `order.total` say; guarded ones left out."""
    found = set[tuple[str, str]]()
    _attributes(node, found)
    return frozenset(found)


def _attributes(node: nodes.Node, found: set[tuple[str, str]]) -> None:
    match node:
        case nodes.Test(name="defined" | "undefined") | nodes.Filter(name="default"):
            return
        case nodes.Getattr(node=nodes.Name(name=name)):
            found.add((name, node.attr))
        case _:
            for part in node.iter_child_nodes():
                _attributes(part, found)
