"""report mails, each once; and the names that reports can be filtered by.

Revision: 0010, on top of 0009.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cti.db.types import UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "report_names",
        sa.Column("kind", sa.String(), primary_key=True),
        sa.Column("name", sa.String(), primary_key=True),
    )
    for kind, table in (("queue", "rollup_queues"), ("agent", "rollup_queues"),
                        ("flow", "rollup_calls"), ("version", "rollup_calls")):  # fmt: skip
        op.execute(
            f"INSERT INTO report_names (kind, name) SELECT DISTINCT '{kind}', {kind} FROM {table}"  # noqa: S608
            f" WHERE {kind} <> ''"
        )
    op.create_table(
        "report_mails",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("period", sa.String(), primary_key=True),
        sa.Column("recipient", sa.String(), primary_key=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("by", sa.String(), server_default="", nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.String(), server_default="", nullable=False),
    )
    op.create_index("ix_report_mails_at", "report_mails", ["at"])


def downgrade() -> None:
    op.drop_table("report_mails")
    op.drop_table("report_names")
