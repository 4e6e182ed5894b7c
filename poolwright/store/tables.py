"""The tables. Migrations, not this file, change a database that exists."""

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    ColumnElement,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    literal_column,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from poolwright.domain.servers import SessionState
from poolwright.domain.states import ServerState


class UTCDateTime(TypeDecorator[datetime]):
    """Aware datetimes, kept as naive UTC so that SQLite and PostgreSQL compare them alike."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone cannot be stored: {value!r}")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.replace(tzinfo=UTC)


class Table(DeclarativeBase):
    """Base of all tables."""

    type_annotation_map = {  # noqa: RUF012
        datetime: UTCDateTime(),
        dict[str, Any]: JSON(),
        list[Any]: JSON(),
    }


class InstallationRow(Table):
    """One row: what makes this installation itself."""

    __tablename__ = "installation"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    controller_id: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[datetime]
    revision: Mapped[int] = mapped_column(Integer, default=0)
    """Counts the applies that changed something."""


class DocumentRow(Table):
    """One thing that an admin declared. Its row is also the lock of whatever is decided about it."""

    __tablename__ = "documents"

    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    revision: Mapped[int]
    shape_revision: Mapped[int]
    """Revision of the last change that makes servers differ; older servers are drifted."""
    body: Mapped[dict[str, Any]]
    """As applied, without defaults; secrets are placeholders."""
    facts: Mapped[dict[str, Any]]
    """What the program found out when it was applied, such as a provider's places."""
    pool: Mapped[str | None] = mapped_column(String(63), index=True)
    """Autoscale and staging configs: their pool."""
    updated_at: Mapped[datetime]


class SecretRow(Table):
    """A sealed secret."""

    __tablename__ = "secrets"

    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    """`<kind>/<name>/<path of keys>`, or a name of our own."""
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    updated_at: Mapped[datetime]


class ServerRow(Table):
    """The record of one VM. Written only through `transition` and by the activities of its own workflow."""

    __tablename__ = "servers"
    __table_args__ = (
        UniqueConstraint("decision_id", "decision_index"),
        Index(
            "one_live_server_per_hostname",
            "hostname",
            unique=True,
            sqlite_where=text("state != 'deleted'"),
            postgresql_where=text("state != 'deleted'"),
        ),
        Index(
            "one_live_server_per_number",
            "provider",
            "machine_number",
            unique=True,
            sqlite_where=text("state != 'deleted'"),
            postgresql_where=text("state != 'deleted'"),
        ),
        Index("servers_of_pool", "pool", "state"),
        Index("servers_of_provider", "vm_provider", "state"),
        Index("servers_of_autoscale", "autoscale", "state"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    hostname: Mapped[str] = mapped_column(String(63))
    pool: Mapped[str] = mapped_column(String(63))
    pool_type: Mapped[str] = mapped_column(String(20))
    zone: Mapped[str] = mapped_column(String(63))
    autoscale: Mapped[str | None] = mapped_column(String(63))
    vm_provider: Mapped[str | None] = mapped_column(String(63))
    provider: Mapped[str] = mapped_column(String(30))
    state: Mapped[str] = mapped_column(String(20), default=ServerState.REQUESTED)
    state_since: Mapped[datetime]
    created_at: Mapped[datetime]
    creating_at: Mapped[datetime | None]
    booting_at: Mapped[datetime | None]
    running_at: Mapped[datetime | None]
    message: Mapped[str] = mapped_column(Text, default="")
    failure_reason: Mapped[str | None] = mapped_column(Text)
    address: Mapped[str | None] = mapped_column(String(255))
    private_address: Mapped[str | None] = mapped_column(String(255))
    provider_reference: Mapped[str | None] = mapped_column(String(512))
    place: Mapped[str | None] = mapped_column(String(255))
    machine_number: Mapped[int | None]
    """Reserved before the VM is made, where its provider tells VMs apart by numbers."""
    attempt: Mapped[int] = mapped_column(Integer, default=1)
    config_revision: Mapped[int] = mapped_column(Integer, default=0)
    rollout: Mapped[bool] = mapped_column(Boolean, default=False)
    drain_reason: Mapped[str | None] = mapped_column(String(20))
    max_sessions: Mapped[int] = mapped_column(Integer, default=1)
    max_users: Mapped[int] = mapped_column(Integer, default=1)
    counts_users: Mapped[bool] = mapped_column(Boolean, default=False)
    reusable: Mapped[bool] = mapped_column(Boolean, default=False)
    require_checkin: Mapped[bool] = mapped_column(Boolean, default=True)
    cores: Mapped[float] = mapped_column(Float, default=0)
    memory_mib: Mapped[int] = mapped_column(Integer, default=0)
    gpus: Mapped[int] = mapped_column(Integer, default=0)
    images: Mapped[list[Any]] = mapped_column(default=list)
    decision_id: Mapped[str | None] = mapped_column(String(100))
    decision_index: Mapped[int | None]
    fqdn: Mapped[str | None] = mapped_column(String(255))
    dns_provider: Mapped[str | None] = mapped_column(String(63))
    """Set before its first DNS record is written: from then on there may be one to remove there."""
    ldap: Mapped[str | None] = mapped_column(String(63))
    """Set before its computer record is made: from then on there may be one to delete there."""
    computer_recursive: Mapped[bool] = mapped_column(Boolean, default=False)
    computer_guid: Mapped[str | None] = mapped_column(String(36))
    connection: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Static servers: their connection, secrets as placeholders; others take it from their autoscale config."""


class HistoryRow(Table):
    """One line of a server's story."""

    __tablename__ = "server_history"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    server_id: Mapped[str] = mapped_column(ForeignKey("servers.id"), index=True)
    at: Mapped[datetime]
    from_state: Mapped[str | None] = mapped_column(String(20))
    to_state: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(Text)


class CheckInRow(Table):
    """The newest report of a server's startup script, written by the endpoint."""

    __tablename__ = "check_ins"

    server_id: Mapped[str] = mapped_column(ForeignKey("servers.id"), primary_key=True)
    status: Mapped[str] = mapped_column(String(20))
    message: Mapped[str] = mapped_column(Text)
    progress: Mapped[int | None]
    at: Mapped[datetime]
    images: Mapped[list[Any]] = mapped_column(default=list)


class ComponentLogRow(Table):
    """A line that a server's startup script sent."""

    __tablename__ = "component_logs"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    server_id: Mapped[str] = mapped_column(ForeignKey("servers.id"), index=True)
    received_at: Mapped[datetime]
    at: Mapped[str] = mapped_column(String(64))
    """As the sender wrote it."""
    application: Mapped[str] = mapped_column(String(255))
    level: Mapped[str] = mapped_column(String(20))
    message: Mapped[str] = mapped_column(Text)


class SessionRow(Table):
    """A person's use of a server."""

    __tablename__ = "sessions"
    __table_args__ = (Index("sessions_of_pool", "pool", "state"), Index("sessions_of_server", "server_id", "state"))

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    pool: Mapped[str] = mapped_column(String(63))
    user: Mapped[str] = mapped_column(String(255))
    kind: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20))
    server_id: Mapped[str | None] = mapped_column(ForeignKey("servers.id"))
    workspace: Mapped[str | None] = mapped_column(String(63))
    zone: Mapped[str | None] = mapped_column(String(63))
    priority: Mapped[int] = mapped_column(Integer, default=0)
    requested_at: Mapped[datetime]
    assigned_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    end_reason: Mapped[str | None] = mapped_column(Text)
    waits_because: Mapped[str | None] = mapped_column(Text)
    staging: Mapped[str | None] = mapped_column(String(63))
    permissions: Mapped[dict[str, Any] | None]
    request_key: Mapped[str | None] = mapped_column(String(100), unique=True)
    """The caller's own idempotency key."""


class ServerAssignmentRow(Table):
    """Pools with server assignment: which server a user had last."""

    __tablename__ = "server_assignments"

    pool: Mapped[str] = mapped_column(String(63), primary_key=True)
    user: Mapped[str] = mapped_column(String(255), primary_key=True)
    server_id: Mapped[str] = mapped_column(ForeignKey("servers.id"))


class ScalingRow(Table):
    """What one autoscale config's decisions remember from one to the next."""

    __tablename__ = "scaling"

    autoscale: Mapped[str] = mapped_column(String(63), primary_key=True)
    paused_because: Mapped[str | None] = mapped_column(Text)
    decisions: Mapped[int] = mapped_column(Integer, default=0)
    failures: Mapped[dict[str, Any]] = mapped_column(default=dict)
    downscale_wanted_since: Mapped[datetime | None]
    decided_at: Mapped[datetime | None]


class DecisionRow(Table):
    """One decision with the figures and sentences behind it."""

    __tablename__ = "decisions"
    __table_args__ = (Index("decisions_of_autoscale", "autoscale", "at"), Index("decisions_by_time", "at"))

    id: Mapped[str] = mapped_column(String(100), primary_key=True)
    autoscale: Mapped[str] = mapped_column(String(63))
    pool: Mapped[str] = mapped_column(String(63), index=True)
    at: Mapped[datetime]
    """When it was first made."""
    confirmed_at: Mapped[datetime]
    """When it was last made again with the same figures, actions and reasons."""
    plan: Mapped[dict[str, Any]]


class PlaceMemoryRow(Table):
    """A place that had no capacity, until when it is not tried again."""

    __tablename__ = "place_memory"

    vm_provider: Mapped[str] = mapped_column(String(63), primary_key=True)
    place: Mapped[str] = mapped_column(String(255), primary_key=True)
    until: Mapped[datetime]
    reason: Mapped[str] = mapped_column(Text)


class SweepRow(Table):
    """What the sweep of one VM provider, DNS or LDAP config remembers from round to round."""

    __tablename__ = "sweeps"

    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    config: Mapped[str] = mapped_column(String(63), primary_key=True)
    paused_because: Mapped[str | None] = mapped_column(Text)
    rounds: Mapped[int] = mapped_column(Integer, default=0)
    """Number of the newest round that has begun."""
    planned_round: Mapped[int | None]
    due: Mapped[list[Any]] = mapped_column(default=list)
    """What the planned round deletes, and no more however often it is begun again."""
    first_seen: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Each orphan -> when it was first seen as one."""
    missing: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Id of each running server whose VM the provider does not know -> since when."""
    swept_at: Mapped[datetime | None]
    last_round: Mapped[dict[str, Any] | None]


class APIKeyRow(Table):
    """A key of the session API; only its digest is kept."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(63), unique=True)
    role: Mapped[str] = mapped_column(String(20))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


def _in(column: Mapped[str], states: Iterable[StrEnum]) -> ColumnElement[bool]:
    # In the text of the statement: SQLAlchemy writes a list of parameters out anew for each execution, which takes
    # longer than most statements do.
    return column.in_([literal_column(f"'{state}'") for state in states])


EXISTING = _in(ServerRow.state, (state for state in ServerState if state is not ServerState.DELETED))
"""Servers that count. Ask for these and not for "not deleted": only so an index leaves out the many of the past."""

LIVE = _in(SessionRow.state, (SessionState.ASSIGNED, SessionState.STAGED))
"""Sessions that hold room on a server."""
