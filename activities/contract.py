"""Names of the activities and the shapes they take and give: all that workflows know of them.

Every input is a pointer; no shape here can carry a secret.
"""

from datetime import datetime
from typing import Final

from poolwright.domain.base import Model
from poolwright.domain.scaling import DrainReason
from poolwright.domain.states import ServerState

BEGIN_LIFE: Final = "begin_life"
CREATE_COMPUTER_RECORD: Final = "create_computer_record"
CREATE_MACHINE: Final = "create_machine"
AWAIT_MACHINE: Final = "await_machine"
RUN_STARTUP_SCRIPT: Final = "run_startup_script"
RETRIEVE_PASSWORD: Final = "retrieve_password"  # noqa: S105 (a name)
WRITE_DNS: Final = "write_dns"
NOTE_CONFIGURING: Final = "note_configuring"
MARK_RUNNING: Final = "mark_running"
DRAIN: Final = "drain"
RETIRE_IF_EMPTY: Final = "retire_if_empty"
UNDRAIN: Final = "undrain"
FAIL: Final = "fail"
BEGIN_DELETING: Final = "begin_deleting"
DELETE_MACHINE: Final = "delete_machine"
REMOVE_DNS: Final = "remove_dns"
DELETE_COMPUTER_RECORD: Final = "delete_computer_record"
MARK_DELETED: Final = "mark_deleted"
DECIDE: Final = "decide"
LOOK_FOR_INTERRUPTIONS: Final = "look_for_interruptions"
BEGIN_SWEEP: Final = "begin_sweep"
SWEEP_ROUND: Final = "sweep"
ENSURE_LIVES: Final = "ensure_lives"

INTERNAL_ERROR: Final = "InternalError"
"""Type of the failure of an activity that met a bug of ours: retried without end, visible in the Web UI."""


class LifeInput(Model):
    """Input of `ServerLifecycle`: everything else is read from the row."""

    server_id: str


class Life(Model):
    """Where a server is in its life, as its workflow needs to know when it begins or begins again."""

    server_id: str
    hostname: str
    pool: str
    zone: str
    provider: str
    state: ServerState
    require_checkin: bool = True
    runs_script_in_guest: bool = False
    retrieves_password: bool = False
    """Its provider makes the password that people log in with."""
    computer_record: bool = False
    """It gets a computer record before its VM."""
    dns: bool = False
    """It gets a DNS record once it has an address."""
    keep_failed_seconds: int = 0
    boot_deadline: datetime | None = None
    """By then it must have checked in; None while its VM does not exist."""
    checked_in: str | None = None
    """Status of the newest check-in."""
    checked_in_message: str = ""
    failure_reason: str | None = None
    drain_reason: DrainReason | None = None


class Machine(Model):
    """What creation or waiting found out about the VM."""

    ready: bool
    """It runs and has an address."""
    address: str | None = None
    boot_deadline: datetime


class ServerReason(Model):
    """A server, and why something is to be done with it."""

    server_id: str
    reason: str


class DrainRequest(Model):
    """A wish to drain a server."""

    server_id: str
    reason: str
    kind: DrainReason


class Serving(Model):
    """A server that serves, drains, or has ended doing so."""

    state: ServerState
    sessions: int
    """Live sessions on it."""
    message: str


class TeardownRequest(ServerReason):
    """The wish to tear a server down."""

    unless_serving: bool = False
    """Leave it alone if its row says that it serves, which its life may have forgotten."""


class Teardown(Model):
    """What there is to tear down, beside the VM."""

    state: ServerState
    dns: bool = False
    computer_record: bool = False


class Failed(Model):
    """A failed server."""

    keep_until: datetime | None
    """It is kept for diagnosis until then; None: delete it now."""
    serves: bool = False
    """It has not failed: its row says that it serves, and its life does not know."""


class ScalingInput(Model):
    """Input of `PoolScaling`."""

    autoscale: str


class DecideRequest(Model):
    """A decision for one autoscale config, with what operators asked of the loop since the last one."""

    autoscale: str
    why: str
    """What woke the loop."""
    pause_because: str | None = None
    """Pause from now on, for this reason."""
    resume: bool = False


class Decided(Model):
    """What a scaling loop shows and when it decides again."""

    exists: bool
    """False: the config is gone, and so is the need for its loop."""
    pool: str = ""
    paused: str | None = None
    observed: bool = False
    wait_seconds: float = 30
    summary: str = ""
    """One line."""
    details: str = ""
    """Markdown."""
    interruptible_in: str | None = None
    """The zone in which to ask whether the provider will take VMs of this config away; None: it never does."""


class SweepInput(Model):
    """Input of `Sweep`: a VM provider, DNS or LDAP config."""

    kind: str
    name: str


class SweepLook(Model):
    """A look at whether a round is due, with what operators asked of the loop since the last one."""

    kind: str
    name: str
    asked: bool = False
    """A round is wanted now, whenever the last one was."""
    pause_because: str | None = None
    resume: bool = False
    problem: str | None = None
    """Why the round that was begun did not come to its end."""


class SweepTurn(Model):
    """What the loop does next."""

    exists: bool
    """False: the config is gone, and so is the need for its loop."""
    zone: str = ""
    round: int | None = None
    """The round that has begun and is to be made in that zone; None: none is due."""
    wait_seconds: float = 60
    """Until the next look, if no round is due."""
    summary: str = ""
    """One line."""
    details: str = ""
    """Markdown."""


class SweepRequest(Model):
    """A round to make. Repeats of the same round delete nothing more than the first one was going to."""

    kind: str
    name: str
    round: int


class Ensured(Model):
    """What a round of the watchdog mended."""

    loops_started: tuple[str, ...] = ()
    sweeps_started: tuple[str, ...] = ()
    lives_started: tuple[str, ...] = ()
