"""What every table is made with: the one `metadata`, and the columns that recur."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Float, Integer, MetaData, String

from cti.db.types import row_id

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def own_id() -> Column[int]:
    return Column("id", row_id(), primary_key=True, autoincrement=True)


def text(name: str, **options: Any) -> Column[str]:
    return Column(name, String, nullable=False, default="", server_default="", **options)


def phone(name: str, **options: Any) -> Column[str]:
    return Column(name, String, **options)


def seconds(name: str, **options: Any) -> Column[float]:
    return Column(name, Float(53), nullable=False, default=0.0, server_default="0", **options)


def count(name: str, **options: Any) -> Column[int]:
    return Column(name, Integer, nullable=False, default=0, server_default="0", **options)
