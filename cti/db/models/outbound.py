"""Calls that go out: events, jobs, attempts, and the numbers never to be called."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, UniqueConstraint

from cti.db.models.base import metadata, own_id, phone
from cti.db.types import UtcDateTime, json_type

# What the shop told us, once for its key; `facts` is what rules read (`ivr.events.to_json`).
outbound_events = Table(
    "outbound_events",
    metadata,
    Column("key", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    phone("phone", nullable=False, index=True),
    Column("order_number", String, index=True),
    Column("facts", json_type(), nullable=False),
    Column("closed", json_type(), nullable=False),  # the jobs that it put an end to
    Column("received_at", UtcDateTime, nullable=False, index=True),
)

# What one campaign does about one event: a call to be made, or why there is none.
outbound_jobs = Table(
    "outbound_jobs",
    metadata,
    own_id(),
    Column("key", String, nullable=False, unique=True),  # the event's key and the campaign
    Column("event_key", String, nullable=False, index=True),
    Column("event", String, nullable=False),
    Column("campaign", String, nullable=False),
    Column("flow", String, nullable=False),
    phone("phone", nullable=False, index=True),
    Column("zones", json_type(), nullable=False),  # IANA names; empty: the campaign's own
    Column("country", String, nullable=False),
    Column("consent", Boolean, nullable=False),
    Column("language", String, nullable=False),
    Column("order_number", String, index=True),
    Column("customer", json_type(), nullable=False),
    Column("facts", json_type(), nullable=False),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("state", String, nullable=False),  # open, done, never, cancelled
    Column("verdict", String, nullable=False),  # of the last decision: call, wait, never
    Column("reasons", json_type(), nullable=False),
    Column("decided_at", UtcDateTime, nullable=False),
    Column("result", String, nullable=False, server_default=""),
    Column("details", json_type(), nullable=False),  # of the result: call, recording, …
    Column("next_at", UtcDateTime),
    Column("event_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
    Column("told_at", UtcDateTime),  # the shop was told how it ended
    Index("ix_outbound_jobs_campaign_state", "campaign", "state"),
    Index("ix_outbound_jobs_told_at_state", "told_at", "state"),
)

# An open job has exactly one attempt that has not ended.
outbound_attempts = Table(
    "outbound_attempts",
    metadata,
    Column("id", String, primary_key=True),  # also the call's id, and the channel's
    Column("job_id", ForeignKey("outbound_jobs.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),  # 1 for the job's first attempt
    phone("phone", nullable=False),
    Column("campaign", String, nullable=False),
    Column("state", String, nullable=False),  # due, claimed, dialling, talked, ended
    Column("due_at", UtcDateTime, nullable=False),
    Column("claimed_by", String),
    Column("claimed_until", UtcDateTime, index=True),
    Column("boot", String, nullable=False, server_default=""),  # which run of Asterisk dials it
    # From the moment that it may have been dialled; empty again when it is known not to have been.
    Column("started_at", UtcDateTime),
    Column("answered_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("outcome", String, nullable=False, server_default=""),
    Column("reasons", json_type(), nullable=False),
    Column("cause", Integer),  # Q.850
    UniqueConstraint("job_id", "number"),
    Index(
        "ix_outbound_attempts_campaign_state_due_at_job_id",
        *("campaign", "state", "due_at", "job_id"),
    ),
    Index("ix_outbound_attempts_campaign_started_at", "campaign", "started_at"),
    Index("ix_outbound_attempts_phone_started_at", "phone", "started_at"),
)

# Numbers that are being called: one call at a time to each.
outbound_numbers = Table(
    "outbound_numbers",
    metadata,
    phone("phone", primary_key=True),
    Column("attempt", String, nullable=False, index=True),
)

# How fast: the next moment a call may go out by a campaign or a trunk, whichever process dials it.
outbound_lanes = Table(
    "outbound_lanes",
    metadata,
    Column("name", String, primary_key=True),
    Column("next_at", UtcDateTime, nullable=False),
    Column("paused", Boolean, nullable=False),
)

do_not_call = Table(
    "do_not_call",
    metadata,
    phone("phone", primary_key=True),
    Column("list", String, primary_key=True, server_default="own"),
    Column("reason", String, nullable=False),
    Column("source", String, nullable=False),  # caller, agent, import, law
    Column("added_at", UtcDateTime, nullable=False),
    Column("added_by", String, nullable=False, server_default=""),
    Column("expires_at", UtcDateTime),
)
