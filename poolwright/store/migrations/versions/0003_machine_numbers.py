"""Numbers that tell VMs apart at providers which have no names for that"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NOT_DELETED = sa.text("state != 'deleted'")


def upgrade() -> None:
    op.add_column("servers", sa.Column("machine_number", sa.Integer(), nullable=True))
    op.create_index(
        "one_live_server_per_number",
        "servers",
        ["provider", "machine_number"],
        unique=True,
        sqlite_where=_NOT_DELETED,
        postgresql_where=_NOT_DELETED,
    )


def downgrade() -> None:
    op.drop_index(
        "one_live_server_per_number", table_name="servers", sqlite_where=_NOT_DELETED, postgresql_where=_NOT_DELETED
    )
    op.drop_column("servers", "machine_number")
