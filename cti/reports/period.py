"""Periods in a shop's own time, and the slots they are cut into. Pure.

Sums are kept by quarters of an hour in UTC. A zone's distance from UTC is a whole number of
quarters, and constant between two clock changes: so a period is cut at the changes, and in each
part local hours and days are arithmetic. The hour that happens twice when clocks go back is two
hours; a day with a change in it is one day of 23 or 25 hours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal, get_args
from zoneinfo import ZoneInfo

from cti.reports.facts import QUARTER
from ivr.errors import BadInput

Unit = Literal[
    "quarter", "hour", "day", "week", "month", "weekday", "hour_of_day", "hour_of_week", "total"
]
UNITS: Final = tuple(unit for unit in get_args(Unit) if unit != "hour_of_week")  # to choose from
AROUND: Final = {"hour_of_day": 24, "hour_of_week": 168, "weekday": 7}  # slots until they recur
LONGEST: Final = timedelta(days=5 * 366)
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch with one distance from UTC: quarters `first` to before `end`, `offset` seconds."""

    first: int
    end: int
    offset: int


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` to before `end`, both with a zone and on a quarter of an hour."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        # by their seconds: in the hour that comes twice, a clock's times do not tell what is first
        begun, over = self.start.timestamp(), self.end.timestamp()
        if begun >= over:
            raise BadInput("The period ends before it begins; --from is to be before --to.")
        if over - begun > LONGEST.total_seconds():
            raise BadInput("The period is longer than five years.")
        for moment in (self.start, self.end):
            if moment.timestamp() % QUARTER:
                raise BadInput(f"{moment:%H:%M} is not on a quarter of an hour.")

    @property
    def zone(self) -> ZoneInfo:
        assert isinstance(self.start.tzinfo, ZoneInfo)
        return self.start.tzinfo

    @property
    def first(self) -> int:
        return int(self.start.timestamp() // QUARTER)

    @property
    def stop(self) -> int:
        return int(self.end.timestamp() // QUARTER)

    @property
    def before(self) -> Period:
        """The period of the same length just before this one: the same days of a week ago and so
        on are compared best with whole weeks."""
        days = (self.end.date() - self.start.date()).days
        if self.start.time() == self.end.time() == time() and days:
            return Period(self.start - timedelta(days=days), self.start)
        start = self.start.astimezone(UTC) - (self.end - self.start)
        return Period(start.astimezone(self.zone), self.start)

    def parts(self) -> Iterator[Part]:
        """The period, cut where the clock changes."""
        here, last = self.first, self.first
        offset = self._offset(here)
        while here < self.stop:
            here = min(here + 96, self.stop)  # a zone changes at most once a day
            if here < self.stop and self._offset(here) == offset:
                continue
            change = self._change(max(last, here - 96), here, offset)
            if change is not None:
                yield Part(last, change, offset)
                last, offset, here = change, self._offset(change), change
            elif here == self.stop:
                break
        if last < self.stop:
            yield Part(last, self.stop, offset)

    def _change(self, low: int, high: int, offset: int) -> int | None:
        """The first quarter in (low, high] with another offset, if there is one before the end."""
        if high >= self.stop:
            high = self.stop - 1
        if high <= low or self._offset(high) == offset:
            return None
        while high - low > 1:
            middle = (low + high) // 2
            if self._offset(middle) == offset:
                low = middle
            else:
                high = middle
        return high

    def _offset(self, quarter: int) -> int:
        moment = datetime.fromtimestamp(quarter * QUARTER, self.zone)
        offset = moment.utcoffset()
        assert offset is not None
        return int(offset.total_seconds())


def period(begin: str, end: str, zone: str, now: datetime) -> Period:
    """A period as people write it: dates (`2026-11-01`, the end's day included), times
    (`2026-11-01T14:00`, the end not included), or `today`, `yesterday`, `7d`, `30d`, `month` for
    `begin` alone. `BadInput` says what is wrong.
    """
    place = ZoneInfo(zone)
    today = now.astimezone(place).date()
    named = {
        "today": (today, today), "yesterday": (today - timedelta(1), today - timedelta(1)),
        "7d": (today - timedelta(6), today), "30d": (today - timedelta(29), today),
        "90d": (today - timedelta(89), today), "month": (today.replace(day=1), today),
    }  # fmt: skip
    if not end and begin in named:
        first, last = named[begin]
        return Period(_midnight(first, place), _midnight(last + timedelta(1), place))
    start = _moment(begin, place, last=False)
    return Period(start, _moment(end, place, last=True) if end else _midnight(
        today + timedelta(1), place
    ))  # fmt: skip


def _moment(text: str, zone: ZoneInfo, *, last: bool) -> datetime:
    try:
        if "T" not in text and " " not in text:
            return _midnight(date.fromisoformat(text) + timedelta(int(last)), zone)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(
            f"{text!r} is no date; write 2026-11-30 or 2026-11-30T14:00, or 7d, 30d, month."
        ) from None
    except OverflowError:
        raise BadInput(f"{text!r} is too far away.") from None
    return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)


SIZES: Final = {"quarter": 900, "hour": 3600, "hour_of_day": 3600, "hour_of_week": 3600}


def slot_size(unit: Unit) -> int:
    """The seconds that SQL groups by; what is longer than a day is put together from days."""
    return SIZES.get(unit, 86400)


def slot(unit: Unit, part: Part, number: int) -> tuple[float | int | str, str]:
    """A slot that SQL numbered `(quarter * 900 + offset) // size`: its key, which sorts as time
    does, and its label."""
    if unit in ("quarter", "hour"):
        size = slot_size(unit)
        local = datetime.fromtimestamp(number * size, UTC)
        sign = "+" if part.offset >= 0 else "-"
        hours, minutes = divmod(abs(part.offset) // 60, 60)
        return number * size - part.offset, f"{local:%Y-%m-%dT%H:%M}{sign}{hours:02}:{minutes:02}"
    if unit == "hour_of_day":
        return number % 24, f"{number % 24:02}:00"
    if unit == "hour_of_week":  # 1 January 1970 was a Thursday
        return (number + 3 * 24) % 168, ""
    day = date(1970, 1, 1) + timedelta(days=number)
    if unit == "weekday":
        return day.weekday(), WEEKDAYS[day.weekday()]
    if unit == "week":
        monday = day - timedelta(days=day.weekday())
        year, week, _ = day.isocalendar()
        return monday.toordinal(), f"{year}-W{week:02}"
    if unit == "month":
        return day.year * 12 + day.month, f"{day:%Y-%m}"
    if unit == "total":
        return 0, ""
    return day.toordinal(), day.isoformat()


def slot_where(unit: Unit, key: float | str, zone: ZoneInfo) -> dict[str, str]:
    """Which quarters a slot holds, as `cti.reports.query.behind` takes it."""
    if unit == "total":
        return {}
    if unit in ("weekday", "hour_of_day"):
        return {unit: str(key)}
    number = int(key)
    if unit in ("quarter", "hour"):
        return {"since": str(number), "until": str(number + slot_size(unit))}
    if unit == "month":
        year, month = divmod(number - 1, 12)
        first, last = date(year, month + 1, 1), date(year + (month == 11), (month + 1) % 12 + 1, 1)
    else:
        first = date.fromordinal(number)
        last = first + timedelta(days=7 if unit == "week" else 1)
    ends = (_midnight(day, zone).timestamp() for day in (first, last))
    return dict(zip(("since", "until"), (f"{end:.0f}" for end in ends), strict=True))
