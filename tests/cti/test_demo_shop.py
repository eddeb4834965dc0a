"""The demo's shop: what it brings must not stand in the way of what comes after."""

from __future__ import annotations

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.models import customers, orders
from cti.demo_shop import build, seed_shop


async def test_the_shop_takes_new_customers_and_orders(engine: AsyncEngine) -> None:
    assert await seed_shop(engine)
    assert not await seed_shop(engine)
    shop = build()
    person, order = shop.customers[0] | {"phone": "+905320000000"}, shop.orders[0] | {"number": "x"}
    async with engine.begin() as connection:
        for table, row in ((customers, person), (orders, order)):
            row.pop("id")
            made = await connection.execute(insert(table).values(row))
            assert made.inserted_primary_key
            assert made.inserted_primary_key[0] == len(getattr(shop, table.name)) + 1
