"""calls that go out: events, jobs with their reasons, attempts, pace; several do-not-call lists.

Revision: 0006, on top of 0005.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cti.db import types

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

LIST = "phone, reason, source, added_at, added_by, expires_at"


def upgrade() -> None:
    op.drop_table("outbound_attempts")  # no release ever wrote into these two
    op.drop_table("outbound_jobs")
    op.execute("ALTER TABLE do_not_call RENAME TO do_not_call_before")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE do_not_call_before RENAME CONSTRAINT pk_do_not_call TO pk_before")
    op.create_table(
        "do_not_call",
        sa.Column("phone", sa.String(), nullable=False),
        sa.Column("list", sa.String(), server_default="own", nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("added_at", types.UtcDateTime(), nullable=False),
        sa.Column("added_by", sa.String(), server_default="", nullable=False),
        sa.Column("expires_at", types.UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("phone", "list", name=op.f("pk_do_not_call")),
    )
    op.execute(f"INSERT INTO do_not_call ({LIST}) SELECT {LIST} FROM do_not_call_before")  # noqa: S608
    op.drop_table("do_not_call_before")
    op.create_table(
        "outbound_events",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("at", types.UtcDateTime(), nullable=False),
        sa.Column("phone", sa.String(), nullable=False),
        sa.Column("order_number", sa.String(), nullable=True),
        sa.Column("facts", types.json_type(), nullable=False),
        sa.Column("closed", types.json_type(), nullable=False),
        sa.Column("received_at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_outbound_events")),
    )
    op.create_index(
        op.f("ix_outbound_events_order_number"), "outbound_events", ["order_number"], unique=False
    )
    op.create_index(op.f("ix_outbound_events_phone"), "outbound_events", ["phone"], unique=False)
    op.create_index(
        op.f("ix_outbound_events_received_at"), "outbound_events", ["received_at"], unique=False
    )
    op.create_table(
        "outbound_jobs",
        sa.Column("id", types.row_id(), autoincrement=True, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("event_key", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("campaign", sa.String(), nullable=False),
        sa.Column("flow", sa.String(), nullable=False),
        sa.Column("phone", sa.String(), nullable=False),
        sa.Column("zones", types.json_type(), nullable=False),
        sa.Column("country", sa.String(), nullable=False),
        sa.Column("consent", sa.Boolean(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("order_number", sa.String(), nullable=True),
        sa.Column("customer", types.json_type(), nullable=False),
        sa.Column("facts", types.json_type(), nullable=False),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("reasons", types.json_type(), nullable=False),
        sa.Column("decided_at", types.UtcDateTime(), nullable=False),
        sa.Column("result", sa.String(), server_default="", nullable=False),
        sa.Column("details", types.json_type(), nullable=False),
        sa.Column("next_at", types.UtcDateTime(), nullable=True),
        sa.Column("event_at", types.UtcDateTime(), nullable=False),
        sa.Column("expires_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("closed_at", types.UtcDateTime(), nullable=True),
        sa.Column("told_at", types.UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbound_jobs")),
        sa.UniqueConstraint("key", name=op.f("uq_outbound_jobs_key")),
    )
    op.create_index(
        "ix_outbound_jobs_campaign_state", "outbound_jobs", ["campaign", "state"], unique=False
    )
    op.create_index(
        op.f("ix_outbound_jobs_event_key"), "outbound_jobs", ["event_key"], unique=False
    )
    op.create_index(
        op.f("ix_outbound_jobs_order_number"), "outbound_jobs", ["order_number"], unique=False
    )
    op.create_index(op.f("ix_outbound_jobs_phone"), "outbound_jobs", ["phone"], unique=False)
    op.create_index(
        "ix_outbound_jobs_told_at_state", "outbound_jobs", ["told_at", "state"], unique=False
    )
    op.create_table(
        "outbound_lanes",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("next_at", types.UtcDateTime(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_outbound_lanes")),
    )
    op.create_table(
        "outbound_numbers",
        sa.Column("phone", sa.String(), nullable=False),
        sa.Column("attempt", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("phone", name=op.f("pk_outbound_numbers")),
    )
    op.create_index(
        op.f("ix_outbound_numbers_attempt"), "outbound_numbers", ["attempt"], unique=False
    )
    op.create_table(
        "outbound_attempts",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("job_id", types.row_id(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("phone", sa.String(), nullable=False),
        sa.Column("campaign", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("due_at", types.UtcDateTime(), nullable=False),
        sa.Column("claimed_by", sa.String(), nullable=True),
        sa.Column("claimed_until", types.UtcDateTime(), nullable=True),
        sa.Column("boot", sa.String(), server_default="", nullable=False),
        sa.Column("started_at", types.UtcDateTime(), nullable=True),
        sa.Column("answered_at", types.UtcDateTime(), nullable=True),
        sa.Column("ended_at", types.UtcDateTime(), nullable=True),
        sa.Column("outcome", sa.String(), server_default="", nullable=False),
        sa.Column("reasons", types.json_type(), nullable=False),
        sa.Column("cause", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["outbound_jobs.id"],
            name=op.f("fk_outbound_attempts_job_id_outbound_jobs"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbound_attempts")),
        sa.UniqueConstraint("job_id", "number", name=op.f("uq_outbound_attempts_job_id_number")),
    )
    op.create_index(
        "ix_outbound_attempts_campaign_started_at",
        "outbound_attempts",
        ["campaign", "started_at"],
        unique=False,
    )
    op.create_index(
        "ix_outbound_attempts_campaign_state_due_at",
        "outbound_attempts",
        ["campaign", "state", "due_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_outbound_attempts_claimed_until"),
        "outbound_attempts",
        ["claimed_until"],
        unique=False,
    )
    op.create_index(
        "ix_outbound_attempts_phone_started_at",
        "outbound_attempts",
        ["phone", "started_at"],
        unique=False,
    )


def downgrade() -> None:
    for table in ("attempts", "jobs", "events", "numbers", "lanes"):
        op.drop_table(f"outbound_{table}")
    op.execute("ALTER TABLE do_not_call RENAME TO do_not_call_after")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE do_not_call_after RENAME CONSTRAINT pk_do_not_call TO pk_after")
    op.create_table(
        "do_not_call",
        sa.Column("phone", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("added_at", types.UtcDateTime(), nullable=False),
        sa.Column("added_by", sa.String(), server_default="", nullable=False),
        sa.Column("expires_at", types.UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("phone", name=op.f("pk_do_not_call")),
    )
    op.execute(
        f"INSERT INTO do_not_call ({LIST})"  # noqa: S608
        f" SELECT {LIST} FROM do_not_call_after WHERE list = 'own'"
    )
    op.drop_table("do_not_call_after")
    op.create_table(
        "outbound_jobs",
        sa.Column("id", types.row_id(), autoincrement=True, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("flow", sa.String(), nullable=False),
        sa.Column("phone", sa.String(), nullable=False),
        sa.Column("zone", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("order_number", sa.String(), nullable=True),
        sa.Column("context", types.json_type(), nullable=False),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), server_default="", nullable=False),
        sa.Column("outcome", sa.String(), server_default="", nullable=False),
        sa.Column("not_before", types.UtcDateTime(), nullable=True),
        sa.Column("expires_at", types.UtcDateTime(), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("closed_at", types.UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbound_jobs")),
        sa.UniqueConstraint("key", name=op.f("uq_outbound_jobs_key")),
    )
    op.create_index(op.f("ix_outbound_jobs_phone"), "outbound_jobs", ["phone"], unique=False)
    op.create_index(op.f("ix_outbound_jobs_state"), "outbound_jobs", ["state"], unique=False)
    op.create_table(
        "outbound_attempts",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("job_id", types.row_id(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("phone", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("due_at", types.UtcDateTime(), nullable=False),
        sa.Column("claimed_by", sa.String(), nullable=True),
        sa.Column("claimed_until", types.UtcDateTime(), nullable=True),
        sa.Column("started_at", types.UtcDateTime(), nullable=True),
        sa.Column("answered_at", types.UtcDateTime(), nullable=True),
        sa.Column("ended_at", types.UtcDateTime(), nullable=True),
        sa.Column("outcome", sa.String(), server_default="", nullable=False),
        sa.Column("reason", sa.String(), server_default="", nullable=False),
        sa.Column("cause", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["outbound_jobs.id"],
            name=op.f("fk_outbound_attempts_job_id_outbound_jobs"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbound_attempts")),
        sa.UniqueConstraint("job_id", "number", name=op.f("uq_outbound_attempts_job_id_number")),
    )
    op.create_index(
        "ix_outbound_attempts_state_due_at", "outbound_attempts", ["state", "due_at"], unique=False
    )
