"""Named queries and updates: `scenarios/queries.yaml` read, checked and frozen.

A query is one read-only statement with bound parameters, an update one that writes. What is wrong
with the file is told whole, with line and column, before the first call; nothing of a bad file is
used. Both may be split over files; a file may hold other tables beside them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from cti.db.values import TYPES, Kind
from ivr.errors import FlowRefused, QueriesRefused
from ivr.flow.finding import Finding, meant
from ivr.flow.reader import Document, read_file, read_text

READS: Final = frozenset({"select", "with", "values"})
WRITES: Final = frozenset({"insert", "update", "delete", "merge", "into"})  # also inside a WITH
CHANGES: Final = frozenset({"insert", "update", "delete"})  # what an update may begin with
TABLES: Final = ("queries", "updates")
KEYS: Final = ("description", "deadline", "parameters", "results", "sql")
LONGEST: Final = 60.0  # seconds; a caller has hung up long before
DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|)")
NAME: Final = re.compile(r"[a-z_][a-z0-9_]*")
# Strings, quoted names, dollar-quoted text and comments: nothing in them is SQL.
OPAQUE: Final = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|(\$\w*\$).*?\1|--[^\n]*|/\*.*?\*/", re.DOTALL
)
BOUND: Final = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value that is bound; `default` stands in when an optional one is not given."""

    kind: Kind
    optional: bool = False
    default: Any = None


@dataclass(frozen=True, slots=True)
class Query:
    """One named statement; `deadline` in seconds."""

    name: str
    sql: str
    deadline: float
    parameters: Mapping[str, Parameter] = field(default_factory=lambda: MappingProxyType({}))
    results: Mapping[str, Kind] = field(default_factory=lambda: MappingProxyType({}))
    description: str = ""

    def problems(self, given: Collection[str]) -> list[str]:
        """What is wrong with the names of parameters a flow passes; empty when nothing is."""
        found = [
            f"query '{self.name}' takes no parameter '{name}'{meant(name, self.parameters)}"
            for name in given
            if name not in self.parameters
        ]
        missing = [
            name
            for name, parameter in self.parameters.items()
            if name not in given and not parameter.optional
        ]
        return found + [f"query '{self.name}' needs the parameter '{name}'" for name in missing]


def load_queries(path: Path) -> Mapping[str, Query]:
    """The queries of a file by name; `QueriesRefused` with every finding when any is wrong."""
    return _read(read_file, path, "queries")


def load_updates(path: Path) -> Mapping[str, Query]:
    """The updates of a file by name, likewise."""
    return _read(read_file, path, "updates")


def read_queries(text: str, file: str = "queries.yaml") -> Mapping[str, Query]:
    """As `load_queries`, of text at hand."""
    return _read(lambda text: read_text(text, file), text, "queries")


def read_updates(text: str, file: str = "queries.yaml") -> Mapping[str, Query]:
    return _read(lambda text: read_text(text, file), text, "updates")


def queries_of(document: Document) -> tuple[dict[str, dict[str, Query]], list[Finding]]:
    """Both tables of a document, by their keys, and what is wrong with them."""
    reader = _Reader(document)
    data = document.data if isinstance(document.data, dict) else {}
    return {table: reader.table(data, table) for table in TABLES}, reader.findings


def _read(read: Callable[[Any], Document], source: Any, table: str) -> Mapping[str, Query]:
    try:
        document = read(source)
    except FlowRefused as error:
        raise QueriesRefused(str(error)) from error
    reader = _Reader(document)
    reader.mapping(document.data, (), TABLES)
    tables, findings = queries_of(document)
    findings = reader.findings + findings
    if findings:
        raise QueriesRefused("\n".join(str(finding) for finding in findings))
    return MappingProxyType(tables[table])


def sql_problem(sql: str, *, writes: bool = False) -> str:
    """Why a statement is not one read-only statement (or one that writes), or nothing."""
    bare = OPAQUE.sub(" ", sql)
    statements = [part for part in bare.split(";") if part.strip()]
    if len(statements) != 1:
        return f"one statement is expected, here are {len(statements)}"
    words = re.findall(r"[a-z_]\w*", statements[0].lower())
    if writes and (not words or words[0] not in CHANGES):
        return "an update writes: it begins with INSERT, UPDATE or DELETE"
    if not writes and (not words or words[0] not in READS):
        return "a query reads: it begins with SELECT or WITH"
    writing = WRITES.intersection(words)
    if writing and not writes:
        names = ", ".join(sorted(word.upper() for word in writing))
        return f"a query only reads, this one says {names} (put a column of that name in quotes)"
    if re.search(r"\?|\$\d|%\(\w+\)s", statements[0]):
        return "write parameters as :name"
    return ""


def bound_names(sql: str) -> list[str]:
    """The parameters a statement names, in order, each once."""
    return list(dict.fromkeys(BOUND.findall(OPAQUE.sub(" ", sql))))


class _Reader:
    """Turns what the file says into queries, and collects what is wrong with it on the way."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.findings: list[Finding] = []

    def find(self, path: Sequence[str], code: str, message: str) -> None:
        self.findings.append(self.document.finding(path, code, message))

    def mapping(
        self, data: Any, path: Sequence[str], known: Iterable[str] | None = None
    ) -> dict[str, Any]:
        if not isinstance(data, dict):
            if data is not None:
                self.find(path, "bad-value", "names and their values are expected here")
            return {}
        for name in data:
            if known is not None and name not in known:
                message = f"'{name}' is not known here{meant(name, known)}"
                self.find((*path, name), "unknown-key", message)
            elif not NAME.fullmatch(name):
                message = f"'{name}' is no name: small letters, digits and _ only"
                self.find((*path, name), "bad-name", message)
        return data

    def table(self, data: dict[str, Any], table: str) -> dict[str, Query]:
        entries = self.mapping(data.get(table), (table,))
        return {name: self.query(name, entry, table) for name, entry in entries.items()}

    def query(self, name: str, data: Any, table: str) -> Query:
        path = (table, name)
        keys = KEYS if table == "queries" else [key for key in KEYS if key != "results"]
        parts = self.mapping(data, path, keys)
        parameters = {
            key: self.parameter(part, (*path, "parameters", key))
            for key, part in self.mapping(parts.get("parameters"), (*path, "parameters")).items()
        }
        results = {
            key: self.kind(part, (*path, "results", key))
            for key, part in self.mapping(parts.get("results"), (*path, "results")).items()
        }
        return Query(
            name,
            self.sql(parts.get("sql"), path, parameters),
            self.deadline(parts.get("deadline"), path),
            MappingProxyType(parameters),
            MappingProxyType(results),
            str(parts.get("description", "")),
        )

    def deadline(self, value: Any, path: Sequence[str]) -> float:
        match = DURATION.fullmatch("" if value is None else str(value).strip())
        seconds = float(match[1]) / (1000 if match[2] == "ms" else 1) if match else 0.0
        if not 0.0 < seconds <= LONGEST:
            what = f"'{value}' is no deadline" if value is not None else "there is no deadline"
            message = f"{what}; write one like 'deadline: 500ms' or 2s, up to {LONGEST:.0f}s"
            self.find((*path, "deadline"), "bad-deadline", message)
        return seconds

    def kind(self, name: Any, path: Sequence[str]) -> Kind:
        if str(name) not in TYPES:
            message = f"'{name}' is no type; there are {', '.join(TYPES)}"
            self.find(path, "bad-type", message)
        return TYPES.get(str(name), TYPES["text"])

    def parameter(self, data: Any, path: Sequence[str]) -> Parameter:
        if not isinstance(data, dict):
            return Parameter(self.kind(data, path))
        parts = self.mapping(data, path, ("type", "default"))
        kind = self.kind(parts.get("type"), path)
        default = parts.get("default")
        if default is None:
            return Parameter(kind, optional="default" in parts)
        try:
            return Parameter(kind, True, kind.bind(default))
        except (ValueError, ArithmeticError, KeyError):
            self.find((*path, "default"), "bad-default", f"'{default}' is no {kind.name}")
            return Parameter(kind, True)

    def sql(self, text: Any, path: Sequence[str], parameters: Collection[str]) -> str:
        path = (*path, "sql")
        sql = "" if text is None else str(text).strip().rstrip(";").rstrip()
        if problem := sql_problem(sql, writes=path[0] == "updates"):
            self.find(path, "bad-sql", problem)
        bound = bound_names(sql)
        for unknown in (name for name in bound if name not in parameters):
            message = f"':{unknown}' is not in the parameters{meant(unknown, parameters)}"
            self.find(path, "unknown-parameter", message)
        for unused in (name for name in parameters if name not in bound):
            self.find(path, "unused-parameter", f"the parameter '{unused}' is not used here")
        return sql
