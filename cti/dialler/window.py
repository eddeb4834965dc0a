"""When people may be called: weekly hours by the customer's clock, not on their public holidays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, field_validator, model_validator

from ivr.hours import DAYS, OpeningHours, State
from ivr.steps.base import Model

QUARTER = timedelta(minutes=15)  # every zone's clocks change at one, in UTC too
DAYS_AHEAD = 31  # no job lives longer: see `Campaign.expires`


class Window(Model):
    """`weekly`, `dates` and `holidays` as in `scenarios/hours.yaml`, read by the customer's clock.

    `zone` and `country` (`TR`, or `DE-BY` for a part of one) are those of customers of whom nothing
    else is known; with `holidays` nobody is called on a public holiday of their country.
    """

    zone: str = "Europe/Istanbul"
    country: str = "TR"
    holidays: bool = True
    weekly: Mapping[str, Any]
    dates: Mapping[date, Any] = Field(default_factory=dict)

    @field_validator("zone")
    @classmethod
    def _is_zone(cls, name: str) -> str:
        zone_of(name)
        return name

    @model_validator(mode="after")
    def _opens(self) -> Window:
        if not any(self.usual.weekly.values()):
            raise ValueError("the window never opens: give the hours of at least one day")
        return self

    @cached_property
    def usual(self) -> OpeningHours:
        """The hours in the campaign's own country."""
        return self._hours(self.country)

    def hours(self, country: str) -> OpeningHours:
        """The hours in a country; in the campaign's own where its holidays are not known."""
        if not country or country == self.country:
            return self.usual
        try:
            return self._hours(country)
        except ValueError:
            return self.usual

    def is_open(self, moment: datetime, zone: ZoneInfo, country: str = "") -> bool:
        return self.hours(country).state(moment.astimezone(zone)) is State.OPEN

    def next_open(self, moment: datetime, zone: ZoneInfo, country: str = "") -> datetime | None:
        """The first moment from `moment` on when it is open; None when none is in a month."""
        hours = self.hours(country)
        if hours.state(moment.astimezone(zone)) is State.OPEN:
            return moment
        for start in self._starts(hours, moment, zone):
            if start > moment and hours.state(start.astimezone(zone)) is State.OPEN:
                return start
        return None

    def _starts(self, hours: OpeningHours, moment: datetime, zone: ZoneInfo) -> Iterator[datetime]:
        """Every begin of a span, in order, as UTC; every quarter of an hour of a day on which the
        clocks change, because a span may begin in the hour left out, or come twice."""
        begin = next_day(moment - timedelta(days=1), zone)
        for _ in range(DAYS_AHEAD + 2):
            end = next_day(begin, zone)
            if end - begin != timedelta(days=1):
                yield from (begin + QUARTER * n for n in range((end - begin) // QUARTER))
            else:
                day = begin.astimezone(zone).date()
                spans = hours.dates.get(day, hours.weekly.get(DAYS[day.weekday()], ()))
                yield from (begin + timedelta(minutes=start) for start, _ in sorted(spans))
            begin = end

    def _hours(self, country: str) -> OpeningHours:
        known = self._by_country
        if country not in known:
            holidays = country if self.holidays else ""
            try:
                known[country] = OpeningHours(
                    weekly=self.weekly, dates=self.dates, holidays=holidays
                )
            except ValidationError as error:
                message = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
                raise ValueError(message) from error
        return known[country]

    @cached_property
    def _by_country(self) -> dict[str, OpeningHours]:
        return {}


def zone_of(name: str) -> ZoneInfo:
    """The time zone; ValueError when the machine's zone data has none of that name."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(f"'{name}' is no time zone; write it like Europe/Istanbul") from error


def next_day(moment: datetime, zone: ZoneInfo) -> datetime:
    """The begin of the next day on the clocks of a zone, as UTC."""
    tomorrow = moment.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(), zone).astimezone(UTC)
