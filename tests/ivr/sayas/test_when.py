"""Days, times and durations in words."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.errors import CannotSay
from ivr.sayas import FILTERS

THURSDAY = date(2026, 12, 3)


@pytest.mark.parametrize(
    "value",
    [THURSDAY, datetime(2026, 12, 3, 9, 5, tzinfo=UTC), "2026-12-03", " 2026-12-03T09:05:00Z "],
)
def test_a_day(value: object) -> None:
    assert FILTERS["date"](value, "tr") == "3 Aralık Perşembe"
    assert FILTERS["date"](value, "en") == "Thursday, 3 December"
    assert FILTERS["date"](value, "tr", year=True) == "3 Aralık 2026 Perşembe"


@pytest.mark.parametrize(
    ("today", "turkish", "english"),
    [
        ("2026-12-03", "bugün", "today"),
        (date(2026, 12, 2), "yarın", "tomorrow"),
        (datetime(2026, 12, 4, tzinfo=UTC), "dün", "yesterday"),
        ("2026-12-01", "3 Aralık Perşembe", "Thursday, 3 December"),
        ("2027-02-01", "3 Aralık 2026 Perşembe", "Thursday, 3 December 2026"),
    ],
)
def test_days_near_today_have_a_name(today: object, turkish: str, english: str) -> None:
    assert FILTERS["date"](THURSDAY, "tr", today=today) == turkish
    assert FILTERS["date"](THURSDAY, "en", today=today) == english


def test_a_moment_is_said_where_the_caller_is() -> None:
    moment = datetime(2026, 12, 3, 22, 30, tzinfo=UTC)
    assert FILTERS["date"](moment, "tr", zone="Europe/Istanbul") == "4 Aralık Cuma"
    assert FILTERS["time"](moment, "tr", zone="Europe/Istanbul") == "bir otuz"
    with pytest.raises(CannotSay, match="time zone"):
        FILTERS["date"](moment, "tr", zone="Mars/Olympus")


@pytest.mark.parametrize(
    ("value", "turkish", "english"),
    [
        ("14:30", "on dört otuz", "two thirty PM"),
        ("14.30", "on dört otuz", "two thirty PM"),
        ("9:05", "dokuz sıfır beş", "nine oh five AM"),
        (time(17), "on yedi", "five PM"),
        ("12:00", "on iki", "noon"),
        ("00:00:00", "gece yarısı", "midnight"),
        ("00:05", "sıfır sıfır sıfır beş", "twelve oh five AM"),
        (datetime(2026, 12, 3, 23, 59, tzinfo=UTC), "yirmi üç elli dokuz", "eleven fifty-nine PM"),
        ("2026-12-03T23:59", "yirmi üç elli dokuz", "eleven fifty-nine PM"),
    ],
)
def test_times(value: object, turkish: str, english: str) -> None:
    assert FILTERS["time"](value, "tr") == turkish
    assert FILTERS["time"](value, "en") == english


@pytest.mark.parametrize("language", ["tr", "en"])
def test_every_minute_of_the_day_sounds_different(language: str) -> None:
    said = {
        FILTERS["time"](time(hour, minute), language) for hour in range(24) for minute in range(60)
    }
    assert len(said) == 24 * 60


@pytest.mark.parametrize(
    ("value", "turkish", "english"),
    [
        (0, "sıfır saniye", "zero seconds"),
        (1, "bir saniye", "one second"),
        (90, "bir dakika otuz saniye", "one minute and thirty seconds"),
        (3600, "bir saat", "one hour"),
        (8100, "iki saat on beş dakika", "two hours and fifteen minutes"),
        (7229, "iki saat", "two hours"),
        (86_399, "bir gün", "one day"),
        (timedelta(days=2, hours=3, minutes=59), "iki gün dört saat", "two days and four hours"),
        ("59,6", "bir dakika", "one minute"),
        (86_400 * 9999, "dokuz bin dokuz yüz doksan dokuz gün", None),
    ],
)
def test_durations(value: object, turkish: str, english: str | None) -> None:
    assert FILTERS["duration"](value, "tr") == turkish
    if english:
        assert FILTERS["duration"](value, "en") == english


def test_a_duration_in_one_unit() -> None:
    assert FILTERS["duration"](8100, "en", units=1) == "two hours"
    assert FILTERS["duration"](93_784, "tr", units=4) == "bir gün iki saat üç dakika dört saniye"


@given(seconds=st.integers(1, 10_000 * 86_400 - 1), units=st.integers(1, 4))
def test_a_duration_says_at_most_its_units_and_never_a_figure(seconds: int, units: int) -> None:
    said = FILTERS["duration"](seconds, "tr", units=units)
    assert 1 <= sum(said.count(unit) for unit in ("gün", "saat", "dakika", "saniye")) <= units
    assert not any(sign.isdigit() for sign in said)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("date", "3 Aralık"),
        ("date", 20261203),
        ("date", None),
        ("date", "2026-02-30"),
        ("time", "25:00"),
        ("time", "noon"),
        ("time", THURSDAY),
        ("time", "2026-12-03"),
        ("time", 1430),
        ("duration", -1),
        ("duration", "soon"),
        ("duration", timedelta(days=10_001)),
    ],
)
def test_what_has_no_words_is_refused(name: str, value: object) -> None:
    with pytest.raises(CannotSay):
        FILTERS[name](value, "tr")


@pytest.mark.parametrize("units", [0, 5, "2", True])
def test_units_are_checked(units: object) -> None:
    with pytest.raises(CannotSay, match="units"):
        FILTERS["duration"](1, "tr", units=units)
