"""Calls: the journal, recordings, flow versions and surveys."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Column,
    Float,
    ForeignKey,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from cti.db.models.base import metadata, own_id, phone, text
from cti.db.types import UtcDateTime, json_type

# What a call's events add up to; kept up by the journal's drain in the same transaction.
calls = Table(
    "calls",
    metadata,
    Column("id", String, primary_key=True),
    Column("started_at", UtcDateTime, nullable=False, index=True),
    Column("ended_at", UtcDateTime),
    phone("caller", nullable=False, server_default="", index=True),
    phone("dialled", nullable=False, server_default=""),
    Column("direction", String, nullable=False, server_default="inbound"),
    text("flow", index=True),
    Column("version", String, nullable=False, server_default=""),
    Column("language", String, nullable=False, server_default=""),
    text("channel"),
    Column("entries", Integer, nullable=False, server_default="1"),
    Column("why", String, nullable=False, server_default=""),
    text("ended_flow"),
    text("ended_step"),
    text("transferred_to"),
    Column("transferred_kind", String, nullable=False, server_default=""),
    text("error"),
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
    own_id(),
    Column("call", String, nullable=False, index=True),
    Column("sequence", Integer, nullable=False),
    Column("name", String, nullable=False),
    Column("path", String, nullable=False),
    Column("ms", Integer, nullable=False),
    Column("ended_by", String, nullable=False),
    Column("made_at", UtcDateTime, nullable=False, index=True),
    Column("transcript", Text),
    Column("transcribed_by", String, nullable=False, server_default=""),
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
    own_id(),
    Column("call", String, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("question", String, nullable=False),
    Column("scale", String, nullable=False),
    Column("mark", Integer, nullable=False),
    Column("agent_id", ForeignKey("agents.id")),
    Column("at", UtcDateTime, nullable=False, index=True),
    text("product"),
    UniqueConstraint("call", "sequence"),
)

# Who was asked to take part in a survey, and when last: one line for a person.
survey_people = Table(
    "survey_people",
    metadata,
    phone("phone", primary_key=True),
    Column("asked_at", UtcDateTime, nullable=False, index=True),
    Column("survey", String, nullable=False),
)

# What was decided for each call, once: asked, not_chosen, lately, unknown.
survey_invitations = Table(
    "survey_invitations",
    metadata,
    Column("key", String, primary_key=True),  # `Conversation.once`
    Column("survey", String, nullable=False),
    Column("call", String, nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("verdict", String, nullable=False),
)
