"""Accounts of what was done."""

from __future__ import annotations

from sqlalchemy import Column, String, Table

from cti.db.models.base import metadata, own_id, text
from cti.db.types import UtcDateTime, json_type

audit_log = Table(
    "audit_log",
    metadata,
    own_id(),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("actor", String, nullable=False),
    Column("action", String, nullable=False),
    text("subject"),
    text("address"),
    Column("detail", json_type(), nullable=False),
)

# The receipt of an erasure: whom (as a keyed hash), when, by whom, how much; nothing personal.
erasures = Table(
    "erasures",
    metadata,
    Column("id", String, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("subject", String, nullable=False),
    Column("requested_by", String, nullable=False),
    Column("counts", json_type(), nullable=False),
)
