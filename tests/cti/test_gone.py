"""What ends a call that nobody ended: told by its journal and by Asterisk's record."""

from __future__ import annotations

import pytest

from cti.gone import Gone, ending, read_gone
from ivr import events
from ivr.events import Entry


def history(*more: events.Event, step: str = "first", type: str = "menu") -> list[Entry]:
    told = [
        events.CallStarted("small", "v1", "en", "", "", "inbound", "", {}),
        events.StepEntered("small", step, type),
        *more,
    ]
    return [Entry("c", number, 10.0 + number, event) for number, event in enumerate(told, 1)]


def gone(done: str, at: float = 20.0) -> Gone:
    return Gone("c", at, 1, done, "2")


@pytest.mark.parametrize(
    ("done", "why"),
    [("", "caller_hung_up"), ("hangup", "hangup"), ("apology", "failed")],
)
def test_it_ended_when_asterisk_says(done: str, why: str) -> None:
    ended = ending(gone(done), history())
    assert ended == Entry("c", 3, 20.0, events.CallEnded(why, "small", "first"))


def test_who_was_handed_on_left_the_engine_then() -> None:
    said = history(events.Transferred("sales", "queue"), step="wait", type="queue")
    ended = ending(gone("queue", 500.0), said)
    assert ended == Entry("c", 4, 13.0, events.CallEnded("queue", "small", "wait"))


def test_who_was_handed_on_because_something_broke_is_told_apart() -> None:
    said = history(events.Transferred("sales", "queue", why="failed"))
    ended = ending(gone("queue"), said)
    assert ended is not None
    assert ended.event == events.CallEnded("failed", "small", "first")


def test_the_end_is_never_before_what_it_ends() -> None:
    ended = ending(gone("", at=1.0), history())
    assert ended is not None
    assert ended.at == 12.0


def test_what_has_its_end_or_never_began_gets_none() -> None:
    assert ending(gone(""), history(events.CallEnded("hangup"))) is None
    assert ending(gone(""), []) is None


def test_who_came_back_after_an_end_is_open_again() -> None:
    said = history(events.CallEnded("queue"), events.CallResumed(2, "", "busy"))
    ended = ending(gone(""), said)
    assert ended is not None
    assert ended.sequence == 5


def test_asterisks_record_is_read() -> None:
    read = read_gone("/santral-gone/176385361/abc", "1763853615.250 02 -")
    assert read == Gone("abc", 1763853615.25, 2, "", "176385361")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("/santral-gone/1", "1.0 1 -"), ("/other/1/abc", "1.0 1 -"),
        ("/santral-gone/1/abc", "now 1 -"), ("/santral-gone/1/abc", ""),
    ],
)  # fmt: skip
def test_what_is_no_record_of_ours_is_left_alone(key: str, value: str) -> None:
    assert read_gone(key, value) is None
