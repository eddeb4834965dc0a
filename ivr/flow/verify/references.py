"""What a flow names that stands elsewhere: queries, queues, hours, sub-flows, their parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ivr.flow.finding import Finding, meant
from ivr.flow.verify.view import Entry, View
from ivr.steps.base import RETURN
from ivr.steps.facts import Reference, Source

CODES: Final = {
    "queries": "no-such-query",
    "queues": "no-such-queue",
    "hours": "no-such-hours",
    "flows": "no-such-flow",
}
ELSEWHERE: Final = {"queues"}  # they may be Asterisk's own, and so in none of our files
LINES: Final = {"lines", "default"}  # what leads callers in without giving a flow anything
SINGULAR: Final = {"queries": "query", "queues": "queue", "hours": "table of hours"}


def references(view: View) -> Iterator[Finding]:
    if view.world is None:
        return
    tables = view.world.tables
    told = set[str]()
    for number, step in enumerate(view.ways.steps):
        for named in step.refers():
            table = tables.get(named.table)
            if table is None:
                if named.table not in told and named.table not in ELSEWHERE:
                    told.add(named.table)
                    message = f"nothing in this folder holds '{named.table}': names not checked"
                    yield view.at("not-checked", number, named.place, message)
            elif named.name not in table:
                what = SINGULAR.get(named.table, named.table.removesuffix("s"))
                message = f"there is no {what} '{named.name}'{meant(named.name, table)}"
                code = CODES.get(named.table, "no-such-entry")
                yield view.at(code, number, named.place, message)
            else:
                yield from _parameters(view, number, named, table[named.name])
    yield from _columns(view, tables)
    yield from _returns(view)


def _parameters(view: View, number: int, named: Reference, entry: Entry) -> Iterator[Finding]:
    if named.given is None or not entry.takes_parameters:
        return
    what = f"{SINGULAR.get(named.table, named.table.removesuffix('s'))} '{named.name}'"
    for name in sorted(entry.required - named.given):
        message = f"{what} needs the parameter '{name}'"
        yield view.at("missing-parameter", number, named.place, message)
    known = entry.required | entry.optional
    for name in sorted(named.given - known):
        message = f"{what} takes no parameter '{name}'{meant(name, known)}"
        yield view.at("unknown-parameter", number, ("with", name), message)


def _columns(view: View, tables: Mapping[str, Mapping[str, Entry]]) -> Iterator[Finding]:
    """`order.totl`, where `order` is only ever the result of queries whose columns are known."""
    known = _known_columns(view, tables)
    if not known:
        return
    for number, sources in enumerate(view.sources):
        for source in sources:
            for message in _wrong_parts(source, known):
                place = view.holding_place(view.ways.names[number], source.source)[2:]
                yield view.at("unknown-column", number, place, message)
    for name, prompt in view.flow.prompts.items():
        for language, texts in prompt.texts.items():
            for text in texts:
                for message in _wrong_parts(text, known):
                    yield view.finding("unknown-column", ("prompts", name, language), message)


def _known_columns(
    view: View, tables: Mapping[str, Mapping[str, Entry]]
) -> Mapping[str, frozenset[str]]:
    """The parts of each variable that is only ever set to results that are known."""
    columns: dict[str, frozenset[str] | None] = dict.fromkeys(view.flow.takes)
    for step in view.flow.steps.values():
        results = {
            named.result: tables.get(named.table, {}).get(named.name)
            for named in step.refers()
            if named.result
        }
        for name in step.sets():
            entry = results.get(name)
            of_it = entry.results if entry else None
            before = columns.get(name, frozenset())
            columns[name] = None if of_it is None or before is None else before | of_it
    return {name: found for name, found in columns.items() if found}


def _wrong_parts(source: Source, known: Mapping[str, frozenset[str]]) -> Iterator[str]:
    for name, part in sorted(source.parts):
        if name in known and part not in known[name]:
            yield f"'{name}' has no '{part}'{meant(part, known[name])}"


def _returns(view: View) -> Iterator[Finding]:
    """`return` in a flow that a line leads to, and variables that no line gives."""
    assert view.world
    entered = view.world.tables.get("entered", {}).get(view.flow.name)
    if entered is None:
        return
    if entered.data in LINES and view.flow.takes:
        message = f"a line leads into '{view.flow.name}', and gives it no '{view.flow.takes[0]}'"
        yield view.finding("missing-parameter", ("takes",), message)
    for number in view.ways.reached:
        name = view.ways.names[number]
        for outcome, target in view.flow.ways[name].items():
            if target == RETURN:
                message = (
                    f"'{view.flow.name}' is entered by a line, so there is no flow to return to"
                )
                place = view.target_place(name, outcome, target)[2:]
                yield view.at("return-from-top", number, place, message)
