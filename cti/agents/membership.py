"""What to ask of Asterisk so that its queues agree with an agent's presence. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cti.agents.presence import Presence, State
from cti.ami.actions import Action, QueueAdd, QueuePause, QueuePenalty, QueueRemove
from cti.live.state import Membership


@dataclass(frozen=True, slots=True)
class Seat:
    """A queue an agent works in, and their penalty there (see `cti/queues/routing.py`)."""

    queue: str
    penalty: int = 0


def needed(
    presence: Presence, name: str, seats: Sequence[Seat], actual: Mapping[str, Membership]
) -> list[Action]:
    """The actions that bring `actual` to what it should be; none when it is.

    Somebody who is added is added paused where they should be: no call slips in between.
    """
    interface = presence.interface
    wanted = {} if presence.state == State.SIGNED_OUT else {seat.queue: seat for seat in seats}
    paused, reason = presence.paused
    actions: list[Action] = [
        QueueRemove(queue, interface) for queue in actual if queue not in wanted
    ]
    wrong = []
    for queue, seat in wanted.items():
        here = actual.get(queue)
        if here is None:
            actions.append(QueueAdd(queue, interface, name, seat.penalty, paused, reason))
            continue
        if here.penalty != seat.penalty:
            actions.append(QueuePenalty(interface, seat.penalty, queue))
        if here.paused != paused or (paused and here.reason != reason):
            wrong.append(queue)
    if wrong:  # one action pauses them everywhere at once
        actions.insert(0, QueuePause(interface, paused, reason=reason))
    return actions
