"""roll-ups over longer blocks, indexes, and what repeat callers and the worst calls are found by.

What was there is not recalculated here: `santral reports rebuild`, which the engine's worker does
by itself when it finds the new roll-ups empty.

Revision: 0011, on top of 0010.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

WAITS = (5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300)
COUNTS = ("calls", "questions", "no_inputs", "no_matches", "faults", "resumed")
CALLS: dict[str, Any] = dict.fromkeys(COUNTS, sa.Integer) | {
    "seconds": sa.Float(53), "known": sa.Integer, "followed": sa.Integer,
}  # fmt: skip
QUEUES: dict[str, Any] = (
    {"visits": sa.Integer, "transferred": sa.Integer}
    | {name: sa.Float(53) for name in ("waited", "longest", "talked", "held", "wrapped")}
    | {f"within_{seconds}": sa.Integer for seconds in WAITS}
)
OF_STEPS = (
    "calls", "visits", "keys", "speech", "no_inputs", "no_matches", "unsure", "faults", "hung_up",
    "ended",
)  # fmt: skip
STEPS = dict.fromkeys(OF_STEPS, sa.Integer)
TABLES: Mapping[str, tuple[tuple[str, ...], Mapping[str, Any]]] = {
    "rollup_hours_calls": (("flow", "ending"), CALLS),
    "rollup_hours_queues": (("queue", "outcome"), QUEUES),
    "rollup_days_taken": (("agent", "outcome"), QUEUES),
    "rollup_days_steps": (("flow", "version", "step", "type"), STEPS),
    "rollup_days_agents": (("agent", "state", "reason"), {"seconds": sa.Float(53)}),
    "rollup_weeks_marks": (
        ("question", "scale", "flow", "queue", "agent", "mark"), {"answers": sa.Integer},
    ),
}  # fmt: skip
INDEXES = {
    "ix_call_facts_caller_began": ["caller", "began"],
    "ix_call_facts_points_began": ["points", "began"],
    "ix_call_facts_queue_quarter": ["queue", "quarter"],
    "ix_call_facts_agent_quarter": ["agent", "quarter"],
}


def _key(name: str) -> sa.Column[Any]:
    if name == "mark":
        return sa.Column(name, sa.Integer(), primary_key=True, autoincrement=False)
    return sa.Column(name, sa.String(), primary_key=True)


def upgrade() -> None:
    for name, (keys, measures) in TABLES.items():
        op.create_table(
            name,
            sa.Column("block", sa.Integer(), primary_key=True, autoincrement=False),
            *(_key(key) for key in keys),
            *(
                sa.Column(column, kind, server_default="0", nullable=False)
                for column, kind in measures.items()
            ),
        )  # fmt: skip
    for column in ("known", "followed"):
        op.add_column(
            "rollup_calls", sa.Column(column, sa.Integer(), server_default="0", nullable=False)
        )
    op.add_column("call_facts", sa.Column("followed", sa.Integer()))
    op.add_column(
        "call_facts", sa.Column("points", sa.Float(53), server_default="0", nullable=False)
    )
    for name, columns in INDEXES.items():
        op.create_index(name, "call_facts", columns)
    op.drop_index("ix_call_facts_caller", table_name="call_facts")


def downgrade() -> None:
    op.create_index("ix_call_facts_caller", "call_facts", ["caller"])
    for name in INDEXES:
        op.drop_index(name, table_name="call_facts")
    with op.batch_alter_table("call_facts") as batch:
        batch.drop_column("points")
        batch.drop_column("followed")
    with op.batch_alter_table("rollup_calls") as batch:
        batch.drop_column("followed")
        batch.drop_column("known")
    for name in TABLES:
        op.drop_table(name)
