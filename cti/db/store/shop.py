"""The shop's customers and orders, as its own systems told us of them: what flows look up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Select, delete, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cti.db.engine import BEGIN
from cti.db.models import customers, order_lines, order_statuses, orders

# The states of an order, in Turkish and English, as flows say them.
STATUSES: Final[Mapping[str, tuple[str, str]]] = {
    "preparing": ("hazırlanıyor", "being prepared"),
    "shipped": ("kargoda", "on its way"),
    "delivered": ("teslim edildi", "delivered"),
    "cancelled": ("iptal edildi", "cancelled"),
    "returned": ("iade edildi", "returned"),
    "awaiting": ("onayınızı bekliyor", "waiting for your confirmation"),
    "confirmed": ("onaylandı", "confirmed"),
    "unpaid": ("ödeme bekliyor", "waiting for your payment"),
}
# What an event makes of an order that is in one of these states; in others it changes nothing.
_BEFORE_SHIPPING: Final = frozenset({"awaiting", "confirmed", "unpaid", "preparing"})
BECOMES: Final[Mapping[str, tuple[str, frozenset[str]]]] = {
    "order.created": ("awaiting", frozenset()),
    "payment.failed": ("unpaid", frozenset({"awaiting", "confirmed", "preparing"})),
    "payment.succeeded": ("preparing", frozenset({"unpaid"})),
    "order.shipped": ("shipped", _BEFORE_SHIPPING),
    "order.delivered": ("delivered", _BEFORE_SHIPPING | {"shipped"}),
    "order.cancelled": ("cancelled", _BEFORE_SHIPPING | {"shipped"}),
}


@dataclass(frozen=True, slots=True)
class Customer:
    """`consent`: whether they agreed to be called; None when nobody asked."""

    id: int
    name: str
    phone: str
    email: str
    language: str
    city: str
    tier: str
    time_zone: str
    country: str
    consent: bool | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Item:
    sku: str
    name: str
    quantity: int
    unit_price: Decimal


@dataclass(frozen=True, slots=True)
class Order:
    """`status` is one of `STATUSES`; `expected_on` the day it is to arrive."""

    number: str
    customer: str  # their telephone number
    status: str
    total: Decimal
    currency: str
    placed_at: datetime
    shipped_at: datetime | None
    expected_on: date | None
    carrier: str
    tracking: str
    items: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """What an event tells of an order; None leaves what was known before."""

    event: str
    number: str
    at: datetime
    total: Decimal
    currency: str
    items: Sequence[Item] = ()
    expected_on: date | None = None
    carrier: str | None = None
    tracking: str | None = None


_CUSTOMER: Final = [customers.c[part.name] for part in fields(Customer)]
_ORDER: Final = [
    orders.c.number, customers.c.phone, orders.c.status, orders.c.total, orders.c.currency,
    orders.c.placed_at, orders.c.shipped_at, orders.c.expected_on, orders.c.carrier,
    orders.c.tracking,
]  # fmt: skip


class ShopStore:
    """`language` is that of customers of whom nothing else is known."""

    def __init__(self, engine: AsyncEngine, language: str = "tr") -> None:
        self._engine = engine.execution_options(**{BEGIN: "IMMEDIATE"})
        self._insert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert
        self._language = language

    async def put_customer(self, phone: str, known: Mapping[str, Any]) -> tuple[Customer, bool]:
        """Make or change a customer; what is not in `known` stays. Whether they are new."""
        async with self._engine.begin() as connection:
            number, new = await self._customer(connection, phone, known)
            query = select(*_CUSTOMER).where(customers.c.id == number)
            return Customer(*(await connection.execute(query)).one()), new

    async def customer(self, phone: str) -> Customer | None:
        """The customer of a number; the first, if several have it."""
        query = select(*_CUSTOMER).where(customers.c.phone == phone).order_by(customers.c.id)
        async with self._engine.connect() as connection:
            row = (await connection.execute(query.limit(1))).one_or_none()
        return None if row is None else Customer(*row)

    async def customers(self, *, after: int = 0, limit: int = 50) -> Sequence[Customer]:
        """In the order they came; `after` is the id of the last one seen. Forgotten ones are left
        out."""
        query = select(*_CUSTOMER).where(customers.c.id > after, customers.c.phone != "")
        async with self._engine.connect() as connection:
            rows = await connection.execute(query.order_by(customers.c.id).limit(limit))
            return [Customer(*row) for row in rows]

    async def tell(self, phone: str, known: Mapping[str, Any], told: Told) -> Order:
        """Take down what an event says: the customer, the order, its lines and its state."""
        async with self._engine.begin() as connection:
            await self._statuses(connection)
            customer, _ = await self._customer(connection, phone, known)
            await self._order(connection, customer, told)
            found = await self._orders(connection, orders.c.number == told.number)
        return found[0]

    async def order(self, number: str) -> Order | None:
        async with self._engine.connect() as connection:
            found = await self._orders(connection, orders.c.number == number)
        return found[0] if found else None

    async def orders(
        self,
        *,
        after: tuple[datetime, str] | None = None,
        limit: int = 50,
        phone: str = "",
        status: str = "",
    ) -> Sequence[Order]:
        """The latest first; `after` is when the last one seen was placed, and its number."""
        wanted: list[Any] = []
        if after is not None:
            at, number = after
            wanted.append(
                or_(
                    orders.c.placed_at < at,
                    (orders.c.placed_at == at) & (orders.c.number < number),
                )
            )
        if phone:
            wanted.append(customers.c.phone == phone)
        if status:
            wanted.append(orders.c.status == status)
        async with self._engine.connect() as connection:
            return await self._orders(connection, *wanted, limit=limit)

    async def _customer(
        self, connection: AsyncConnection, phone: str, known: Mapping[str, Any]
    ) -> tuple[int, bool]:
        now = datetime.now(UTC)
        query = select(customers.c.id).where(customers.c.phone == phone).order_by(customers.c.id)
        if connection.dialect.name == "postgresql":
            # A number is no key of the table; two orders of a new customer must not make two.
            await connection.exec_driver_sql(
                "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", (phone,)
            )
        found: int | None = await connection.scalar(query.limit(1))
        if found is not None:
            if known:
                change = update(customers).where(customers.c.id == found)
                await connection.execute(change.values(**known, changed_at=now))
            return found, False
        row = {"name": "", "language": self._language, **known, "phone": phone, "created_at": now}
        made: int | None = await connection.scalar(
            insert(customers).values(row).returning(customers.c.id)
        )
        assert made is not None
        return made, True

    async def _statuses(self, connection: AsyncConnection) -> None:
        rows = [{"code": code, "tr": tr, "en": en} for code, (tr, en) in STATUSES.items()]
        statement = self._insert(order_statuses).on_conflict_do_nothing()
        if not await connection.scalar(
            select(order_statuses.c.code).where(order_statuses.c.code == "unpaid")
        ):
            await connection.execute(statement, rows)

    async def _order(self, connection: AsyncConnection, customer: int, told: Told) -> None:
        status, before = BECOMES[told.event]
        given = {
            "expected_on": told.expected_on, "carrier": told.carrier, "tracking": told.tracking,
            "shipped_at": told.at if told.event == "order.shipped" else None,
        }  # fmt: skip
        given = {name: value for name, value in given.items() if value is not None}
        row = {
            "number": told.number, "customer_id": customer, "status": status, "total": told.total,
            "currency": told.currency, "placed_at": told.at, **given,
        }  # fmt: skip
        made = self._insert(orders).values(row).on_conflict_do_nothing().returning(orders.c.id)
        number = await connection.scalar(made)
        if number is None:
            this = orders.c.number == told.number
            number = await connection.scalar(select(orders.c.id).where(this).with_for_update())
            now = await connection.scalar(select(orders.c.status).where(this))
            change = {"total": told.total, "currency": told.currency, **given}
            if now in before:
                change["status"] = status
            await connection.execute(update(orders).where(this).values(**change))
        if told.items:
            await connection.execute(delete(order_lines).where(order_lines.c.order_id == number))
            await connection.execute(
                insert(order_lines),
                [
                    {
                        "order_id": number, "position": position, "sku": item.sku,
                        "name": item.name, "quantity": item.quantity,
                        "unit_price": item.unit_price, "currency": told.currency,
                    }
                    for position, item in enumerate(told.items, start=1)
                ],
            )  # fmt: skip

    async def _orders(
        self, connection: AsyncConnection, *wanted: Any, limit: int = 1
    ) -> list[Order]:
        query: Select[Any] = (
            select(orders.c.id, *_ORDER)
            .join(customers, customers.c.id == orders.c.customer_id)
            .where(*wanted)
            .order_by(orders.c.placed_at.desc(), orders.c.number.desc())
            .limit(limit)
        )
        found = (await connection.execute(query)).all()
        lines = select(
            order_lines.c.order_id, order_lines.c.sku, order_lines.c.name, order_lines.c.quantity,
            order_lines.c.unit_price,
        ).where(order_lines.c.order_id.in_([row[0] for row in found]))  # fmt: skip
        items: dict[int, list[Item]] = {}
        ordered = lines.order_by(order_lines.c.order_id, order_lines.c.position)
        for of, *rest in await connection.execute(ordered):
            items.setdefault(of, []).append(Item(*rest))
        return [Order(*[*row[1:], tuple(items.get(row[0], ()))]) for row in found]
