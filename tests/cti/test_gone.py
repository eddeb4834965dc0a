"""What ends a call that nobody ended: told by its journal and by Asterisk's record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from cti.ami import actions
from cti.ami.framing import Message
from cti.ami.protocol import Reply
from cti.db.engine import open_engine
from cti.db.migrate import upgrade
from cti.db.models import calls
from cti.gone import COMPARED, Departures, Gone, ending, read_gone
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


class Asterisk:
    """Has no record of anybody, and these calls' channels."""

    connected = True

    def __init__(self, *there: str) -> None:
        self.there = there

    async def send(self, action: actions.Action) -> Reply:
        told = [
            ("Event", "CoreShowChannel"), ("Channel", "PJSIP/x-1"), ("Uniqueid", "1.1"),
            ("Linkedid", "1.1"),
        ]  # fmt: skip
        items = [Message([*told, ("ChanVariable", f"SANTRAL_CALL={call}")]) for call in self.there]
        shown = tuple(items) if isinstance(action, actions.CoreShowChannels) else ()
        return Reply(Message([("Response", "Success")]), shown)


class Books:
    """A journal of calls that all began, and stopped in the middle."""

    def __init__(self) -> None:
        self.written: list[Entry] = []

    async def history(self, call: str) -> list[Entry]:
        return [*history()]

    def write(self, entry: Entry) -> None:
        self.written.append(entry)

    async def durable(self, call: str) -> None:
        pass


async def test_an_open_call_that_twice_has_no_channel_is_over(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path}/db")
    await upgrade(engine)
    now = datetime.now(UTC)
    async with engine.begin() as connection:
        for call, ago in (("lost", 60), ("talking", 60), ("ours", 60), ("fresh", 1)):
            begun = now - timedelta(seconds=ago)
            await connection.execute(
                insert(calls).values(id=call, started_at=begun, changed_at=begun, flow="small")
            )
    clock, books = [now.timestamp()], Books()
    departures = Departures(
        Asterisk("talking"), engine, books, lambda call: call == "ours",  # type: ignore[arg-type]
        clock=lambda: clock[0],
    )  # fmt: skip
    await departures.look()
    assert not books.written
    await departures.look()  # too soon: nothing is compared
    assert not books.written
    clock[0] += COMPARED
    await departures.look()
    await engine.dispose()
    assert [one.call for one in books.written] == ["lost"]
    assert isinstance(books.written[0].event, events.CallEnded)
