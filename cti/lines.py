"""`scenarios/lines.yaml`: which flow answers which dialled number, and in which language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import Field, ValidationError

from ivr.flow.finding import Finding, meant
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


def load_lines(path: Path, flows: Library, bad: list[Finding] | None = None) -> Lines:
    """Read the file; `FlowRefused` for a mistake in it or a flow that is not there.

    With `bad`, single lines that cannot be served are left out and told there: their callers are
    served by `default`, which has to be good.
    """
    document = read_file(path)
    try:
        lines = Lines.model_validate(document.data)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise refused(
            *(document.finding([*map(str, d["loc"])], "bad-lines", d["msg"]) for d in details)
        ) from error
    wrong = dict(_wrong(lines, flows, document))
    if not wrong:
        return lines
    if bad is None or () in wrong:
        raise refused(*wrong.values())
    bad += wrong.values()
    good = {number: line for number, line in lines.lines.items() if (number,) not in wrong}
    return lines.model_copy(update={"lines": good})


def _wrong(
    lines: Lines, flows: Library, document: Document
) -> Iterator[tuple[tuple[str, ...], Finding]]:
    """The lines that cannot be served, by number; the default one by nothing."""
    names = [flow.name for flow in flows]
    places: list[tuple[tuple[str, ...], tuple[str, ...], Line]] = [
        ((), ("default",), lines.default)
    ]
    places += [((number,), ("lines", number), line) for number, line in lines.lines.items()]
    for key, place, line in places:
        if line.flow not in names:
            message = f"there is no flow '{line.flow}'{meant(line.flow, names)}"
            yield key, document.finding((*place, "flow"), "no-such-flow", message)
        elif line.language and line.language not in flows.get(line.flow).languages:
            message = f"flow '{line.flow}' does not speak '{line.language}'"
            yield key, document.finding((*place, "language"), "missing-language", message)


def language_of(line: Line, flow: Flow) -> str:
    return line.language or flow.languages[0]
