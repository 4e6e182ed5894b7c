"""The first tables"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "decisions",
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("autoscale", sa.String(length=63), nullable=False),
        sa.Column("pool", sa.String(length=63), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("decisions", schema=None) as batch_op:
        batch_op.create_index("decisions_of_autoscale", ["autoscale", "at"], unique=False)
        batch_op.create_index(batch_op.f("ix_decisions_pool"), ["pool"], unique=False)

    op.create_table(
        "documents",
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("shape_revision", sa.Integer(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("pool", sa.String(length=63), nullable=True),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name"),
    )
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_documents_pool"), ["pool"], unique=False)

    op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("controller_id", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "place_memory",
        sa.Column("vm_provider", sa.String(length=63), nullable=False),
        sa.Column("place", sa.String(length=255), nullable=False),
        sa.Column("until", sa.DateTime(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("vm_provider", "place"),
    )
    op.create_table(
        "scaling",
        sa.Column("autoscale", sa.String(length=63), nullable=False),
        sa.Column("paused_because", sa.Text(), nullable=True),
        sa.Column("decisions", sa.Integer(), nullable=False),
        sa.Column("failures", sa.JSON(), nullable=False),
        sa.Column("downscale_wanted_since", sa.DateTime(), nullable=True),
        sa.Column("decided_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("autoscale"),
    )
    op.create_table(
        "secrets",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "servers",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("hostname", sa.String(length=63), nullable=False),
        sa.Column("pool", sa.String(length=63), nullable=False),
        sa.Column("pool_type", sa.String(length=20), nullable=False),
        sa.Column("zone", sa.String(length=63), nullable=False),
        sa.Column("autoscale", sa.String(length=63), nullable=True),
        sa.Column("vm_provider", sa.String(length=63), nullable=True),
        sa.Column("provider", sa.String(length=30), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("state_since", sa.DateTime(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("creating_at", sa.DateTime(), nullable=True),
        sa.Column("booting_at", sa.DateTime(), nullable=True),
        sa.Column("running_at", sa.DateTime(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("failure_reason", sa.Text(), nullable=True),
        sa.Column("address", sa.String(length=255), nullable=True),
        sa.Column("private_address", sa.String(length=255), nullable=True),
        sa.Column("provider_reference", sa.String(length=512), nullable=True),
        sa.Column("place", sa.String(length=255), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("config_revision", sa.Integer(), nullable=False),
        sa.Column("rollout", sa.Boolean(), nullable=False),
        sa.Column("drain_reason", sa.String(length=20), nullable=True),
        sa.Column("max_sessions", sa.Integer(), nullable=False),
        sa.Column("max_users", sa.Integer(), nullable=False),
        sa.Column("counts_users", sa.Boolean(), nullable=False),
        sa.Column("reusable", sa.Boolean(), nullable=False),
        sa.Column("require_checkin", sa.Boolean(), nullable=False),
        sa.Column("cores", sa.Float(), nullable=False),
        sa.Column("memory_mib", sa.Integer(), nullable=False),
        sa.Column("gpus", sa.Integer(), nullable=False),
        sa.Column("images", sa.JSON(), nullable=False),
        sa.Column("decision_id", sa.String(length=100), nullable=True),
        sa.Column("decision_index", sa.Integer(), nullable=True),
        sa.Column("fqdn", sa.String(length=255), nullable=True),
        sa.Column("dns_provider", sa.String(length=63), nullable=True),
        sa.Column("ldap", sa.String(length=63), nullable=True),
        sa.Column("computer_recursive", sa.Boolean(), nullable=False),
        sa.Column("computer_guid", sa.String(length=36), nullable=True),
        sa.Column("connection", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("decision_id", "decision_index"),
    )
    with op.batch_alter_table("servers", schema=None) as batch_op:
        batch_op.create_index(
            "one_live_server_per_hostname",
            ["hostname"],
            unique=True,
            sqlite_where=sa.text("state != 'deleted'"),
            postgresql_where=sa.text("state != 'deleted'"),
        )
        batch_op.create_index("servers_of_autoscale", ["autoscale", "state"], unique=False)
        batch_op.create_index("servers_of_pool", ["pool", "state"], unique=False)
        batch_op.create_index("servers_of_provider", ["vm_provider", "state"], unique=False)

    op.create_table(
        "sweeps",
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("config", sa.String(length=63), nullable=False),
        sa.Column("paused_because", sa.Text(), nullable=True),
        sa.Column("rounds", sa.Integer(), nullable=False),
        sa.Column("planned_round", sa.Integer(), nullable=True),
        sa.Column("due", sa.JSON(), nullable=False),
        sa.Column("first_seen", sa.JSON(), nullable=False),
        sa.Column("missing", sa.JSON(), nullable=False),
        sa.Column("swept_at", sa.DateTime(), nullable=True),
        sa.Column("last_round", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("kind", "config"),
    )
    op.create_table(
        "check_ins",
        sa.Column("server_id", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("progress", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("images", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["server_id"],
            ["servers.id"],
        ),
        sa.PrimaryKeyConstraint("server_id"),
    )
    op.create_table(
        "component_logs",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("server_id", sa.String(length=32), nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
        sa.Column("at", sa.String(length=64), nullable=False),
        sa.Column("application", sa.String(length=255), nullable=False),
        sa.Column("level", sa.String(length=20), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["server_id"],
            ["servers.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("component_logs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_component_logs_server_id"), ["server_id"], unique=False)

    op.create_table(
        "server_assignments",
        sa.Column("pool", sa.String(length=63), nullable=False),
        sa.Column("user", sa.String(length=255), nullable=False),
        sa.Column("server_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["server_id"],
            ["servers.id"],
        ),
        sa.PrimaryKeyConstraint("pool", "user"),
    )
    op.create_table(
        "server_history",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("server_id", sa.String(length=32), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("from_state", sa.String(length=20), nullable=True),
        sa.Column("to_state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["server_id"],
            ["servers.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("server_history", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_server_history_server_id"), ["server_id"], unique=False)

    op.create_table(
        "sessions",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("pool", sa.String(length=63), nullable=False),
        sa.Column("user", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("server_id", sa.String(length=32), nullable=True),
        sa.Column("workspace", sa.String(length=63), nullable=True),
        sa.Column("zone", sa.String(length=63), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("requested_at", sa.DateTime(), nullable=False),
        sa.Column("assigned_at", sa.DateTime(), nullable=True),
        sa.Column("ended_at", sa.DateTime(), nullable=True),
        sa.Column("expires_at", sa.DateTime(), nullable=True),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.Column("waits_because", sa.Text(), nullable=True),
        sa.Column("staging", sa.String(length=63), nullable=True),
        sa.Column("permissions", sa.JSON(), nullable=True),
        sa.Column("request_key", sa.String(length=100), nullable=True),
        sa.ForeignKeyConstraint(
            ["server_id"],
            ["servers.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("request_key"),
    )
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.create_index("sessions_of_pool", ["pool", "state"], unique=False)
        batch_op.create_index("sessions_of_server", ["server_id", "state"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.drop_index("sessions_of_server")
        batch_op.drop_index("sessions_of_pool")

    op.drop_table("sessions")
    with op.batch_alter_table("server_history", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_server_history_server_id"))

    op.drop_table("server_history")
    op.drop_table("server_assignments")
    with op.batch_alter_table("component_logs", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_component_logs_server_id"))

    op.drop_table("component_logs")
    op.drop_table("check_ins")
    op.drop_table("sweeps")
    with op.batch_alter_table("servers", schema=None) as batch_op:
        batch_op.drop_index("servers_of_provider")
        batch_op.drop_index("servers_of_pool")
        batch_op.drop_index("servers_of_autoscale")
        batch_op.drop_index(
            "one_live_server_per_hostname",
            sqlite_where=sa.text("state != 'deleted'"),
            postgresql_where=sa.text("state != 'deleted'"),
        )

    op.drop_table("servers")
    op.drop_table("secrets")
    op.drop_table("scaling")
    op.drop_table("place_memory")
    op.drop_table("installation")
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_documents_pool"))

    op.drop_table("documents")
    with op.batch_alter_table("decisions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_decisions_pool"))
        batch_op.drop_index("decisions_of_autoscale")

    op.drop_table("decisions")
    op.drop_table("api_keys")
