"""Autoscale configs: how one pool grows and shrinks in one zone, on one VM provider config."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, SecretStr, model_validator

from poolwright.domain.base import Model
from poolwright.domain.resources import Json, Name
from poolwright.domain.schedules import Schedule


class ConnectionType(StrEnum):
    """The protocol that a person's session speaks with the server."""

    KASMVNC = "kasmvnc"
    RDP = "rdp"
    VNC = "vnc"
    SSH = "ssh"


class CredentialType(StrEnum):
    """Where the credentials of a session come from."""

    STATIC = "static"
    """The connection's user name and password (or key); blank ones are asked from the person."""
    DYNAMIC = "dynamic"
    """A local account made for each session with a random password; needs the in-guest agent."""
    SSO = "sso"
    """The person's own name and password, with the SSO domain rule."""
    SMARTCARD = "smartcard"
    """The person's smart card: nothing is handed out, and nothing asked."""


class Connection(Model):
    """How sessions reach a server."""

    type: ConnectionType = ConnectionType.KASMVNC
    port: int | None = Field(default=None, ge=1, le=65_535)
    """Left out: the type's own (RDP 3389, SSH 22, VNC 5901, KasmVNC 6901)."""
    credential_type: CredentialType = CredentialType.STATIC
    sso_domain: str | None = None
    """With `sso`: blank passes the name unchanged, `localhost` strips any domain, another value replaces it."""
    username: str | None = None
    password: SecretStr | None = None
    use_user_ssh_key: bool = True
    """SSH: use the key stored on the person rather than `private_key`."""
    private_key: SecretStr | None = None
    private_key_passphrase: SecretStr | None = None
    info: Json = Field(default_factory=dict)
    """Further parameters, handed through to whoever opens the connection."""


class ComputerRecord(Model):
    """An Active Directory computer record for each server."""

    ldap: Name
    ou_dn: str
    recursive_cleanup: bool = False
    """Delete the record together with objects below it."""


class DNSRegistration(Model):
    """A DNS record `<server id>.<base domain>` for each server."""

    provider: Name
    base_domain: str = Field(min_length=1)
    """A zone, or a name below a zone, that exists at the DNS provider."""
    address: Literal["public", "private"] = "private"
    ttl_seconds: int = Field(default=60, ge=1)


class FailurePolicy(Model):
    """What happens when servers do not become ready."""

    boot_deadline_seconds: int = Field(default=1800, ge=1)
    """From the moment the provider has the VM to its check-in as running; a creation that is refused for passing
    trouble is given up after as long."""
    budget: int = Field(default=3, ge=1)
    """This many failures within the window pause creation."""
    window_seconds: int = Field(default=1200, ge=1)
    success_after_seconds: int = Field(default=300, ge=0)
    """A server that has run for so long forgives the failures before it became ready; so does one that was no longer
    needed before."""
    pause_seconds: int = Field(default=300, ge=1)
    """First pause; each further one without a success in between is twice as long."""
    max_pause_seconds: int = Field(default=3600, ge=1)
    keep_failed_seconds: int = Field(default=0, ge=0)
    """Keep a failed server this long for diagnosis before its VM is deleted. It holds its slot meanwhile."""
    place_memory_seconds: int = Field(default=180, ge=0)
    """A place that had no capacity is not tried again for this long."""


class Rotation(Model):
    """Replacement by age and by configuration."""

    soft_age_seconds: int | None = Field(default=None, ge=60)
    """A server this old is drained: it takes no new session and goes when it is empty."""
    hard_age_seconds: int | None = Field(default=None, ge=60)
    """A server this old is deleted even if sessions are left; they end with this reason."""
    pre_warm_seconds: int = Field(default=0, ge=0)
    """The replacement is made this long before the soft age."""

    @model_validator(mode="after")
    def _hard_after_soft(self) -> "Rotation":
        if self.hard_age_seconds and self.soft_age_seconds and self.hard_age_seconds < self.soft_age_seconds:
            raise ValueError(
                f"hard_age_seconds ({self.hard_age_seconds}) is below soft_age_seconds ({self.soft_age_seconds}): "
                "a server would be deleted before it is drained"
            )
        return self


class AutoscaleBase(Model):
    """What both types share."""

    kind: Literal["autoscale"] = "autoscale"
    name: Name
    pool: Name
    zone: Name
    vm_provider: Name
    fallback_vm_providers: tuple[Name, ...] = ()
    """Tried in this order when the first has no capacity."""
    enabled: bool = True
    """Disabled: no new servers, idle ones go; servers can always be deleted by hand."""
    observe: bool = False
    """Decide and record, but do not act."""
    max_instances: int | None = Field(default=None, ge=0)
    """Cap of this config, below the provider config's own."""
    total_floor: int = Field(default=0, ge=0)
    """At least this many servers in all, beside what the standby asks for."""
    total_ceiling: int | None = Field(default=None, ge=0)
    """At most this many servers in all."""
    aggressive: bool = False
    """One new VM for each waiting person rather than filling servers up. Never past a cap."""
    downscale_backoff_seconds: int = Field(default=900, ge=0)
    """The wish to shrink must last this long before a server goes."""
    minimum_life_seconds: int = Field(default=300, ge=0)
    """A server younger than this is not scaled down."""
    scaling_period_seconds: int = Field(default=30, ge=1)
    """A decision is made at least this often; events wake it earlier."""
    hostname_pattern: str = "{pool}-{n:04}"
    """Host name of each server: `{pool}`, `{zone}`, `{autoscale}`, `{id}` and `{n}` (the lowest free number)."""
    schedules: tuple[Schedule, ...] = ()
    """Active if any matches; none: always active."""
    failure: FailurePolicy = FailurePolicy()
    rotation: Rotation = Rotation()
    dns: DNSRegistration | None = None
    labels: Mapping[str, str] = Field(default_factory=dict)
    require_checkin: bool = True
    """The server is not running before its startup script says so."""

    @model_validator(mode="after")
    def _totals_agree(self) -> "AutoscaleBase":
        ceiling = min((n for n in (self.total_ceiling, self.max_instances) if n is not None), default=None)
        if ceiling is not None and self.total_floor > ceiling:
            raise ValueError(
                f"total_floor ({self.total_floor}) is above the most servers allowed ({ceiling}): "
                "lower total_floor or raise total_ceiling and max_instances"
            )
        return self


class ServerAutoscale(AutoscaleBase):
    """Autoscale config of a pool of type `server`."""

    type: Literal["server"]
    minimum_available_sessions: int = Field(default=0, ge=0)
    """Room for this many new sessions is kept ready."""
    max_sessions_per_server: int = Field(default=1, ge=1)
    max_users_per_server: int = Field(default=1, ge=1)
    """RDP and SSH: distinct people on one server at once. The lower of the two limits decides."""
    reusable: bool = False
    """May take another session after one ended; otherwise it serves one round and goes."""
    agent_installed: bool = False
    """The in-guest desktop service is in the image; dynamic accounts need it."""
    connection: Connection = Connection()
    computer_record: ComputerRecord | None = None

    @model_validator(mode="after")
    def _dynamic_needs_agent(self) -> "ServerAutoscale":
        if self.connection.credential_type is CredentialType.DYNAMIC and not self.agent_installed:
            raise ValueError(
                "connection.credential_type is 'dynamic' but agent_installed is false: the in-guest service makes "
                "those accounts; install it in the image and set agent_installed, or choose another credential type"
            )
        return self


class DockerAgentAutoscale(AutoscaleBase):
    """Autoscale config of a pool of type `docker_agent`."""

    type: Literal["docker_agent"]
    standby_cores: float = Field(default=0, ge=0)
    """Free cores kept over and above what staging still lacks."""
    standby_gpus: int = Field(default=0, ge=0)
    standby_memory_mib: int = Field(default=0, ge=0)
    agent_cores_override: float = Field(gt=0)
    """Cores that one agent counts as in planning and placement."""
    agent_gpus_override: int = Field(default=0, ge=0)
    agent_memory_override_mib: int = Field(gt=0)
    nginx_certificate: str | None = None
    """Fills the tag `nginx_cert_in` of older startup scripts."""
    nginx_key: SecretStr | None = None
    """Fills the tag `nginx_key_in` of older startup scripts."""


AutoscaleConfig = Annotated[ServerAutoscale | DockerAgentAutoscale, Field(discriminator="type")]
"""Either type, told apart by `type`."""
