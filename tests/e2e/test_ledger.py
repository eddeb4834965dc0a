"""What the reports are told of queues, on a real Asterisk: each way a stay can end, and a restart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.agents.presence import Presence, State
from cti.ami import actions
from cti.ami import events as ami
from cti.ami.bridge import Account, Bridge
from cti.asterisk import Asterisk, Installation, InstanceSettings
from cti.db import migrate
from cti.db.engine import open_engine
from cti.db.models import agent_spans, queue_visits
from cti.ledger import Ledger
from cti.queues import Files, Queues
from ivr.errors import CallOver
from tests.cti.ami.test_bridge import Sink
from tests.e2e.conftest import instance_defaults
from tests.e2e.scripted_engine import Visit
from tests.e2e.test_queue_routing import AGENT, Floor, opened

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]

QUEUES = Queues.model_validate(
    {
        "queues": {
            "first": {"callback": {"key": "1"}, "overflow": {"to": "second", "after": "1s"}},
            "second": {"strategy": "ring_all"},
        }
    }
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def line(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Asterisk]:
    settings = InstanceSettings.fresh(
        tmp_path_factory.mktemp("ledger"),
        **instance_defaults(tries=1, wait=0.1, queues=(), extra={"extensions.conf": AGENT}),
    )
    settings.etc.mkdir(parents=True)
    Files(settings.etc).write(QUEUES)
    async with Asterisk(installation, settings) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def database(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(f"sqlite:///{tmp_path}/santral.db")
    await migrate.upgrade(engine)
    yield engine
    await engine.dispose()


def new_ledger(database: AsyncEngine) -> Ledger:
    return Ledger(database, {"Local/talks@test-agent/n": "ayse"}.get, time.time)


@asynccontextmanager
async def told(floor: Floor, ledger: Ledger) -> AsyncIterator[Ledger]:
    """A ledger that hears what the floor's bridge hears."""
    ledger.on_event(floor.seen.of(ami.Snapshot)[-1])
    before = floor.bridge._sink

    def take(event: ami.Event) -> None:
        before(event)
        ledger.on_event(event)

    floor.bridge._sink = take
    writing = asyncio.create_task(ledger.run())
    try:
        yield ledger
    finally:
        floor.bridge._sink = before
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)


async def visits(database: AsyncEngine, done: Callable[[list[Any]], bool]) -> list[Any]:
    """The rows, in the order of joining, once they are as wanted."""
    asked = select(queue_visits).order_by(queue_visits.c.entered)
    rows: list[Any] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(10):
            while True:
                async with database.connect() as connection:
                    rows = list(await connection.execute(asked))
                if done(rows):
                    return rows
                await asyncio.sleep(0.1)
    raise AssertionError(f"it never came to that: {rows}")


def into(queue: str, **options: str) -> Callable[[Visit], Awaitable[None]]:
    async def behave(visit: Visit) -> None:
        await visit.command("ANSWER")
        if visit.query["entry"] != "1":
            await visit.leave(done="hangup")
            return
        await visit.leave(done="queue", to=queue, **options)

    return behave


async def test_who_gives_up(line: Asterisk, database: AsyncEngine) -> None:
    async with opened(line) as floor, floor.engine(into("second")) as engine:
        async with told(floor, new_ledger(database)):
            call = await floor.phone.dial("4000")
            await floor.seen.until(ami.QueueCallerJoin)
            (row,) = await visits(database, lambda rows: len(rows) == 1)
            assert (row.outcome, row.left, row.queue, row.position) == ("", 0.0, "second", 1)
            await asyncio.sleep(1.0)
            await call.hangup()
            (row,) = await visits(database, lambda rows: bool(rows[0].ended))
        assert row.outcome == "abandoned"
        assert 1.0 <= row.left - row.entered < 3.0
        assert row.call == engine.visits[0].query["call"]


async def test_who_is_helped(line: Asterisk, database: AsyncEngine) -> None:
    async with opened(line) as floor, floor.engine(into("second")):
        member = "Local/talks@test-agent/n"
        await floor.bridge.send(actions.QueueAdd("second", member, "T"))
        try:
            async with told(floor, new_ledger(database)):
                call = await floor.phone.dial("4000")
                await call.until_over(10)
                (row,) = await visits(database, lambda rows: rows and bool(rows[0].ended))
        finally:
            await floor.bridge.send(actions.QueueRemove("second", member))
    assert (row.outcome, row.agent, row.rings, row.ended_by) == ("handled", "ayse", 1, "agent")
    assert 1.5 < row.ended - row.left < 4


async def test_who_overflows_and_gives_up_there(line: Asterisk, database: AsyncEngine) -> None:
    behave = into("first", timeout="1", overflow="second")
    async with (
        opened(line) as floor,
        floor.engine(behave),
        told(floor, new_ledger(database)),
    ):
        call = await floor.phone.dial("4000")
        await visits(database, lambda rows: len(rows) == 2)
        await call.hangup()
        rows = await visits(database, lambda rows: bool(rows[1].ended))
    assert [(row.queue, row.outcome) for row in rows] == [
        ("first", "overflow"), ("second", "abandoned"),
    ]  # fmt: skip
    assert rows[0].call == rows[1].call
    assert 0.9 <= rows[0].left - rows[0].entered < 2.5


async def test_who_asks_to_be_called_back(line: Asterisk, database: AsyncEngine) -> None:
    async with (
        opened(line) as floor,
        floor.engine(into("first", timeout="20")),
        told(floor, new_ledger(database)),
    ):
        call = await floor.phone.dial("4000")
        await floor.seen.until(ami.QueueCallerJoin)
        with suppress(CallOver):
            await call.press("1")
        (row,) = await visits(database, lambda rows: rows and bool(rows[0].ended))
    assert row.outcome == "callback"


async def test_a_new_engine_takes_up_the_stays_of_the_one_before(
    line: Asterisk, database: AsyncEngine
) -> None:
    async with opened(line) as floor, floor.engine(into("second")):
        async with told(floor, new_ledger(database)):
            stays = await floor.phone.dial("4000")
            await floor.seen.until(ami.QueueCallerJoin)
            goes = await floor.phone.dial("4000")
            await visits(database, lambda rows: len(rows) == 2)
        # Nobody is told for a while; one caller gives up in that time, another one comes.
        await goes.hangup()
        comes = await floor.phone.dial("4000")
        await asyncio.sleep(1.0)
        again, settings = Sink(), line.settings
        account = Account(settings.ami_user, SecretStr(settings.ami_secret), port=settings.ami_port)
        async with Bridge(account, again) as bridge:
            await bridge.ready(10)
            later = Floor(line, bridge, again, floor.phone)
            async with told(later, new_ledger(database)):
                rows = await visits(database, lambda rows: len(rows) == 3 and bool(rows[1].left))
                assert [row.outcome for row in rows] == ["", "unknown", ""]
                await stays.hangup()
                await comes.hangup()
                rows = await visits(database, lambda rows: all(row.ended for row in rows))
    assert [row.outcome for row in rows] == ["abandoned", "unknown", "abandoned"]
    assert rows[0].left - rows[0].entered > 1.0


async def test_an_agents_day(database: AsyncEngine) -> None:
    ledger, at = new_ledger(database), 1000.0
    here = Presence("ayse", "PJSIP/ayse")
    for state, reason, call in (
        (State.READY, "", ""), (State.RINGING, "", "c1"), (State.TALKING, "", "c1"),
        (State.WRAP_UP, "", "c1"), (State.PAUSED, "lunch", ""), (State.SIGNED_OUT, "", ""),
    ):  # fmt: skip
        after = replace(here, state=state, reason=reason, call=call, since=at)
        ledger.on_presence(here, after)
        here, at = after, at + 10.0
    await ledger.flush()
    async with database.connect() as connection:
        rows = list(await connection.execute(select(agent_spans).order_by(agent_spans.c.since)))
    assert [(row.state, row.reason, row.since, row.until) for row in rows] == [
        ("ready", "", 1000.0, 1010.0), ("ringing", "", 1010.0, 1020.0),
        ("talking", "", 1020.0, 1030.0), ("wrap_up", "", 1030.0, 1040.0),
        ("paused", "lunch", 1040.0, 1050.0),
    ]  # fmt: skip
