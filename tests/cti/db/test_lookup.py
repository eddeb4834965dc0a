from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.engine import open_engine, open_read_only
from cti.db.lookup import DatabaseLookup, open_lookup
from cti.db.queries import load_queries, read_queries
from cti.demo_shop import CALLER, ORDER, build, seed_shop
from ivr.errors import LookupFailed
from tests.postgres_server import PostgresServer

QUERIES = Path(__file__).parents[3] / "scenarios" / "queries.yaml"
ONE = read_queries("queries: {one: {deadline: 9s, sql: SELECT 1 AS one}}")
SLOW = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT max(i) FROM n",
    "postgresql": "SELECT pg_sleep(30)",
}


@pytest.fixture
async def shop(engine: AsyncEngine) -> AsyncEngine:
    await seed_shop(engine)
    return engine


@pytest.fixture
async def lookup(shop: AsyncEngine, url: str) -> AsyncIterator[DatabaseLookup]:
    async with open_lookup(url, load_queries(QUERIES)) as found:
        yield found


async def test_the_shop_is_the_same_every_time_and_seeded_once(shop: AsyncEngine) -> None:
    assert build() == build()
    assert not await seed_shop(shop)
    async with shop.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM orders")) == len(build().orders)


async def test_an_orders_total_is_the_sum_of_its_lines() -> None:
    full = build(people=200)
    for order in full.orders:
        lines = [line for line in full.lines if line["order_id"] == order["id"]]
        assert order["total"] == sum(line["quantity"] * line["unit_price"] for line in lines)
    assert len({order["number"] for order in full.orders}) == len(full.orders)


async def test_an_order_is_found_with_exact_and_plain_values(lookup: DatabaseLookup) -> None:
    order = await lookup.find("order_by_number", {"number": ORDER}, 2.0)
    assert order == {
        "number": "1234",
        "status": "kargoda",
        "status_en": "on its way",
        "state": "shipped",
        "total": Decimal("459.90"),
        "currency": "TRY",
        "placed_at": datetime(2026, 11, 19, 9, tzinfo=UTC),
        "shipped_at": datetime(2026, 11, 20, 9, tzinfo=UTC),
        "expected_on": date(2026, 11, 22),
        "carrier": "Demo Kargo",
        "tracking": "DK0000001234",
        "customer": "Ayşe Yılmaz",
        "phone": CALLER,
        "language": "tr",
    }
    assert str(order["total"]) == "459.90"


@pytest.mark.parametrize(
    ("phone", "found"),
    [("0532 111 22 33", True), (CALLER, True), ("+905551112233", False), ("", False)],
)
async def test_a_phone_that_is_given_must_be_the_customers(
    lookup: DatabaseLookup, phone: str, found: bool
) -> None:
    order = await lookup.find("order_by_number", {"number": ORDER, "phone": phone}, 2.0)
    assert (order is not None) is found


async def test_the_other_queries_answer(lookup: DatabaseLookup) -> None:
    customer = await lookup.find("customer_by_phone", {"phone": "05321112233"}, 2.0)
    assert customer is not None
    assert customer["name"] == "Ayşe Yılmaz"
    latest = await lookup.find("orders_by_phone", {"phone": CALLER}, 2.0)
    assert latest is not None
    assert (latest["number"], latest["orders"]) == (ORDER, 5)
    assert await lookup.find("customer_by_phone", {"phone": "+905550000000"}, 2.0) is None


async def test_a_hundred_at_once_get_each_their_own(lookup: DatabaseLookup) -> None:
    numbers = [order["number"] for order in build().orders]
    wanted = [numbers[index % len(numbers)] for index in range(100)]
    rows = await asyncio.gather(
        *(lookup.find("order_by_number", {"number": number}, 5.0) for number in wanted)
    )
    assert [row and row["number"] for row in rows] == wanted


@pytest.mark.parametrize(
    ("query", "parameters", "why"),
    [
        ("order_by_numbr", {}, "no query"),
        ("order_by_number", {}, "needs the parameter 'number'"),
        ("order_by_number", {"number": "1", "fone": "x"}, "no parameter 'fone'"),
    ],
)
async def test_a_wrong_question_is_told(
    lookup: DatabaseLookup, query: str, parameters: dict[str, str], why: str
) -> None:
    with pytest.raises(LookupFailed, match=why):
        await lookup.find(query, parameters, 2.0)


TYPED = """
queries:
  typed:
    deadline: 5s
    parameters:
      t: text
      i: integer
      d: decimal
      day: {type: date, default: 2026-11-22}
      at: {type: datetime, default: null}
    results: {d: decimal, day: date, at: datetime, i: integer}
    sql: SELECT :t AS t, :i AS i, :d AS d, :day AS day, :at AS at, '12:30 :t' AS clock -- :no
  broken:
    deadline: 5s
    parameters: {card: text}
    sql: SELECT * FROM nowhere WHERE card = :card
  wrong:
    deadline: 5s
    results: {name: decimal}
    sql: SELECT name FROM customers
"""


async def test_every_type_goes_in_and_comes_out(shop: AsyncEngine, url: str) -> None:
    async with open_lookup(url, read_queries(TYPED)) as lookup:
        at = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
        given = {"t": "ğüşiöç'\";--", "i": "42", "d": "0.10", "at": at}
        row = await lookup.find("typed", given, 5.0)
        assert row == {
            "t": "ğüşiöç'\";--", "i": 42, "d": Decimal("0.10"), "day": date(2026, 11, 22),
            "at": at, "clock": "12:30 :t",
        }  # fmt: skip
        assert await lookup.find("typed", {"t": None, "i": None, "d": None}, 5.0)


async def test_no_value_is_in_what_is_told(
    shop: AsyncEngine, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "4111111111111111"
    async with open_lookup(url, read_queries(TYPED)) as lookup:
        for query, parameters in (
            ("broken", {"card": secret}),
            ("typed", {"t": "", "i": secret + "x", "d": "1"}),
            ("wrong", {}),
        ):
            with pytest.raises(LookupFailed) as failed:
                await lookup.find(query, parameters, 5.0)
            assert secret not in str(failed.value)
            assert failed.value.__cause__ is None
            assert failed.value.__suppress_context__
        assert await lookup.find("typed", {"t": "", "i": 1, "d": 1}, 5.0)  # still of use
    assert secret not in caplog.text


async def test_a_slow_query_is_given_up_at_its_deadline(shop: AsyncEngine, url: str) -> None:
    sql = SLOW[shop.dialect.name]
    queries = read_queries(
        f"queries:\n  slow: {{deadline: 20s, sql: {sql!r}}}\n"
        "  fast: {deadline: 5s, sql: SELECT 1 AS one}\n"
    )
    async with open_lookup(url, queries, size=2) as lookup:
        started = time.monotonic()
        slow = [asyncio.create_task(lookup.find("slow", {}, 0.3)) for _ in range(2)]
        for task in slow:
            with pytest.raises(LookupFailed, match="no answer in time"):
                await task
        assert await lookup.find("fast", {}, 5.0) == {"one": 1}
        assert time.monotonic() - started < 10  # far from the query's own 20 s


async def test_a_caller_who_hangs_up_frees_the_connection(shop: AsyncEngine, url: str) -> None:
    sql = SLOW[shop.dialect.name]
    queries = read_queries(
        f"queries:\n  slow: {{deadline: 20s, sql: {sql!r}}}\n"
        "  fast: {deadline: 5s, sql: SELECT 1 AS one}\n"
    )
    async with open_lookup(url, queries, size=1) as lookup:
        task = asyncio.create_task(lookup.find("slow", {}, 20.0))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await lookup.find("fast", {}, 10.0) == {"one": 1}


async def test_the_connection_cannot_write(shop: AsyncEngine, url: str) -> None:
    engine = open_read_only(url, timeout=5.0)
    try:
        async with engine.connect() as connection:
            with pytest.raises(DBAPIError, match=r"read-?only"):
                await connection.execute(text("DELETE FROM order_lines"))
            with pytest.raises(DBAPIError, match=r"read-?only"):
                await connection.execute(text("CREATE TABLE x (a integer)"))
    finally:
        await engine.dispose()


async def test_no_database_is_a_failed_lookup(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path / 'none.db'}", "postgresql://nobody@127.0.0.1:1/none"):
        async with open_lookup(url, load_queries(QUERIES)) as lookup:
            with pytest.raises(LookupFailed, match="is gone"):
                await lookup.find("order_by_number", {"number": "1"}, 2.0)


@pytest.mark.postgres
async def test_a_restarted_server_costs_no_lookup(frail_postgres: PostgresServer) -> None:
    url = frail_postgres.new_database()
    engine = open_engine(url)
    async with open_lookup(url, ONE) as lookup:
        assert await lookup.find("one", {}, 9.0) == {"one": 1}
        frail_postgres.stop()
        with pytest.raises(LookupFailed):
            await lookup.find("one", {}, 9.0)
        frail_postgres.start()
        assert await lookup.find("one", {}, 9.0) == {"one": 1}
        frail_postgres.stop()
        frail_postgres.start()
        assert await lookup.find("one", {}, 9.0) == {"one": 1}
    await engine.dispose()


@pytest.mark.postgres
async def test_a_frozen_server_is_given_up_at_the_deadline(frail_postgres: PostgresServer) -> None:
    url = frail_postgres.new_database()
    async with open_lookup(url, ONE) as lookup:
        assert await lookup.find("one", {}, 9.0) == {"one": 1}
        frail_postgres.freeze()
        try:
            started = time.monotonic()
            with pytest.raises(LookupFailed):
                await lookup.find("one", {}, 0.3)
            assert time.monotonic() - started < 5
        finally:
            frail_postgres.thaw()
        assert await lookup.find("one", {}, 9.0) == {"one": 1}
