"""surveys: what an answer is about, who was asked and when, and what was decided for each call;
and how many calls there are of each caller.

The sums of marks get a key more; they are made again by the engine's worker (`rollups.SHAPE`).

Revision: 0013, on top of 0012.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cti.db.types import UtcDateTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

MARKS = {"rollup_marks": "quarter", "rollup_weeks_marks": "block"}


def _marks(*keys: str) -> None:
    for table, at in MARKS.items():
        op.drop_table(table)
        op.create_table(
            table,
            sa.Column(at, sa.Integer(), primary_key=True, autoincrement=False),
            *(sa.Column(key, sa.String(), primary_key=True) for key in keys),
            sa.Column("mark", sa.Integer(), primary_key=True, autoincrement=False),
            sa.Column("answers", sa.Integer(), server_default="0", nullable=False),
        )


def upgrade() -> None:
    op.add_column(
        "survey_answers", sa.Column("product", sa.String(), server_default="", nullable=False)
    )
    op.create_table(
        "survey_people",
        sa.Column("phone", sa.String(), primary_key=True),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("survey", sa.String(), nullable=False),
    )
    op.create_index("ix_survey_people_asked_at", "survey_people", ["asked_at"])
    op.create_table(
        "survey_invitations",
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("survey", sa.String(), nullable=False),
        sa.Column("call", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
    )
    op.create_index("ix_survey_invitations_call", "survey_invitations", ["call"])
    op.create_index("ix_survey_invitations_at", "survey_invitations", ["at"])
    _marks("question", "scale", "flow", "queue", "agent", "product")
    op.create_table(
        "caller_totals",
        sa.Column("caller", sa.String(), primary_key=True),
        sa.Column("calls", sa.Integer(), server_default="0", nullable=False),
    )
    op.create_index("ix_caller_totals_calls_caller", "caller_totals", ["calls", "caller"])


def downgrade() -> None:
    _marks("question", "scale", "flow", "queue", "agent")
    op.drop_table("caller_totals")
    op.drop_table("survey_invitations")
    op.drop_table("survey_people")
    with op.batch_alter_table("survey_answers") as batch:
        batch.drop_column("product")
