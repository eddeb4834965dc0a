from __future__ import annotations

import heapq
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cti.reports.staffing import (
    Demand,
    back_test,
    erlang_b,
    erlang_c,
    forecast,
    needed,
    outlook,
)
from ivr.errors import BadInput


@pytest.mark.parametrize(
    ("agents", "blocked", "load"),
    [  # the tables of Erlang B that every textbook has: traffic for a blocking of 1, 2 and 5 percent
        (1, 0.01, 0.0101), (5, 0.01, 1.361), (10, 0.01, 4.461), (20, 0.01, 12.03),
        (30, 0.01, 20.34), (50, 0.01, 37.90), (100, 0.01, 84.06),
        (5, 0.02, 1.657), (10, 0.02, 5.084), (20, 0.02, 13.18), (50, 0.02, 40.26),
        (10, 0.05, 6.216), (20, 0.05, 15.25), (50, 0.05, 44.53),
    ],
)  # fmt: skip
def test_erlang_b_as_published(agents: int, blocked: float, load: float) -> None:
    low, high = 0.0, 200.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if erlang_b(middle, agents) < blocked else (low, middle)
    assert f"{low:.4g}" == f"{load:.4g}" or abs(low - load) / load < 0.0005


def test_erlang_c_by_its_definition_and_as_published() -> None:
    for load, agents in ((0.5, 1), (2.0, 3), (10.0, 12), (48.0, 55), (150.0, 160)):
        logs = [n * math.log(load) - math.lgamma(n + 1) for n in range(agents + 1)]
        last = math.exp(logs[-1]) * agents / (agents - load)
        waits = last / (sum(math.exp(one) for one in logs[:-1]) + last)
        assert erlang_c(load, agents) == pytest.approx(waits, rel=1e-9)
    # the worked example that tutorials share: 360 calls in half an hour of 240 s, 55 agents
    found = outlook(Demand(360, 240), 55, 15)
    assert (round(found.waits, 3), round(found.wait, 1)) == (0.239, 8.2)
    assert (round(found.level, 3), round(found.occupancy, 3)) == (0.846, 0.873)


def simulated(demand: Demand, agents: int, within: float, callers: int) -> tuple[float, ...]:
    """First come, first served: who would wait longer than their patience goes."""
    chance = random.Random(7)
    free = [0.0] * agents
    now, level, gone, waited, busy = 0.0, 0, 0, 0.0, 0.0
    for _ in range(callers):
        now += chance.expovariate(demand.rate)
        wait = max(0.0, free[0] - now)
        patience = chance.expovariate(1 / demand.patience)
        if wait > patience:
            gone += 1
            waited += patience
            continue
        work = chance.expovariate(1 / demand.handling)
        heapq.heapreplace(free, now + wait + work)
        level += wait <= within
        waited += wait
        busy += work
    return level / callers, gone / callers, waited / callers, busy / (now * agents)


@pytest.mark.parametrize(
    ("calls", "handling", "patience", "agents"),
    [(90, 180, 120, 8), (360, 240, 180, 46), (60, 200, 60, 9), (200, 150, 90, 17)],
)
def test_erlang_a_against_a_simulation(
    calls: float, handling: float, patience: float, agents: int
) -> None:
    demand = Demand(calls, handling, patience=patience)
    found = outlook(demand, agents, 20)
    level, gone, waited, occupancy = simulated(demand, agents, 20, 700_000)
    assert found.level == pytest.approx(level, rel=0.01)
    assert found.occupancy == pytest.approx(occupancy, rel=0.01)
    assert found.abandoned == pytest.approx(gone, rel=0.01, abs=0.002)
    assert found.wait == pytest.approx(waited, rel=0.01, abs=0.3)


@given(
    calls=st.floats(0, 3000), handling=st.floats(10, 900), patience=st.floats(0, 900),
    level=st.floats(0.5, 0.97), within=st.floats(0, 120),
)  # fmt: skip
@settings(max_examples=40)
def test_what_is_needed_is_enough_and_one_less_is_not(
    calls: float, handling: float, patience: float, level: float, within: float
) -> None:
    demand = Demand(calls, handling, patience=patience and max(patience, 5.0))
    found = needed(demand, level, within)
    if demand.load > 1e-9:
        assert found.level >= level
        assert found.agents == 0 or outlook(demand, found.agents - 1, within).level < level


def test_nobody_calls() -> None:
    assert needed(Demand(0, 180), 0.8, 20).agents == 0


def test_a_forecast_and_how_good_it_would_have_been() -> None:
    chance = random.Random(3)
    shape = [max(0.0, 40 * math.sin(slot / 48 * math.pi)) for slot in range(48)]
    weeks = [[float(_poisson(chance, mean)) for mean in shape] for _ in range(8)]
    made = forecast(weeks)
    assert all(low <= middle <= high for middle, low, high in made)
    assert abs(sum(middle for middle, _, _ in made) - sum(shape)) < 0.05 * sum(shape)
    error, inside = back_test(weeks)
    assert error < 0.25
    assert 0.65 < inside <= 1.0


def _poisson(chance: random.Random, mean: float) -> int:
    count, left = 0, chance.expovariate(1.0)
    while left < mean:
        count, left = count + 1, left + chance.expovariate(1.0)
    return count


@pytest.mark.parametrize(
    "wrong", [{"calls": -1.0}, {"handling": 0.0}, {"calls": math.nan}, {"calls": 1e9}]
)
def test_impossible_demands(wrong: dict[str, float]) -> None:
    with pytest.raises(BadInput):
        Demand(**{"calls": 10.0, "handling": 100.0, **wrong})
    with pytest.raises(BadInput):
        needed(Demand(10, 100), 1.0, 20)
    with pytest.raises(BadInput):
        forecast([[1.0], [1.0, 2.0]])
