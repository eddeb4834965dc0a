"""Whether calls can be served right now, and if not, why. Pure but for the free space on disk."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LAG = 1.0  # seconds the loop may be late before this is no place for more calls
FREE = 200 * 1024 * 1024  # bytes on the state's disk
AWAY = 300.0  # seconds a database may be away: the spool bridges that


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that was looked at. `stops` says that without it no calls should come here."""

    name: str
    ok: bool
    text: str
    stops: bool = True

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "ok": self.ok, "text": self.text, "stops": self.stops}


def reasons(
    *,
    draining: bool,
    lag: float,
    journal: Any,
    flows: int,
    state: Path,
    speech: bool | None,
    manager: bool | None,
) -> list[Reason]:
    """Everything looked at. `journal` is its `Status`; None for what this engine does not have."""
    found = [
        Reason("engine", not draining, "draining: an engine that follows takes the calls"
               if draining else "takes calls"),
        Reason("loop", lag < LAG, f"the event loop is {lag * 1000:.0f} ms late"),
        Reason("flows", flows > 0, f"{flows} flows are on the line"),
        _journal(journal),
        _database(journal),
        _disk(state),
    ]  # fmt: skip
    if speech is not None:
        told = "speech is recognised" if speech else "the recogniser is away: callers use keys"
        found.append(Reason("speech", speech, told, stops=False))
    if manager is not None:
        told = "connected" if manager else "Asterisk's Manager is away: no pops, no outbound calls"
        found.append(Reason("manager", manager, told, stops=False))
    return found


def ready(found: list[Reason]) -> bool:
    return all(reason.ok for reason in found if reason.stops)


def told(found: list[Reason]) -> Mapping[str, Any]:
    """As /readyz says it."""
    return {"ready": ready(found), "checks": [reason.to_dict() for reason in found]}


def _journal(journal: Any) -> Reason:
    if journal.lost:
        return Reason("journal", False, f"{journal.lost} events are lost", stops=False)
    if journal.disk_full:
        return Reason("journal", False, "the disk takes no more events; they wait in memory")
    return Reason("journal", True, f"{journal.spooled_bytes} bytes wait for the database")


def _database(journal: Any) -> Reason:
    away = journal.database_away
    text = f"away for {away:.0f} s; the spool keeps what happens" if away else "there"
    return Reason("database", not away, text, stops=away > AWAY)


def _disk(state: Path) -> Reason:
    try:
        free = shutil.disk_usage(state).free
    except OSError as error:
        return Reason("disk", False, f"{state}: {error.strerror}")
    return Reason("disk", free > FREE, f"{free // 1_048_576} MB are free")
