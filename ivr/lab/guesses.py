"""What might be said, keyed and answered in a flow: guesses for conversations nobody has written.

All of them are read from the flow itself: its options and words, the numbers and texts that it
compares with, the parts of results that it uses and the filters that it says them with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain
from typing import Any, Final

from jinja2 import nodes

from ivr.call import Question
from ivr.expressions import Expression, Template, parse
from ivr.flow.model import Flow
from ivr.lab.script import Act, Turn
from ivr.steps.base import Step
from ivr.steps.facts import Source

MESSAGE: Final = "Lütfen beni yarın öğleden sonra arayın, teşekkür ederim."
NUMBERS: Final = ("1234", "4111111111111111", "10000000146", "05321112233", "03122026", "1", "2")
BY_FILTER: Final[Mapping[str, Any]] = {
    "digits": "1234", "spell": "AB12", "phone": "+905321112233", "number": 3, "ordinal": 3,
    "money": 459.9, "date": "2026-12-03", "time": "14:30", "duration": 90, "list": ["a", "b"],
}  # fmt: skip
MOMENTS: Final = (
    datetime(2026, 11, 23, 10, 0, tzinfo=UTC), datetime(2026, 11, 22, 10, 0, tzinfo=UTC),
    datetime(2026, 11, 23, 2, 0, tzinfo=UTC), datetime(2027, 1, 1, 10, 0, tzinfo=UTC),
    datetime(2026, 11, 23, 20, 0, tzinfo=UTC),
)  # fmt: skip
SAID_WITH: Final = re.compile(r"([a-zA-Z_]\w*)\.([a-zA-Z_]\w*)\s*\|\s*([a-z]+)")


class Guesses:
    """The guesses for one flow; `others` are the flows that it may enter."""

    def __init__(self, flow: Flow, others: Iterable[Flow]) -> None:
        self.flow = flow
        self.flows = [flow, *(other for other in others if other.name != flow.name)]

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        steps = (source for flow in self.flows for step in flow.steps.values()
                 for source in step.sources())  # fmt: skip
        prompts = (text for flow in self.flows for prompt in flow.prompts.values()
                   for texts in prompt.texts.values() for text in texts)  # fmt: skip
        return tuple(chain(steps, prompts))

    @cached_property
    def compared(self) -> Mapping[str, tuple[Any, ...]]:
        """What each dotted name is compared with, neighbours of numbers included."""
        found: dict[str, dict[Any, None]] = {}
        for source in self.sources:
            if source.names and any(sign in source.source for sign in "=<>"):
                for name, value in _comparisons(source):
                    found.setdefault(name, {}).update(dict.fromkeys(_near(value)))
        return {name: tuple(values) for name, values in found.items()}

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Results that might be kept in a variable: the parts of it that are used."""
        filters = {
            part: filter_
            for source in self.sources
            for of, part, filter_ in SAID_WITH.findall(source.source)
            if of == name
        }
        parts = {part for source in self.sources for of, part in source.parts if of == name}
        row = {part: BY_FILTER.get(filters.get(part, ""), part) for part in sorted(parts)}
        rows = [row]
        for part in sorted(parts):
            for value in self.compared.get(f"{name}.{part}", ()):
                rows.append({**row, part: value})
            if f"{name}.{part}" not in self.compared and self._asked(f"{name}.{part}"):
                rows += [{**row, part: True}, {**row, part: False}]
        return rows

    def _asked(self, dotted: str) -> bool:
        """Whether a branch asks for the bare value."""
        return any(isinstance(s, Expression) and dotted in s.source for s in self.sources)

    def values(self, name: str) -> list[Any]:
        """What a variable that the flow takes might be."""
        if any(of == name for source in self.sources for of, _ in source.parts):
            return list(self.rows(name))
        return [*self.compared.get(name, ()), "1234"]

    def turns(self, step: Step, question: Question | None, language: str) -> list[Turn]:
        """What a caller might do at a question."""
        if question is None:
            return [Turn(Act.SAYS, MESSAGE), Turn(Act.SILENT)]
        turns = dict.fromkeys(self._pressed(step, question))
        if question.words:
            words = [w for offer in self.flow.offers(step) for w in offer.spoken(language)[:1]]
            words += [*question.words[:4], *question.words[-2:]]
            turns |= {Turn(Act.SAYS, word): None for word in words}
        return [*turns, Turn(Act.SILENT)]

    def _pressed(self, step: Step, question: Question) -> Iterator[Turn]:
        if question.keys is None:
            return
        least, most, finish = question.keys.min, question.keys.max, question.keys.finish
        yield from (Turn(Act.PRESSES, o.key) for o in self.flow.offers(step) if o.key)
        if most == 1:
            yield from (Turn(Act.PRESSES, key) for key in "12359704")
            return
        constants = [str(v) for values in self.compared.values() for v in values if _digits(v)]
        lengths = ["1234567890123456789"[:length] for length in (least, min(most, 19))]
        for number in dict.fromkeys((*lengths, *constants, *NUMBERS)):
            yield Turn(Act.PRESSES, number if len(number) >= most else number + (finish or ""))


def _digits(value: Any) -> bool:
    return str(value).isdecimal() and len(str(value)) < 20


def _near(value: Any) -> tuple[Any, ...]:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return (value, f"not {value}") if isinstance(value, str) else (value,)
    return (value, value + 1, value - 1)


def _comparisons(source: Source) -> Iterator[tuple[str, Any]]:
    text = source.source if isinstance(source, Template) else "{{" + source.source + "}}"
    for compare in parse(text).find_all(nodes.Compare):
        for operand in compare.ops:
            for side, other in ((compare.expr, operand.expr), (operand.expr, compare.expr)):
                name = _dotted(side)
                if name and isinstance(other, nodes.Const):
                    yield name, other.value
                elif name and isinstance(other, (nodes.List, nodes.Tuple)):
                    consts = (part for part in other.items if isinstance(part, nodes.Const))
                    yield from ((name, part.value) for part in consts)


def _dotted(node: nodes.Node) -> str:
    match node:
        case nodes.Name(name=name):
            return str(name)
        case nodes.Getattr(node=inner):
            head = _dotted(inner)
            return f"{head}.{node.attr}" if head else ""
        case nodes.Filter(node=inner) if inner is not None:
            return _dotted(inner)
        case _:
            return ""
