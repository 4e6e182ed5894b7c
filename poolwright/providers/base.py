"""The one protocol of all VM providers. No method waits: each asks once and returns; waiting lives in the workflow."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol

from pydantic import Field, SecretStr

from poolwright.domain.base import Model
from poolwright.domain.findings import Finding
from poolwright.domain.identities import OwnerMark, machine_name


class Capabilities(Model):
    """What a provider can do, as data."""

    runs_script_in_guest: bool = False
    """True: the startup script is run by `run_startup_script` once the VM is up, not handed over at creation."""
    startup_script_limit_bytes: int | None = None
    """Largest rendered script; None: no limit worth naming."""
    address_at_creation: bool = False
    """True: `create` returns a VM that already is `RUNNING` with its address."""
    retrieves_password: bool = False
    """True: the provider makes the administrator's password, and `password` tells it."""
    interruptible: bool = False
    """True: the provider may take a VM away, and says so before in `VM.interruption` (spot VMs)."""
    numbers: tuple[int, int] | None = None
    """First and last of the numbers that VMs are told apart by; each `VMSpec` brings one that no other VM of this
    config has. None: the provider makes its own ids."""


class VMState(StrEnum):
    """What the provider says of a VM."""

    PENDING = "pending"
    RUNNING = "running"
    STOPPED = "stopped"
    DELETING = "deleting"
    BROKEN = "broken"
    """The provider gave up on it."""


class VMSpec(Model):
    """One VM to create. Everything that does not come from the provider's settings."""

    mark: OwnerMark
    token: str
    """Idempotency token: the same for every repeat of this attempt, another for the next attempt or place."""
    token_suffices: bool = False
    """True: whatever was asked for this server was asked with this token and less than an hour ago. Where the API
    itself gives the same VM for the same token, and refuses the token where anything else is asked for than before, no
    VM has to be searched for before the creation."""
    hostname: str
    startup_script: SecretStr
    """Rendered; carries the check-in token. Empty for none."""
    place: str | None = None
    labels: Mapping[str, str] = Field(default_factory=dict)
    number: int | None = None
    """Where `capabilities().numbers` asks for it: a number that is reserved for this server until its VM is gone."""

    @property
    def name(self) -> str:
        """The VM's name at the provider."""
        return machine_name(self.mark.server_id)


class VM(Model):
    """A VM as the provider reports it."""

    reference: str
    """The provider's own id; what `get` and `delete` take."""
    mark: OwnerMark
    state: VMState
    address: str | None = None
    """Public address, or the only one."""
    private_address: str | None = None
    place: str | None = None
    problem: str | None = None
    """With `BROKEN`: what the provider says."""
    lacks_room: bool = False
    """With `BROKEN`: its place had no capacity or quota for it, as the provider found out after it had accepted the
    creation. Another place may do."""
    interruption: str | None = None
    """The provider will take the VM away soon (a spot VM): what it says. People on it should move."""


class Preview(Model):
    """What `create` would send, to the letter, but for secrets."""

    request: Mapping[str, Any]
    """The body of the request that makes the VM, as the vendor's API names it, with `config_override` merged in."""
    also: Mapping[str, Any] = Field(default_factory=dict)
    """Requests that go before or after it, by what they make (a network interface, a firewall)."""


class ScriptResult(Model):
    """How the startup script ended inside the guest."""

    finished: bool
    exit_code: int | None = None
    output: str = ""


class Provider(Protocol):
    """A VM provider account with its settings. Instances may be shared by threads.

    Every method raises only the errors of `poolwright.providers.errors`, finishes within a client-side timeout, and
    puts no secret into a message. Owner marks: `controller_id` is fixed when the provider is opened; nothing that bears
    another controller's mark, or none, is ever returned, adopted or deleted.
    """

    def capabilities(self) -> Capabilities:
        """What this provider can do with these settings. No call to the provider."""
        ...

    def places(self) -> Sequence[str]:
        """Ordered places (subnets, zones, instance types) that creations may fall back along; empty when there is no
        choice. No call to the provider."""
        ...

    def preview(self, spec: VMSpec) -> Preview:
        """The request that `create` would send for this. No call to the provider. Raises `InvalidSettings` as `create`
        does for a bad override or a script that is too large."""
        ...

    def check(self) -> Sequence[Finding]:
        """Ask the provider whether the credentials work and every named object exists: all problems at once."""
        ...

    def find(self, mark: OwnerMark) -> VM | None:
        """The VM that bears this mark, or None. Where several do (a provider without tokens), the oldest."""
        ...

    def create(self, spec: VMSpec) -> VM:
        """Create the VM, or return the one that this token or mark already made.

        Repeatable at every crash point: a repeat whose first answer was lost makes no second VM. Returns as soon as the
        provider has accepted it; state and address may come later through `get`.

        Raises `CapacityUnavailable` or `QuotaExceeded` (another place may do), `InvalidSettings`, `Throttled`, ...
        """
        ...

    def get(self, reference: str, *, waiting: bool = False) -> VM:
        """The VM with this reference. Raises `NotFound` only when the provider said that it does not exist.

        `waiting`: the caller asks again and again until it runs, so that it may be told what was seen two seconds ago,
        and one call may answer all who wait. Otherwise the answer is from a call that began after this one.
        """
        ...

    def list_owned(self) -> Sequence[VM]:
        """Every VM that bears this controller's mark, whatever its state, those being deleted included."""
        ...

    def delete(self, mark: OwnerMark, reference: str | None) -> bool:
        """Ask for deletion of the VM with this mark and of all that was made for it (disks, addresses, secrets).

        Works from the mark alone when the reference was lost. Repeatable. Returns True when everything is proven gone,
        False when deletion is under way: ask again.
        """
        ...

    def run_startup_script(self, reference: str, script: SecretStr) -> ScriptResult:
        """Run the script in the guest, once: a marker in the guest makes a repeat report the first run.

        Only called where `capabilities().runs_script_in_guest`; returns `finished=False` while it still runs.
        """
        ...

    def password(self, reference: str) -> SecretStr | None:
        """The administrator's password that the provider made for this VM; None while it has not.

        Only called where `capabilities().retrieves_password`.
        """
        ...


class ProviderFactory(Protocol):
    """What each provider package offers to the registry."""

    def __call__(self, settings: Mapping[str, Any], controller_id: str) -> Provider:
        """Open the provider. `settings` are this provider's own, secrets resolved.

        Raises pydantic's ValidationError.
        """
        ...
