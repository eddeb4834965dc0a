"""What a proof is given: a flow, the places of its parts, its graph, and the world around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ivr.flow.finding import Finding
from ivr.flow.model import Flow, Prompt
from ivr.flow.reader import Document, Key
from ivr.flow.verify.rules import RULES
from ivr.flow.verify.ways import CHOSEN, Passage, Ways
from ivr.steps.facts import Source


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that a table holds: where it stands, and what the file says of it."""

    file: str
    data: Any
    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    takes_parameters: bool = False
    results: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """A recorded file as its header tells; `problem` is why it cannot be played."""

    file: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class World:
    """What a flow names that stands outside it.

    `tables` by top-level key (`queries`, `flows`, …), each by name; `recordings` by language and
    prompt (or `flow/prompt`); `given` are the secret variables each flow may be entered with, and
    `passages` what is known of each flow when it is entered.
    """

    tables: Mapping[str, Mapping[str, Entry]] = field(default_factory=dict)
    recordings: Mapping[tuple[str, str], Recording] = field(default_factory=dict)
    passages: Mapping[str, Passage] = field(default_factory=dict)
    given: Mapping[str, frozenset[str]] = field(default_factory=dict)
    flows: Mapping[str, Flow] = field(default_factory=dict)


@dataclass
class View:
    """One flow under proof."""

    flow: Flow
    document: Document
    world: World | None = None

    @cached_property
    def ways(self) -> Ways:
        return Ways(self.flow, self.world.passages if self.world else {})

    @cached_property
    def sources(self) -> tuple[tuple[Source, ...], ...]:
        """The templates and expressions of each step."""
        return tuple(tuple(step.sources()) for step in self.flow.steps.values())

    @cached_property
    def menus(self) -> frozenset[int]:
        """The questions with several answers."""
        ways, commands = self.ways, self.flow.command_ways
        return frozenset(
            number
            for number, step in enumerate(ways.steps)
            if step.asks
            and any(w.effort == CHOSEN and w.outcome not in commands for w in ways.ways[number])
        )

    def finding(
        self, code: str, place: Sequence[Key], message: str, path: tuple[str, ...] = ()
    ) -> Finding:
        line, column = self.document.place(place)
        return Finding(self.document.file, line, column, code, message, RULES[code].severity, path)

    def at(self, code: str, number: int, place: Sequence[Key], message: str) -> Finding:
        """A finding at a part of a step, with the way a caller takes there."""
        name = self.ways.names[number]
        return self.finding(code, ("steps", name, *place), message, self.ways.path(number))

    def said_at(self, number: int) -> Iterator[tuple[str, Prompt]]:
        """The prompts, by name, that a caller may hear at a step; those there are."""
        for name in dict.fromkeys(self.flow.prompts_of(self.ways.steps[number])):
            if prompt := self.flow.prompts.get(name) or self.flow.shared.get(name):
                yield name, prompt

    def anywhere(self, value: str) -> tuple[Key, ...]:
        """Where the file, its prompts and steps aside, holds a value."""
        rest = {
            key: part
            for key, part in self.document.data.items()
            if key not in {"prompts", "steps", "flow", "languages", "start"}
        }
        held = next(_holding(rest, value), None)
        return held[0] if held else ()

    def holding_place(self, step: str, value: str) -> tuple[Key, ...]:
        """Where a step's part of the file holds a value, or a key of that name; else the step."""
        data = self.document.data.get("steps", {}).get(step)
        held = next(_holding(data, value), None) or next(_keyed(data, value), None)
        return ("steps", step, *(held[0] if held else ()))

    def target_place(self, step: str, outcome: str, target: str) -> tuple[Key, ...]:
        """Where the file says that `outcome` of a step leads to `target`, as near as it can be
        told: the key that holds the target, best one whose way there names the outcome."""
        data = self.document.data.get("steps", {}).get(step)
        best, score = ("steps", step), -1
        for place, siblings in _holding(data, target):
            names = [str(part) for part in place]
            case = [f"case {part + 1}" for part in place if isinstance(part, int)]
            points = 2 * (outcome in names or outcome in case)
            points += 2 * (outcome in [str(value) for value in siblings.values()])
            points += names[-1] == "next" and len(names) == 1 and outcome == "next"
            if points > score:
                best, score = ("steps", step, *place), points  # type: ignore[assignment]
        if score < 0:  # it stands with the flow's own `no_input` and `no_match`
            return (outcome, "next") if (outcome, "next") in self.document.marks else best
        return best


def _keyed(
    data: Any, key: str, place: tuple[Key, ...] = ()
) -> Iterator[tuple[tuple[Key, ...], Mapping[str, Any]]]:
    """The places in a step's data where a key of this name stands."""
    parts: Any = ()
    if isinstance(data, Mapping):
        if key in data:
            yield (*place, key), data
        parts = data.items()
    elif isinstance(data, list):
        parts = enumerate(data)
    for name, part in parts:
        yield from _keyed(part, key, (*place, name))


def _holding(
    data: Any, value: str, place: tuple[Key, ...] = ()
) -> Iterator[tuple[tuple[Key, ...], Mapping[str, Any]]]:
    """The places in a step's data that hold `value`, each with the mapping it stands in."""
    if isinstance(data, Mapping):
        for key, part in data.items():
            if str(part) == value and not isinstance(part, (Mapping, list)):
                yield (*place, key), data
            else:
                yield from _holding(part, value, (*place, key))
    elif isinstance(data, list):
        for index, part in enumerate(data):
            yield from _holding(part, value, (*place, index))
