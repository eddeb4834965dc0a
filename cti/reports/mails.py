"""`scenarios/mails.yaml`: which reports go by mail, to whom, and when; and what is due. Pure.

A mail is due once for each day, week or month, when that is over and its time of day has come. An
engine that was down at that moment sends it when it is back, but only the newest: nobody wants last
week's five daily mails at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from cti.reports import REPORTS
from cti.reports.period import Period, Unit
from cti.reports.query import FILTERS
from ivr.flow.finding import Finding, meant
from ivr.flow.model_file import findings_of, read_model
from ivr.flow.reader import Document
from ivr.steps.base import Model, Name

NAME: Final = "mails.yaml"
BY: Final[Mapping[str, Unit]] = {"day": "hour", "week": "day", "month": "day"}
Address = Annotated[str, Field(pattern=r"^[^@\s,;<>\"]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$")]


class Mail(Model):
    """`at`: a time of day in the shop's zone. `by`: the rows of `calls` and `queues`."""

    every: Literal["day", "week", "month"]
    at: time = time(7, 30)
    to: Annotated[list[Address], Field(min_length=1, max_length=100)]
    language: Literal["tr", "en"] = "tr"
    reports: Annotated[list[str], Field(min_length=1)]
    filters: dict[str, str] = Field(default_factory=dict)
    by: Unit | None = None
    attach: Literal["xlsx", "csv", "none"] = "xlsx"

    @model_validator(mode="after")
    def _once_each(self) -> Self:
        for what in (self.to, self.reports):
            if len(set(what)) < len(what):
                raise ValueError("something is there twice")
        return self

    @property
    def unit(self) -> Unit:
        return self.by or BY[self.every]


class Mails(Model):
    mails: dict[Name, Mail] = Field(default_factory=dict)


def load_mails(path: Path) -> Mails:
    """Read the file; `FlowRefused` with every mistake in it, each with its line. No file: none."""
    if not path.exists():
        return Mails()
    return read_model(path, Mails, "bad-mail", _mistakes)


def check_mails(folder: Path) -> tuple[Finding, ...]:
    """Everything wrong with the mails of a folder; nothing where it has none."""
    return findings_of(load_mails, folder / NAME)


def _mistakes(mails: Mails, document: Document) -> Iterator[Finding]:
    for name, mail in mails.mails.items():
        for number, report in enumerate(mail.reports):
            if report not in REPORTS:
                message = f"there is no report '{report}'{meant(report, REPORTS)}"
                yield document.finding(
                    ("mails", name, "reports", number), "no-such-report", message
                )
        for key in mail.filters:
            if key not in FILTERS:
                message = f"reports are not filtered by '{key}'{meant(key, FILTERS)}"
                yield document.finding(("mails", name, "filters", key), "no-such-filter", message)


@dataclass(frozen=True, slots=True)
class Due:
    """A mail for a period that is over. `period` is its key: with the mail's name and the address
    it is sent once. `moment`: from when on it may go."""

    name: str
    mail: Mail
    key: str
    period: Period
    moment: datetime


def last_due(name: str, mail: Mail, now: datetime, zone: ZoneInfo) -> Due:
    """The newest one whose moment has come; now or up to one period ago."""
    today = now.astimezone(zone).date()
    begins = _begin(mail.every, today)
    moment = datetime.combine(begins, mail.at, zone)
    if now < moment:
        begins = _begin(mail.every, begins - timedelta(days=1))
        moment = datetime.combine(begins, mail.at, zone)
    return _due(name, mail, begins, moment, zone)


def next_due(name: str, mail: Mail, now: datetime, zone: ZoneInfo) -> Due:
    """The first one whose moment is still to come."""
    begins = _begin(mail.every, now.astimezone(zone).date())
    while datetime.combine(begins, mail.at, zone) <= now:
        begins = _after(mail.every, begins)
    return _due(name, mail, begins, datetime.combine(begins, mail.at, zone), zone)


def _due(name: str, mail: Mail, begins: date, moment: datetime, zone: ZoneInfo) -> Due:
    """The period that ends where the one of `begins` begins."""
    first = _begin(mail.every, begins - timedelta(days=1))
    period = Period(*(datetime.combine(day, time(), zone) for day in (first, begins)))
    shapes = {"day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m"}
    return Due(name, mail, f"{first:{shapes[mail.every]}}", period, moment)


def _begin(every: str, day: date) -> date:
    """The first day of the day's period."""
    if every == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if every == "month" else day


def _after(every: str, day: date) -> date:
    length = {"day": 1, "week": 7, "month": 32}[every]
    return _begin(every, day + timedelta(days=length))


def all_due(mails: Mails, now: datetime, zone: ZoneInfo) -> Sequence[Due]:
    return [last_due(name, mail, now, zone) for name, mail in mails.mails.items()]
