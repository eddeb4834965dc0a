"""The forecast behind a staffing plan: growth, holidays, and what cannot be asked for."""

from __future__ import annotations

from datetime import date

import pytest

from cti.reports.plan import A_DAY, Past, What, back_tested, days_off, trend
from ivr.errors import BadInput


def rhythm(slot: int) -> float:
    day, half = divmod(slot, A_DAY)
    return 0.0 if not 18 <= half < 42 else (20.0 if day < 5 else 8.0) + (10 if half < 26 else 0)


def test_a_forecast_follows_growth_and_leaves_holidays_out() -> None:
    base = [rhythm(slot) for slot in range(7 * A_DAY)]
    weeks = [[value * 1.03**n for value in base] for n in range(8)]
    assert trend(weeks) == pytest.approx(1.03**0.5)
    assert back_tested(Past(date(2026, 8, 3), weeks, 0, 0, 1, ()))[0] < 0.08
    assert date(2026, 10, 29) in days_off("TR", 2026)
    dead = [list(base) for _ in range(8)]
    dead[7][3 * A_DAY : 4 * A_DAY] = [0.0] * A_DAY
    quiet = Past(date(2026, 9, 7), dead, 0, 0, 1, (date(2026, 10, 29),))
    assert back_tested(quiet)[0] == pytest.approx(0.0, abs=0.02)
    with pytest.raises(BadInput):
        days_off("XX", 2026)


@pytest.mark.parametrize(
    "wrong",
    [{"level": 100.0}, {"within": -1.0}, {"shrinkage": 95.0}, {"volume": float("nan")},
     {"handling": 1e9}, {"patience": 1e9}],
)  # fmt: skip
def test_what_cannot_be_asked_for(wrong: dict[str, float]) -> None:
    with pytest.raises(BadInput):
        What(**wrong)  # type: ignore[arg-type]
