"""What a step says of itself to whoever reads flows without running them: check, graph, lab, docs.

Every fact is a method of `Step` with a default, so that a new step type is one file and no change
anywhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from ivr.expressions import Expression, Template

Outcome = str
Source = Template | Expression
Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """One way a question offers: a key, words by language ("" stands for any), or both. Where all
    lead one way, `outcome` tells the answers apart.

    `place` is where it stands in the step's part of the file (`("options", 0)`), for a `command`
    that works in every question, in the file.
    """

    outcome: Outcome
    key: str = ""
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    place: Place = ()
    command: bool = False

    def spoken(self, language: str) -> tuple[str, ...]:
        """The words for it in a language."""
        return (*self.words.get(language, ()), *self.words.get("", ()))


@dataclass(frozen=True, slots=True)
class Reference:
    """Something that stands elsewhere. `table` is the top-level key of the files that hold it
    (`queries`, `queues`, `hours`, `flows`, …); `given` are the parameters passed to it, None when
    it takes none; `result` is the variable that its result is kept in."""

    table: str
    name: str
    given: frozenset[str] | None = None
    result: str = ""
    place: Place = ()


def sources_of(value: Any) -> Iterator[Source]:
    """Every template and expression in a model, or in what it holds."""
    if isinstance(value, (Template, Expression)):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from sources_of(getattr(value, name))
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from sources_of(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from sources_of(part)
