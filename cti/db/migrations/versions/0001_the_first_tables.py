"""the first tables.

Revision: 0001, the first. Made 2026-11-22 16:23:03.224505.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cti.db import types

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", types.row_id(), autoincrement=True, nullable=False),
        sa.Column("at", types.UtcDateTime(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), server_default="", nullable=False),
        sa.Column("address", sa.String(), server_default="", nullable=False),
        sa.Column("detail", types.json_type(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    op.create_index(op.f("ix_audit_log_at"), "audit_log", ["at"], unique=False)
    op.create_table(
        "call_events",
        sa.Column("call", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.Float(precision=53), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("call", "sequence", name=op.f("pk_call_events")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "calls",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("started_at", types.UtcDateTime(), nullable=False),
        sa.Column("ended_at", types.UtcDateTime(), nullable=True),
        sa.Column("caller", sa.String(), server_default="", nullable=False),
        sa.Column("dialled", sa.String(), server_default="", nullable=False),
        sa.Column("direction", sa.String(), server_default="inbound", nullable=False),
        sa.Column("flow", sa.String(), server_default="", nullable=False),
        sa.Column("version", sa.String(), server_default="", nullable=False),
        sa.Column("language", sa.String(), server_default="", nullable=False),
        sa.Column("channel", sa.String(), server_default="", nullable=False),
        sa.Column("entries", sa.Integer(), server_default="1", nullable=False),
        sa.Column("why", sa.String(), server_default="", nullable=False),
        sa.Column("ended_flow", sa.String(), server_default="", nullable=False),
        sa.Column("ended_step", sa.String(), server_default="", nullable=False),
        sa.Column("transferred_to", sa.String(), server_default="", nullable=False),
        sa.Column("transferred_kind", sa.String(), server_default="", nullable=False),
        sa.Column("error", sa.String(), server_default="", nullable=False),
        sa.Column("ended_sequence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("language_sequence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("transferred_sequence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("changed_at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calls")),
    )
    op.create_index(op.f("ix_calls_caller"), "calls", ["caller"], unique=False)
    op.create_index(op.f("ix_calls_changed_at"), "calls", ["changed_at"], unique=False)
    op.create_index(op.f("ix_calls_flow"), "calls", ["flow"], unique=False)
    op.create_index(op.f("ix_calls_started_at"), "calls", ["started_at"], unique=False)
    op.create_table(
        "customers",
        sa.Column("id", types.row_id(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("phone", sa.String(), nullable=False),
        sa.Column("email", sa.String(), server_default="", nullable=False),
        sa.Column("language", sa.String(), server_default="tr", nullable=False),
        sa.Column("city", sa.String(), server_default="", nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customers")),
    )
    op.create_index(op.f("ix_customers_phone"), "customers", ["phone"], unique=False)
    op.create_table(
        "dispositions",
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("tr", sa.String(), nullable=False),
        sa.Column("en", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_dispositions")),
    )
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
    op.create_table(
        "erasures",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("at", types.UtcDateTime(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.Column("counts", types.json_type(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
    )
    op.create_table(
        "flow_versions",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("first_seen_at", types.UtcDateTime(), nullable=False),
        sa.Column("last_seen_at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", "version", name=op.f("pk_flow_versions")),
    )
    op.create_table(
        "journal_gaps",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("engine", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("first_at", types.UtcDateTime(), nullable=False),
        sa.Column("last_at", types.UtcDateTime(), nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("noted_at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal_gaps")),
    )
    op.create_table(
        "order_statuses",
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("tr", sa.String(), nullable=False),
        sa.Column("en", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_order_statuses")),
    )
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
        "queues",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("strategy", sa.String(), nullable=False),
        sa.Column("wrap_up_seconds", sa.Integer(), nullable=False),
        sa.Column("service_level_seconds", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_queues")),
    )
    op.create_table(
        "recordings",
        sa.Column("id", types.row_id(), autoincrement=True, nullable=False),
        sa.Column("call", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("ms", sa.Integer(), nullable=False),
        sa.Column("ended_by", sa.String(), nullable=False),
        sa.Column("made_at", types.UtcDateTime(), nullable=False),
        sa.Column("transcript", sa.Text(), nullable=True),
        sa.Column("deleted_at", types.UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recordings")),
        sa.UniqueConstraint("call", "sequence", name=op.f("uq_recordings_call_sequence")),
    )
    op.create_index(op.f("ix_recordings_call"), "recordings", ["call"], unique=False)
    op.create_index(op.f("ix_recordings_made_at"), "recordings", ["made_at"], unique=False)
    op.create_table(
        "users",
        sa.Column("id", types.row_id(), autoincrement=True, nullable=False),
        sa.Column("login", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("language", sa.String(), server_default="tr", nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("last_login_at", types.UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("login", name=op.f("uq_users_login")),
    )
    op.create_table(
        "agents",
        sa.Column("id", types.row_id(), autoincrement=True, nullable=False),
        sa.Column("user_id", types.row_id(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("extension", sa.String(), nullable=False),
        sa.Column("languages", types.json_type(), nullable=False),
        sa.Column("skills", types.json_type(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_agents_user_id_users"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agents")),
        sa.UniqueConstraint("extension", name=op.f("uq_agents_extension")),
        sa.UniqueConstraint("user_id", name=op.f("uq_agents_user_id")),
    )
    op.create_table(
        "orders",
        sa.Column("id", types.row_id(), autoincrement=True, nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("customer_id", types.row_id(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("total", types.Money(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("placed_at", types.UtcDateTime(), nullable=False),
        sa.Column("shipped_at", types.UtcDateTime(), nullable=True),
        sa.Column("expected_on", sa.Date(), nullable=True),
        sa.Column("carrier", sa.String(), server_default="", nullable=False),
        sa.Column("tracking", sa.String(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_orders_customer_id_customers")
        ),
        sa.ForeignKeyConstraint(
            ["status"], ["order_statuses.code"], name=op.f("fk_orders_status_order_statuses")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.UniqueConstraint("number", name=op.f("uq_orders_number")),
    )
    op.create_index(op.f("ix_orders_customer_id"), "orders", ["customer_id"], unique=False)
    op.create_index(op.f("ix_orders_placed_at"), "orders", ["placed_at"], unique=False)
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
    op.create_table(
        "tokens",
        sa.Column("id", types.row_id(), autoincrement=True, nullable=False),
        sa.Column("user_id", types.row_id(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("label", sa.String(), server_default="", nullable=False),
        sa.Column("scopes", types.json_type(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("expires_at", types.UtcDateTime(), nullable=True),
        sa.Column("last_used_at", types.UtcDateTime(), nullable=True),
        sa.Column("revoked_at", types.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_tokens_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("hash", name=op.f("uq_tokens_hash")),
    )
    op.create_index(op.f("ix_tokens_user_id"), "tokens", ["user_id"], unique=False)
    op.create_table(
        "contacts",
        sa.Column("id", types.row_id(), autoincrement=True, nullable=False),
        sa.Column("phone", sa.String(), nullable=False),
        sa.Column("at", types.UtcDateTime(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("direction", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("call", sa.String(), nullable=True),
        sa.Column("agent_id", types.row_id(), nullable=True),
        sa.Column("customer_id", types.row_id(), nullable=True),
        sa.Column("summary", sa.String(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_contacts_agent_id_agents")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customers.id"],
            name=op.f("fk_contacts_customer_id_customers"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts")),
        sa.UniqueConstraint("call", name=op.f("uq_contacts_call")),
    )
    op.create_index(op.f("ix_contacts_phone"), "contacts", ["phone"], unique=False)
    op.create_table(
        "notes",
        sa.Column("id", types.row_id(), autoincrement=True, nullable=False),
        sa.Column("call", sa.String(), nullable=True),
        sa.Column("phone", sa.String(), nullable=True),
        sa.Column("agent_id", types.row_id(), nullable=True),
        sa.Column("disposition", sa.String(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_notes_agent_id_agents")),
        sa.ForeignKeyConstraint(
            ["disposition"], ["dispositions.code"], name=op.f("fk_notes_disposition_dispositions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notes")),
    )
    op.create_index(op.f("ix_notes_call"), "notes", ["call"], unique=False)
    op.create_index(op.f("ix_notes_phone"), "notes", ["phone"], unique=False)
    op.create_table(
        "order_lines",
        sa.Column("order_id", types.row_id(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_price", types.Money(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["order_id"],
            ["orders.id"],
            name=op.f("fk_order_lines_order_id_orders"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("order_id", "position", name=op.f("pk_order_lines")),
    )
    op.create_table(
        "queue_members",
        sa.Column("queue", sa.String(), nullable=False),
        sa.Column("agent_id", types.row_id(), nullable=False),
        sa.Column("penalty", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id"],
            ["agents.id"],
            name=op.f("fk_queue_members_agent_id_agents"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["queue"],
            ["queues.name"],
            name=op.f("fk_queue_members_queue_queues"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("queue", "agent_id", name=op.f("pk_queue_members")),
    )
    op.create_table(
        "survey_answers",
        sa.Column("id", types.row_id(), autoincrement=True, nullable=False),
        sa.Column("call", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("question", sa.String(), nullable=False),
        sa.Column("scale", sa.String(), nullable=False),
        sa.Column("mark", sa.Integer(), nullable=False),
        sa.Column("agent_id", types.row_id(), nullable=True),
        sa.Column("at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_survey_answers_agent_id_agents")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_survey_answers")),
        sa.UniqueConstraint("call", "sequence", name=op.f("uq_survey_answers_call_sequence")),
    )
    op.create_index(op.f("ix_survey_answers_at"), "survey_answers", ["at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_survey_answers_at"), table_name="survey_answers")
    op.drop_table("survey_answers")
    op.drop_table("queue_members")
    op.drop_table("order_lines")
    op.drop_index(op.f("ix_notes_phone"), table_name="notes")
    op.drop_index(op.f("ix_notes_call"), table_name="notes")
    op.drop_table("notes")
    op.drop_index(op.f("ix_contacts_phone"), table_name="contacts")
    op.drop_table("contacts")
    op.drop_index(op.f("ix_tokens_user_id"), table_name="tokens")
    op.drop_table("tokens")
    op.drop_index("ix_outbound_attempts_state_due_at", table_name="outbound_attempts")
    op.drop_table("outbound_attempts")
    op.drop_index(op.f("ix_orders_placed_at"), table_name="orders")
    op.drop_index(op.f("ix_orders_customer_id"), table_name="orders")
    op.drop_table("orders")
    op.drop_table("agents")
    op.drop_table("users")
    op.drop_index(op.f("ix_recordings_made_at"), table_name="recordings")
    op.drop_index(op.f("ix_recordings_call"), table_name="recordings")
    op.drop_table("recordings")
    op.drop_table("queues")
    op.drop_index(op.f("ix_outbound_jobs_state"), table_name="outbound_jobs")
    op.drop_index(op.f("ix_outbound_jobs_phone"), table_name="outbound_jobs")
    op.drop_table("outbound_jobs")
    op.drop_table("order_statuses")
    op.drop_table("journal_gaps")
    op.drop_table("flow_versions")
    op.drop_table("erasures")
    op.drop_table("do_not_call")
    op.drop_table("dispositions")
    op.drop_index(op.f("ix_customers_phone"), table_name="customers")
    op.drop_table("customers")
    op.drop_index(op.f("ix_calls_started_at"), table_name="calls")
    op.drop_index(op.f("ix_calls_flow"), table_name="calls")
    op.drop_index(op.f("ix_calls_changed_at"), table_name="calls")
    op.drop_index(op.f("ix_calls_caller"), table_name="calls")
    op.drop_table("calls")
    op.drop_table("call_events")
    op.drop_index(op.f("ix_audit_log_at"), table_name="audit_log")
    op.drop_table("audit_log")
