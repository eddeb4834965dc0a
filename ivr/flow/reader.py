"""YAML as people write it, with the place of every key and value kept.

Only `true`, `false`, `null`, plain decimal numbers, lists and mappings are more than text: `yes`,
`no`, `on`, `off`, `0532…`, `1:30` and dates stay what was typed. A key given twice is an error.
Files, depths and aliases are bounded, so that no file can exhaust the engine that reads it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from ivr.errors import FlowRefused
from ivr.flow.finding import Finding

MAX_BYTES: Final = 2_000_000
MAX_NODES: Final = 400_000
MAX_DEPTH: Final = 60

Key = str | int
Path_ = tuple[Key, ...]


class _Reader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    yaml_implicit_resolvers: dict[str, list[Any]] = {}  # noqa: RUF012 (PyYAML's own design)


for _tag, _pattern, _first in (
    ("bool", r"true|false", "tf"),
    ("null", r"~|null|", ["~", "n", ""]),
    ("int", r"-?(?:0|[1-9][0-9]{0,17})", "-0123456789"),
    ("float", r"-?(?:0|[1-9][0-9]*)\.[0-9]+", "-0123456789"),
):
    _Reader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), list(_first)
    )


@dataclass(slots=True)
class Document:
    """What a file says (`data`), and where each part of it stands (`marks`, by path)."""

    file: str
    data: Any
    marks: dict[Path_, tuple[int, int]] = field(default_factory=dict)

    def finding(self, path: Sequence[Key], code: str, message: str) -> Finding:
        """An error at the part of the file that `path` leads to, or at its nearest parent."""
        line, column = self.place(path)
        return Finding(self.file, line, column, code, message)

    def place(self, path: Sequence[Key]) -> tuple[int, int]:
        way = tuple(path)
        while way and way not in self.marks:
            way = way[:-1]
        return self.marks.get(way, (1, 1))


class _Builder:
    """Turns YAML nodes into plain data, counting what it makes (aliases included)."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.nodes = 0

    def refuse(self, node: yaml.Node, code: str, message: str) -> FlowRefused:
        mark = node.start_mark
        return refused(Finding(self.document.file, mark.line + 1, mark.column + 1, code, message))

    def build(self, node: yaml.Node, path: Path_) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES or len(path) > MAX_DEPTH:
            raise self.refuse(node, "too-large", "the file grows too large or too deep (aliases?)")
        self.document.marks.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(part, (*path, index)) for index, part in enumerate(node.value)]
        return self.mapping(node, path)

    def mapping(self, node: yaml.Node, path: Path_) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self.refuse(
                    key_node, "bad-key", "a name is expected here, not a list or mapping"
                )
            key = str(key_node.value)
            if key in data:
                raise self.refuse(
                    key_node, "given-twice", f"'{key}' is given twice; keep one of them"
                )
            mark = key_node.start_mark
            self.document.marks[(*path, key)] = (mark.line + 1, mark.column + 1)
            data[key] = self.build(value_node, (*path, key))
        return data

    def scalar(self, node: yaml.ScalarNode) -> Any:
        kind = node.tag.rpartition(":")[2]
        if kind not in {"str", "bool", "null", "int", "float"}:
            raise self.refuse(
                node, "bad-tag", f"'{node.tag}' is not allowed here; write plain text"
            )
        text: str = node.value
        if node.style or kind == "str":  # quoted text stays text
            return text
        if kind == "int":
            return int(text)
        if kind == "float":
            return float(text)
        return None if kind == "null" else text == "true"


def refused(*findings: Finding) -> FlowRefused:
    error = FlowRefused("\n".join(str(finding) for finding in findings))
    error.findings = findings
    return error


def read_text(text: str, file: str) -> Document:
    """Parse one YAML document; `FlowRefused` with line and column when it cannot be read."""
    if len(text) > MAX_BYTES:
        size = f"{len(text) / 1e6:.1f} MB; a flow has at most {MAX_BYTES / 1e6:.0f} MB"
        raise refused(Finding(file, 1, 1, "too-large", f"the file has {size}: split it up"))
    document = Document(file, None)
    try:
        node = yaml.compose(text, Loader=_Reader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise refused(
            Finding(file, line, column, "bad-yaml", _plainly(text, line, error))
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise refused(
            Finding(file, 1, 1, "bad-yaml", f"the file cannot be read: {error}")
        ) from error
    if node is None:
        raise refused(Finding(file, 1, 1, "empty", "the file is empty"))
    document.data = _Builder(document).build(node, ())
    return document


def _plainly(text: str, line: int, error: yaml.MarkedYAMLError) -> str:
    lines = text.splitlines()
    for number in (line, line - 1):
        if 0 < number <= len(lines) and "\t" in lines[number - 1]:
            return "there is a tab in this line; YAML is indented with spaces only"
    return f"{error.problem or error.context}" + (f" ({error.context})" if error.context else "")


def read_file(path: Path) -> Document:
    """Read and parse a file; `FlowRefused` when it is missing, too large, or not UTF-8."""
    try:
        if path.stat().st_size > MAX_BYTES:
            size = f"{path.stat().st_size / 1e6:.1f} MB; at most {MAX_BYTES / 1e6:.0f} MB are read"
            raise refused(
                Finding(str(path), 1, 1, "too-large", f"the file has {size}: split it up")
            )
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise refused(Finding(str(path), 1, 1, "unreadable", f"{error.strerror}")) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        message = "the file is not UTF-8 here; save it as UTF-8"
        raise refused(Finding(str(path), line, 1, "not-utf8", message)) from error
    return read_text(text, str(path))
