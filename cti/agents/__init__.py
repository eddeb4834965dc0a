"""People at their desks: what each one does now, and that Asterisk's queues agree with it."""

from cti.agents.membership import Seat, needed
from cti.agents.presence import (
    Back,
    Called,
    Connected,
    Ended,
    Extend,
    Gone,
    Missed,
    Pause,
    Presence,
    Ready,
    SignIn,
    SignOut,
    State,
    Tick,
    after,
    found,
)
from cti.agents.service import Agents, Person

__all__ = [
    "Agents",
    "Back",
    "Called",
    "Connected",
    "Ended",
    "Extend",
    "Gone",
    "Missed",
    "Pause",
    "Person",
    "Presence",
    "Ready",
    "Seat",
    "SignIn",
    "SignOut",
    "State",
    "Tick",
    "after",
    "found",
    "needed",
]
