"""Callers who leave while no engine listens: who ends their call, as what, and when."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from cti.asterisk import free_ports
from cti.db.engine import open_engine
from cti.db.models import call_events
from cti.demo import Demo
from cti.softphone import OutgoingCall, Phone, until
from ivr import events
from ivr.events import Entry
from tests.e2e.test_restart import Sounds, converse, demo
from tests.postgres_server import running_postgres

pytestmark = pytest.mark.asterisk


async def at_the_question(phone: Phone, sounds: Sounds) -> OutgoingCall:
    call = await phone.dial("100")
    await call.wait_for(until.prompt(sounds["main"][0], least=0.4), 30, "the question")
    return call


async def leaves(running: Demo, call: OutgoingCall) -> tuple[float, float]:
    """Hang up; between which two times Asterisk noticed."""
    before = time.time()
    await call.hangup()
    async with asyncio.timeout(10):
        while "0 active channels" not in await running.asterisk.command("core show channels count"):
            await asyncio.sleep(0.05)
    return before, time.time()


async def story(running: Demo) -> list[Entry]:
    """The only call's, once it has its end."""
    engine = open_engine(running.settings.journal_database)
    try:
        async with asyncio.timeout(60):
            while True:
                async with engine.connect() as connection:
                    found = await connection.execute(
                        select(call_events).order_by(call_events.c.sequence)
                    )
                    entries = [Entry.from_dict(dict(row)) for row in found.mappings()]
                if entries and isinstance(entries[-1].event, events.CallEnded):
                    return entries
                await asyncio.sleep(0.2)
    finally:
        await engine.dispose()


def ended_once(entries: list[Entry]) -> events.CallEnded:
    assert [entry.sequence for entry in entries] == list(range(1, len(entries) + 1))
    ends = [entry.event for entry in entries if isinstance(entry.event, events.CallEnded)]
    assert len(ends) == 1
    return ends[0]


async def test_who_leaves_while_no_engine_runs_has_left_when_they_left(tmp_path: Path) -> None:
    async with demo(tmp_path) as (running, sounds, phone):
        call = await at_the_question(phone, sounds)
        await running.engine.kill()
        before, after = await leaves(running, call)
        await asyncio.sleep(2)
        await running.engine.start()
        entries = await story(running)
        end = ended_once(entries)
        assert (end.why, end.flow, end.step) == ("caller_hung_up", "order_line", "main")
        assert before - 0.01 <= entries[-1].at <= after


async def test_who_was_asked_in_words_is_found_by_their_missing_channel(tmp_path: Path) -> None:
    async with demo(tmp_path, speech_port=free_ports(1)[0]) as (running, sounds, phone):
        call = await at_the_question(phone, sounds)
        await running.engine.kill()
        await leaves(running, call)
        await running.engine.start()
        end = ended_once(await story(running))
        assert (end.why, end.flow, end.step) == ("caller_hung_up", "order_line", "main")
        said = (tmp_path / "asterisk" / "log" / "messages.log").read_text()
        assert "Dangerous function" not in said  # AstDB is not for threads that spoke AEAP


@pytest.mark.postgres
async def test_so_it_is_when_the_database_is_away_as_well(tmp_path: Path) -> None:
    with running_postgres() as server:
        database = server.new_database()
        async with demo(tmp_path, database_url=database) as (running, sounds, phone):
            call = await at_the_question(phone, sounds)
            await asyncio.to_thread(server.stop)
            await running.engine.kill()
            before, after = await leaves(running, call)
            await running.engine.start()
            await asyncio.sleep(12)  # it has looked, and could not tell everything
            await asyncio.to_thread(server.start)
            entries = await story(running)
            assert ended_once(entries).why == "caller_hung_up"
            assert before - 0.01 <= entries[-1].at <= after


async def test_an_engine_that_dies_with_its_last_word_spoken_has_ended_the_call(
    tmp_path: Path,
) -> None:
    async with demo(tmp_path, engine_module="bench.mortal") as (running, sounds, phone):
        plan = tmp_path / "mortal"
        plan.mkdir(exist_ok=True)
        (plan / "next").write_text("bye:after:1")
        times = len(running.engine.returns)
        running.engine.kill_worker()  # the next one dies in the call, when it has told Asterisk
        await running.engine.returned(times + 1, 30)
        call = await phone.dial("100")
        await converse(call, sounds)
        await running.engine.returned(times + 2, 30)
        assert (plan / "died").read_text().endswith("bye:after:1\n")
        end = ended_once(await story(running))
        assert (end.why, end.flow, end.step) == ("hangup", "order_line", "bye")


async def test_asterisk_is_let_forget_what_is_long_over(tmp_path: Path) -> None:
    async with demo(tmp_path) as (running, sounds, phone):
        asterisk = running.asterisk
        await asterisk.command('database put santral-gone "100/old" "1000.250 01 hangup"')
        await leaves(running, await at_the_question(phone, sounds))
        await story(running)
        async with asyncio.timeout(20):
            while "/100/old" in (kept := await asterisk.command("database show santral-gone")):
                await asyncio.sleep(0.2)
        assert "1 results found" in kept  # the newest one's bucket may still get others
