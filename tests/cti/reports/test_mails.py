"""Which report mail is due when."""

from __future__ import annotations

from datetime import datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from cti.reports.mails import Mail, last_due, load_mails, next_due
from cti.settings import HOME
from ivr.errors import FlowRefused

BERLIN = ZoneInfo("Europe/Berlin")


def mail(every: str, at: str = "07:30") -> Mail:
    return Mail.model_validate(
        {"every": every, "at": at, "to": ["a@example.com"], "reports": ["calls"]}
    )


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("every", "now", "key", "begins", "ends", "moment"),
    [
        ("day", "2026-11-22T07:30", "2026-11-21", "2026-11-21", "2026-11-22", "2026-11-22T07:30"),
        ("day", "2026-11-22T07:29", "2026-11-20", "2026-11-20", "2026-11-21", "2026-11-21T07:30"),
        ("week", "2026-11-22T12:00", "2026-W46", "2026-11-09", "2026-11-16", "2026-11-16T07:30"),
        ("week", "2026-11-23T07:30", "2026-W47", "2026-11-16", "2026-11-23", "2026-11-23T07:30"),
        ("week", "2027-01-04T08:00", "2026-W53", "2026-12-28", "2027-01-04", "2027-01-04T07:30"),
        ("month", "2026-11-22T12:00", "2026-10", "2026-10-01", "2026-11-01", "2026-11-01T07:30"),
        ("month", "2027-01-01T07:00", "2026-11", "2026-11-01", "2026-12-01", "2026-12-01T07:30"),
        ("month", "2027-01-01T07:30", "2026-12", "2026-12-01", "2027-01-01", "2027-01-01T07:30"),
    ],
)
def test_the_newest_that_is_due(
    every: str, now: str, key: str, begins: str, ends: str, moment: str
) -> None:
    due = last_due("m", mail(every), at(now), BERLIN)
    assert (due.key, due.moment) == (key, at(moment))
    assert (due.period.start, due.period.end) == (at(begins), at(ends))


def test_a_day_whose_clock_changes_is_one_day_and_its_mail_goes_at_the_clocks_time() -> None:
    back = last_due("m", mail("day"), at("2026-10-26T08:00"), BERLIN)
    assert back.key == "2026-10-25"
    assert back.period.stop - back.period.first == 25 * 4
    forward = last_due("m", mail("day"), at("2026-03-30T08:00"), BERLIN)
    assert forward.period.stop - forward.period.first == 23 * 4
    # half past two comes twice that night, and not at all in spring
    twice = next_due("m", mail("day", "02:30"), at("2026-10-25T00:00"), BERLIN)
    never = next_due("m", mail("day", "02:30"), at("2026-03-29T00:00"), BERLIN)
    assert (twice.key, never.key) == ("2026-10-24", "2026-03-28")


@pytest.mark.parametrize("every", ["day", "week", "month"])
def test_every_period_is_due_once_in_its_turn(every: str) -> None:
    """Walked through a year by the next one each time: no period is left out, none comes twice."""
    now, seen = at("2025-12-30T00:00"), []
    while now < at("2027-01-10T00:00"):
        due = next_due("m", mail(every), now, BERLIN)
        assert last_due("m", mail(every), due.moment, BERLIN) == due
        assert due.moment > now
        assert due.moment.time() == time(7, 30)
        if seen:
            assert due.period.start == seen[-1].period.end
        seen.append(due)
        now = due.moment
    assert len({due.key for due in seen}) == len(seen)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mails: {d: {every: day, to: [a@example.com], reports: [cals]}}", "did you mean 'calls'"),
        ("mails: {d: {every: fortnight, to: [a@example.com], reports: [calls]}}", "'month'"),
        ("mails: {d: {every: day, to: [nobody], reports: [calls]}}", "pattern"),
        ('mails: {d: {every: day, to: ["a@b.c\\nBcc: x@y.z"], reports: [calls]}}', "pattern"),
        ("mails: {d: {every: day, to: [], reports: [calls]}}", "at least 1"),
        ("mails: {d: {every: day, to: [a@b.c, a@b.c], reports: [calls]}}", "twice"),
        ("mails: {d: {every: day, to: [a@b.c], reports: [calls], colour: red}}", "not known here"),
        ("mails: {d: {every: day, to: [a@b.c], reports: [calls], filters: {queu: x}}}", "'queue'"),
        ('mails: {d: {every: day, at: "25:00", to: [a@b.c], reports: [calls]}}', "time"),
    ],
)
def test_a_file_with_a_mistake_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "mails.yaml").write_text(text)
    with pytest.raises(FlowRefused) as refused:
        load_mails(tmp_path / "mails.yaml")
    told = str([finding.message for finding in refused.value.findings])
    assert says in told


def test_the_file_that_ships_and_no_file_name_no_mail(tmp_path: Path) -> None:
    assert load_mails(HOME / "scenarios" / "mails.yaml").mails == {}
    assert load_mails(tmp_path / "mails.yaml").mails == {}
