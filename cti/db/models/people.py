"""People and queues, and what was done with whom."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Integer, String, Table, Text

from cti.db.models.base import metadata, own_id, phone, text
from cti.db.types import UtcDateTime, json_type

users = Table(
    "users",
    metadata,
    own_id(),
    Column("login", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("password_hash", String, nullable=False),
    Column("role", String, nullable=False),
    Column("language", String, nullable=False, server_default="tr"),
    Column("active", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_login_at", UtcDateTime),
)

tokens = Table(
    "tokens",
    metadata,
    own_id(),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", String, nullable=False),  # session or api
    Column("hash", String, nullable=False, unique=True),  # never the token itself
    text("label"),
    Column("scopes", json_type(), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
)

agents = Table(
    "agents",
    metadata,
    own_id(),
    Column("user_id", ForeignKey("users.id", ondelete="SET NULL"), unique=True),
    Column("name", String, nullable=False),
    Column("extension", String, nullable=False, unique=True),  # the name of the SIP account
    Column("phone", String, nullable=False, server_default="web"),  # web, desk
    Column("languages", json_type(), nullable=False),
    Column("skills", json_type(), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

queues = Table(
    "queues",
    metadata,
    Column("name", String, primary_key=True),
    Column("title", String, nullable=False),
    Column("strategy", String, nullable=False),
    Column("wrap_up_seconds", Integer, nullable=False),
    Column("service_level_seconds", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
)

queue_members = Table(
    "queue_members",
    metadata,
    Column("queue", ForeignKey("queues.name", ondelete="CASCADE"), primary_key=True),
    Column("agent_id", ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True),
    Column("penalty", Integer, nullable=False, server_default="0"),
)

dispositions = Table(
    "dispositions",
    metadata,
    Column("code", String, primary_key=True),
    Column("tr", String, nullable=False),
    Column("en", String, nullable=False),
    Column("position", Integer, nullable=False, server_default="0"),
    Column("active", Boolean, nullable=False),
)

notes = Table(
    "notes",
    metadata,
    own_id(),
    Column("call", String, index=True),
    phone("phone", index=True),
    Column("agent_id", ForeignKey("agents.id")),
    Column("disposition", ForeignKey("dispositions.code")),
    Column("text", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

# Every time we spoke, wrote or tried to, with whom, and what came of it.
contacts = Table(
    "contacts",
    metadata,
    own_id(),
    phone("phone", nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("channel", String, nullable=False),  # call, sms, email
    Column("direction", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("call", String, unique=True),
    Column("agent_id", ForeignKey("agents.id")),
    Column("customer_id", ForeignKey("customers.id", ondelete="SET NULL")),
    text("summary"),
)
