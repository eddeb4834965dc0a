"""due attempts in the order of their jobs, when many are due at one moment (a window that opens).

Revision: 0008, on top of 0007.
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLE, BEFORE = "outbound_attempts", "ix_outbound_attempts_campaign_state_due_at"
AFTER = f"{BEFORE}_job_id"


def upgrade() -> None:
    op.create_index(AFTER, TABLE, ["campaign", "state", "due_at", "job_id"])
    op.drop_index(BEFORE, table_name=TABLE)


def downgrade() -> None:
    op.create_index(BEFORE, TABLE, ["campaign", "state", "due_at"])
    op.drop_index(AFTER, table_name=TABLE)
