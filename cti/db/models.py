"""Every table, as SQLAlchemy Core sees it. Only `cti/db` reads and writes them.

A change here needs a migration in `migrations/versions`; a test compares the two on both engines.
Times are UTC, money is exact with its currency beside it, telephone numbers are E.164.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from cti.db.types import Money, UtcDateTime, json_type, row_id

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id() -> Column[int]:
    return Column("id", row_id(), primary_key=True, autoincrement=True)


def _text(name: str, **options: Any) -> Column[str]:
    return Column(name, String, nullable=False, default="", server_default="", **options)


def _phone(name: str, **options: Any) -> Column[str]:
    return Column(name, String, **options)


# The demo shop ------------------------------------------------------------------------------------

customers = Table(
    "customers",
    metadata,
    _id(),
    Column("name", String, nullable=False),
    _phone("phone", nullable=False, index=True),
    _text("email"),
    Column("language", String, nullable=False, server_default="tr"),
    _text("city"),
    Column("created_at", UtcDateTime, nullable=False),
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
    _id(),
    Column("number", String, nullable=False, unique=True),
    Column("customer_id", ForeignKey("customers.id"), nullable=False, index=True),
    Column("status", ForeignKey("order_statuses.code"), nullable=False),
    Column("total", Money, nullable=False),
    Column("currency", String, nullable=False),
    Column("placed_at", UtcDateTime, nullable=False, index=True),
    Column("shipped_at", UtcDateTime),
    Column("expected_on", Date),
    _text("carrier"),
    _text("tracking"),
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

# Calls --------------------------------------------------------------------------------------------

# What a call's events add up to; kept up by the journal's drain in the same transaction.
calls = Table(
    "calls",
    metadata,
    Column("id", String, primary_key=True),
    Column("started_at", UtcDateTime, nullable=False, index=True),
    Column("ended_at", UtcDateTime),
    _phone("caller", nullable=False, server_default="", index=True),
    _phone("dialled", nullable=False, server_default=""),
    Column("direction", String, nullable=False, server_default="inbound"),
    _text("flow", index=True),
    Column("version", String, nullable=False, server_default=""),
    Column("language", String, nullable=False, server_default=""),
    _text("channel"),
    Column("entries", Integer, nullable=False, server_default="1"),
    Column("why", String, nullable=False, server_default=""),
    _text("ended_flow"),
    _text("ended_step"),
    _text("transferred_to"),
    Column("transferred_kind", String, nullable=False, server_default=""),
    _text("error"),
    # the sequence of the event each group of columns was last taken from: events may come late
    Column("ended_sequence", Integer, nullable=False, server_default="0"),
    Column("language_sequence", Integer, nullable=False, server_default="0"),
    Column("transferred_sequence", Integer, nullable=False, server_default="0"),
    Column("changed_at", UtcDateTime, nullable=False, index=True),
)

call_events = Table(
    "call_events",
    metadata,
    Column("call", String, primary_key=True),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("at", Float(53), nullable=False),  # seconds since 1970 UTC, to the microsecond
    Column("kind", String, nullable=False),
    Column("data", JSON, nullable=False),  # as it was written: not JSONB, which reorders it
    sqlite_with_rowid=False,  # one tree instead of two: half the work of an insert
)

journal_gaps = Table(
    "journal_gaps",
    metadata,
    Column("id", String, primary_key=True),
    Column("engine", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("events", Integer, nullable=False),
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("detail", Text, nullable=False, server_default=""),
    Column("noted_at", UtcDateTime, nullable=False),
)

recordings = Table(
    "recordings",
    metadata,
    _id(),
    Column("call", String, nullable=False, index=True),
    Column("sequence", Integer, nullable=False),
    Column("name", String, nullable=False),
    Column("path", String, nullable=False),
    Column("ms", Integer, nullable=False),
    Column("ended_by", String, nullable=False),
    Column("made_at", UtcDateTime, nullable=False, index=True),
    Column("transcript", Text),
    Column("deleted_at", UtcDateTime),
    UniqueConstraint("call", "sequence"),
)

flow_versions = Table(
    "flow_versions",
    metadata,
    Column("name", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("source", Text, nullable=False),
    Column("first_seen_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime, nullable=False),
    Column("author", String, nullable=False, server_default=""),
    # the shared prompts that it says, which stand in other files
    Column("prompts", json_type(), nullable=False, server_default="{}"),
)

survey_answers = Table(
    "survey_answers",
    metadata,
    _id(),
    Column("call", String, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("question", String, nullable=False),
    Column("scale", String, nullable=False),
    Column("mark", Integer, nullable=False),
    Column("agent_id", ForeignKey("agents.id")),
    Column("at", UtcDateTime, nullable=False, index=True),
    UniqueConstraint("call", "sequence"),
)

# What calls did to the world ----------------------------------------------------------------------

# The idempotency keys of named writes: a key goes in with the write itself, or neither does.
effects = Table(
    "effects",
    metadata,
    Column("key", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("done_at", UtcDateTime, nullable=False, index=True),
)

# What `notify` handed on: kept until everybody who is to have it has it.
outbox = Table(
    "outbox",
    metadata,
    _id(),
    Column("key", String, nullable=False, unique=True),
    Column("event", String, nullable=False),
    Column("data", json_type(), nullable=False),
    Column("made_at", UtcDateTime, nullable=False, index=True),
)

# One row for each place that a message goes to; `due_at` is also the lease of who delivers it.
deliveries = Table(
    "deliveries",
    metadata,
    _id(),
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
    _id(),
    Column(
        "delivery_id", ForeignKey("deliveries.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("at", UtcDateTime, nullable=False),
    Column("status", Integer),
    Column("ms", Float(53), nullable=False),
    _text("error"),
)

# Callers who want to be called back.
callbacks = Table(
    "callbacks",
    metadata,
    _id(),
    _phone("phone", nullable=False, index=True),
    Column("wanted", String, nullable=False),  # when, in the flow's own words
    Column("language", String, nullable=False),
    _text("call"),
    Column("state", String, nullable=False, server_default="open"),
    Column("made_at", UtcDateTime, nullable=False),
)

# People and queues --------------------------------------------------------------------------------

users = Table(
    "users",
    metadata,
    _id(),
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
    _id(),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", String, nullable=False),  # session or api
    Column("hash", String, nullable=False, unique=True),  # never the token itself
    _text("label"),
    Column("scopes", json_type(), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
)

agents = Table(
    "agents",
    metadata,
    _id(),
    Column("user_id", ForeignKey("users.id", ondelete="SET NULL"), unique=True),
    Column("name", String, nullable=False),
    Column("extension", String, nullable=False, unique=True),
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
    _id(),
    Column("call", String, index=True),
    _phone("phone", index=True),
    Column("agent_id", ForeignKey("agents.id")),
    Column("disposition", ForeignKey("dispositions.code")),
    Column("text", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

# Every time we spoke, wrote or tried to, with whom, and what came of it.
contacts = Table(
    "contacts",
    metadata,
    _id(),
    _phone("phone", nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("channel", String, nullable=False),  # call, sms, email
    Column("direction", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("call", String, unique=True),
    Column("agent_id", ForeignKey("agents.id")),
    Column("customer_id", ForeignKey("customers.id", ondelete="SET NULL")),
    _text("summary"),
)

# Outbound -----------------------------------------------------------------------------------------

outbound_jobs = Table(
    "outbound_jobs",
    metadata,
    _id(),
    Column("key", String, nullable=False, unique=True),  # the shop's idempotency key
    Column("kind", String, nullable=False),
    Column("flow", String, nullable=False),
    _phone("phone", nullable=False, index=True),
    Column("zone", String, nullable=False),  # IANA name: the calling window is local
    Column("language", String, nullable=False),
    Column("order_number", String),
    Column("context", json_type(), nullable=False),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("state", String, nullable=False, index=True),
    Column("reason", String, nullable=False, server_default=""),
    Column("outcome", String, nullable=False, server_default=""),
    Column("not_before", UtcDateTime),
    Column("expires_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
)

outbound_attempts = Table(
    "outbound_attempts",
    metadata,
    Column("id", String, primary_key=True),  # also the call's id
    Column("job_id", ForeignKey("outbound_jobs.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),  # 1 for the job's first attempt
    _phone("phone", nullable=False),
    Column("state", String, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("claimed_by", String),
    Column("claimed_until", UtcDateTime),
    Column("started_at", UtcDateTime),
    Column("answered_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("outcome", String, nullable=False, server_default=""),
    Column("reason", String, nullable=False, server_default=""),
    Column("cause", Integer),  # Q.850
    UniqueConstraint("job_id", "number"),
    Index("ix_outbound_attempts_state_due_at", "state", "due_at"),
)

do_not_call = Table(
    "do_not_call",
    metadata,
    _phone("phone", primary_key=True),
    Column("reason", String, nullable=False),
    Column("source", String, nullable=False),  # caller, agent, import, law
    Column("added_at", UtcDateTime, nullable=False),
    Column("added_by", String, nullable=False, server_default=""),
    Column("expires_at", UtcDateTime),
)

# Accounts of what was done ------------------------------------------------------------------------

audit_log = Table(
    "audit_log",
    metadata,
    _id(),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("actor", String, nullable=False),
    Column("action", String, nullable=False),
    _text("subject"),
    _text("address"),
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
