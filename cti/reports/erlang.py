"""How many agents a load needs: Erlang B, C (nobody gives up) and A (callers have patience). Pure.

Sources: A. K. Erlang (1917); C. Palm (1957) and Mandelbaum and Zeltyn, "Service engineering in
action: the Palm/Erlang-A queue" (2007). Rates are per second, times are in seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from ivr.errors import BadInput

MOST_AGENTS: Final = 10_000
NEGLIGIBLE: Final = 1e-15  # of a probability: where an endless queue is cut off


@dataclass(frozen=True, slots=True)
class Load:
    """`calls` in `seconds`, each `handling` seconds long (talk, hold and wrap-up). `patience`: the
    mean time until a waiting caller hangs up; 0: they never do (Erlang C)."""

    calls: float
    seconds: float
    handling: float
    patience: float = 0.0

    def __post_init__(self) -> None:
        if not (self.calls >= 0 and self.seconds > 0 and self.handling > 0 and self.patience >= 0):
            raise BadInput("calls and patience are not negative; the times are above zero")

    @property
    def rate(self) -> float:
        """Calls a second."""
        return self.calls / self.seconds

    @property
    def traffic(self) -> float:
        """In erlangs: the agents it would keep busy without a pause."""
        return self.rate * self.handling


@dataclass(frozen=True, slots=True)
class Service:
    """What callers meet. `level`: the part of all callers that is answered within the limit;
    `mean_wait` is of all callers, those who give up included; `occupancy` is of the agents."""

    agents: int
    waits: float
    level: float
    mean_wait: float
    abandoned: float
    occupancy: float


def erlang_b(traffic: float, agents: int) -> float:
    """The part of calls that find all agents busy, where nobody waits."""
    blocked = 1.0
    for number in range(1, agents + 1):
        blocked = traffic * blocked / (number + traffic * blocked)
    return blocked


def erlang_c(traffic: float, agents: int) -> float:
    """The part of callers who have to wait, where nobody gives up; 1 when agents are too few."""
    if agents <= traffic:
        return 1.0
    blocked = erlang_b(traffic, agents)
    return blocked / (1 - traffic / agents * (1 - blocked))


def service(load: Load, agents: int, limit: float) -> Service:
    """What callers meet with so many agents; `limit` is that of the service level."""
    if agents < 0 or agents > MOST_AGENTS or limit < 0:
        raise BadInput(f"agents are 0 to {MOST_AGENTS}; the limit is not negative")
    if load.calls == 0:
        return Service(agents, 0.0, 1.0, 0.0, 0.0, 0.0)
    return _patient(load, agents, limit) if not load.patience else _impatient(load, agents, limit)


def agents_for(load: Load, target: float, limit: float, most_occupancy: float = 1.0) -> Service:
    """The fewest agents that answer the part `target` of callers within `limit`, and are not busier
    than `most_occupancy`. `BadInput` when no number of agents does."""
    if not 0 < target < 1 or not 0 < most_occupancy <= 1:
        raise BadInput("the target is between 0 and 1, the occupancy above 0 and at most 1")
    low, high = 0, 1
    while not _enough(load, high, target, limit, most_occupancy):
        low, high = high, high * 2
        if low >= MOST_AGENTS:
            raise BadInput(f"this takes more than {MOST_AGENTS} agents")
    while high - low > 1:
        middle = (low + high) // 2
        if _enough(load, middle, target, limit, most_occupancy):
            high = middle
        else:
            low = middle
    return service(load, high if load.calls else 0, limit)


def _enough(load: Load, agents: int, target: float, limit: float, most: float) -> bool:
    met = service(load, min(agents, MOST_AGENTS), limit)
    return met.level >= target and met.occupancy <= most


def _patient(load: Load, agents: int, limit: float) -> Service:
    traffic = load.traffic
    if agents <= traffic:  # the queue grows without end
        return Service(agents, 1.0, 0.0, math.inf, 0.0, 1.0)
    waits = erlang_c(traffic, agents)
    pace = (agents - traffic) / load.handling
    return Service(
        agents=agents,
        waits=waits,
        level=1 - waits * math.exp(-pace * limit),
        mean_wait=waits / pace,
        abandoned=0.0,
        occupancy=traffic / agents,
    )


def _impatient(load: Load, agents: int, limit: float) -> Service:
    """The Palm/Erlang-A queue.

    Whoever finds `ahead` callers waiting before them is offered an agent after a sum of exponential
    times of the rates a + j, j = 0 .. ahead, in units of the patience (a = agents * patience /
    handling); e to the minus that sum is Beta(a, ahead + 1) distributed.
    """
    busy, waiting = _states(load, agents)
    speed = agents * load.patience / load.handling
    edge = math.exp(-limit / load.patience)
    served, in_time = busy, busy
    for ahead, part in enumerate(waiting):
        if speed == 0:
            break
        answered = speed / (speed + ahead + 1)
        served += part * answered
        # E[X; X >= edge] of X ~ Beta(speed, ahead + 1): reached in time, and still there
        in_time += part * answered * (1 - beta(speed + 1, ahead + 1, edge))
    abandoned = max(0.0, 1 - served)
    return Service(
        agents=agents,
        waits=sum(waiting),
        level=in_time,
        mean_wait=abandoned * load.patience,  # each second of waiting ends in giving up so often
        abandoned=abandoned,
        occupancy=load.traffic * served / agents if agents else 0.0,
    )


def _states(load: Load, agents: int) -> tuple[float, list[float]]:
    """The part of time in which an agent is free, and in which 0, 1, 2 … callers wait while all
    agents are busy."""
    # relative to all agents busy and nobody waiting, so that nothing overflows
    free, weight = 0.0, 1.0
    for number in range(agents, 0, -1):
        weight *= number / load.traffic
        free += weight
        if weight < NEGLIGIBLE * free and number < load.traffic:
            break
    waiting, weight, whole = [1.0], 1.0, 1.0 + free
    while weight > NEGLIGIBLE * whole or len(waiting) < 2:
        ahead = len(waiting)
        weight *= load.rate / (agents / load.handling + ahead / load.patience)
        waiting.append(weight)
        whole += weight
    return free / whole, [part / whole for part in waiting]


def beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b), by its continued fraction.

    Source: Numerical Recipes, 6.4; W. J. Lentz (1976).
    """
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - beta(b, a, 1 - x)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    return front * _fraction(a, b, x) / a


def _fraction(a: float, b: float, x: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1) or tiny)
    made = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for part in (even, odd):
            d = 1 / (1 + part * d or tiny)
            c = 1 + part / c or tiny
            made *= c * d
        if abs(c * d - 1) < 1e-14:
            return made
    return made
