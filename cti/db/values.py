"""The types a named query's parameters and results may have, and how values come and go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Boolean, Date, DateTime, Integer, Numeric, String
from sqlalchemy.types import BigInteger, TypeEngine

from cti.phone import e164_or_same

PLAIN: Final = frozenset({str, int, float, bool, Decimal, datetime, date, type(None)})


@dataclass(frozen=True, slots=True)
class Kind:
    """A type by name. `bind` and `read` raise ValueError or ArithmeticError on what is none.

    `bind` makes a value fit to be bound; `read` makes a value of a result plain and exact.
    """

    name: str
    sql: TypeEngine[Any]
    bind: Callable[[Any], Any]
    read: Callable[[Any], Any]


def _datetime(value: Any) -> datetime:
    """A moment; one without a zone is UTC, which is how the shop's own tables keep time."""
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _date(value: Any) -> date:
    if isinstance(value, datetime):
        return value.date()
    return value if isinstance(value, date) else date.fromisoformat(str(value)[:10])


def _decimal(value: Any) -> Decimal:
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    if not number.is_finite():
        raise ValueError("not a number")
    return number


def _boolean(value: Any) -> bool:
    if isinstance(value, str):
        return {"true": True, "false": False, "1": True, "0": False}[value.lower()]
    return bool(value)


_TEXT = Kind("text", String(), str, str)
TYPES: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            _TEXT,
            Kind("phone", String(), lambda value: e164_or_same(str(value)), str),
            Kind("integer", BigInteger().with_variant(Integer(), "sqlite"), int, int),
            Kind("decimal", Numeric(), _decimal, _decimal),
            Kind("date", Date(), _date, _date),
            Kind("datetime", DateTime(timezone=True), _datetime, _datetime),
            Kind("boolean", Boolean(), _boolean, _boolean),
        )
    }
)


def for_sqlite(value: Any) -> Any:
    """A bound value as SQLite keeps it: times and amounts are text there."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


def plain(value: Any) -> Any:
    """A result's value as one of the plain types; anything else (a UUID, say) as text."""
    return value if type(value) in PLAIN else str(value)
