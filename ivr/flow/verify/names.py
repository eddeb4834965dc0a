"""Variables: set before they are used on every way that leads there, and used at all.

A walk over the graph until nothing changes (Kildall 1973), sets of variables as bits of one number.
`MUST` are those set on every way that leads to a step, `MAY` on at least one. What a step reads
without asking first whether it is there counts as set from then on, so that one gap is told once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Final

from ivr.flow.finding import Finding, meant
from ivr.flow.verify.view import View
from ivr.flow.verify.ways import BACK, Way
from ivr.steps.base import Step
from ivr.steps.facts import Source

RESERVED: Final = frozenset({"call", "language", "now", "visits"})
MOST_PATHS: Final = 100  # further findings of one flow show the shortest path only


def names(view: View) -> Iterator[Finding]:
    """All of it: names that nothing sets, then ways on which they are not set, then unused ones."""
    yield from _unknown(view)
    yield from _before_the_first_step(view)
    if view.ways.start is not None:
        yield from _Unset(view).findings()
    yield from _unused(view)


def _known(view: View) -> set[str]:
    known = {*view.flow.takes, *RESERVED}
    for step in view.flow.steps.values():
        known.update(step.sets())
    return known


def _unknown(view: View) -> Iterator[Finding]:
    """Names in expressions that nothing in the flow ever sets."""
    known = _known(view)
    for number, sources in enumerate(view.sources):
        for source in sources:
            for unknown in sorted(source.names - known):
                message = f"nothing sets '{unknown}'{meant(unknown, known)}"
                yield view.at("unknown-name", number, source_place(view, number, source), message)
    for name, prompt in view.flow.prompts.items():
        for language, templates in prompt.texts.items():
            for template in templates:
                for unknown in sorted(template.names - known):
                    message = f"nothing sets '{unknown}'{meant(unknown, known)}"
                    yield view.finding("unknown-name", ("prompts", name, language), message)


def _before_the_first_step(view: View) -> Iterator[Finding]:
    """What is said of the recording, before any step has set anything."""
    taping = view.flow.record_calls
    known = _known(view)
    there = {*view.flow.takes, *RESERVED}
    for name in taping.prompts() if taping else ():
        prompt = view.flow.prompts.get(name) or view.flow.shared.get(name)
        texts = [text for texts in prompt.texts.values() for text in texts] if prompt else []
        needs = frozenset[str]().union(*(text.needs for text in texts)) & known
        for unset in sorted(needs - there):
            message = f"'{unset}' is not set yet when prompt '{name}' tells of the recording"
            yield view.finding("never-set", view.anywhere(name), message)


def _unused(view: View) -> Iterator[Finding]:
    """Variables that a step sets and nothing reads, returns or is meant to keep."""
    flow = view.flow
    used = set(flow.returns)
    for step, sources in zip(flow.steps.values(), view.sources, strict=True):
        used.update(*(source.names for source in sources), step.keeps())
    for prompt in (*flow.prompts.values(), *flow.shared.values()):
        used.update(*(text.names for texts in prompt.texts.values() for text in texts))
    told = set[str]()
    for number, step in enumerate(view.ways.steps):
        for name in step.sets():
            if name not in used and name not in told:
                told.add(name)
                place = view.holding_place(view.ways.names[number], name)
                message = f"'{name}' is set here and never used"
                yield view.finding("unused-variable", place, message)


def source_place(view: View, number: int, source: Source) -> tuple[str | int, ...]:
    """Where in its step a template or expression stands."""
    name = view.ways.names[number]
    return view.holding_place(name, source.source)[2:]


@dataclass
class _Unset:
    """The data flow of one flow."""

    view: View
    shown: int = 0

    def __post_init__(self) -> None:
        variables = sorted(_known(self.view))
        self.bit = {name: 1 << place for place, name in enumerate(variables)}
        self.all = (1 << len(variables)) - 1
        ways = self.view.ways
        self.first = self.bits({*self.view.flow.takes, *RESERVED})
        self.reads = [self._reads(number, step) for number, step in enumerate(ways.steps)]
        self.adds = [self._adds(number, step) for number, step in enumerate(ways.steps)]

    def bits(self, found: set[str] | frozenset[str]) -> int:
        return reduce(int.__or__, (self.bit.get(name, 0) for name in found), 0)

    def _reads(self, number: int, step: Step) -> dict[str, Source]:
        """The names a step needs from before, each with the first source that reads it."""
        reads: dict[str, Source] = {}
        heard = set(step.sets()) if step.asks else set[str]()  # a rule, a number read back
        own = set[str]()
        conditions = step.conditions()
        in_order = {id(source) for _, source in step.makes()} | set(map(id, conditions.values()))
        for source in self.view.sources[number]:
            if id(source) not in in_order:
                needs = source.needs - heard
                reads |= {name: source for name in needs if name not in reads}
        passed = set[str]()
        for condition in conditions.values():
            reads |= {name: condition for name in condition.needs - passed if name not in reads}
            passed |= condition.set_when(False)
        for variable, source in step.makes():
            reads |= {name: source for name in source.needs - own if name not in reads}
            own.add(variable)
        heard |= own
        for _, prompt in self.view.said_at(number):
            for language in self.view.flow.languages:
                for text in prompt.texts.get(language, ()):
                    needs = text.needs - heard
                    reads |= {name: text for name in needs if name not in reads}
        return reads

    def _adds(self, number: int, step: Step) -> list[tuple[Way, int]]:
        """What each way from a step adds to what is set."""
        always, at = 0, dict[str, int]()
        for name, outcomes in step.sets().items():
            if outcomes is None:
                always |= self.bit[name]
            for outcome in outcomes or ():
                at[outcome] = at.get(outcome, 0) | self.bit[name]
        always |= self.bits(set(self.reads[number]))
        passed = 0
        conditions = step.conditions()
        for outcome, condition in conditions.items():
            at[outcome] = at.get(outcome, 0) | passed | self.bits(condition.set_when(True))
            passed |= self.bits(condition.set_when(False))
        rest = passed if conditions else 0
        return [
            (way, always | at.get(way.outcome, 0) | (rest if way.outcome not in conditions else 0))
            for way in self.view.ways.ways[number]
        ]

    def solve(self, *, every: bool) -> dict[int, int]:
        """What is set where each reached step begins: on every way there, or on any."""
        ways = self.view.ways
        assert ways.start is not None
        found = dict.fromkeys(ways.reached, self.all if every else 0)
        found[ways.start] = self.first
        waiting, queued = list(reversed(ways.reached)), set(ways.reached)
        while waiting:
            number = waiting.pop()
            queued.discard(number)
            for way, adds in self.adds[number]:
                if way.target == BACK:
                    continue
                before = found[way.target]
                brought = found[number] | adds
                after = before & brought if every else before | brought
                if after != before:
                    found[way.target] = after
                    if way.target not in queued:
                        queued.add(way.target)
                        waiting.append(way.target)
        return found

    def findings(self) -> Iterator[Finding]:
        must, may = self.solve(every=True), self.solve(every=False)
        for number in self.view.ways.reached:
            for name, source in self.reads[number].items():
                bit = self.bit.get(name, 0)
                if bit and not must[number] & bit:
                    yield self._finding(number, name, source, bool(may[number] & bit))

    def _finding(self, number: int, name: str, source: Source, sometimes: bool) -> Finding:
        ways = self.view.ways
        assert ways.start is not None
        bit = self.bit[name]
        path = ways.path(number)
        self.shown += 1
        if sometimes and self.shown <= MOST_PATHS:
            path = ways.path(number, self._around(bit)) or path
        place = ("steps", ways.names[number], *source_place(self.view, number, source))
        if sometimes:
            message = f"'{name}' may be unset here: this way does not set it"
            return self.view.finding("maybe-unset", place, message, path)
        message = f"'{name}' is not set on any way that leads here"
        return self.view.finding("never-set", place, message, path)

    def _around(self, bit: int) -> dict[int, tuple[int, str] | None]:
        """What can be reached by ways that do not set a variable."""
        ways = self.view.ways
        assert ways.start is not None
        added = {(number, way): adds for number in ways.reached for way, adds in self.adds[number]}
        return ways.walk(ways.start, lambda number, way: not added[number, way] & bit)
