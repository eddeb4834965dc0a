"""the shop's API: what calls go by of a customer; requests carried out once.

Revision: 0004, on top of 0003.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cti.db import types

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXTS = ("tier", "time_zone", "country")


def upgrade() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("made_at", types.UtcDateTime(), nullable=False),
        sa.Column("locked_until", types.UtcDateTime(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("body", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("owner", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_made_at"), "idempotency_keys", ["made_at"])
    for name in TEXTS:
        op.add_column("customers", sa.Column(name, sa.String(), server_default="", nullable=False))
    op.add_column("customers", sa.Column("consent", sa.Boolean(), nullable=True))
    op.add_column("customers", sa.Column("changed_at", types.UtcDateTime(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("customers") as table:
        for name in ("changed_at", "consent", *TEXTS):
            table.drop_column(name)
    op.drop_table("idempotency_keys")
