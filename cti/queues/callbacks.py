"""Call-backs that keep the caller's place. Pure: who is called now, and what an outcome means.

Rules:
  1. A call-back stands where its caller stood: by priority, then by when they came into the queue.
  2. Its turn comes when fewer people stand before it than agents are free, or nobody does at all.
     With none free it is dialled when it is first, because an agent who becomes free goes at once
     to whoever waits on the line: a call-back that waited for a free agent would wait for ever.
  3. Nobody is dialled while no agent works in the queue.
  4. Answered, they go to the front of their priority in the queue (position 1).
  5. Not answered, they are dialled again after `retry`, `tries` times, and keep the place.

  waiting -> dialling -> queued -> done
     ^          |           |
     +--------- + not answered, tries left; or the caller left the queue again without an agent
                +-> failed  no tries left
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from cti.live.state import Waiting
from cti.queues.model import CallbackOffer


class State(StrEnum):
    WAITING = "waiting"
    DIALLING = "dialling"
    QUEUED = "queued"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Callback:
    """`joined` is when the caller came into the queue, `due` the earliest time to dial: seconds
    since 1970. `call` is the call it came from; `attempt` names the call that is being made.
    """

    id: str
    call: str
    queue: str
    number: str
    joined: float
    priority: int = 0
    language: str = ""
    state: State = State.WAITING
    tries: int = 0
    due: float = 0.0
    attempt: str = ""

    @property
    def rank(self) -> tuple[int, float]:
        """The smaller, the earlier."""
        return (-self.priority, self.joined)


def ahead(one: Callback, line: Iterable[Waiting], others: Iterable[Callback]) -> int:
    """How many stand before it: callers on the line, and call-backs that are due."""
    callers = sum((-caller.priority, caller.joined) < one.rank for caller in line)
    return callers + sum(
        other.rank < one.rank
        for other in others
        if other.id != one.id
        and other.queue == one.queue
        and other.state in (State.WAITING, State.DIALLING)
    )


def turns(
    callbacks: Sequence[Callback], line: Sequence[Waiting], free: int, working: int, now: float
) -> tuple[Callback, ...]:
    """Those to be dialled now, in order. All are of one queue, `line` are its waiting callers.

    `free` agents could take a call this moment, `working` are signed in and not paused.
    """
    if working <= 0:
        return ()
    able = [one for one in callbacks if one.state != State.WAITING or one.due <= now]
    return tuple(
        one
        for one in sorted(able, key=lambda one: one.rank)
        if one.state == State.WAITING and ahead(one, line, able) < max(1, free)
    )


def dialled(one: Callback, attempt: str) -> Callback:
    return replace(one, state=State.DIALLING, tries=one.tries + 1, attempt=attempt)


def settle(one: Callback, outcome: str, offer: CallbackOffer, now: float) -> Callback:
    """What becomes of it: `answered`, `not_answered`, `connected` (with an agent), `left` (hung up
    or dropped out of the queue without having talked). What does not fit its state changes nothing.
    """
    if one.state == State.DIALLING and outcome == "answered":
        return replace(one, state=State.QUEUED)
    if one.state in (State.DIALLING, State.QUEUED) and outcome == "connected":
        return replace(one, state=State.DONE)
    failed = one.state == State.DIALLING and outcome == "not_answered"
    if failed or (one.state == State.QUEUED and outcome == "left"):
        if one.tries >= offer.tries:
            return replace(one, state=State.FAILED)
        return replace(one, state=State.WAITING, due=now + offer.retry)
    return one
