"""The journal over a real database, on both engines."""

from __future__ import annotations

import asyncio
import json
import resource
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.models import (
    call_events,
    calls,
    contacts,
    journal_gaps,
    recordings,
    survey_answers,
)
from cti.journal import Options, SpooledJournal, open_journal
from cti.journal.line import encode
from cti.journal.spool import Spool
from ivr import events
from ivr.errors import JournalUnavailable
from ivr.events import Entry
from tests.cti.journal.samples import START, conversation, numbered
from tests.postgres_server import PostgresServer

QUICK = Options(sync_after=0.01, drain_after=0.01, close_deadline=2.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
async def journal(url: str, folder: Path) -> AsyncIterator[SpooledJournal]:
    async with open_journal(url, folder, QUICK) as opened:
        yield opened


async def rows(engine: AsyncEngine, table: Any) -> list[dict[str, Any]]:
    async with engine.connect() as connection:
        found = await connection.execute(select(table).order_by(*table.primary_key))
        return [dict(row._mapping) for row in found]


async def places(engine: AsyncEngine) -> dict[str, list[int]]:
    """Each call's sequences in the database, in the order of the primary key."""
    found: dict[str, list[int]] = {}
    for row in await rows(engine, call_events):
        found.setdefault(row["call"], []).append(row["sequence"])
    return found


async def write_all(journal: SpooledJournal, entries: list[Entry]) -> None:
    for one in entries:
        journal.write(one)
        await asyncio.sleep(0)


async def test_what_is_written_is_the_history_at_once_and_for_ever(
    journal: SpooledJournal, url: str, folder: Path
) -> None:
    entries = conversation()
    for count, one in enumerate(entries, start=1):
        journal.write(one)
        assert list(await journal.history(one.call)) == entries[:count]
    await journal.drained()
    assert list(await journal.history(entries[0].call)) == entries
    async with open_journal(url, folder.parent / "another host") as other:
        assert list(await other.history(entries[0].call)) == entries
        assert await other.history("nobody") == []


async def test_the_end_leaves_everything_in_the_database_and_no_spool(
    engine: AsyncEngine, url: str, folder: Path
) -> None:
    talks = [conversation() for _ in range(40)]
    async with open_journal(url, folder, QUICK) as journal:
        for turn in zip(*talks, strict=True):
            for one in turn:
                journal.write(one)
            await asyncio.sleep(0)
    assert await places(engine) == {t[0].call: list(range(1, len(t) + 1)) for t in talks}
    assert list(folder.iterdir()) == []


async def test_durable_is_on_disk_before_anything_else_happens(
    journal: SpooledJournal, folder: Path
) -> None:
    journal.write(numbered("a", 1))
    await journal.durable("a")
    assert encode(numbered("a", 1)) in b"".join(p.read_bytes() for p in folder.glob("*.spool"))
    assert await journal.synced()


async def test_a_call_is_projected(journal: SpooledJournal, engine: AsyncEngine) -> None:
    entries = conversation("c")
    await write_all(journal, entries)
    await journal.drained()
    (call,) = await rows(engine, calls)
    changed = call.pop("changed_at")
    assert changed.tzinfo is not None
    assert call == {
        "id": "c", "flow": "shop", "version": "v1", "direction": "inbound", "channel": "PJSIP/a",
        "caller": "+905321112233", "dialled": "1000", "language": "en", "language_sequence": 9,
        "entries": 2, "started_at": datetime.fromtimestamp(entries[0].at, UTC),
        "ended_at": datetime.fromtimestamp(entries[-1].at, UTC), "why": "hangup",
        "ended_flow": "shop", "ended_step": "bye", "ended_sequence": len(entries),
        "transferred_to": "support", "transferred_kind": "queue", "transferred_sequence": 10,
        "error": "LookupFailed",
    }  # fmt: skip
    note, whole = await rows(engine, recordings)
    assert (note["call"], note["name"], note["ms"]) == ("c", "note", 1500)
    assert (whole["name"], whole["path"], whole["ms"]) == ("call", "2026/11/call.wav", 0)
    (answer,) = await rows(engine, survey_answers)
    assert (answer["question"], answer["mark"]) == ("service", 4)
    (contact,) = await rows(engine, contacts)
    assert (contact["phone"], contact["outcome"]) == ("+905321112233", "hangup")


async def test_a_call_that_comes_back_from_a_transfer_is_not_over(
    journal: SpooledJournal, engine: AsyncEngine
) -> None:
    story: list[tuple[events.Event, str]] = [
        (events.CallStarted("shop", "v1", "tr", "1001", "1000"), ""),
        (events.CallEnded("transfer", "shop", "to_agent"), "transfer"),
        (events.CallResumed(2, "PJSIP/b", "busy"), ""),
        (events.CallEnded("caller_hung_up", "shop", "main"), "caller_hung_up"),
    ]
    for place, (happened, why) in enumerate(story, start=1):
        journal.write(Entry("c", place, START + place, happened))
        await journal.drained()
        (call,) = await rows(engine, calls)
        assert (call["why"], call["ended_at"] is not None) == (why, bool(why))
    assert (call["entries"], call["flow"], call["caller"]) == (2, "shop", "1001")


async def test_events_that_come_late_or_twice_change_nothing(
    engine: AsyncEngine, url: str, folder: Path
) -> None:
    """A dead engine's spool is drained after its successor's, and once more from an old mark."""
    entries = conversation("c")
    early, late = entries[:5], entries[5:]
    async with open_journal(url, folder, QUICK) as journal:
        await write_all(journal, late)
        await journal.drained()
        for _ in range(2):
            dead = Spool(folder, limit=1 << 20)
            dead.append(b"".join(map(encode, early + late[:2])))
            dead.close()
            async with open_journal(url, folder, QUICK) as successor:
                while list(folder.glob(f"{dead.owner}*")):
                    await asyncio.sleep(0.01)
                assert list(await successor.history("c")) == entries
    (call,) = await rows(engine, calls)
    assert (call["flow"], call["why"], call["language"], call["entries"]) == (
        "shop",
        "hangup",
        "en",
        2,
    )
    assert call["started_at"] == datetime.fromtimestamp(entries[0].at, UTC)
    assert (len(await rows(engine, contacts)), len(await rows(engine, recordings))) == (1, 2)
    assert await rows(engine, journal_gaps) == []


async def test_a_dead_engines_spool_is_history_before_it_is_drained(url: str, folder: Path) -> None:
    entries = conversation("c")
    dead = Spool(folder, limit=1 << 20)
    dead.append(b"".join(map(encode, entries[:7])))
    living = Spool(folder, limit=1 << 20)
    living.append(b"".join(map(encode, entries[7:9])))
    options = replace(QUICK, drain_after=3600.0, close_deadline=0.1)
    async with open_journal(url, folder, options) as journal:
        await write_all(journal, entries[9:])
        assert list(await journal.history("c")) == entries
    dead.close()
    living.close()


async def test_whoever_asks_for_a_calls_past_has_the_dead_engines_spool_drained(
    engine: AsyncEngine, url: str, folder: Path
) -> None:
    options = replace(QUICK, adopt_every=3600.0)
    entries = conversation("c")
    async with open_journal(url, folder, options) as journal:
        await journal.history("c")  # the look at the start is over, and found nobody
        while not folder.exists() or journal._asked.is_set():
            await asyncio.sleep(0.01)
        dead = Spool(folder, limit=1 << 20)
        dead.append(b"".join(map(encode, entries)))
        dead.close()
        assert list(await journal.history("c")) == entries
        async with asyncio.timeout(10):
            while list(folder.glob(f"{dead.owner}*")):
                await asyncio.sleep(0.01)
    assert (await places(engine)) == {"c": list(range(1, len(entries) + 1))}


async def test_two_events_for_one_place_are_both_kept(
    journal: SpooledJournal, engine: AsyncEngine
) -> None:
    first = conversation("c")[:3]
    second = first[2]._replace(at=first[2].at + 9, event=events.LanguageChosen("en"))
    await write_all(journal, first)
    await journal.drained()
    journal.write(second)
    await journal.drained()
    assert list(await journal.history("c")) == first
    (gap,) = await rows(engine, journal_gaps)
    assert gap["reason"] == "collision"
    assert json.loads(gap["detail"])["data"] == '{"language":"en"}'


async def test_what_the_database_refuses_holds_up_nothing(
    journal: SpooledJournal, engine: AsyncEngine, folder: Path
) -> None:
    whole = conversation("whole")
    for one in whole[:4]:
        journal.write(one)
    journal.write(Entry("b", 2**70, START, events.LanguageChosen("tr")))  # no column is so wide
    for one in whole[4:]:
        journal.write(one)
    await journal.drained()
    assert (await places(engine)) == {"whole": list(range(1, len(whole) + 1))}
    (gap,) = await rows(engine, journal_gaps)
    assert (gap["reason"], gap["detail"]) == ("refused", f"b:{2**70}")
    assert str(2**70) in (folder / "refused.lines").read_text()
    assert journal.status().refused == 1


async def test_any_value_is_written_and_none_raises(
    journal: SpooledJournal, engine: AsyncEngine
) -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError("odd")

    circle: list[Any] = []
    circle.append(circle)
    for place, value in enumerate(["\0", "\ud800", float("nan"), circle, Odd(), "ğ"], start=1):
        journal.write(Entry("c\t\n", place, START, events.VariableSet("x", value)))
    await journal.drained()
    kept = [one.sequence for one in await journal.history("c\t\n")]
    assert kept == [1, 2, 3, 4, 6]
    gaps = await rows(engine, journal_gaps)
    assert "unwritable" in {gap["reason"] for gap in gaps}
    assert journal.status().lost == 1


Stop = Callable[[], AbstractAsyncContextManager[None]]


class Trouble:
    """A database that is away: locked by another writer, stopped, or frozen."""

    def __init__(self, url: str, server: PostgresServer | None, how: str) -> None:
        self.url, self.server, self.how = url, server, how

    async def __aenter__(self) -> None:
        await asyncio.to_thread(self._begin)

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._end)

    def _begin(self) -> None:
        if self.server is None:
            path = self.url.partition("///")[2]
            self.writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self.writer.execute("BEGIN EXCLUSIVE")
        elif self.how == "stopped":
            self.server.stop()
        else:
            self.server.freeze()

    def _end(self) -> None:
        if self.server is None:
            self.writer.execute("ROLLBACK")
            self.writer.close()
        elif self.how == "stopped":
            self.server.start()
        else:
            self.server.thaw()


@pytest.fixture(
    params=[
        "locked",
        pytest.param("stopped", marks=pytest.mark.postgres),
        pytest.param("frozen", marks=pytest.mark.postgres),
    ]
)
def away(request: pytest.FixtureRequest, tmp_path: Path) -> Trouble:
    """A migrated database and a way to make it go away."""
    import shutil

    if request.param == "locked":
        path = shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "s.db")
        return Trouble(f"sqlite:///{path}", None, "locked")
    server: PostgresServer = request.getfixturevalue("frail_postgres")
    url = server.new_database(request.getfixturevalue("frail_template"))
    return Trouble(url, server, request.param)


async def test_calls_go_on_while_the_database_is_away_and_all_is_drained_after(
    away: Trouble, folder: Path
) -> None:
    options = replace(QUICK, insert_deadline=0.3, history_deadline=0.3)
    before, during = conversation("before"), [conversation() for _ in range(200)]
    async with open_journal(away.url, folder, options) as journal:
        await write_all(journal, before[:6])
        await journal.drained()
        async with away:
            await write_all(journal, before[6:])
            for turn in zip(*during, strict=True):
                for one in turn:
                    journal.write(one)
                await asyncio.sleep(0.01)
            await journal.durable(before[0].call)
            assert await journal.synced()
            # What is whole in the spool is told from there; the kept segment has the early part.
            assert list(await journal.history("before")) == before
            assert list(await journal.history(during[7][0].call)) == during[7]
            if away.server is not None:  # a SQLite file that is locked can still be read
                with pytest.raises(JournalUnavailable):
                    await journal.history("unknown")
            while not journal.status().database_away:
                await asyncio.sleep(0.02)
            assert journal.status().spooled_bytes > 100_000
        async with asyncio.timeout(30):
            await journal.drained()
        assert journal.status().lost == 0
        assert journal.status().database_away == 0
        for talk in (before, during[0], during[-1]):
            assert list(await journal.history(talk[0].call)) == talk
    from cti.db.engine import open_engine

    engine = open_engine(away.url)
    total = len(before) * 201
    async with engine.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(call_events)) == total
    assert await rows(engine, journal_gaps) == []
    await engine.dispose()


async def test_an_engine_that_ends_while_the_database_is_away_leaves_its_spool(
    away: Trouble, folder: Path
) -> None:
    options = replace(QUICK, insert_deadline=0.2, close_deadline=0.2)
    entries = conversation("c")
    async with away, open_journal(away.url, folder, options) as journal:
        await write_all(journal, entries)
    assert len(list(folder.glob("*.spool"))) == 1
    async with open_journal(away.url, folder, QUICK) as successor:
        assert list(await successor.history("c")) == entries
        while list(folder.glob("*.spool")):
            await asyncio.sleep(0.01)
        assert list(await successor.history("c")) == entries


async def test_a_missing_schema_is_waited_for(
    empty_engine: AsyncEngine, empty_url: str, folder: Path
) -> None:
    from cti.db import migrate

    entries = conversation("c")
    async with open_journal(empty_url, folder, QUICK) as journal:
        await write_all(journal, entries)
        while not journal.status().database_away:
            await asyncio.sleep(0.01)
        await migrate.upgrade(empty_engine)
        async with asyncio.timeout(20):
            await journal.drained()
        assert list(await journal.history("c")) == entries


async def test_with_the_spool_full_events_pass_by_it_into_the_database(
    engine: AsyncEngine, url: str, folder: Path
) -> None:
    talks = [conversation() for _ in range(20)]
    async with open_journal(url, folder, replace(QUICK, spool_limit=0)) as journal:
        for turn in zip(*talks, strict=True):
            await write_all(journal, list(turn))
        assert journal.status().disk_full
        await journal.durable(talks[0][0].call)
        assert list(await journal.history(talks[3][0].call)) == talks[3]
        await journal.drained()
        assert journal.status().lost == 0
    assert await places(engine) == {t[0].call: list(range(1, len(t) + 1)) for t in talks}


async def test_with_disk_and_database_gone_calls_go_on_and_the_gap_is_told(
    away: Trouble, folder: Path
) -> None:
    options = replace(
        QUICK, insert_deadline=0.2, spool_limit=20_000, memory_limit=20_000, durable_deadline=0.1
    )
    async with open_journal(away.url, folder, options) as journal:
        async with away:
            for sequence in range(1, 1001):
                journal.write(numbered("c", sequence))
                await asyncio.sleep(0)
            await journal.durable("c")
            lost = journal.status().lost
            assert 500 < lost < 1000
            assert journal.status().waiting_in_memory > 100
        async with asyncio.timeout(30):
            await journal.drained()
        journal.write(numbered("c", 1001))
        async with asyncio.timeout(30):
            while (await journal.history("c"))[-1].sequence != 1001:
                await asyncio.sleep(0.05)
            await journal.drained()
    from cti.db.engine import open_engine

    engine = open_engine(away.url)
    kept = (await places(engine))["c"]
    assert kept == [*range(1, 1001 - lost), 1001]
    gaps = await rows(engine, journal_gaps)
    assert sum(gap["events"] for gap in gaps) == lost
    assert gaps[0]["reason"] == "no room"
    assert f"c:{1001 - lost}" in gaps[0]["detail"]
    await engine.dispose()


@pytest.mark.postgres
async def test_a_disk_that_is_really_full(
    postgres: PostgresServer, postgres_template: str, folder: Path
) -> None:
    """The kernel refuses the writes (RLIMIT_FSIZE); the database, elsewhere, goes on."""
    url = postgres.new_database(postgres_template)
    async with open_journal(url, folder, QUICK) as journal:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, hard))
        try:
            for sequence in range(1, 501):
                journal.write(numbered("c", sequence))
                if sequence % 50 == 0:
                    await asyncio.sleep(0.02)
            await journal.drained()
            assert journal.status().lost == 0
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        for sequence in range(501, 601):
            journal.write(numbered("c", sequence))
        await journal.drained()
        assert [one.sequence for one in await journal.history("c")] == list(range(1, 601))
        assert list(await journal.history("c")) == [numbered("c", n) for n in range(1, 601)]


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no right to mount a small tmpfs: a disk that is really full cannot be had")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def test_a_file_system_without_room(url: str, tiny_disk: Path) -> None:
    """ENOSPC at the first byte, in mid-line and while segments change; then there is room."""
    filler = tiny_disk / "filler"
    filler.write_bytes(b"x" * 40_000)
    options = replace(QUICK, keep_bytes=1_000)
    async with open_journal(url, tiny_disk / "spool", options) as journal:
        for sequence in range(1, 1001):
            journal.write(numbered("c", sequence))
            await asyncio.sleep(0)
        assert journal.status().disk_full
        await journal.drained()
        filler.unlink()
        async with asyncio.timeout(20):
            sequence = 1000
            while journal.status().disk_full or sequence == 1000:
                sequence += 1
                journal.write(numbered("c", sequence))
                await asyncio.sleep(0.05)
        await journal.drained()
        assert list(await journal.history("c")) == [
            numbered("c", n) for n in range(1, sequence + 1)
        ]
        assert journal.status().lost == 0


async def test_an_engine_starts_on_a_full_disk(url: str, tiny_disk: Path) -> None:
    with (tiny_disk / "filler").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    async with open_journal(url, tiny_disk / "a" / "spool", QUICK) as journal:
        for sequence in range(1, 101):
            journal.write(numbered("c", sequence))
        await journal.durable("c")
        assert len(await journal.history("c")) == 100
        assert journal.status().lost == 0


async def test_it_warns_loudly_before_it_loses_anything(
    away: Trouble, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = replace(
        QUICK, insert_deadline=0.2, spool_limit=20_000, memory_limit=20_000, free_space=1 << 60
    )

    def warned() -> set[str]:
        said = (record.message for record in caplog.records if record.levelname == "CRITICAL")
        return {message.rpartition(": ")[2] for message in said if "before long" in message}

    async with open_journal(away.url, folder, options) as journal, away:
        journal.write(numbered("c", 1))
        assert await journal.synced()
        journal._watch()
        assert warned() == {"its disk is nearly full"}
        for sequence in range(2, 320):
            journal.write(numbered("c", sequence))
            await asyncio.sleep(0)
            if not journal.status().disk_full:
                journal._watch()
                half = journal.status().spooled_bytes > 10_000
                assert ("its spool is half full" in warned()) is half
        journal._watch()
        assert "its memory is half full" in warned()
        assert journal.status().lost == 0
        told = len(caplog.records)
        journal._watch()
        assert len(caplog.records) == told, "once is enough"


async def test_what_is_drained_leaves_the_disk_in_time(url: str, folder: Path) -> None:
    """Also of an engine that has nothing to do: what is forgotten must be gone there too."""
    async with open_journal(url, folder, replace(QUICK, keep_seconds=0.05)) as journal:
        journal.write(numbered("c", 1))
        await journal.drained()
        async with asyncio.timeout(20):
            while list(folder.glob("*.spool")):
                await asyncio.sleep(0.02)
        journal.write(numbered("c", 2))
        assert [one.sequence for one in await journal.history("c")] == [1, 2]


async def test_secrets_that_are_none_stay_none(journal: SpooledJournal, folder: Path) -> None:
    journal.write(Entry("c", 1, START, events.VariableSet("card", None, 0, True)))
    await journal.drained()
    (one,) = await journal.history("c")
    assert one.event == events.VariableSet("card", None, 0, True)


async def test_each_batch_is_one_transaction(url: str, folder: Path) -> None:
    """Fails in the middle of a batch, once: nothing of it is there, then all of it."""
    from cti.db.engine import open_engine
    from cti.journal.drain import Drain
    from cti.journal.line import Row
    from cti.journal.tables import JournalTables

    engine = open_engine(url)
    tables = JournalTables(engine)
    entries = conversation("c")
    failed = []

    @event.listens_for(Engine, "before_cursor_execute")  # SQLite's batches have an engine below
    def fail(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        if "INSERT INTO calls" in statement and not failed:
            failed.append(True)
            raise TimeoutError

    from cti.journal.line import decode

    batch = [decode(encode(one)[:-1]) for one in entries]
    assert isinstance(batch[0], Row)
    with pytest.raises(TimeoutError):
        await tables.insert(batch, "x")
    assert await rows(engine, call_events) == []
    await Drain(tables, folder).store(batch, "x")
    assert (await places(engine))["c"] == list(range(1, len(entries) + 1))
    event.remove(Engine, "before_cursor_execute", fail)
    await engine.dispose()
