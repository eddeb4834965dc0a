"""The demo shop: customers, statuses and orders."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Date, ForeignKey, Integer, String, Table

from cti.db.models.base import metadata, own_id, phone, text
from cti.db.types import Money, UtcDateTime

customers = Table(
    "customers",
    metadata,
    own_id(),
    Column("name", String, nullable=False),
    phone("phone", nullable=False, index=True),
    text("email"),
    Column("language", String, nullable=False, server_default="tr"),
    text("city"),
    Column("created_at", UtcDateTime, nullable=False),
    # what calls go by; consent is None when nobody asked them
    text("tier"),
    text("time_zone"),
    text("country"),
    Column("consent", Boolean),
    Column("changed_at", UtcDateTime),
)

order_statuses = Table(
    "order_statuses",
    metadata,
    Column("code", String, primary_key=True),
    Column("tr", String, nullable=False),
    Column("en", String, nullable=False),
)

orders = Table(
    "orders",
    metadata,
    own_id(),
    Column("number", String, nullable=False, unique=True),
    Column("customer_id", ForeignKey("customers.id"), nullable=False, index=True),
    Column("status", ForeignKey("order_statuses.code"), nullable=False),
    Column("total", Money, nullable=False),
    Column("currency", String, nullable=False),
    Column("placed_at", UtcDateTime, nullable=False, index=True),
    Column("shipped_at", UtcDateTime),
    Column("expected_on", Date),
    text("carrier"),
    text("tracking"),
)

order_lines = Table(
    "order_lines",
    metadata,
    Column("order_id", ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("sku", String, nullable=False),
    Column("name", String, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("unit_price", Money, nullable=False),
    Column("currency", String, nullable=False),
)
