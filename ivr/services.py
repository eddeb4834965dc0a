"""The ports a step may use: `cti` fills them for real calls, `ivr/lab` for keyboard and tests.

What a deployment does not have refuses with `ServiceFailed`, which every step that uses it has an
outcome for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from ivr.errors import ServiceFailed
from ivr.events import Journal

if TYPE_CHECKING:
    from ivr.flow.model import Flow
    from ivr.hours import OpeningHours


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


class Updates(Protocol):
    async def write(
        self, name: str, parameters: Mapping[str, Any], key: str, deadline: float
    ) -> int:
        """Run a named write once for `key`, however often it is called; how many rows it changed.

        `ServiceFailed` when it is not known to have been done in time.
        """
        ...


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """`body` is the decoded JSON, or None when there was none."""

    status: int
    body: Any = None


class Http(Protocol):
    async def send(
        self, method: str, url: str, body: Any, headers: Mapping[str, str], deadline: float
    ) -> HttpAnswer:
        """One JSON request to an allowed host; `ServiceFailed` when no answer came in time."""
        ...


class Notifier(Protocol):
    async def notify(self, event: str, data: Mapping[str, Any], key: str) -> None:
        """Hand an event on, to the desk and to webhooks, once for `key`. Kept until delivered."""
        ...


class Recordings(Protocol):
    def place(self, call: str, name: str) -> str:
        """The path that Asterisk is to record to; its suffix is the format."""
        ...


class Switches(Protocol):
    def on(self, name: str) -> bool:
        """Whether a switch that staff can throw (an emergency, a closure) is on now."""
        ...


class Surveys(Protocol):
    async def invite(
        self, survey: str, call: str, phone: str, key: str, percent: float, every: float
    ) -> str:
        """Whether to ask a person: `asked`, or why not. The same answer again for a `key`; `every`
        is in seconds. `ServiceFailed` when it cannot be told."""
        ...


class Missing:
    """A service this deployment does not have."""

    async def write(
        self, name: str, parameters: Mapping[str, Any], key: str, deadline: float
    ) -> int:
        raise ServiceFailed("there is no database to write to")

    async def send(
        self, method: str, url: str, body: Any, headers: Mapping[str, str], deadline: float
    ) -> HttpAnswer:
        raise ServiceFailed("no host may be asked: none is allowed in the settings")

    async def notify(self, event: str, data: Mapping[str, Any], key: str) -> None:
        raise ServiceFailed("there is nobody to notify")

    def place(self, call: str, name: str) -> str:
        raise ServiceFailed("there is no place for recordings")

    def on(self, name: str) -> bool:
        return False

    async def invite(
        self, survey: str, call: str, phone: str, key: str, percent: float, every: float
    ) -> str:
        raise ServiceFailed("there is no database that tells who was asked")


MISSING = Missing()


@dataclass(frozen=True, slots=True)
class Services:
    """Everything around one conversation."""

    flows: Flows
    lookup: Lookup
    journal: Journal
    clock: Clock
    updates: Updates = MISSING
    http: Http = MISSING
    notifier: Notifier = MISSING
    recordings: Recordings = MISSING
    switches: Switches = MISSING
    hours: Mapping[str, OpeningHours] = field(default_factory=dict)
    surveys: Surveys = MISSING
