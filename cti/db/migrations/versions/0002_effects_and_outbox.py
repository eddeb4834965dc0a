"""what calls do to the world: writes done once, messages kept until delivered; flow authors.

Revision: 0002, on top of 0001.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cti.db import types

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "callbacks",
        sa.Column("id", types.row_id(), autoincrement=True, nullable=False),
        sa.Column("phone", sa.String(), nullable=False),
        sa.Column("wanted", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("call", sa.String(), server_default="", nullable=False),
        sa.Column("state", sa.String(), server_default="open", nullable=False),
        sa.Column("made_at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callbacks")),
    )
    op.create_index(op.f("ix_callbacks_phone"), "callbacks", ["phone"], unique=False)
    op.create_table(
        "effects",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("done_at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_effects")),
    )
    op.create_index(op.f("ix_effects_done_at"), "effects", ["done_at"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", types.row_id(), autoincrement=True, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("data", types.json_type(), nullable=False),
        sa.Column("made_at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("key", name=op.f("uq_outbox_key")),
    )
    op.create_index(op.f("ix_outbox_made_at"), "outbox", ["made_at"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("id", types.row_id(), autoincrement=True, nullable=False),
        sa.Column("message_id", types.row_id(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"],
            ["outbox.id"],
            name=op.f("fk_deliveries_message_id_outbox"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("message_id", "place", name=op.f("uq_deliveries_message_id_place")),
    )
    op.create_index(
        "ix_deliveries_place_state_due_at",
        "deliveries",
        ["place", "state", "due_at"],
        unique=False,
    )
    op.create_table(
        "delivery_log",
        sa.Column("id", types.row_id(), autoincrement=True, nullable=False),
        sa.Column("delivery_id", types.row_id(), nullable=False),
        sa.Column("at", types.UtcDateTime(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("ms", sa.Float(precision=53), nullable=False),
        sa.Column("error", sa.String(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["deliveries.id"],
            name=op.f("fk_delivery_log_delivery_id_deliveries"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_log")),
    )
    op.create_index(
        op.f("ix_delivery_log_delivery_id"), "delivery_log", ["delivery_id"], unique=False
    )
    op.add_column(
        "flow_versions", sa.Column("author", sa.String(), server_default="", nullable=False)
    )
    op.add_column(
        "flow_versions",
        sa.Column("prompts", types.json_type(), server_default="{}", nullable=False),
    )


def downgrade() -> None:
    with op.batch_alter_table("flow_versions") as table:
        table.drop_column("prompts")
        table.drop_column("author")
    op.drop_table("delivery_log")
    op.drop_table("deliveries")
    op.drop_table("outbox")
    op.drop_table("effects")
    op.drop_table("callbacks")
