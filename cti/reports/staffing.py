"""How many agents a queue needs: Erlang C, and Erlang A, where callers give up. Pure.

Sources: A. K. Erlang (1917) for C; C. Palm (1946), and S. Zeltyn and A. Mandelbaum, "Call centers
with impatient customers" (Queueing Systems 51, 2005) for A. Load is in erlangs: arrivals per second
times mean handling time in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ivr.errors import BadInput

MOST_AGENTS: Final = 5000
NOTHING: Final = 1e-9  # erlangs


@dataclass(frozen=True, slots=True)
class Demand:
    """Calls in `interval` seconds, each taking `handling` seconds; callers wait `patience` seconds
    on average before they give up (0: for ever)."""

    calls: float
    handling: float
    interval: float = 1800.0
    patience: float = 0.0

    def __post_init__(self) -> None:
        numbers = (self.calls, self.handling, self.interval, self.patience)
        if not all(math.isfinite(number) for number in numbers):
            raise BadInput("Calls, times and patience are to be numbers.")
        if self.calls < 0 or self.patience < 0 or self.handling <= 0 or self.interval <= 0:
            raise BadInput(
                "Calls and patience cannot be negative; times must be more than nothing."
            )
        if self.load > MOST_AGENTS:
            raise BadInput(f"{self.load:.0f} erlangs are more than this is made for.")

    @property
    def rate(self) -> float:
        return self.calls / self.interval

    @property
    def load(self) -> float:
        """In erlangs: how many agents would be busy all the time."""
        return self.rate * self.handling


@dataclass(frozen=True, slots=True)
class Outlook:
    """What callers meet. `level` is the share answered within the asked time, of all who came;
    times are in seconds; `occupancy` is the share of an agent's time that is work."""

    agents: int
    level: float
    wait: float
    waits: float
    abandoned: float
    occupancy: float


def erlang_b(load: float, agents: int) -> float:
    """The chance that all agents are busy when nobody waits (Jagerman's recursion)."""
    inverse = 1.0
    for number in range(1, agents + 1):
        inverse = 1.0 + inverse * number / load if load else math.inf
    return 1.0 / inverse


def erlang_c(load: float, agents: int) -> float:
    """The chance that a caller has to wait when nobody gives up; 1 where the load is too much."""
    if agents <= load:
        return 1.0
    blocked = erlang_b(load, agents)
    return blocked / (1.0 - load / agents * (1.0 - blocked))


def outlook(demand: Demand, agents: int, within: float) -> Outlook:
    """What `agents` mean to callers: Erlang A when they have a patience, else Erlang C."""
    if agents < 0 or agents > MOST_AGENTS:
        raise BadInput(f"From 0 to {MOST_AGENTS} agents.")
    if demand.load < NOTHING:
        return Outlook(agents, 1.0, 0.0, 0.0, 0.0, 0.0)
    return _erlang_a(demand, agents, within) if demand.patience else _plain(demand, agents, within)


def _plain(demand: Demand, agents: int, within: float) -> Outlook:
    load = demand.load
    if agents <= load:
        return Outlook(agents, 0.0, math.inf, 1.0, 0.0, 1.0)
    waits = erlang_c(load, agents)
    spare = agents - load
    level = 1.0 - waits * math.exp(-spare * within / demand.handling)
    return Outlook(agents, level, waits * demand.handling / spare, waits, 0.0, load / agents)


def _erlang_a(demand: Demand, agents: int, within: float) -> Outlook:
    """M/M/n+M by its stationary distribution: each who waits leaves at the rate 1/patience."""
    arrive, serve, leave = demand.rate, 1.0 / demand.handling, 1.0 / demand.patience
    if not agents:
        return Outlook(0, 0.0, demand.patience, 1.0, 1.0, 1.0)
    busy = _weights(arrive, serve, agents)
    waiting = _tail(arrive, serve, leave, agents)
    scale = sum(busy) + busy[-1] * sum(waiting[1:])
    at = busy[-1] / scale
    queue = [at * weight for weight in waiting]
    length = sum(number * chance for number, chance in enumerate(queue))
    abandoned = leave * length / arrive
    waits = sum(queue)
    working = sum(number * weight for number, weight in enumerate(busy)) / scale
    working += agents * (waits - at)
    level = sum(busy[:-1]) / scale + _served_within(arrive, agents * serve, leave, at, within)
    return Outlook(agents, min(level, 1.0), length / arrive, waits, abandoned, working / agents)


def _weights(arrive: float, serve: float, agents: int) -> list[float]:
    """Unnormalised chances of 0 to `agents` callers, scaled so that none overflows."""
    logs = [0.0]
    for number in range(1, agents + 1):
        logs.append(logs[-1] + math.log(arrive / (number * serve)))
    top = max(logs)
    return [math.exp(one - top) for one in logs]


def _tail(arrive: float, serve: float, leave: float, agents: int) -> list[float]:
    """The chances of 0, 1, 2, … who wait, against that of none (all agents busy)."""
    weights, top = [1.0], 1.0
    while len(weights) < 200_000:
        number = len(weights)
        weights.append(weights[-1] * arrive / (agents * serve + number * leave))
        top = max(top, weights[-1])
        if weights[-1] < 1e-15 * top:
            return weights
    return weights


def _served_within(arrive: float, serve: float, leave: float, at: float, within: float) -> float:
    """The chance that a caller has to wait, is served within the time and does not give up before.
    `at` is the chance that all agents are busy and nobody waits; `serve` is all agents' rate.

    Who finds j waiting is served after j + 1 have gone: a pure death process, whose time has the
    density f_j(t) = leave * C(r + j, j) * r * exp(-leave r t) * (1 - exp(-leave t))^j, with
    r = serve / leave. The chance of finding j is q_j = at * a^j / ((r + 1) … (r + j)), with
    a = arrive / leave. In the sum over all j what stands under the fractions cancels:
    sum q_j f_j(t) = at * serve * exp(-leave r t) * exp(a (1 - exp(-leave t))). That, with the
    caller's own patience, is integrated by Simpson's rule.
    """
    if not at or not within:
        return 0.0
    steps, total = 80, 0.0
    width, start = within / steps, math.log(at * serve)
    for index in range(steps + 1):
        t = index * width
        gone = -math.expm1(-leave * t)
        density = math.exp(start - (serve + leave) * t + arrive / leave * gone)
        total += density * (1 if index in (0, steps) else 4 if index % 2 else 2)
    return total * width / 3.0


def needed(demand: Demand, level: float, within: float, abandoned: float = 1.0) -> Outlook:
    """The fewest agents with at least `level` (0 to 1) answered within `within` seconds, and at
    most that share of callers giving up."""
    if not 0 < level < 1:
        raise BadInput("The service level is more than 0 and less than 100 percent.")
    low, high = 0, max(1, math.ceil(demand.load) + 1)
    while not _enough(found := outlook(demand, high, within), level, abandoned):
        low, high = high, min(high * 2, MOST_AGENTS)
        if low == high:
            raise BadInput(f"Not even {MOST_AGENTS} agents are enough.")
    while high - low > 1:
        middle = (low + high) // 2
        tried = outlook(demand, middle, within)
        if _enough(tried, level, abandoned):
            high, found = middle, tried
        else:
            low = middle
    return found if demand.load >= NOTHING else outlook(demand, 0, within)


def _enough(found: Outlook, level: float, abandoned: float) -> bool:
    return found.level >= level and found.abandoned <= abandoned


def forecast(
    history: Sequence[Sequence[float]], error: float = 0.8
) -> list[tuple[float, float, float]]:
    """The next cycle from cycles of the same length (weeks of half hours), oldest first: for each
    slot the middle, and a band that holds about `error` of what will come.

    Each cycle weighs 1.4 times the one before; the band is the spread of the past about its own
    forecast, never narrower than that of a Poisson process.
    """
    if not history or any(len(cycle) != len(history[0]) for cycle in history):
        raise BadInput("A forecast needs whole cycles of one length.")
    weights = [1.4**number for number in range(len(history))]
    z = _quantile(error)
    made = []
    for slot in range(len(history[0])):
        values = [cycle[slot] for cycle in history]
        middle = sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)
        spread = sum(w * (v - middle) ** 2 for w, v in zip(weights, values, strict=True))
        deviation = math.sqrt(max(spread / sum(weights), middle, 0.25))
        made.append((middle, max(0.0, middle - z * deviation), middle + z * deviation))
    return made


def back_test(history: Sequence[Sequence[float]], error: float = 0.8) -> tuple[float, float]:
    """How the forecast would have done on the last cycle: the mean absolute error as a share of the
    mean (WAPE), and the share of slots that fell into the band."""
    if len(history) < 3:
        raise BadInput("A back-test needs three cycles at least.")
    made, real = forecast(history[:-1], error), history[-1]
    total = sum(real)
    off = sum(abs(value - middle) for (middle, _, _), value in zip(made, real, strict=True))
    inside = sum(low <= value <= high for (_, low, high), value in zip(made, real, strict=True))
    return (off / total if total else 0.0), inside / len(real)


def _quantile(share: float) -> float:
    """How many standard deviations hold that share of a normal distribution (bisection on erf)."""
    low, high = 0.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if math.erf(middle / math.sqrt(2)) < share else (low, middle)
    return low
