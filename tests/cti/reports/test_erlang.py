"""Erlang's formulas against published tables and examples, and against a simulation."""

from __future__ import annotations

import heapq
import math
import random

import pytest

from cti.reports.erlang import Load, agents_for, beta, erlang_b, erlang_c, service
from ivr.errors import BadInput


@pytest.mark.parametrize(
    ("lines", "traffic"),  # the standard table of Erlang B at a blocking of 1 %
    [(1, 0.0101), (2, 0.153), (3, 0.455), (5, 1.361), (10, 4.461), (20, 12.03), (50, 37.90),
     (100, 84.06)],
)  # fmt: skip
def test_erlang_b_is_the_table(lines: int, traffic: float) -> None:
    assert erlang_b(traffic, lines) == pytest.approx(0.01, rel=5e-3)


@pytest.mark.parametrize(
    ("agents", "waits", "mean"),
    # Adan and Resing, Queueing Systems, table 5.1: occupancy 0.9, handling time 1
    [(1, 0.90, 9.00), (2, 0.85, 4.26), (5, 0.76, 1.53), (10, 0.67, 0.67), (20, 0.55, 0.28)],
)
def test_erlang_c_is_the_table(agents: int, waits: float, mean: float) -> None:
    met = service(Load(0.9 * agents, 1.0, 1.0), agents, 0.0)
    assert met.waits == pytest.approx(waits, abs=0.005)
    assert met.mean_wait == pytest.approx(mean, abs=0.0051)  # printed with two decimals


@pytest.mark.parametrize(
    ("agents", "traffic", "waits"),
    [(1, 0.5, 1 / 2), (2, 1.0, 1 / 3), (3, 2.0, 4 / 9), (2, 1.5, 9 / 14), (4, 3.0, 27 / 53)],
)  # as fractions, worked out by hand from the formula
def test_erlang_c_as_fractions(agents: int, traffic: float, waits: float) -> None:
    assert erlang_c(traffic, agents) == pytest.approx(waits, abs=1e-12)


@pytest.mark.parametrize(
    ("load", "agents", "limit", "published"),
    [
        # 100 calls of 3 minutes in half an hour (Call Centre Helper's worked example)
        (Load(100, 1800, 180), 14, 20, (0.1741, 0.888, 7.8, 0.714)),
        # 360 calls of 4 minutes in half an hour (mitan.co.uk's worked example)
        (Load(360, 1800, 240), 55, 15, (0.239, 0.846, 8.2, 0.873)),
    ],
)
def test_published_examples(
    load: Load, agents: int, limit: float, published: tuple[float, ...]
) -> None:
    met = service(load, agents, limit)
    found = (met.waits, met.level, met.mean_wait, met.occupancy)
    for one, wanted in zip(found, published, strict=True):
        assert one == pytest.approx(wanted, rel=6e-3)
    assert agents_for(load, met.level - 1e-6, limit).agents == agents


def simulated(load: Load, agents: int, limit: float, calls: int) -> tuple[float, ...]:
    """One caller after the other: waits, level, mean wait, abandoned. First come, first served."""
    chance = random.Random(7)
    free = [0.0] * agents
    now, waited, in_time, gone, had_to = 0.0, 0.0, 0, 0, 0
    for _ in range(calls):
        now += chance.expovariate(load.rate)
        patience = chance.expovariate(1 / load.patience)
        offered = max(now, free[0])
        had_to += offered > now
        if offered - now > patience:
            gone += 1
            waited += patience
            continue
        heapq.heapreplace(free, offered + chance.expovariate(1 / load.handling))
        waited += offered - now
        in_time += offered - now <= limit
    return had_to / calls, in_time / calls, waited / calls, gone / calls


@pytest.mark.parametrize(
    ("load", "agents", "limit", "calls"),  # a large queue forgets slowly: it takes more calls
    [
        (Load(100, 1800, 180, 120), 9, 20, 300_000),  # too few: some give up
        (Load(100, 1800, 180, 60), 12, 20, 300_000),
        (Load(20, 1800, 300, 90), 3, 10, 300_000),
        (Load(1000, 1800, 240, 180), 125, 30, 1_000_000),
    ],
)
def test_erlang_a_is_what_a_simulation_does(
    load: Load, agents: int, limit: float, calls: int
) -> None:
    met = service(load, agents, limit)
    waits, level, mean, gone = simulated(load, agents, limit, calls)
    assert met.waits == pytest.approx(waits, abs=0.01)
    assert met.level == pytest.approx(level, abs=0.01)
    assert met.abandoned == pytest.approx(gone, abs=0.01)
    assert met.mean_wait == pytest.approx(mean, rel=0.04)


def test_without_end_of_patience_erlang_a_is_erlang_c() -> None:
    calm = service(Load(100, 1800, 180, 1e7), 14, 20)
    never = service(Load(100, 1800, 180), 14, 20)
    for name in ("waits", "level", "mean_wait", "occupancy"):
        assert getattr(calm, name) == pytest.approx(getattr(never, name), rel=1e-3)


def test_more_agents_are_never_worse() -> None:
    load = Load(180, 1800, 240, 100)
    levels = [service(load, agents, 20).level for agents in range(1, 60)]
    assert levels == sorted(levels)
    assert service(load, 0, 20).abandoned == pytest.approx(1.0)


def test_large_and_small_loads_are_numbers() -> None:
    for calls in (0, 1e-6, 1, 50_000):
        met = agents_for(Load(calls, 1800, 300, 90), 0.8, 20)
        assert all(math.isfinite(v) for v in (met.level, met.mean_wait, met.occupancy))
        assert met.level >= 0.8


def test_the_beta_function() -> None:
    assert beta(2, 3, 0.4) == pytest.approx(0.5248, abs=1e-10)  # 1 - (1-x)^3 (1+3x)
    assert beta(1, 1, 0.3) == pytest.approx(0.3)
    assert beta(200, 1, 0.99) == pytest.approx(0.99**200)


@pytest.mark.parametrize("wrong", [(-1, 1800, 180), (10, 0, 180), (10, 1800, 0)])
def test_what_is_no_load(wrong: tuple[float, float, float]) -> None:
    with pytest.raises(BadInput):
        Load(*wrong)
    with pytest.raises(BadInput, match="target"):
        agents_for(Load(10, 1800, 180), 1.0, 20)
