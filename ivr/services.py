"""The ports a step may use: `cti` fills them for real calls, `ivr/lab` for keyboard and tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from ivr.events import Journal

if TYPE_CHECKING:
    from ivr.flow.model import Flow


class Lookup(Protocol):
    async def find(
        self, query: str, parameters: Mapping[str, Any], deadline: float
    ) -> Mapping[str, Any] | None:
        """The first row of a named query, or None; `LookupFailed` when no answer came in time."""
        ...


class Clock(Protocol):
    """The wall and the stopwatch; tests bring one of their own."""

    def now(self) -> datetime:
        """The time now, with its zone."""
        ...

    def time(self) -> float:
        """Seconds since 1970, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that only go forward."""
        ...


class Flows(Protocol):
    def get(self, name: str, version: str = "") -> Flow:
        """A loaded flow: the current version, or the one named. KeyError when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """Everything around one conversation."""

    flows: Flows
    lookup: Lookup
    journal: Journal
    clock: Clock
