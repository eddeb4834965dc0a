"""The demo shop: customers, orders and their lines, the same every time. Nobody in it is real."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.models import customers, order_lines, order_statuses, orders

CURRENCY: Final = "TRY"
FIRST_DAY: Final = datetime(2026, 9, 1, 9, 0, tzinfo=UTC)
CALLER_NAME: Final = "Ayşe Yılmaz"
CALLER: Final = "+905321112233"  # the customer who calls in the demo and the tests
ORDER: Final = "1234"  # her order: on its way, 459.90
TO_CONFIRM: Final = "1235"  # another of hers, that waits for her yes: 249.50
UNPAID: Final = "1236"  # and one whose payment failed: 638.50

STATUSES: Final = (
    ("preparing", "hazırlanıyor", "being prepared"),
    ("shipped", "kargoda", "on its way"),
    ("delivered", "teslim edildi", "delivered"),
    ("cancelled", "iptal edildi", "cancelled"),
    ("returned", "iade edildi", "returned"),
    ("awaiting", "onayınızı bekliyor", "waiting for your confirmation"),
    ("confirmed", "onaylandı", "confirmed"),
    ("unpaid", "ödeme bekliyor", "waiting for your payment"),
)
PEOPLE: Final = (
    (CALLER_NAME, "tr", "İstanbul"), ("Mehmet Öztürk", "tr", "Ankara"),
    ("Zeynep Çelik", "tr", "İzmir"), ("Emily Carter", "en", "Antalya"),
    ("Ali Rıza Şahin", "tr", "Bursa"), ("Gülşah Aydın", "tr", "Eskişehir"),
    ("James Whitfield", "en", "Fethiye"), ("İbrahim Güneş", "tr", "Gaziantep"),
    ("Ümmühan Doğan", "tr", "Trabzon"), ("Oğuzhan Koç", "tr", "Adana"),
    ("Sophie Müller", "en", "Alanya"), ("Çağla Ergün", "tr", "Muğla"),
)  # fmt: skip


class Product(NamedTuple):
    sku: str
    name: str
    price: Decimal


PRODUCTS: Final = (
    Product("CAY-500", "Rize çayı 500 g", Decimal("129.90")),
    Product("KHV-250", "Türk kahvesi 250 g", Decimal("165.00")),
    Product("CZV-1", "Bakır cezve", Decimal("249.50")),
    Product("FNC-6", "Fincan takımı, 6 kişilik", Decimal("389.00")),
    Product("LKM-400", "Güllü lokum 400 g", Decimal("98.75")),
    Product("SBN-3", "Zeytinyağlı sabun, 3'lü", Decimal("74.90")),
    Product("PST-1", "Peştemal", Decimal("210.00")),
    Product("BAL-850", "Çam balı 850 g", Decimal("330.00")),
)


class Shop(NamedTuple):
    """Rows ready to be put in, parents first."""

    customers: list[dict[str, Any]]
    orders: list[dict[str, Any]]
    lines: list[dict[str, Any]]


def build(people: int = len(PEOPLE), seed: int = 1234) -> Shop:
    """The shop's rows. The first customer and her order are always there."""
    chance = random.Random(seed)  # noqa: S311 (goods in a demo, not a secret)
    shop = Shop([], [], [])
    numbers = iter(range(2001, 10_000_000))
    for index in range(people):
        name, language, city = PEOPLE[index % len(PEOPLE)]
        phone = CALLER if index == 0 else f"+90532{1112233 + 4567 * index:07d}"
        shop.customers.append(
            {
                "id": index + 1, "name": name, "phone": phone, "language": language, "city": city,
                "email": f"musteri{index + 1}@example.com", "created_at": FIRST_DAY,
            }
        )  # fmt: skip
        if index == 0:
            _known_orders(shop)
        for _ in range(chance.randint(1, 3)):
            _chance_order(shop, index + 1, str(next(numbers)), chance)
    return shop


async def seed_shop(engine: AsyncEngine, shop: Shop | None = None) -> bool:
    """Fill the shop's tables; False, and nothing is touched, when there is a shop already."""
    full = shop or build()
    async with engine.begin() as connection:
        if await connection.scalar(select(func.count()).select_from(customers)):
            return False
        statuses = [dict(zip(("code", "tr", "en"), words, strict=True)) for words in STATUSES]
        await connection.execute(insert(order_statuses), statuses)
        await connection.execute(insert(customers), full.customers)
        await connection.execute(insert(orders), full.orders)
        await connection.execute(insert(order_lines), full.lines)
        if engine.dialect.name == "postgresql":
            # These rows brought their numbers; the next ones are to come after them.
            for table in (customers, orders):
                largest = select(func.max(table.c.id)).scalar_subquery()
                sequence = func.pg_get_serial_sequence(table.name, "id")
                await connection.execute(select(func.setval(sequence, largest)))
    return True


def _known_orders(shop: Shop) -> None:
    goods = [(PRODUCTS[0], 1), (PRODUCTS[1], 2)]  # 129.90 + 2 x 165.00 = 459.90
    shipped = FIRST_DAY + timedelta(days=80)
    order = _order(1, ORDER, "shipped", shipped - timedelta(days=1))
    _add(shop, order | _on_its_way(ORDER, shipped), goods)
    placed = FIRST_DAY + timedelta(hours=1)
    _add(shop, _order(1, TO_CONFIRM, "awaiting", placed), [(PRODUCTS[2], 1)])
    _add(shop, _order(1, UNPAID, "unpaid", placed), [(PRODUCTS[2], 1), (PRODUCTS[3], 1)])


def _chance_order(shop: Shop, customer: int, number: str, chance: random.Random) -> None:
    status = chance.choices([code for code, *_ in STATUSES[:5]], [3, 4, 8, 1, 1])[0]
    placed = FIRST_DAY + timedelta(hours=chance.randint(0, 24 * 78))
    goods = [(product, chance.randint(1, 3)) for product in chance.sample(PRODUCTS, 2)]
    order = _order(customer, number, status, placed)
    if status in {"shipped", "delivered", "returned"}:
        order |= _on_its_way(number, placed + timedelta(days=1))
    _add(shop, order, goods)


def _order(customer: int, number: str, status: str, placed: datetime) -> dict[str, Any]:
    return {
        "customer_id": customer, "number": number, "status": status, "currency": CURRENCY,
        "placed_at": placed, "shipped_at": None, "expected_on": None, "carrier": "", "tracking": "",
    }  # fmt: skip


def _on_its_way(number: str, shipped: datetime) -> dict[str, Any]:
    due: date = (shipped + timedelta(days=2)).date()
    return {
        "shipped_at": shipped, "expected_on": due,
        "carrier": "Demo Kargo", "tracking": f"DK{number.zfill(10)}",
    }  # fmt: skip


def _add(shop: Shop, order: dict[str, Any], goods: list[tuple[Product, int]]) -> None:
    order["id"] = len(shop.orders) + 1
    order["total"] = sum((product.price * count for product, count in goods), Decimal(0))
    shop.orders.append(order)
    shop.lines.extend(_lines(order["id"], goods))


def _lines(order: int, goods: list[tuple[Product, int]]) -> Iterator[dict[str, Any]]:
    for position, (product, count) in enumerate(goods, start=1):
        yield {
            "order_id": order, "position": position, "sku": product.sku, "name": product.name,
            "quantity": count, "unit_price": product.price, "currency": CURRENCY,
        }  # fmt: skip
