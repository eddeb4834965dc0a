"""Amounts out of facts that are kept as JSON, exact in SQL on both engines."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Float, Integer, Numeric, String, cast, func


def order_hundredths(facts: Any, dialect: str) -> ColumnElement[int]:
    """The total of `facts.order` in hundredths: whole numbers add up exactly everywhere."""
    total = facts["order"]["total"]["$decimal"].as_string()
    if dialect == "postgresql":
        return cast(func.round(cast(total, Numeric()) * 100), BigInteger)
    return cast(func.round(cast(total, Float()) * 100), Integer)


def order_currency(facts: Any) -> ColumnElement[str]:
    return cast(facts["order"]["currency"].as_string(), String)
