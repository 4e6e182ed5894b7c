"""The shapes that the scaling decision takes in and gives out.

`plan(snapshot, now)` lives in `poolwright.domain.planning`; it is pure and total, and serves the scaling workflow, the
dry run, `explain`, the simulator and the property tests alike.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from poolwright.domain.autoscale import AutoscaleConfig
from poolwright.domain.base import Model
from poolwright.domain.resources import LoadStrategy, PoolType, Zone
from poolwright.domain.servers import SessionKind, Size
from poolwright.domain.states import ServerState


class DrainReason(StrEnum):
    """Why a server is drained. Only `SCALE_DOWN` is undone by a plan."""

    SCALE_DOWN = "scale_down"
    ROTATION = "rotation"
    """It reached its soft age."""
    ROLLOUT = "rollout"
    """It was marked for replacement by `pool rollout`."""
    SPENT = "spent"
    """Not reusable, and one of its sessions has ended."""
    INTERRUPTED = "interrupted"
    """Its provider will take the VM away soon."""
    ERROR = "error"
    """It said that it runs, and reported an error later."""
    OPERATOR = "operator"


class SessionView(Model):
    """A live session on a server, as planning and placement see it."""

    user: str
    kind: SessionKind = SessionKind.DESKTOP
    staged: bool = False
    size: Size = Size()


class ServerView(Model):
    """One server of the pool, whichever config made it."""

    id: str
    hostname: str
    autoscale: str | None
    """None: static; placed with the rest, never deleted, no part of any cap."""
    zone: str
    vm_provider: str | None = None
    place: str | None = None
    state: ServerState
    created_at: datetime
    running_at: datetime | None = None
    sessions: tuple[SessionView, ...] = ()
    served: int = 0
    """Sessions that were ever assigned to it, ended ones included. Of a reusable server it may be 0: nothing there
    depends on it."""
    max_sessions: int = 1
    max_users: int = 1
    counts_users: bool = False
    """RDP and SSH servers: `max_users` limits too."""
    reusable: bool = False
    size: Size = Size()
    """Docker agents: what planning takes it for."""
    images: frozenset[str] = frozenset()
    """Docker agents: container images that it already has."""
    config_revision: int = 0
    rollout: bool = False
    """Marked for replacement by `pool rollout`."""
    drain_reason: DrainReason | None = None
    """While it drains: why. None counts as an operator's wish: no plan undoes it."""
    accepts_sessions: bool = True
    """False: nothing new is placed on it, as on docker agents while their config is inactive."""


class WaitingSession(Model):
    """A queued session, in the order in which the pool serves."""

    id: str
    user: str
    kind: SessionKind = SessionKind.DESKTOP
    requested_at: datetime
    priority: int = 0
    zone: str | None = None
    workspace: str | None = None
    image: str | None = None
    size: Size = Size()


class StagingNeed(Model):
    """What one staging config still lacks: `missing` sessions of `size`."""

    staging: str
    size: Size
    missing: int = Field(ge=0)


class ProviderCap(Model):
    """One VM provider config that this autoscale config may create on, in order of preference."""

    vm_provider: str
    max_instances: int
    in_use: int
    """Rows of every autoscale config on it that are not deleted."""
    places: tuple[str, ...] = ()
    """Ordered places that the provider offers (subnets, zones, instance types); empty: no choice."""
    unavailable_until: Mapping[str, datetime] = Field(default_factory=dict)
    """Place (or the empty string for the whole config) -> when it may be tried again."""


class SiblingConfig(Model):
    """Another autoscale config of the same pool that is enabled, as far as sharing the waiting sessions needs."""

    name: str
    zone: str
    active: bool
    """Its schedule allows new servers now."""
    paused: bool
    """By an operator or after failures: it makes no servers now."""
    free_slots: int
    """Servers that it could still make: what is left of the tightest of its caps."""
    most_coming: int | None = None
    """After failures: no more than this many of its servers may be on the way at once. None: any number."""
    aggressive: bool = False
    room_per_server: int = Field(default=1, ge=1)
    """Server pools: sessions of different people that one of its new servers takes."""
    most_users: int | None = Field(default=None, ge=1)
    """RDP and SSH: people that one of its new servers takes, with up to `most_sessions` among them."""
    most_sessions: int = Field(default=1, ge=1)
    agent_size: Size | None = None
    """Docker agent pools: what one of its new agents counts as; None: unknown, one session each."""


class FailureRecord(Model):
    """Failures of this config's servers, newest last. Those before the last success count no more."""

    failed_at: tuple[datetime, ...] = ()
    reasons: tuple[str, ...] = ()
    last_success_at: datetime | None = None
    pauses: int = 0
    """Pauses in a row without a success in between."""
    paused_until: datetime | None = None


class Snapshot(Model):
    """All that a decision about one autoscale config may depend on, beside the time."""

    autoscale: AutoscaleConfig
    autoscale_revision: int = 0
    """Servers with an older revision are drifted."""
    pool_type: PoolType
    load_strategy: LoadStrategy = LoadStrategy.MOST_SESSIONS
    zones: Mapping[str, Zone] = Field(default_factory=dict)
    """By name, as placement uses them. Without this config's own, `load_strategy` and a zone's defaults hold."""
    paused: str | None = None
    """Why an operator paused this config, or None."""
    servers: tuple[ServerView, ...] = ()
    """Every server of the pool that is not deleted."""
    waiting: tuple[WaitingSession, ...] = ()
    staging: tuple[StagingNeed, ...] = ()
    providers: tuple[ProviderCap, ...]
    siblings: tuple[SiblingConfig, ...] = ()
    """Enabled configs of the pool other than this one, sorted by name."""
    failures: FailureRecord = FailureRecord()
    downscale_wanted_since: datetime | None = None
    """When the wish to shrink appeared that has lasted since; None: no such wish in the last decision."""


class ActionKind(StrEnum):
    """What a plan can ask for."""

    CREATE = "create"
    DRAIN = "drain"
    UNDRAIN = "undrain"
    DELETE = "delete"
    """Only with the hard age: sessions on it end."""


class Action(Model):
    """One step of a plan, with its reason as a sentence."""

    kind: ActionKind
    server_id: str | None = None
    """None for a creation."""
    vm_provider: str | None = None
    place: str | None = None
    drain_reason: DrainReason | None = None
    """With `DRAIN` only: to store with the server, so that later plans know what may be undone."""
    reason: str


class Plan(Model):
    """What to do now, and why nothing more and nothing less."""

    at: datetime
    numbers: Mapping[str, float | int | str | bool | None]
    """The figures behind the decision, by name; flat, for people and scripts."""
    actions: tuple[Action, ...] = ()
    reasons: tuple[str, ...] = ()
    """A sentence per action, per unmet need and per wish that was not followed."""
    failures: FailureRecord = FailureRecord()
    """The failure record to store: a pause may have begun or ended."""
    downscale_wanted_since: datetime | None = None
    """To store and hand in next time."""
    next_decision_at: datetime | None = None
    """Something is known to change then (schedule, pause, age, backoff): decide again at that time at the latest."""
