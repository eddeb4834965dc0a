from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cti.reports.facts import QUARTER
from cti.reports.period import UNITS, Period, period, slot, slot_size, slot_where
from ivr.errors import BadInput

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ZONES = ("Europe/Istanbul", "Europe/Berlin", "America/New_York", "Asia/Kathmandu",
         "Australia/Lord_Howe", "Africa/Casablanca")  # fmt: skip


@given(
    zone=st.sampled_from(ZONES),
    day=st.dates(date(2015, 1, 1), date(2027, 1, 1)),
    days=st.integers(1, 420),
    unit=st.sampled_from([unit for unit in UNITS if unit != "total"]),
    data=st.data(),
)
def test_every_quarter_is_in_the_slot_that_the_wall_clock_says(
    zone: str, day: date, days: int, unit: str, data: st.DataObject
) -> None:
    place = ZoneInfo(zone)
    start = datetime(day.year, day.month, day.day, tzinfo=place)
    last = day + timedelta(days=days)
    asked = Period(start, datetime(last.year, last.month, last.day, tzinfo=place))
    parts = list(asked.parts())
    assert (parts[0].first, parts[-1].end) == (asked.first, asked.stop)
    assert all(a.end == b.first for a, b in pairwise(parts))
    number = data.draw(st.integers(asked.first, asked.stop - 1))
    (part,) = [part for part in parts if part.first <= number < part.end]
    local = datetime.fromtimestamp(number * QUARTER, place)
    key, label = slot(unit, part, (number * QUARTER + part.offset) // slot_size(unit))
    expected = {
        "quarter": local.isoformat(timespec="minutes"),
        "hour": local.replace(minute=0).isoformat(timespec="minutes"),
        "day": f"{local:%Y-%m-%d}", "week": f"{local:%G-W%V}", "month": f"{local:%Y-%m}",
        "weekday": f"{local:%A}".lower(), "hour_of_day": f"{local:%H}:00",
    }  # fmt: skip
    assert label == expected[unit]
    where = slot_where(unit, key, place)
    if "since" in where:
        assert float(where["since"]) <= number * QUARTER < float(where["until"])


def test_the_hour_that_comes_twice_is_two_hours() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    night = Period(datetime(2026, 10, 25, tzinfo=berlin), datetime(2026, 10, 26, tzinfo=berlin))
    labels = [
        slot("hour", part, number)[1]
        for part in night.parts()
        for number in range(
            (part.first * QUARTER + part.offset) // 3600, (part.end * QUARTER + part.offset) // 3600
        )
    ]
    assert len(labels) == len(set(labels)) == 25
    assert [label for label in labels if "T02" in label] == [
        "2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00",
    ]  # fmt: skip


def test_periods_as_people_write_them() -> None:
    def days(begin: str, end: str = "") -> tuple[str, str]:
        found = period(begin, end, "Europe/Istanbul", NOW)
        return f"{found.start:%m-%d %H:%M}", f"{found.end:%m-%d %H:%M}"

    assert days("2026-11-01", "2026-11-02") == ("11-01 00:00", "11-03 00:00")
    assert days("2026-11-01T08:30", "2026-11-01T12:00") == ("11-01 08:30", "11-01 12:00")
    assert days("today") == ("11-22 00:00", "11-23 00:00")
    assert days("7d") == ("11-16 00:00", "11-23 00:00")
    assert days("month") == ("11-01 00:00", "11-23 00:00")
    assert period("7d", "", "Europe/Istanbul", NOW).before.start.day == 9


@pytest.mark.parametrize(
    ("begin", "end", "says"),
    [
        ("2026-11-05", "2026-11-01", "before it begins"),
        ("2026-02-30", "", "no date"),
        ("yesterday morning", "", "no date"),
        ("2026-11-01T08:10", "2026-11-02", "quarter of an hour"),
        ("1999-01-01", "2026-11-02", "five years"),
        ("9999-12-31", "9999-12-31", "too far"),
    ],
)
def test_an_impossible_period(begin: str, end: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        period(begin, end, "Europe/Istanbul", NOW)


def test_within_the_hour_that_comes_twice() -> None:
    """Half past two in summer time is before two o'clock in winter time, half an hour later."""
    zone = ZoneInfo("Europe/Berlin")
    start = datetime(2026, 10, 25, 2, 30, tzinfo=zone)
    end = datetime(2026, 10, 25, 2, 0, tzinfo=zone, fold=1)
    assert (Period(start, end).stop - Period(start, end).first) == 2
    with pytest.raises(BadInput):
        Period(end, start)
