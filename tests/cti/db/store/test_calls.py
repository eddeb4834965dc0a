from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.store.calls import RUNNING, CallFilter, CallStore
from cti.journal import Options, SpooledJournal, open_journal, read_call
from ivr import events
from ivr.events import Entry
from tests.cti.journal.samples import START

QUICK = Options(sync_after=0.01, drain_after=0.01)
CALLERS = {"a1": "+905321112233", "a2": "0532 111 22 44", "b1": "1001", "b%": ""}


@pytest.fixture
async def journal(url: str, tmp_path: Path) -> AsyncIterator[SpooledJournal]:
    async with open_journal(url, tmp_path / "spool", QUICK) as opened:
        yield opened


@pytest.fixture
async def store(journal: SpooledJournal, engine: AsyncEngine) -> CallStore:
    """Four calls, a minute apart; the last still goes on."""
    for minute, (call, caller) in enumerate(CALLERS.items()):
        at = START + 60 * minute
        flow = "order_line" if minute % 2 else "survey"
        journal.write(Entry(call, 1, at, events.CallStarted(flow, "v", "tr", caller, "1000")))
        if call != "b%":
            why = "hangup" if minute else "transfer"
            journal.write(Entry(call, 2, at + 30.5, events.CallEnded(why, flow, "bye")))
    await journal.drained()
    return CallStore(engine)


def at(minute: float) -> datetime:
    return datetime.fromtimestamp(START, UTC) + timedelta(minutes=minute)


@pytest.mark.parametrize(
    ("which", "found"),
    [
        (CallFilter(), ["b%", "b1", "a2", "a1"]),
        (CallFilter(caller="05321112233"), ["a1"]),
        (CallFilter(caller="+90532"), ["a2", "a1"]),
        (CallFilter(caller="%"), []),
        (CallFilter(flow="survey"), ["b1", "a1"]),
        (CallFilter(outcome="transfer"), ["a1"]),
        (CallFilter(outcome=RUNNING), ["b%"]),
        (CallFilter(since=at(1), until=at(3)), ["b1", "a2"]),
        (CallFilter(dialled="1000", outcome="hangup", since=at(1.5)), ["b1"]),
    ],
)
async def test_calls_are_found_by_what_is_asked(
    store: CallStore, which: CallFilter, found: list[str]
) -> None:
    assert [call.id for call in await store.find(which)] == found


async def test_they_come_in_pages(store: CallStore) -> None:
    first = await store.find(CallFilter(), limit=3)
    rest = await store.find(CallFilter(), limit=3, offset=3)
    assert [call.id for call in (*first, *rest)] == ["b%", "b1", "a2", "a1"]


async def test_a_record_is_whole(store: CallStore) -> None:
    (call,) = await store.of_id("a1")
    assert (call.started_at, call.seconds, call.outcome) == (at(0), 30.5, "transfer")
    (running,) = await store.of_id("b%")
    assert (running.ended_at, running.seconds, running.outcome) == (None, None, RUNNING)


async def test_the_beginning_of_an_id_is_enough(store: CallStore) -> None:
    assert [call.id for call in await store.of_id("a")] == ["a2", "a1"]
    assert await store.of_id("%") == []
    assert await store.of_id("") == ()


async def test_calls_are_followed_as_they_change(store: CallStore, journal: SpooledJournal) -> None:
    seen: list[tuple[str, str]] = []

    async def watch() -> None:
        async for call in store.follow(CallFilter(flow="survey"), every=0.01):
            seen.append((call.id, call.outcome))

    watcher = asyncio.create_task(watch())
    await asyncio.sleep(0.05)
    story: list[events.Event] = [
        events.CallStarted("survey", "v", "tr", "1002"),
        events.CallEnded("hangup", "survey", "bye"),
    ]
    for place, event in enumerate(story, start=1):
        journal.write(Entry("new", place, START + place, event))
        journal.write(Entry("other", place, START, replace(event, flow="order_line")))
        await journal.drained()
        async with asyncio.timeout(10):
            while len([one for one in seen if one[0] == "new"]) < place:
                await asyncio.sleep(0.01)
    watcher.cancel()
    assert seen == [("new", RUNNING), ("new", "hangup")]


async def test_a_call_is_read_by_who_keeps_no_journal(
    store: CallStore, journal: SpooledJournal, engine: AsyncEngine, tmp_path: Path
) -> None:
    journal.write(Entry("b%", 2, START, events.LanguageChosen("en")))
    await journal.durable("b%")
    found = await read_call(engine, tmp_path / "spool", "b%")
    assert [one.sequence for one in found] == [1, 2]
