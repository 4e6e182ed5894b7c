"""What an admin declares: zones, pools, workspaces, staging, VM provider, DNS and LDAP configs."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, StringConstraints

from poolwright.domain.base import Model

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
"""Lower-case letters, digits and inner hyphens, at most 63: it becomes part of workflow ids and labels."""

Json = Mapping[str, Any]


class PoolType(StrEnum):
    """What the VMs of a pool are: machines that serve sessions themselves, or hosts of session containers."""

    SERVER = "server"
    DOCKER_AGENT = "docker_agent"


class LoadStrategy(StrEnum):
    """How a zone ranks docker agents for a new session."""

    LEAST_LOAD = "least_load"
    MOST_SESSIONS = "most_sessions"
    FEWEST_SESSIONS = "fewest_sessions"


class Zone(Model):
    """A deployment zone: where its workers run, and the address that its VMs call back."""

    kind: Literal["zone"] = "zone"
    name: Name
    upstream_auth_address: str | None = None
    """Host name or address, with port unless 443, at which this zone's VMs reach the check-in endpoint.
    Left out: the address that the endpoint itself advertises."""
    load_strategy: LoadStrategy = LoadStrategy.MOST_SESSIONS
    search_alternate_zones: bool = True
    """Docker agents: a session that finds no room in its zone may be placed in another."""
    prioritize_static_agents: bool = True
    """Docker agents: fill agents that were registered by hand before autoscaled ones."""


class Pool(Model):
    """A named group of servers of one type."""

    kind: Literal["pool"] = "pool"
    name: Name
    type: PoolType
    description: str = ""
    labels: Mapping[str, str] = Field(default_factory=dict)
    server_assignment_enabled: bool = False
    """A user gets the same server again while that server exists and has room."""
    queue_expiry_seconds: int = Field(default=3600, ge=1)
    """A session that has waited this long without capacity ends with a reason."""


class Workspace(Model):
    """What a session runs on a docker agent: a container image with its size."""

    kind: Literal["workspace"] = "workspace"
    name: Name
    image: str = Field(min_length=1)
    cores: float = Field(gt=0)
    memory_mib: int = Field(ge=1)
    gpus: int = Field(default=0, ge=0)
    zone: Name | None = None
    """Pinned to this zone; left out: any."""


class StagingPermissions(Model):
    """What a staged session allows: fixed when its container starts. A person with other permissions never gets it."""

    audio: bool = True
    clipboard_up: bool = True
    clipboard_down: bool = True
    downloads: bool = True
    uploads: bool = True
    microphone: bool = False
    gamepad: bool = False
    printing: bool = False
    webcam: bool = False
    rdp_file_clipboard: bool = False


class Staging(Model):
    """Sessions that are started before anyone asks, per workspace, zone and set of permissions."""

    kind: Literal["staging"] = "staging"
    name: Name
    workspace: Name
    zone: Name
    pool: Name
    autoscale: Name | None = None
    """Only on agents of this autoscale config; dropped while its schedule is inactive."""
    desired_sessions: int = Field(ge=0)
    expiration_seconds: int = Field(default=86_400, ge=60)
    """Age at which a staged session that nobody took is thrown away and made again."""
    permissions: StagingPermissions = StagingPermissions()


class SweepMode(StrEnum):
    """What a sweep does about orphans."""

    REPORT = "report"
    """It says what it would delete."""
    DELETE = "delete"
    """It deletes them."""


class SweepSettings(Model):
    """How things that outlived their servers are looked for, and what is done about them."""

    mode: SweepMode = SweepMode.REPORT
    period_seconds: int = Field(default=900, ge=10, le=604_800)
    """From the end of one round to the beginning of the next."""
    grace_seconds: int = Field(default=3600, ge=0)
    """An orphan must have been seen as one for this long before it is deleted."""
    cap: int = Field(default=10, ge=0, le=1000)
    """At most this many are deleted in one round, so that a mistake is noticed before it has cost everything."""


class VMProviderConfig(Model):
    """Credentials and VM shape for one provider account; shared by autoscale configs."""

    kind: Literal["vm_provider"] = "vm_provider"
    name: Name
    provider: str
    """Which provider: `local`, `sim`, `aws`, ..."""
    max_instances: int = Field(ge=0)
    """The most VMs that may exist on this config at any time, whatever the demand and whoever shares it."""
    startup_script: str = ""
    """Runs once in each new VM; `{tag}` is filled in, every other brace is doubled."""
    startup_script_file: str | None = None
    """Read the startup script from this file instead (relative to the YAML file) when the file is applied."""
    ssh_public_key: str | None = None
    """Fills the tag `ssh_key`."""
    settings: Json = Field(default_factory=dict)
    """The provider's own settings, see its page. Unknown keys are refused."""
    sweep: SweepSettings = SweepSettings()
    """VMs that outlived their servers."""


class DNSProviderConfig(Model):
    """An account that DNS records are written with; shared by autoscale configs."""

    kind: Literal["dns_provider"] = "dns_provider"
    name: Name
    provider: str
    """Which service: `rfc2136`, ..."""
    settings: Json = Field(default_factory=dict)
    """The service's own settings, see its page. Unknown keys are refused."""
    sweep: SweepSettings = SweepSettings()
    """DNS records that outlived their servers."""


class LDAPConfig(Model):
    """An Active Directory in which computer records are made."""

    kind: Literal["ldap"] = "ldap"
    name: Name
    urls: tuple[str, ...] = Field(min_length=1)
    """Domain controllers, tried in order. Only `ldaps://` can set a computer's password."""
    search_base: str
    """For example `DC=corp,DC=example`; also where the tag `domain` comes from."""
    search_filter: str = "sAMAccountName={0}"
    search_subtree: bool = True
    service_account_dn: str
    """Bind identity; may create, reset and delete computer objects in the OU."""
    service_account_password: SecretStr
    ca_file: str | None = None
    """PEM file that signs the domain controllers' certificates; left out: the system's."""
    connection_timeout_seconds: int = Field(default=10, ge=1)
    enabled: bool = True
    """For logins only: a disabled config still serves computer records."""
    sweep: SweepSettings = SweepSettings()
    """Computer records that outlived their servers."""

    @property
    def domain(self) -> str:
        """`corp.example` for the search base `DC=corp,DC=example`."""
        parts = (part.strip().partition("=") for part in self.search_base.split(","))
        return ".".join(value.strip() for key, _, value in parts if key.strip().lower() == "dc")
