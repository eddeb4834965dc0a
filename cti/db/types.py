"""Column types that keep their promise on both engines: UTC times, exact money, JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Integer, Numeric, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine

CENTS: Final = Decimal("0.01")


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, kept in UTC to the microsecond; a naive one is refused, an aware one comes back.

    SQLite keeps it as text `YYYY-MM-DD HH:MM:SS.ffffff`, which sorts as time does.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone; times in the database are UTC")
        moment = value.astimezone(UTC)
        return moment if dialect.name == "postgresql" else moment.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Money(TypeDecorator[Decimal]):
    """An exact amount with two decimals; its currency stands in a column of its own.

    PostgreSQL keeps it as NUMERIC. SQLite has no exact decimals, so there it is text (`459.90`):
    exact, but sums and comparisons are made in Python, never in SQL.
    """

    impl = Numeric(14, 2)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        exact = Numeric(14, 2) if dialect.name == "postgresql" else String(20)
        return dialect.type_descriptor(exact)

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Decimal | str | None:
        if value is None:
            return None
        amount = Decimal(value)
        if amount != amount.quantize(CENTS, ROUND_HALF_EVEN):
            raise ValueError("an amount of money has at most two decimals")
        exact = amount.quantize(CENTS)
        return exact if dialect.name == "postgresql" else str(exact)

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


def json_type() -> JSON:
    """JSON: JSONB on PostgreSQL, text on SQLite."""
    return JSON().with_variant(JSONB(), "postgresql")


def row_id() -> BigInteger:
    """A row's own number: 64 bits; SQLite numbers rows only under the name INTEGER."""
    return BigInteger().with_variant(Integer(), "sqlite")
