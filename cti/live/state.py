"""The frozen picture of the floor. Times are seconds since 1970 UTC."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Phase(StrEnum):
    """Where a caller is.

    new: no more is known than that there is a call, at its start or on its way out; flow: with the
    IVR; waiting: in a queue; ringing: at a phone that rings; talking; held: with music, the agent
    is away; consulting: with music, the agent asks somebody; transferring: on the way to somebody.
    """

    NEW = "new"
    FLOW = "flow"
    WAITING = "waiting"
    RINGING = "ringing"
    TALKING = "talking"
    HELD = "held"
    CONSULTING = "consulting"
    TRANSFERRING = "transferring"


@dataclass(frozen=True, slots=True)
class Leg:
    """One channel. `id` is its Uniqueid; `bridge` is "" while it is in none; `up` once answered."""

    id: str
    name: str
    linked: str
    call: str
    since: float
    up: bool = False
    caller: str = ""
    caller_name: str = ""
    bridge: str = ""
    holds: bool = False

    @property
    def endpoint(self) -> str:
        """`PJSIP/ayse` of `PJSIP/ayse-0000002a`."""
        return self.name.rpartition("-")[0] or self.name

    @property
    def is_local(self) -> bool:
        """A channel of Asterisk's own, between two parts of the dialplan: nobody's telephone."""
        return self.name.startswith("Local/")


@dataclass(frozen=True, slots=True)
class Call:
    """One call. `id` is ours, or Asterisk's Linkedid for a call that has none (desk to desk).

    `main` is the leg the call began with. `ringing` are the phones that ring for it; `agent` is the
    endpoint it is with, or was with last. `phase_since` is when `phase` began.
    """

    id: str
    started: float
    phase: Phase = Phase.NEW
    phase_since: float = 0.0
    main: str = ""
    linked: str = ""
    caller: str = ""
    caller_name: str = ""
    dialled: str = ""
    direction: str = "inbound"
    language: str = ""
    flow: str = ""
    version: str = ""
    step: str = ""
    step_type: str = ""
    in_flow: bool = False
    queue: str = ""
    joined: float = 0.0
    position: int = 0
    ringing: tuple[str, ...] = ()
    agent: str = ""
    agent_name: str = ""
    connected: bool = False
    answered: float = 0.0
    transferring: str = ""
    listens_to: str = ""
    listeners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """A caller in a queue. `leg` is the Uniqueid, `priority` is QUEUE_PRIO where it is known."""

    leg: str
    call: str
    channel: str
    joined: float
    position: int
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Membership:
    """An agent in one queue. `status` is a device state (see `MemberEvent`)."""

    queue: str
    penalty: int = 0
    paused: bool = False
    reason: str = ""
    status: int = 0
    in_call: bool = False
    taken: int = 0
    last_call: float = 0.0
    last_pause: float = 0.0


@dataclass(frozen=True, slots=True)
class Queue:
    """`answered` and `abandoned` count from the start of Asterisk."""

    name: str
    strategy: str = ""
    waiting: tuple[Waiting, ...] = ()
    members: tuple[str, ...] = ()
    answered: int = 0
    abandoned: int = 0


@dataclass(frozen=True, slots=True)
class Agent:
    """A phone somebody works at, as Asterisk sees it; `cti/agents.py` knows what the person does.

    `reachable` is None until a registration is seen. `legs` are its channels, oldest first.
    """

    interface: str
    name: str = ""
    reachable: bool | None = None
    memberships: Mapping[str, Membership] = field(default_factory=dict)
    legs: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()


def _empty() -> Mapping[K, V]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Live:
    """Everything. `connected` tells whether the Manager is there; without it nothing is current.

    `by_linked` finds the call of a leg that does not carry our id (yet).
    """

    connected: bool = False
    calls: Mapping[str, Call] = field(default_factory=_empty)
    legs: Mapping[str, Leg] = field(default_factory=_empty)
    queues: Mapping[str, Queue] = field(default_factory=_empty)
    agents: Mapping[str, Agent] = field(default_factory=_empty)
    by_linked: Mapping[str, str] = field(default_factory=_empty)
    seats: Mapping[str, tuple[str, ...]] = field(default_factory=_empty)
    """Which legs belong to a call, oldest first."""

    def legs_of(self, call: str) -> tuple[Leg, ...]:
        return tuple(self.legs[leg] for leg in self.seats.get(call, ()) if leg in self.legs)

    def leg_of(self, call: str, endpoint: str) -> Leg | None:
        """The leg a phone has in a call, or None."""
        return next((leg for leg in self.legs_of(call) if leg.endpoint == endpoint), None)


@dataclass(frozen=True, slots=True)
class Change:
    """`key` of `kind` (`call`, `queue`, `agent`, `live`) is now `value`; None: it is gone."""

    kind: str
    key: str
    value: Call | Queue | Agent | bool | None


def standing(live: Live) -> Mapping[tuple[str, str], int]:
    """How many callers stand at each (flow, step) now."""
    return Counter((call.flow, call.step) for call in live.calls.values() if call.in_flow)
