"""What calls did to the world, and who is told of it."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from cti.db.models.base import metadata, own_id, phone, text
from cti.db.types import UtcDateTime, json_type

# The idempotency keys of named writes: a key goes in with the write itself, or neither does.
effects = Table(
    "effects",
    metadata,
    Column("key", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("done_at", UtcDateTime, nullable=False, index=True),
)

# Requests of the shop's API that are carried out once: `status` is NULL until there is an answer.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("owner", String, primary_key=True),  # the token whose key it is
    Column("key", String, primary_key=True),
    Column("fingerprint", String, nullable=False),
    Column("made_at", UtcDateTime, nullable=False, index=True),
    Column("locked_until", UtcDateTime, nullable=False),
    Column("status", Integer),
    Column("body", Text, nullable=False, server_default=""),
)

# What `notify` handed on: kept until everybody who is to have it has it.
outbox = Table(
    "outbox",
    metadata,
    own_id(),
    Column("key", String, nullable=False, unique=True),
    Column("event", String, nullable=False),
    Column("data", json_type(), nullable=False),
    Column("made_at", UtcDateTime, nullable=False, index=True),
)

# Webhooks that the shop registered over the API, beside those of the scenarios. `old_secret` signs,
# too, until `old_until`: a receiver has that long to change to the new one.
webhooks = Table(
    "webhooks",
    metadata,
    Column("name", String, primary_key=True),
    Column("url", String, nullable=False),
    Column("events", json_type(), nullable=False),
    Column("secret", String, nullable=False),
    Column("old_secret", String),
    Column("old_until", UtcDateTime),
    Column("made_at", UtcDateTime, nullable=False),
    Column("made_by", String, nullable=False, server_default=""),
)

# One row for each place that a message goes to; `due_at` is also the lease of who delivers it.
deliveries = Table(
    "deliveries",
    metadata,
    own_id(),
    Column("message_id", ForeignKey("outbox.id", ondelete="CASCADE"), nullable=False),
    Column("place", String, nullable=False),
    Column("state", String, nullable=False),  # waiting, done, failed
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("due_at", UtcDateTime, nullable=False),
    UniqueConstraint("message_id", "place"),
    Index("ix_deliveries_place_state_due_at", "place", "state", "due_at"),
)

delivery_log = Table(
    "delivery_log",
    metadata,
    own_id(),
    Column(
        "delivery_id", ForeignKey("deliveries.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("at", UtcDateTime, nullable=False),
    Column("status", Integer),
    Column("ms", Float(53), nullable=False),
    text("error"),
)

# Callers who want to be called back.
callbacks = Table(
    "callbacks",
    metadata,
    own_id(),
    phone("phone", nullable=False, index=True),
    Column("wanted", String, nullable=False),  # when, in the flow's own words
    Column("language", String, nullable=False),
    text("call"),
    Column("state", String, nullable=False, server_default="open"),
    Column("made_at", UtcDateTime, nullable=False),
)
