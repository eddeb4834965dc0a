"""What the flow pages watch: callers at each step, findings, versions, and what is being said."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final

from cti.bus import Bus
from cti.floor import FLOOR, FLOWS, Floor
from cti.live import Live, standing
from cti.roster import Roster
from cti.scenarios import Scenarios
from cti.transcript import lines_of
from ivr.events import CallEnded, CallStarted, Entry

log = logging.getLogger(__name__)
EVERY: Final = 0.25  # seconds
MOST_BEGINNINGS: Final = 20_000


def line_topic(call: str) -> str:
    return f"call:{call}"


class FlowWatch:
    """`on_entry` is a listener of the journal; `run` publishes the rest while anybody looks."""

    def __init__(self, bus: Bus, floor: Floor, scenarios: Scenarios, roster: Roster) -> None:
        self._bus, self._floor, self._scenarios, self._roster = bus, floor, scenarios, roster
        self._live: Live | None = None
        self._counts: Mapping[str, Mapping[str, int]] | None = None
        self._findings: Sequence[Mapping[str, Any]] | None = None
        self._versions: Mapping[str, str] | None = None
        self._begun: dict[str, float] = {}

    def on_entry(self, entry: Entry) -> None:
        kind = type(entry.event)
        if kind is CallStarted:
            while len(self._begun) >= MOST_BEGINNINGS:
                self._begun.pop(next(iter(self._begun)))
            self._begun[entry.call] = entry.at
        topic = f"call:{entry.call}"
        if self._bus.listened(topic):
            begun = self._begun.get(entry.call, entry.at)
            for line in lines_of(entry, begun):
                self._bus.publish(topic, "line", entry.call, line.to_dict())
        if kind is CallEnded:
            self._begun.pop(entry.call, None)

    async def run(self) -> None:
        """Never returns."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                self.look()
            except Exception:
                log.exception("the flows' live view failed")

    def look(self) -> None:
        if self._bus.listened(FLOWS):
            self._count()
        else:  # whoever comes next has counted themselves, we do not know when
            self._counts = self._live = None
        findings = findings_of(self._scenarios, self._roster)
        if findings != self._findings:
            self._findings = findings
            self._bus.publish(FLOWS, "findings", "findings", findings)
            self._bus.publish(FLOOR, "findings", "findings", findings)
        versions = {name: on.version for name, on in self._scenarios.on_line.items()}
        for name in versions if self._versions is not None else ():
            if self._versions is not None and self._versions.get(name) != versions[name]:
                flow = flow_of(self._scenarios, name, self._floor.live)
                self._bus.publish(FLOWS, "flow", name, flow)
        self._versions = versions

    def _count(self) -> None:
        if self._floor.live is self._live:
            return
        self._live = self._floor.live
        counts = counted(self._live)
        before = self._counts
        every = {one.name: {} for one in self._scenarios.library} if before is None else before
        for flow in {**every, **counts}:
            if before is None or counts.get(flow) != before.get(flow):
                self._bus.publish(FLOWS, "standing", flow, counts.get(flow, {}))
        self._counts = counts


def counted(live: Live) -> dict[str, dict[str, int]]:
    """Callers at each step, by flow."""
    found: dict[str, dict[str, int]] = {}
    for (flow, step), count in standing(live).items():
        if flow and step:
            found.setdefault(flow, {})[step] = count
    return found


def findings_of(scenarios: Scenarios, roster: Roster) -> list[dict[str, Any]]:
    """What is wrong with the folder's files now; of a file its name only."""
    return [
        one.to_dict() | {"file": PurePath(one.file).name}
        for one in (*scenarios.findings, *roster.findings)
    ]


def flow_of(scenarios: Scenarios, name: str, live: Live | None) -> dict[str, Any]:
    """`Flow` of docs/desk-api.md."""
    on = scenarios.on_line[name]
    flow = scenarios.library.get(name)
    calls = live.calls.values() if live else ()
    bad = {one.file for one in scenarios.findings if one.severity == "error"}
    return {
        "name": name, "about": flow.about, "version": on.version, "since": on.since.timestamp(),
        "file": PurePath(on.file).name, "languages": list(flow.languages),
        "calls": sum(call.in_flow and call.flow == name for call in calls),
        "lines": [number for number, line in scenarios.lines.lines.items() if line.flow == name],
        "good": on.file not in bad,
    }  # fmt: skip
