"""Servers and sessions as records: what the store returns and everyone else reads."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field, SecretStr

from poolwright.domain.autoscale import ConnectionType, CredentialType
from poolwright.domain.base import Model
from poolwright.domain.resources import Json, PoolType
from poolwright.domain.states import ServerState


class CheckInStatus(StrEnum):
    """What a VM's startup script can report."""

    STARTING = "starting"
    CONFIGURING = "configuring"
    RUNNING = "running"
    ERROR = "error"


class Size(Model):
    """An amount of what docker agents share out."""

    cores: float = Field(default=0, ge=0)
    """Processor cores."""
    memory_mib: int = Field(default=0, ge=0)
    """Main memory."""
    gpus: int = Field(default=0, ge=0)
    """Graphics processors."""


class Server(Model):
    """The record of one VM, of either pool type."""

    id: str
    hostname: str
    pool: str
    pool_type: PoolType
    zone: str
    autoscale: str | None
    """None: registered by hand, never deleted."""
    vm_provider: str | None
    provider: str
    """Kind of provider: `local`, `aws`, ..., or `static`."""
    state: ServerState
    state_since: datetime
    created_at: datetime
    creating_at: datetime | None = None
    """When its VM's creation began: the boot deadline counts from here."""
    running_at: datetime | None = None
    progress: int | None = Field(default=None, ge=0, le=100)
    """Percent, from the newest check-in."""
    message: str = ""
    """What it does or waits for now, in words."""
    failure_reason: str | None = None
    address: str | None = None
    private_address: str | None = None
    provider_reference: str | None = None
    """The provider's own id of the VM."""
    place: str | None = None
    """Where the provider was asked to put it, when it offers a choice."""
    attempt: int = 1
    """Number of the create attempt; part of the create token."""
    config_revision: int = 0
    """Revision of the configuration that it was made from."""
    max_sessions: int = 1
    max_users: int = 1
    reusable: bool = False
    require_checkin: bool = True
    size: Size = Size()
    decision_id: str | None = None
    decision_index: int | None = None
    fqdn: str | None = None
    last_reported_at: datetime | None = None


class HistoryEntry(Model):
    """One line of a server's story."""

    at: datetime
    from_state: ServerState | None
    to_state: ServerState
    reason: str


class SessionState(StrEnum):
    """queued -> assigned -> ended; a staged session waits for its person."""

    QUEUED = "queued"
    ASSIGNED = "assigned"
    STAGED = "staged"
    ENDED = "ended"


class SessionKind(StrEnum):
    """A whole desktop (one per person and server) or a single remote app (any number)."""

    DESKTOP = "desktop"
    APP = "app"


class Session(Model):
    """A person's use of a server."""

    id: str
    pool: str
    user: str
    kind: SessionKind = SessionKind.DESKTOP
    state: SessionState
    server_id: str | None = None
    workspace: str | None = None
    zone: str | None = None
    """The person's zone; None: any."""
    priority: int = 0
    """Higher is served first; within a priority first come, first served."""
    requested_at: datetime
    assigned_at: datetime | None = None
    ended_at: datetime | None = None
    expires_at: datetime | None = None
    end_reason: str | None = None


class ConnectionDetails(Model):
    """All that a client needs to open an assigned session."""

    type: ConnectionType
    address: str
    hostname: str
    port: int
    credential_type: CredentialType
    username: str | None = None
    password: SecretStr | None = None
    private_key: SecretStr | None = None
    private_key_passphrase: SecretStr | None = None
    ask_for: tuple[str, ...] = ()
    """What the person must still type: `username`, `password`."""
    info: Json = Field(default_factory=dict)
