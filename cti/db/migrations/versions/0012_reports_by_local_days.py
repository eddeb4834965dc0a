"""sums by whole days of the shop's own calendar, which filters by language, line and queue read.

What was there is not summed here: `santral reports rebuild`, or the engine's worker, which does so
when it finds no day summed.

Revision: 0012, on top of 0011.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

WAITS = (5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300)
VISITS: dict[str, Any] = (
    {"visits": sa.Integer, "transferred": sa.Integer}
    | {name: sa.Float(53) for name in ("waited", "longest", "talked", "held", "wrapped")}
    | {f"within_{seconds}": sa.Integer for seconds in WAITS}
)
STEPS: dict[str, Any] = dict.fromkeys(
    (
        "calls", "visits", "keys", "speech", "no_inputs", "no_matches", "unsure", "faults",
        "hung_up", "ended",
    ),
    sa.Integer,
)  # fmt: skip
TABLES = {
    "rollup_local_visits": (
        ("queue", "outcome", "direction", "line", "flow", "version", "language"), VISITS,
    ),
    "rollup_local_steps": (
        ("flow", "version", "step", "type", "direction", "line", "language", "queue"), STEPS,
    ),
}  # fmt: skip


def upgrade() -> None:
    for name, (keys, measures) in TABLES.items():
        op.create_table(
            name,
            sa.Column("day", sa.Integer(), primary_key=True, autoincrement=False),
            *(sa.Column(key, sa.String(), primary_key=True) for key in keys),
            *(
                sa.Column(column, kind, server_default="0", nullable=False)
                for column, kind in measures.items()
            ),
        )  # fmt: skip


def downgrade() -> None:
    for name in TABLES:
        op.drop_table(name)
