"""What comes out of a simulation."""

from collections.abc import Mapping
from datetime import datetime

from poolwright.domain.base import Model
from poolwright.domain.resources import PoolType


class WaitingTimes(Model):
    """How long people waited for their servers: those who got one."""

    p50_seconds: float
    p90_seconds: float
    p95_seconds: float
    p99_seconds: float
    max_seconds: float
    mean_seconds: float


class VMHours(Model):
    """Hours of VMs, from the decision to create each until it is gone. The four parts add up to the total."""

    total: float
    booting: float
    """Until it took sessions, or failed to."""
    busy: float
    """With at least one session."""
    idle: float
    """Running or draining, without any."""
    leaving: float
    """Kept after a failure, or being deleted."""


class Figures(Model):
    """The figures of a pool, or of all pools together."""

    sessions: int
    """Asked for. Those served, refused and waiting at the end add up to it."""
    served: int
    """Got a server."""
    served_at_once: int
    """Of these, without any waiting."""
    refused: int
    """Waited as long as the pool lets them, and got none."""
    waiting_at_end: int
    live_at_end: int
    cut_short: int
    """Of those served, ended before their time because their server reached its hard age."""
    waiting: WaitingTimes
    vm_hours: VMHours
    utilisation: float
    """Share of the paid room that sessions used. Docker agents: of the cores."""
    cost: float | None
    """None: a VM provider config that had VMs has no price."""
    peak_servers: int
    """Not deleted, at once."""
    created: int
    failed: int
    """Of those created, before they took a session."""
    deleted: int

    @property
    def served_at_once_share(self) -> float:
        """Of all who asked; 1 if nobody did."""
        return self.served_at_once / self.sessions if self.sessions else 1.0


class Series(Model):
    """How it went, in equal steps. Every list has one value for each step."""

    step_seconds: float
    at: tuple[datetime, ...]
    """Where each step begins."""
    until: datetime
    """Where the last one ends."""
    unit: str
    """What demand, ready and booting count: `sessions`, or `cores` of docker agents."""
    demand: tuple[float, ...]
    """Live and waiting sessions; the mean of the step."""
    demand_peak: tuple[float, ...]
    ready: tuple[float, ...]
    """Live sessions, and room for more on servers that run; the mean."""
    ready_peak: tuple[float, ...]
    booting: tuple[float, ...]
    """Room of servers on their way; the mean."""
    servers: tuple[float, ...]
    """Not deleted; the mean."""
    waiting: tuple[float, ...]
    """Sessions that wait, whatever the unit; the mean."""
    waiting_peak: tuple[int, ...]


class PoolOutcome(Model):
    """What became of one pool."""

    pool: str
    type: PoolType
    figures: Figures
    series: Series


class ProviderOutcome(Model):
    """What was used of one VM provider config."""

    vm_provider: str
    max_instances: int
    peak_servers: int
    vm_hours: float
    cost: float | None


class Outcome(Model):
    """All that a simulation tells."""

    begin: datetime
    end: datetime
    total: Figures
    pools: tuple[PoolOutcome, ...]
    vm_providers: tuple[ProviderOutcome, ...]
    remarks: tuple[str, ...] = ()
    """What was left out or taken otherwise than in production, as sentences."""
    effort: Mapping[str, int]
    """How much was done: events, decisions, and how often `plan` and `assign_queue` were asked for them."""
