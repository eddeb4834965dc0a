"""`scenarios/lines.yaml`: which flow answers which dialled number, and in which language."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, ValidationError

from ivr.flow.finding import meant
from ivr.flow.loader import Library
from ivr.flow.model import Flow, Language
from ivr.flow.reader import Document, read_file, refused
from ivr.steps.base import Model, Name


class Line(Model):
    """One line: its flow, and the language it begins in (the flow's first if none is given)."""

    flow: Name
    language: Language | None = None


class Lines(Model):
    """The dialled numbers, as Asterisk sees them."""

    lines: Mapping[str, Line] = Field(default_factory=dict)
    default: Line

    def of(self, dialled: str) -> Line:
        return self.lines.get(dialled, self.default)


def load_lines(path: Path, flows: Library) -> Lines:
    """Read the file; `FlowRefused` for a mistake in it or a flow that is not there."""
    document = read_file(path)
    try:
        lines = Lines.model_validate(document.data)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise refused(
            *(document.finding([*map(str, d["loc"])], "bad-lines", d["msg"]) for d in details)
        ) from error
    _check(lines, flows, document)
    return lines


def _check(lines: Lines, flows: Library, document: Document) -> None:
    names = [flow.name for flow in flows]
    places: list[tuple[tuple[str, ...], Line]] = [(("default",), lines.default)]
    places += [(("lines", number), line) for number, line in lines.lines.items()]
    for place, line in places:
        if line.flow not in names:
            message = f"there is no flow '{line.flow}'{meant(line.flow, names)}"
            raise refused(document.finding((*place, "flow"), "no-such-flow", message))
        if line.language and line.language not in flows.get(line.flow).languages:
            message = f"flow '{line.flow}' does not speak '{line.language}'"
            raise refused(document.finding((*place, "language"), "missing-language", message))


def language_of(line: Line, flow: Flow) -> str:
    return line.language or flow.languages[0]
