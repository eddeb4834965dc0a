"""What reports stand on: queue visits, what agents did, facts of calls and steps, roll-ups.

Revision: 0003, on top of 0002.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agent_spans",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), server_default="", nullable=False),
        sa.Column("queue", sa.String(), server_default="", nullable=False),
        sa.Column("call", sa.String(), server_default="", nullable=False),
        sa.Column("since", sa.Float(precision=53), server_default="0", nullable=False),
        sa.Column("until", sa.Float(precision=53), server_default="0", nullable=False),
        sa.Column("seen", sa.Float(precision=53), server_default="0", nullable=False),
        sa.Column("changed", sa.Float(precision=53), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_spans")),
    )
    op.create_index(op.f("ix_agent_spans_agent"), "agent_spans", ["agent"], unique=False)
    op.create_index(op.f("ix_agent_spans_changed"), "agent_spans", ["changed"], unique=False)
    op.create_index(op.f("ix_agent_spans_since"), "agent_spans", ["since"], unique=False)
    op.create_table(
        "call_facts",
        sa.Column("call", sa.String(), nullable=False),
        sa.Column("quarter", sa.Integer(), nullable=False),
        sa.Column("began", sa.Float(precision=53), server_default="0", nullable=False),
        sa.Column("seconds", sa.Float(precision=53), server_default="0", nullable=False),
        sa.Column("direction", sa.String(), server_default="", nullable=False),
        sa.Column("line", sa.String(), server_default="", nullable=False),
        sa.Column("caller", sa.String(), server_default="", nullable=False),
        sa.Column("flow", sa.String(), server_default="", nullable=False),
        sa.Column("version", sa.String(), server_default="", nullable=False),
        sa.Column("language", sa.String(), server_default="", nullable=False),
        sa.Column("ending", sa.String(), server_default="", nullable=False),
        sa.Column("reason", sa.String(), server_default="", nullable=False),
        sa.Column("queue", sa.String(), server_default="", nullable=False),
        sa.Column("agent", sa.String(), server_default="", nullable=False),
        sa.Column("waited", sa.Float(precision=53), server_default="0", nullable=False),
        sa.Column("talked", sa.Float(precision=53), server_default="0", nullable=False),
        sa.Column("questions", sa.Integer(), server_default="0", nullable=False),
        sa.Column("no_inputs", sa.Integer(), server_default="0", nullable=False),
        sa.Column("no_matches", sa.Integer(), server_default="0", nullable=False),
        sa.Column("faults", sa.Integer(), server_default="0", nullable=False),
        sa.Column("resumed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("transfers", sa.Integer(), server_default="0", nullable=False),
        sa.Column("mark", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("call", name=op.f("pk_call_facts")),
    )
    op.create_index(op.f("ix_call_facts_caller"), "call_facts", ["caller"], unique=False)
    op.create_index("ix_call_facts_quarter_flow", "call_facts", ["quarter", "flow"], unique=False)
    op.create_table(
        "call_steps",
        sa.Column("call", sa.String(), nullable=False),
        sa.Column("flow", sa.String(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("quarter", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(), server_default="", nullable=False),
        sa.Column("first", sa.Integer(), server_default="0", nullable=False),
        sa.Column("visits", sa.Integer(), server_default="0", nullable=False),
        sa.Column("keys", sa.Integer(), server_default="0", nullable=False),
        sa.Column("speech", sa.Integer(), server_default="0", nullable=False),
        sa.Column("no_inputs", sa.Integer(), server_default="0", nullable=False),
        sa.Column("no_matches", sa.Integer(), server_default="0", nullable=False),
        sa.Column("unsure", sa.Integer(), server_default="0", nullable=False),
        sa.Column("faults", sa.Integer(), server_default="0", nullable=False),
        sa.Column("hung_up", sa.Integer(), server_default="0", nullable=False),
        sa.Column("ended", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("call", "flow", "step", "version", name=op.f("pk_call_steps")),
    )
    op.create_index(
        "ix_call_steps_quarter_flow_step", "call_steps", ["quarter", "flow", "step"], unique=False
    )
    op.create_table(
        "queue_visits",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("call", sa.String(), nullable=False),
        sa.Column("leg", sa.String(), nullable=False),
        sa.Column("queue", sa.String(), nullable=False),
        sa.Column("quarter", sa.Integer(), nullable=False),
        sa.Column("entered", sa.Float(precision=53), server_default="0", nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rings", sa.Integer(), server_default="0", nullable=False),
        sa.Column("left", sa.Float(precision=53), server_default="0", nullable=False),
        sa.Column("outcome", sa.String(), server_default="", nullable=False),
        sa.Column("agent", sa.String(), server_default="", nullable=False),
        sa.Column("ended", sa.Float(precision=53), server_default="0", nullable=False),
        sa.Column("ended_by", sa.String(), server_default="", nullable=False),
        sa.Column("held", sa.Float(precision=53), server_default="0", nullable=False),
        sa.Column("wrap_up", sa.Float(precision=53), server_default="0", nullable=False),
        sa.Column("changed", sa.Float(precision=53), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queue_visits")),
    )
    op.create_index(op.f("ix_queue_visits_call"), "queue_visits", ["call"], unique=False)
    op.create_index(op.f("ix_queue_visits_changed"), "queue_visits", ["changed"], unique=False)
    op.create_index(op.f("ix_queue_visits_quarter"), "queue_visits", ["quarter"], unique=False)
    op.create_table(
        "rollup_agents",
        sa.Column("quarter", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("seconds", sa.Float(precision=53), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint(
            "quarter", "agent", "state", "reason", name=op.f("pk_rollup_agents")
        ),
    )
    op.create_table(
        "rollup_calls",
        sa.Column("quarter", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("direction", sa.String(), nullable=False),
        sa.Column("line", sa.String(), nullable=False),
        sa.Column("flow", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("ending", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("calls", sa.Integer(), server_default="0", nullable=False),
        sa.Column("questions", sa.Integer(), server_default="0", nullable=False),
        sa.Column("no_inputs", sa.Integer(), server_default="0", nullable=False),
        sa.Column("no_matches", sa.Integer(), server_default="0", nullable=False),
        sa.Column("faults", sa.Integer(), server_default="0", nullable=False),
        sa.Column("resumed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("seconds", sa.Float(precision=53), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint(
            "quarter",
            "direction",
            "line",
            "flow",
            "version",
            "language",
            "ending",
            "reason",
            name=op.f("pk_rollup_calls"),
        ),
    )
    op.create_table(
        "rollup_marks",
        sa.Column("quarter", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("question", sa.String(), nullable=False),
        sa.Column("scale", sa.String(), nullable=False),
        sa.Column("flow", sa.String(), nullable=False),
        sa.Column("queue", sa.String(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("mark", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("answers", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint(
            "quarter",
            "question",
            "scale",
            "flow",
            "queue",
            "agent",
            "mark",
            name=op.f("pk_rollup_marks"),
        ),
    )
    op.create_table(
        "rollup_queues",
        sa.Column("quarter", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("queue", sa.String(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("visits", sa.Integer(), server_default="0", nullable=False),
        sa.Column("transferred", sa.Integer(), server_default="0", nullable=False),
        sa.Column("waited", sa.Float(precision=53), server_default="0", nullable=False),
        sa.Column("longest", sa.Float(precision=53), server_default="0", nullable=False),
        sa.Column("talked", sa.Float(precision=53), server_default="0", nullable=False),
        sa.Column("held", sa.Float(precision=53), server_default="0", nullable=False),
        sa.Column("wrapped", sa.Float(precision=53), server_default="0", nullable=False),
        sa.Column("within_5", sa.Integer(), server_default="0", nullable=False),
        sa.Column("within_10", sa.Integer(), server_default="0", nullable=False),
        sa.Column("within_15", sa.Integer(), server_default="0", nullable=False),
        sa.Column("within_20", sa.Integer(), server_default="0", nullable=False),
        sa.Column("within_30", sa.Integer(), server_default="0", nullable=False),
        sa.Column("within_45", sa.Integer(), server_default="0", nullable=False),
        sa.Column("within_60", sa.Integer(), server_default="0", nullable=False),
        sa.Column("within_90", sa.Integer(), server_default="0", nullable=False),
        sa.Column("within_120", sa.Integer(), server_default="0", nullable=False),
        sa.Column("within_180", sa.Integer(), server_default="0", nullable=False),
        sa.Column("within_300", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint(
            "quarter", "queue", "agent", "outcome", name=op.f("pk_rollup_queues")
        ),
    )
    op.create_table(
        "rollup_state",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("upto", sa.Float(precision=53), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_rollup_state")),
    )
    op.create_table(
        "rollup_steps",
        sa.Column("quarter", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("flow", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("calls", sa.Integer(), server_default="0", nullable=False),
        sa.Column("visits", sa.Integer(), server_default="0", nullable=False),
        sa.Column("keys", sa.Integer(), server_default="0", nullable=False),
        sa.Column("speech", sa.Integer(), server_default="0", nullable=False),
        sa.Column("no_inputs", sa.Integer(), server_default="0", nullable=False),
        sa.Column("no_matches", sa.Integer(), server_default="0", nullable=False),
        sa.Column("unsure", sa.Integer(), server_default="0", nullable=False),
        sa.Column("faults", sa.Integer(), server_default="0", nullable=False),
        sa.Column("hung_up", sa.Integer(), server_default="0", nullable=False),
        sa.Column("ended", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint(
            "quarter", "flow", "version", "step", "type", name=op.f("pk_rollup_steps")
        ),
    )


def downgrade() -> None:
    op.drop_table("rollup_steps")
    op.drop_table("rollup_state")
    op.drop_table("rollup_queues")
    op.drop_table("rollup_marks")
    op.drop_table("rollup_calls")
    op.drop_table("rollup_agents")
    op.drop_index(op.f("ix_queue_visits_quarter"), table_name="queue_visits")
    op.drop_index(op.f("ix_queue_visits_changed"), table_name="queue_visits")
    op.drop_index(op.f("ix_queue_visits_call"), table_name="queue_visits")
    op.drop_table("queue_visits")
    op.drop_index("ix_call_steps_quarter_flow_step", table_name="call_steps")
    op.drop_table("call_steps")
    op.drop_index("ix_call_facts_quarter_flow", table_name="call_facts")
    op.drop_index(op.f("ix_call_facts_caller"), table_name="call_facts")
    op.drop_table("call_facts")
    op.drop_index(op.f("ix_agent_spans_since"), table_name="agent_spans")
    op.drop_index(op.f("ix_agent_spans_changed"), table_name="agent_spans")
    op.drop_index(op.f("ix_agent_spans_agent"), table_name="agent_spans")
    op.drop_table("agent_spans")
