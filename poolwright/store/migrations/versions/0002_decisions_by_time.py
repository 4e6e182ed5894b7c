"""Decisions by time, so that pruning them need not read them all"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("decisions_by_time", "decisions", ["at"])


def downgrade() -> None:
    op.drop_index("decisions_by_time", table_name="decisions")
