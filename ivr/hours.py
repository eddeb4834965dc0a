"""When a shop is open: weekly hours, public holidays by country, closures, an emergency switch.

Pure: a table and a moment in, a state out. `scenarios/hours.yaml` holds the tables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, Final

import holidays
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SPAN: Final = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)\s*-\s*([01]?\d|2[0-4]):([0-5]\d)")


class State(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    HOLIDAY = "holiday"
    EMERGENCY = "emergency"


Span = tuple[int, int]  # minutes of the day, from and up to


def _spans(value: Any) -> Any:
    """`09:00-12:30, 13:30-18:00` or a list of such; `closed` is none."""
    if value in (None, "closed", []):
        return ()
    parts = value if isinstance(value, (list, tuple)) else str(value).split(",")
    if all(isinstance(part, tuple) for part in parts):
        return tuple(parts)
    return tuple(_span(str(part)) for part in parts)


def _span(text: str) -> Span:
    match = SPAN.fullmatch(text.strip())
    if not match:
        raise ValueError(f"'{text}' is no time span; write it like 09:00-18:00")
    start = int(match[1]) * 60 + int(match[2])
    end = int(match[3]) * 60 + int(match[4])
    if start >= end or end > 24 * 60:
        raise ValueError(f"'{text}' ends before it begins; a night is two spans")
    return start, end


Spans = Annotated[tuple[Span, ...], BeforeValidator(_spans)]


class OpeningHours(BaseModel):
    """One table. `weekly` by day (mon … sun, or a range as mon-fri); a day not named is closed.

    `holidays` names a country (TR, or DE-BY for a part of one) whose public holidays are closed;
    `dates` says the hours of single days and wins over both; `switch` names the emergency switch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    weekly: Mapping[str, Spans] = Field(default_factory=dict)
    holidays: str = Field("", pattern=r"^([A-Z]{2}(-[A-Z0-9]{1,3})?)?$")
    dates: Mapping[date, Spans] = Field(default_factory=dict)
    switch: str = ""

    @field_validator("weekly", mode="before")
    @classmethod
    def _days(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        week: dict[str, Any] = {}
        for names, spans in value.items():
            for day in _day_range(str(names)):
                if day in week:
                    raise ValueError(f"'{day}' is given twice")
                week[day] = spans
        return week

    @field_validator("holidays")
    @classmethod
    def _known_country(cls, value: str) -> str:
        if value:
            try:
                _holidays(value, 2026)
            except NotImplementedError as error:
                raise ValueError(f"the holidays of '{value}' are not known") from error
        return value

    def state(self, moment: datetime, *, emergency: bool = False) -> State:
        """How it stands at `moment`, which is in the shop's time zone."""
        if emergency:
            return State.EMERGENCY
        day = moment.date()
        if day in self.dates:
            return State.OPEN if _within(self.dates[day], moment.time()) else State.CLOSED
        if self.holidays and day in _holidays(self.holidays, day.year):
            return State.HOLIDAY
        spans = self.weekly.get(DAYS[day.weekday()], ())
        return State.OPEN if _within(spans, moment.time()) else State.CLOSED


def _day_range(names: str) -> list[str]:
    first, _, last = names.lower().partition("-")
    if first not in DAYS or (last and last not in DAYS):
        raise ValueError(f"'{names}' is no day; write mon, tue, … or mon-fri")
    start, end = DAYS.index(first), DAYS.index(last or first)
    if start > end:
        raise ValueError(f"'{names}' runs backwards")
    return list(DAYS[start : end + 1])


def _within(spans: tuple[Span, ...], moment: time) -> bool:
    minute = moment.hour * 60 + moment.minute
    return any(start <= minute < end for start, end in spans)


@lru_cache(maxsize=64)
def _holidays(country: str, year: int) -> holidays.HolidayBase:
    code, _, part = country.partition("-")
    return holidays.country_holidays(code, subdiv=part or None, years=year)
