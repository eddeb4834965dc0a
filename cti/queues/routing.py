"""Where a caller goes in a queue and whom it may ring. Pure.

Skills: a queue wants levels, an agent has some. The most an agent falls short in any of them is the
agent's penalty in that queue. A call begins with QUEUE_MAX_PENALTY=0, so only those who fall short
by nothing are asked; the queue's rule raises it as time passes. (Measured: a rule for second 0
comes too late, the first agent has been called by then; so the channel must carry the 0.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cti.queues.model import Queue, Queues
from cti.queues.rendering import personal_queue

UNRATED = 0


@dataclass(frozen=True, slots=True)
class AgentSkills:
    """`login` names the agent; a skill that is not in `levels` is 0."""

    login: str
    levels: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Caller:
    """What routing looks at. `last_agent` is a login, `last_spoke` seconds since 1970."""

    tier: str = ""
    priority: int = 0
    last_agent: str = ""
    last_spoke: float = 0.0


def penalty(queue: Queue, agent: AgentSkills) -> int:
    """0 for an agent who has everything the queue wants."""
    short = (wanted - agent.levels.get(skill, UNRATED) for skill, wanted in queue.skills.items())
    return max(0, *short) if queue.skills else 0


def priority(queue: Queue, caller: Caller) -> int:
    """QUEUE_PRIO: what the flow asked for, or what the customer's tier gives, if that is more."""
    return max(caller.priority, queue.priority.get(caller.tier, 0))


def options(queues: Queues, name: str, caller: Caller, now: float) -> dict[str, str]:
    """What the dialplan is told beside the queue's name (`SANTRAL_<NAME>`); empty values left out.

    priority; max_penalty; timeout, overflow and timeouts (where it goes on, and for how long it
    waits in each of those); agent (the personal queue to try first) and agent_wait.
    """
    queue = queues.queues[name]
    found = {"priority": str(priority(queue, caller) or "")}
    if queue.skills:
        found["max_penalty"] = "0"
    way = [queue, *overflows(queues, name)]
    limits = [str(round(one.overflow.after) or "") if one.overflow else "" for one in way]
    names = [one.overflow.to for one in way if one.overflow]
    found |= {"timeout": limits[0], "overflow": "-".join(names)}
    if any(limits[1:]):
        found["timeouts"] = "-".join(limits[1:])
    again = queue.last_agent
    if again and caller.last_agent and now - caller.last_spoke <= again.within:
        found["agent"] = personal_queue(caller.last_agent)
        found["agent_wait"] = str(round(again.wait))
    return {name: value for name, value in found.items() if value}


def overflows(queues: Queues, name: str) -> list[Queue]:
    """The queues a caller goes on to, one after the other; `load_queues` has refused circles."""
    found = []
    queue = queues.queues[name]
    while queue.overflow is not None:
        queue = queues.queues[queue.overflow.to]
        found.append(queue)
    return found


def expected_wait(position: int, agents: int, talk: float, wrap_up: float) -> float | None:
    """Seconds a caller at `position` (from 1) has still to wait; None when nobody works.

    `talk` is the mean time of a talk. Each of `agents` becomes free once in (talk + wrap-up); the
    first in line waits half of that on average.
    """
    if agents <= 0:
        return None
    turn = (talk + wrap_up) / agents
    return (max(1, position) - 0.5) * turn
