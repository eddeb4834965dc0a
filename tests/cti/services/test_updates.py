"""Writes are done exactly once for their key, on both engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.models import effects
from cti.db.queries import read_updates
from cti.demo_shop import CALLER, ORDER, seed_shop
from cti.services.updates import DatabaseUpdates, open_updates
from ivr.errors import QueriesRefused, ServiceFailed

UPDATES = read_updates("""
updates:
  add:
    deadline: 5s
    parameters: {number: text, more: decimal}
    sql: UPDATE orders SET carrier = carrier || 'x' WHERE number = :number AND :more > 0
  broken:
    deadline: 5s
    sql: UPDATE orders SET status = 'no such status'
""")


@pytest.fixture
async def updates(engine: AsyncEngine, url: str) -> AsyncIterator[DatabaseUpdates]:
    await seed_shop(engine)
    async with open_updates(url, UPDATES) as opened:
        yield opened


async def carrier(engine: AsyncEngine) -> str:
    async with engine.connect() as connection:
        query = text("SELECT carrier FROM orders WHERE number = :number")
        return str(await connection.scalar(query, {"number": ORDER}))


async def test_a_write_is_done_once_for_its_key(
    updates: DatabaseUpdates, engine: AsyncEngine
) -> None:
    before = await carrier(engine)
    given = {"number": ORDER, "more": "1.50"}
    assert await updates.write("add", given, "call:0:step:1", 5.0) == 1
    assert await updates.write("add", given, "call:0:step:1", 5.0) == 1, "as the first time said"
    assert await carrier(engine) == before + "x"
    assert await updates.write("add", given, "call:0:step:2", 5.0) == 1
    assert await carrier(engine) == before + "xx"


async def test_many_at_once_with_one_key_are_one_write(
    updates: DatabaseUpdates, engine: AsyncEngine
) -> None:
    before = await carrier(engine)
    given = {"number": ORDER, "more": 1}
    done = await asyncio.gather(*(updates.write("add", given, "k", 10.0) for _ in range(12)))
    assert done == [1] * 12
    assert await carrier(engine) == before + "x"


async def test_a_write_that_changed_nothing_says_so_and_again(updates: DatabaseUpdates) -> None:
    given = {"number": "none", "more": 1}
    assert await updates.write("add", given, "k", 5.0) == 0
    assert await updates.write("add", given, "k", 5.0) == 0


async def test_a_write_that_fails_leaves_no_key(
    updates: DatabaseUpdates, engine: AsyncEngine
) -> None:
    with pytest.raises(ServiceFailed, match="broken") as failed:
        await updates.write("broken", {}, "k", 5.0)
    assert "no such status" not in str(failed.value)
    async with engine.connect() as connection:
        assert not (await connection.execute(effects.select())).all()


async def test_wrong_parameters_never_reach_the_database(updates: DatabaseUpdates) -> None:
    with pytest.raises(ServiceFailed, match="needs the parameter 'more'"):
        await updates.write("add", {"number": CALLER}, "k", 5.0)
    with pytest.raises(ServiceFailed, match="'more' is no decimal") as failed:
        await updates.write("add", {"number": ORDER, "more": "sır"}, "k", 5.0)
    assert "sır" not in str(failed.value)
    with pytest.raises(ServiceFailed, match="there is no update 'nothing'"):
        await updates.write("nothing", {}, "k", 5.0)


async def test_a_write_that_is_late_is_an_error_and_asked_again_is_done_once(
    updates: DatabaseUpdates, engine: AsyncEngine
) -> None:
    before = await carrier(engine)
    given = {"number": ORDER, "more": 1}
    async with engine.begin() as busy:
        await busy.execute(text("UPDATE orders SET tracking = 'busy'"))
        with pytest.raises(ServiceFailed, match="no answer in time"):
            await updates.write("add", given, "k", 0.2)
    assert await updates.write("add", given, "k", 10.0) == 1
    assert await carrier(engine) == before + "x"


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("SELECT 1", "an update writes"),
        ("DROP TABLE orders", "an update writes"),
        ("UPDATE a SET b = 1; DELETE FROM a", "one statement is expected"),
        ("UPDATE a SET b = :c", "':c' is not in the parameters"),
    ],
)
def test_what_is_no_single_write_is_refused(sql: str, why: str) -> None:
    with pytest.raises(QueriesRefused, match=why):
        read_updates(f"updates: {{one: {{deadline: 1s, sql: '{sql}'}}}}")
