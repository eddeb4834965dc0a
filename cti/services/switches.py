"""Switches that staff throw: an emergency, a closure. One small file, read when it changed.

The command line and the engine share it, so a switch works at the next call, whoever threw it and
whether or not the engine runs.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Switch:
    """`at` is when it was thrown last (ISO 8601, UTC), `by` whose doing it was."""

    on: bool
    at: str
    by: str


class SwitchFile:
    """`ivr.services.Switches`. A file that cannot be read leaves the switches as they were."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._switches: Mapping[str, Switch] = {}

    def on(self, name: str) -> bool:
        switch = self.all().get(name)
        return switch is not None and switch.on

    def all(self) -> Mapping[str, Switch]:
        """Every switch that was ever thrown. Costs one `stat` while nothing changes."""
        try:
            found = os.stat(self._path)
        except OSError:
            return self._switches
        seen = (found.st_mtime_ns, found.st_ino)
        if seen != self._seen:
            try:
                data = json.loads(self._path.read_text("utf-8"))
                self._switches = {name: Switch(**switch) for name, switch in data.items()}
                self._seen = seen
            except (OSError, ValueError, TypeError, AttributeError) as error:
                log.error("the switches cannot be read, they stay as they were: %s", error)
                self._seen = seen
        return MappingProxyType(dict(self._switches))

    def throw(self, name: str, on: bool, by: str) -> None:
        """Throw a switch. OSError when the file cannot be written; then nothing changed."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            switches = {**self.all(), name: Switch(on, now, by)}
            data = {key: asdict(switch) for key, switch in sorted(switches.items())}
            new = self._path.with_suffix(".new")
            new.write_text(json.dumps(data, ensure_ascii=False, indent=2) + "\n", "utf-8")
            new.replace(self._path)
