"""The scenarios folder on the line: what is saved there is checked, and used if it is good.

A good flow's prompts are made ready before the next call uses it; calls in progress keep theirs. A
bad one leaves the last good version where it is, over a restart, too; what is wrong with it is
logged and shown by `santral status`. Nothing that is saved can end the engine or a call.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cti.lines import Line, Lines, load_lines
from cti.services.versions import Versions
from cti.tables import Tables, load_tables
from ivr.errors import FlowRefused, PromptUnavailable, QueriesRefused
from ivr.flow.finding import Finding, Severity
from ivr.flow.folder import Checked, check_folder
from ivr.flow.loader import Library
from ivr.flow.model import Flow
from ivr.prompts.flows import needs_of
from ivr.prompts.library import PromptLibrary

LOOK_EVERY: Final = 0.5  # seconds between two looks at the folder
KEEP_AGAIN: Final = 6  # looks after which versions that could not be kept are tried again
LINES: Final = "lines.yaml"
log = logging.getLogger(__name__)
Signature = Mapping[str, tuple[int, int, int]]


@dataclass(slots=True)
class OnLine:
    """A flow as the next call will have it; `since` is when this engine took it up."""

    version: str
    file: str
    since: datetime


@dataclass
class Scenarios:
    """The folder, what is on the line of it, and what is wrong with the rest."""

    folder: Path
    sounds: Path
    library: Library
    versions: Versions
    prompts: PromptLibrary
    take_tables: Callable[[Tables], None]
    lines: Lines = field(default_factory=lambda: Lines(default=Line(flow="none")))
    tables: Tables = field(default_factory=Tables)
    on_line: dict[str, OnLine] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    loads: int = 0
    unkept: dict[str, tuple[Flow, Path]] = field(default_factory=dict)
    loaded: Signature = field(default_factory=dict)

    async def open(self) -> None:
        """Load everything for the first time. Raises `FlowRefused` or `QueriesRefused` when calls
        could not be served: there is not one flow, or lines or queries are wrong."""
        self.loaded = await asyncio.to_thread(signature, self.folder)
        checked, tables = await asyncio.to_thread(self._read)
        if tables.findings:
            raise QueriesRefused("\n".join(map(str, tables.findings)))
        self.take_tables(tables)
        self.tables = tables
        found = list(tables.findings)
        await self._take(checked, found)
        await self._last_good(checked)
        if not list(self.library):
            self._tell((*checked.findings, *found))
            raise FlowRefused(f"there is no flow that can be used in {self.folder}")
        self._tell((*checked.findings, *found))
        self.lines = await asyncio.to_thread(load_lines, self.folder / LINES, self.library, [])
        self.loads += 1

    async def reload(self) -> None:
        """Take up what is good of the folder as it is now. Never raises."""
        try:
            checked, tables = await asyncio.to_thread(self._read)
            found = list(tables.findings)
            if not tables.findings:
                self.take_tables(tables)
                self.tables = tables
            await self._take(checked, found)
            try:
                path = self.folder / LINES
                self.lines = await asyncio.to_thread(load_lines, path, self.library)
            except FlowRefused as error:
                told = {(one.line, one.code) for one in checked.findings if one.file == str(path)}
                found += [one for one in error.findings if (one.line, one.code) not in told]
            self._tell((*checked.findings, *found))
        except Exception:
            # Whatever a file can do to us, calls go on with what was good before.
            log.exception(
                "the folder %s could not be read; everything stays as it was", self.folder
            )
        self.loads += 1

    async def watch(self) -> None:
        """Reload whenever something was saved and is not being written any more. Never returns."""
        before, looks = self.loaded, 0
        while True:
            await asyncio.sleep(LOOK_EVERY)
            looks += 1
            now = await asyncio.to_thread(signature, self.folder)
            settled, before = now == before, now
            if self.unkept and looks % KEEP_AGAIN == 0:
                await self._keep(())
            if settled and now != self.loaded:
                self.loaded = now
                await self.reload()

    def _read(self) -> tuple[Checked, Tables]:
        return check_folder(self.folder, self.sounds), load_tables(self.folder)

    async def _take(self, checked: Checked, found: list[Finding]) -> None:
        """Put the good flows that are new on the line, prompts first."""
        good = {flow.name: flow for flow in checked.library}
        new = [flow for flow in good.values() if self._is_new(flow)]
        ready: list[tuple[Flow, Path]] = []
        for flow in new:
            file = Path(checked.views[flow.name].document.file)
            missing = [
                name for name in _entered(flow) if name not in good and name not in self.library
            ]
            if missing:
                message = f"the sub-flow '{missing[0]}' cannot be used, so this one waits for it"
                found.append(Finding(str(file), 1, 1, "waits-for", message))
                continue
            try:
                await self.prompts.prepare(needs_of([flow]))
            except PromptUnavailable as error:
                found.append(Finding(str(file), 1, 1, "no-sound", str(error)))
                if self.loads:
                    continue  # the last good version stays
            ready.append((flow, file))
        for flow, file in ready:
            self.library.put(flow)
            now = datetime.now(UTC)
            self.on_line[flow.name] = OnLine(flow.version, str(file), now)
            if self.loads:
                log.info("flow %s: version %s is on the line", flow.name, flow.version)
        await self._keep(ready)

    def _is_new(self, flow: Flow) -> bool:
        known = self.on_line.get(flow.name)
        return known is None or known.version != flow.version

    async def _keep(self, taken: Iterable[tuple[Flow, Path]]) -> None:
        """Keep versions; those that could not be kept are tried again at the next look."""
        self.unkept |= {flow.name: (flow, file) for flow, file in taken}
        for name, (flow, file) in list(self.unkept.items()):
            if not self._is_new(flow) and await self.versions.keep(flow, file):
                self.unkept.pop(name, None)
            elif self._is_new(flow):
                self.unkept.pop(name, None)  # replaced before it took a call
            else:
                self.unkept[name] = self.unkept.pop(name)  # the last at the next look
                break  # the database is away, or slow: calls do not wait for the others

    async def _last_good(self, checked: Checked) -> None:
        """At the start: flows whose files are bad now go on as they were last on the line."""
        wrong = {one.file for one in checked.findings if one.severity is Severity.ERROR}
        views = {view.document.file: name for name, view in checked.views.items()}
        for file in sorted(wrong):
            name = views.get(file) or Path(file).stem
            if name in self.library:
                continue
            flow = await self.versions.last(name)
            if flow is not None:
                log.error("%s is bad; version %s goes on", file, flow.version)
                try:
                    await self.prompts.prepare(needs_of([flow]))
                except PromptUnavailable as error:
                    log.error("%s: %s", name, error)
                self.library.put(flow)
                self.on_line[name] = OnLine(flow.version, file, datetime.now(UTC))

    def _still_served(self, finding: Finding) -> bool:
        """Whether it says that a flow is missing whose file is there, but bad at the moment."""
        return finding.code == "no-such-flow" and any(
            f"no flow '{name}'" in finding.message and Path(on.file).exists()
            for name, on in self.on_line.items()
        )

    def _tell(self, findings: tuple[Finding, ...]) -> None:
        """Log what was not found before, each once."""
        findings = tuple(one for one in findings if not self._still_served(one))
        for one in findings:
            if one not in self.findings:
                level = logging.ERROR if one.severity is Severity.ERROR else logging.WARNING
                log.log(level, "%s", one)
        if self.findings and not findings:
            log.info("everything in %s is good again", self.folder)
        self.findings = findings


def signature(folder: Path) -> Signature:
    """What would change when a file of the folder is saved, however it is saved."""
    found = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(".yaml") and not entry.name.startswith("."):
                    try:
                        stat = entry.stat()
                    except OSError:  # gone between the two looks
                        continue
                    found[entry.name] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
    except OSError as error:
        log.error("the folder %s cannot be read: %s", folder, error.strerror)
    return found


def _entered(flow: Flow) -> list[str]:
    return [name for step in flow.steps.values() if (name := step.enters())]
