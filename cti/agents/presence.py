"""What an agent does now, as a state machine. Pure: no clock, no Asterisk.

Rules:
  1. Who is signed out is in no queue. Who is signed in is in all of theirs, paused or not.
  2. What happens wins over what is wanted: an agent who asks for a pause while it rings or while
     they talk gets it afterwards (`next_pause`); no further call is offered meanwhile.
  3. A talk that came from a queue is followed by that queue's wrap-up, until its time is over, the
     agent says `ready`, or they take a pause. Other talks (outbound, a colleague) are not.
  4. Who lets it ring is paused with the reason `missed`: the next caller must not wait in vain.
  5. Without a phone an agent is offline: paused, whatever they were. Back, they are ready, or in
     the pause they had asked for. Offline for too long is signed out.
  6. What makes no sense in a state changes nothing.

                signed_out  ready       paused      ringing     talking     wrap_up     offline
  sign_in       ready(5)    -           -           -           -           -           -
  sign_out      -           signed_out  signed_out  signed_out  signed_out  signed_out  signed_out
  ready         -           -           ready       no pause    no pause    ready       no pause
  pause         -           paused      paused      later       later       paused      later
  called        -           ringing     ringing     ringing     -           ringing     ringing
  connected     -           talking     talking     talking     talking     talking     talking
  missed        -           -           -           paused      -           -           -
  ended         -           -           -           ready(2)    wrap_up(3)  -           -
  gone          -           offline     offline     offline     offline     offline     -
  back          -           -           -           -           -           -           (5)
  tick          -           -           -           -           -           ready(2)    signed_out
  extend        -           -           -           -           -           longer      -

`connected` in any state but signed_out: Asterisk says they talk, so they do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

WRAP_UP = "wrap_up"
MISSED = "missed"
OFFLINE = "offline"
OURS = frozenset({WRAP_UP, MISSED, OFFLINE})  # reasons that agents cannot give themselves
OFFLINE_FOR = 600.0
LONGEST_WRAP_UP = 3600.0


class State(StrEnum):
    SIGNED_OUT = "signed_out"
    READY = "ready"
    PAUSED = "paused"
    RINGING = "ringing"
    TALKING = "talking"
    WRAP_UP = "wrap_up"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Presence:
    """`since` is when the state began and `until` when it ends by itself (0: never): seconds since
    1970. `reason` is the pause's, `next_pause` that of one that is to come.
    """

    login: str
    interface: str = ""
    state: State = State.SIGNED_OUT
    since: float = 0.0
    until: float = 0.0
    reason: str = ""
    next_pause: str = ""
    call: str = ""
    queue: str = ""

    @property
    def paused(self) -> tuple[bool, str]:
        """What Asterisk's queues are told: paused or not, and why."""
        if self.state == State.PAUSED:
            return True, self.reason
        if self.state in (State.WRAP_UP, State.OFFLINE):
            return True, self.state.value
        return (True, self.next_pause) if self.next_pause else (False, "")


# --- what can happen


@dataclass(frozen=True, slots=True)
class SignIn:
    """At the phone `interface`; `reachable`: it is registered."""

    interface: str
    reachable: bool = True


@dataclass(frozen=True, slots=True)
class SignOut:
    pass


@dataclass(frozen=True, slots=True)
class Ready:
    pass


@dataclass(frozen=True, slots=True)
class Pause:
    reason: str


@dataclass(frozen=True, slots=True)
class Called:
    call: str
    queue: str


@dataclass(frozen=True, slots=True)
class Connected:
    """`queue` is "" for a talk that came from none."""

    call: str
    queue: str


@dataclass(frozen=True, slots=True)
class Missed:
    call: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The ringing or the talk is over; `wrap_up` is the queue's, in seconds."""

    call: str
    wrap_up: float = 0.0


@dataclass(frozen=True, slots=True)
class Gone:
    """The phone is not registered any more: the page was closed, the network cut."""


@dataclass(frozen=True, slots=True)
class Back:
    pass


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Extend:
    """More time to wrap up, in seconds from now."""

    seconds: float


Happening = (
    SignIn | SignOut | Ready | Pause | Called | Connected | Missed | Ended | Gone | Back | Tick
    | Extend
)  # fmt: skip


def after(now: Presence, what: Happening, at: float) -> Presence:
    """The presence after something happened."""
    return _RULES[type(what)](now, what, at)


def _to(now: Presence, state: State, at: float, **fields: Any) -> Presence:
    """Into another state: what belonged to the one before is gone unless it is given."""
    fresh: dict[str, Any] = {
        "until": 0.0,
        "reason": "",
        "call": "",
        "queue": "",
        "next_pause": now.next_pause,
    }
    return replace(now, state=state, since=at, **(fresh | fields))


def _free(now: Presence, at: float) -> Presence:
    """Ready, or in the pause that was asked for."""
    if now.next_pause:
        return _to(now, State.PAUSED, at, reason=now.next_pause, next_pause="")
    return _to(now, State.READY, at)


def _sign_in(now: Presence, what: SignIn, at: float) -> Presence:
    if now.state != State.SIGNED_OUT:
        return now
    here = replace(now, interface=what.interface, next_pause="")
    if what.reachable:
        return _to(here, State.READY, at)
    return _to(here, State.OFFLINE, at, until=at + OFFLINE_FOR)


def _sign_out(now: Presence, _: SignOut, at: float) -> Presence:
    if now.state == State.SIGNED_OUT:
        return now
    return _to(now, State.SIGNED_OUT, at, next_pause="")


def _ready(now: Presence, _: Ready, at: float) -> Presence:
    if now.state in (State.PAUSED, State.WRAP_UP):
        return _to(now, State.READY, at, next_pause="")
    return replace(now, next_pause="") if now.next_pause else now


def _pause(now: Presence, what: Pause, at: float) -> Presence:
    if now.state == State.SIGNED_OUT:
        return now
    if now.state in (State.RINGING, State.TALKING, State.OFFLINE):
        return replace(now, next_pause=what.reason)
    if now.state == State.PAUSED and now.reason == what.reason:
        return now
    return _to(now, State.PAUSED, at, reason=what.reason)


def _called(now: Presence, what: Called, at: float) -> Presence:
    if now.state in (State.SIGNED_OUT, State.TALKING):
        return now
    if now.state == State.RINGING and now.call == what.call:
        return replace(now, queue=what.queue or now.queue)
    waiting = now.reason if now.state == State.PAUSED and now.reason not in OURS else ""
    return _to(
        now, State.RINGING, at, call=what.call, queue=what.queue,
        next_pause=now.next_pause or waiting,
    )  # fmt: skip


def _connected(now: Presence, what: Connected, at: float) -> Presence:
    if now.state == State.SIGNED_OUT:
        return now
    if now.state == State.TALKING and now.call == what.call:
        return replace(now, queue=what.queue or now.queue)
    waiting = now.reason if now.state == State.PAUSED and now.reason not in OURS else ""
    queue = what.queue or (now.queue if now.call == what.call else "")
    return _to(
        now, State.TALKING, at, call=what.call, queue=queue,
        next_pause=now.next_pause or waiting,
    )  # fmt: skip


def _missed(now: Presence, what: Missed, at: float) -> Presence:
    if now.state != State.RINGING or now.call != what.call:
        return now
    return _to(now, State.PAUSED, at, reason=now.next_pause or MISSED, next_pause="")


def _ended(now: Presence, what: Ended, at: float) -> Presence:
    if now.state not in (State.RINGING, State.TALKING) or now.call != what.call:
        return now
    if now.state == State.RINGING or not now.queue or what.wrap_up <= 0:
        return _free(now, at)
    until = at + min(what.wrap_up, LONGEST_WRAP_UP)
    return _to(now, State.WRAP_UP, at, until=until, call=now.call, queue=now.queue)


def _gone(now: Presence, _: Gone, at: float) -> Presence:
    if now.state in (State.SIGNED_OUT, State.OFFLINE):
        return now
    pause = now.reason if now.state == State.PAUSED else ""
    return _to(
        now, State.OFFLINE, at, until=at + OFFLINE_FOR,
        next_pause=now.next_pause or (pause if pause not in OURS else ""),
    )  # fmt: skip


def _back(now: Presence, _: Back, at: float) -> Presence:
    return _free(now, at) if now.state == State.OFFLINE else now


def _tick(now: Presence, _: Tick, at: float) -> Presence:
    if not now.until or at < now.until:
        return now
    if now.state == State.WRAP_UP:
        return _free(now, at)
    return _to(now, State.SIGNED_OUT, at, next_pause="")


def _extend(now: Presence, what: Extend, at: float) -> Presence:
    if now.state != State.WRAP_UP or what.seconds <= 0:
        return now
    return replace(now, until=min(at + what.seconds, now.since + LONGEST_WRAP_UP))


_RULES: Mapping[type, Callable[[Presence, Any, float], Presence]] = {
    SignIn: _sign_in, SignOut: _sign_out, Ready: _ready, Pause: _pause, Called: _called,
    Connected: _connected, Missed: _missed, Ended: _ended, Gone: _gone, Back: _back, Tick: _tick,
    Extend: _extend,
}  # fmt: skip


def found(
    login: str, interface: str, *, paused: bool, reason: str, since: float, talking: str,
    reachable: bool, wrap_up: float, at: float,
) -> Presence:  # fmt: skip
    """The presence of somebody whom Asterisk has in its queues when we start and know nothing.

    `since` is when their pause began, `talking` their call or "", `wrap_up` their queue's.
    """
    base = Presence(login, interface, State.READY, at)
    if not reachable:
        own = reason if paused and reason not in OURS else ""
        return _to(base, State.OFFLINE, at, until=at + OFFLINE_FOR, next_pause=own)
    if talking:
        own = reason if paused and reason not in OURS else ""
        return _to(base, State.TALKING, at, call=talking, next_pause=own)
    if not paused or reason == OFFLINE:
        return base
    if reason == WRAP_UP:
        until = since + wrap_up
        return base if until <= at else _to(base, State.WRAP_UP, since or at, until=until)
    return _to(base, State.PAUSED, since or at, reason=reason)
