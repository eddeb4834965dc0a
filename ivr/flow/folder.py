"""A folder of flows and of what they name: read, checked as a whole, good flows given back.

A file with `flow:` is a flow; one with `prompts:` alone is a set of shared prompts; every other
top-level key is a table (`queries`, `hours`, `queues`, …), which may be split over files. Whatever
says `flow: name` in such a file (a line, a campaign) leads callers into that flow.
"""

from __future__ import annotations

import gc
import re
import wave
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from ivr.errors import FlowRefused
from ivr.flow.finding import Finding, Severity, meant
from ivr.flow.loader import Library, is_flow, model_of, prompts_of
from ivr.flow.model import Prompt
from ivr.flow.reader import Document, Key, read_file
from ivr.flow.verify import verify_view
from ivr.flow.verify.passages import endless_calls, with_passages
from ivr.flow.verify.view import Entry, Recording, View, World

RATE, WIDTH = 8000, 2  # what the telephone plays: 8 kHz, 16 bit, one channel
QUOTED: Final = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)


@dataclass
class Checked:
    """What a folder holds, and everything that was found in it, in the order of its files."""

    views: Mapping[str, View] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    world: World = field(default_factory=World)

    @property
    def library(self) -> Library:
        """The flows without an error in their files."""
        wrong = {found.file for found in self.findings if found.severity is Severity.ERROR}
        good = [view.flow for view in self.views.values() if view.document.file not in wrong]
        return Library(good)


def load_folder(folder: Path) -> tuple[Library, tuple[Finding, ...]]:
    """Every flow of a folder that has no error, and the findings of all."""
    checked = check_folder(folder)
    return checked.library, checked.findings


def check_folder(folder: Path, sounds: Path | None = None) -> Checked:
    """Read and prove a folder. `sounds` holds the recorded prompts (`../sounds` if there)."""
    with _undisturbed():
        return _Folder(folder, sounds or folder.parent / "sounds").checked()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Without the garbage collector: it finds nothing in what is built here, and takes a fifth of
    the time to look through it again and again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


class _Folder:
    """One reading of a folder."""

    def __init__(self, folder: Path, sounds: Path) -> None:
        self.folder, self.sounds = folder, sounds
        self.findings: list[Finding] = []
        self.tables: dict[str, dict[str, Entry]] = {}

    def checked(self) -> Checked:
        flows, others = list[Document](), list[Document]()
        for path in sorted(self.folder.glob("*.yaml")):
            try:
                document = read_file(path)
                (flows if is_flow(document) else others).append(document)
            except FlowRefused as error:
                self.findings.extend(error.findings)
        shared = self._shared(others)
        views = self._views(flows, shared)
        for document in others:
            self._tables(document)
        self._entries(others, views, [str(d.data["flow"]) for d in flows])
        world = World(self.tables, dict(_recordings(self.sounds)))
        world = with_passages(views, world)
        self.findings.extend(endless_calls(views))
        views = {name: replace(view, world=world) for name, view in views.items()}
        for view in views.values():
            self.findings.extend(verify_view(view))
        order = {found.file: None for found in sorted(self.findings, key=lambda f: f.file)}
        ranks = {file: rank for rank, file in enumerate(order)}
        self.findings.sort(key=lambda found: (ranks[found.file], found.line, found.column))
        return Checked(views, tuple(self.findings), world)

    def find(self, document: Document, place: tuple[Key, ...], code: str, message: str) -> None:
        self.findings.append(document.finding(place, code, message))

    def _shared(self, documents: Iterable[Document]) -> Mapping[str, Prompt]:
        """The prompts of all files of shared prompts."""
        shared: dict[str, Prompt] = {}
        for document in documents:
            if not isinstance(document.data, dict) or "prompts" not in document.data:
                continue
            try:
                prompts = prompts_of(document)
            except FlowRefused as error:
                self.findings.extend(error.findings)
                continue
            for name in prompts.keys() & shared.keys():
                message = f"a second shared prompt '{name}'"
                self.find(document, ("prompts", name), "given-twice", message)
            shared.update(prompts)
        return shared

    def _views(
        self, documents: Iterable[Document], shared: Mapping[str, Prompt]
    ) -> dict[str, View]:
        views: dict[str, View] = {}
        for document in documents:
            try:
                flow = model_of(document, shared)
            except FlowRefused as error:
                self.findings.extend(error.findings)
                continue
            if flow.name in views:
                other = Path(views[flow.name].document.file).name
                message = f"a second flow '{flow.name}'; the other is in {other}"
                self.find(document, ("flow",), "given-twice", message)
            else:
                views[flow.name] = View(flow, document)
        return views

    def _tables(self, document: Document) -> None:
        data = document.data if isinstance(document.data, dict) else {}
        for table, entries in data.items():
            if table == "prompts" or not isinstance(entries, dict):
                continue
            known = self.tables.setdefault(table, {})
            for name, entry in entries.items():
                if name in known:
                    other = Path(known[name].file).name
                    message = f"'{name}' is given twice; the other is in {other}"
                    self.find(document, (table, name), "given-twice", message)
                known.setdefault(name, _entry(document.file, entry))

    def _entries(
        self, documents: Iterable[Document], views: Mapping[str, View], flows: list[str]
    ) -> None:
        """The flows that callers are led into, and the table of flows itself."""
        entered = self.tables.setdefault("entered", {})
        for document in documents:
            for place, name in _named_flows(document.data):
                entered[name] = Entry(document.file, place[0])
                if name not in flows:
                    message = f"there is no flow '{name}'{meant(name, flows)}"
                    self.find(document, place, "no-such-flow", message)
        self.tables["flows"] = {name: Entry("", None) for name in flows} | {
            name: Entry(
                view.document.file,
                None,
                required=frozenset(view.flow.takes),
                takes_parameters=True,
                results=frozenset(view.flow.returns),
            )
            for name, view in views.items()
        }


def _entry(file: str, data: Any) -> Entry:
    """An entry of a table, with the parameters and columns of a query."""
    if not isinstance(data, dict) or not {"sql", "parameters"} & data.keys():
        return Entry(file, data)
    parameters = data.get("parameters")
    given: Mapping[str, Any] = parameters if isinstance(parameters, dict) else {}
    optional = {
        name for name, kind in given.items() if isinstance(kind, dict) and "default" in kind
    }
    columns = columns_of(str(data.get("sql", "")))
    results = data.get("results")
    named = set(results) if isinstance(results, dict) else set()
    return Entry(
        file,
        data,
        frozenset(given.keys() - optional),
        frozenset(optional),
        takes_parameters=True,
        results=frozenset(columns | named) if columns is not None else None,
    )


def columns_of(sql: str) -> set[str] | None:
    """The names of a SELECT's columns; None where they cannot be told (`*`, no alias)."""
    text = QUOTED.sub("''", sql)
    match = re.match(r"\s*select\s+(?:distinct\s+)?", text, re.IGNORECASE)
    if not match:
        return None
    columns, depth, part = set[str](), 0, ""
    for word in re.findall(r"[(),]|[^(),\s]+|\s+", text[match.end() :]):
        depth += (word == "(") - (word == ")")
        ended = not depth and word.lower() == "from"
        if ended or (not depth and word == ","):
            name = re.fullmatch(r'.*?([A-Za-z_]\w*)"?\s*', part, re.DOTALL)
            if name is None:
                return None
            columns.add(name[1])
            part = ""
            if ended:
                return columns
        else:
            part += word
    return None


def _named_flows(data: Any, place: tuple[Key, ...] = ()) -> Iterator[tuple[tuple[Key, ...], str]]:
    """Every `flow: name` in a file that is not a flow."""
    if isinstance(data, dict):
        for key, part in data.items():
            if key == "flow" and isinstance(part, str):
                yield (*place, key), part
            else:
                yield from _named_flows(part, (*place, key))
    elif isinstance(data, list):
        for index, part in enumerate(data):
            yield from _named_flows(part, (*place, index))


def _recordings(sounds: Path) -> Iterator[tuple[tuple[str, str], Recording]]:
    """The recorded prompts, `<language>/<prompt>.wav` and `<language>/<flow>/<prompt>.wav`."""
    for folder in sorted(sounds.glob("*/")):
        if re.fullmatch(r"[a-z]{2,3}", folder.name):
            for path in sorted([*folder.glob("*.wav"), *folder.glob("*/*.wav")]):
                name = path.relative_to(folder).with_suffix("").as_posix()
                shown = path.relative_to(sounds.parent).as_posix()
                yield (folder.name, name), Recording(shown, recording_problem(path))


def recording_problem(path: Path) -> str:
    """Why a recorded file cannot be played on the telephone, or nothing."""
    try:
        with wave.open(str(path), "rb") as file:
            channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            empty = not file.getnframes()
    except (OSError, EOFError, wave.Error) as error:
        return f"it is no WAV file: {error}"
    if empty:
        return "there is nothing in it"
    if (channels, width, rate) == (1, WIDTH, RATE):
        return ""
    return (
        f"it has {rate} Hz, {width * 8} bit, {channels} channels; it has to be 8000 Hz, 16 bit, 1"
    )
