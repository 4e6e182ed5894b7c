"""What an autoscale config asks for at one moment: its own numbers, or its schedule's, or nothing while inactive."""

from dataclasses import dataclass
from datetime import datetime

from poolwright.domain.autoscale import ConnectionType, DockerAgentAutoscale, ServerAutoscale
from poolwright.domain.placement import PlacementRules
from poolwright.domain.resources import PoolType, Zone
from poolwright.domain.room import Amount, OpenAgent, OpenServer
from poolwright.domain.scaling import ServerView, Snapshot
from poolwright.domain.schedules import ScheduleTargets, active_at
from poolwright.domain.servers import Size
from poolwright.domain.wording import counted, listed, number_text


@dataclass(frozen=True, slots=True)
class Terms:
    """The demands and limits that hold now, and how room is counted."""

    autoscale: ServerAutoscale | DockerAgentAutoscale
    active: bool
    """False: nothing is created, and idle servers go."""
    why: str
    """Sentence: why active or not."""
    standby: Amount
    """Room to keep free beside everything that waits."""
    floor: int
    ceiling: int | None
    """The lower of `total_ceiling` and `max_instances`."""
    next_change: datetime | None
    """When the schedule changes any of this."""
    new_server: Amount
    """Room of one new server."""

    @property
    def counts_sessions(self) -> bool:
        """True for server pools, False for docker agents."""
        return isinstance(self.autoscale, ServerAutoscale)

    @property
    def noun(self) -> str:
        """What people call one of its VMs."""
        return "server" if self.counts_sessions else "agent"

    def open(self, view: ServerView, *, empty: bool = False) -> OpenServer | OpenAgent:
        """The server as something that takes sessions; `empty`: as it will be once it runs."""
        if isinstance(self.autoscale, DockerAgentAutoscale):
            return OpenAgent(view.size, () if empty else view.sessions, view)
        if empty:
            return OpenServer(view.max_sessions, view.max_users if view.counts_users else None, (), view)
        return OpenServer.of(view)

    def imagine(self) -> OpenServer | OpenAgent:
        """A server that this config could make."""
        autoscale = self.autoscale
        if isinstance(autoscale, DockerAgentAutoscale):
            return OpenAgent(_agent_size(autoscale))
        max_users = autoscale.max_users_per_server if _counts_users(autoscale) else None
        return OpenServer(autoscale.max_sessions_per_server, max_users)

    def room_text(self, amount: Amount) -> str:
        """The amount in words: `room for 3 sessions`, or `4 cores and 8,192 MiB of memory`, GPUs if they matter."""
        if self.counts_sessions:
            return f"room for {counted(amount[0], 'session')}"
        cores, memory_mib, gpus = amount
        parts = [counted(cores, "core"), f"{number_text(memory_mib)} MiB of memory"]
        if gpus or self.standby[2] or self.new_server[2]:
            parts.append(counted(gpus, "GPU"))
        return listed(parts)


def terms_at(snapshot: Snapshot, now: datetime) -> Terms:
    """The terms of this moment. A schedule's targets stand in place of the config's own numbers."""
    autoscale = snapshot.autoscale
    schedule = active_at(autoscale.schedules, now)
    active = autoscale.enabled and schedule.active
    targets = schedule.targets or ScheduleTargets()
    ceiling = _lowest(_first(targets.total_ceiling, autoscale.total_ceiling), autoscale.max_instances)
    floor = _first(targets.total_floor, autoscale.total_floor) or 0
    return Terms(
        autoscale=autoscale,
        active=active,
        why=schedule.reason if autoscale.enabled else f"The autoscale config {autoscale.name!r} is disabled.",
        standby=_standby(autoscale, targets, active=active),
        floor=(floor if ceiling is None else min(floor, ceiling)) if active else 0,
        ceiling=ceiling,
        next_change=schedule.next_change if autoscale.enabled else None,
        new_server=_new_server(autoscale),
    )


def placement_rules(snapshot: Snapshot) -> PlacementRules:
    """How sessions will be placed, as far as planning has to foresee it."""
    own_zone = snapshot.autoscale.zone
    zones = {own_zone: Zone(name=own_zone, load_strategy=snapshot.load_strategy), **snapshot.zones}
    return PlacementRules(pool_type=PoolType(snapshot.autoscale.type), zones=zones)


def _standby(autoscale: ServerAutoscale | DockerAgentAutoscale, targets: ScheduleTargets, *, active: bool) -> Amount:
    if isinstance(autoscale, ServerAutoscale):
        wanted = _first(targets.minimum_available_sessions, autoscale.minimum_available_sessions) or 0
        return (wanted if active else 0,)
    if not active:
        return (0, 0, 0)
    return (
        autoscale.standby_cores if targets.standby_cores is None else targets.standby_cores,
        _first(targets.standby_memory_mib, autoscale.standby_memory_mib) or 0,
        _first(targets.standby_gpus, autoscale.standby_gpus) or 0,
    )


def _new_server(autoscale: ServerAutoscale | DockerAgentAutoscale) -> Amount:
    if isinstance(autoscale, DockerAgentAutoscale):
        size = _agent_size(autoscale)
        return (size.cores, size.memory_mib, size.gpus)
    if _counts_users(autoscale):
        return (min(autoscale.max_sessions_per_server, autoscale.max_users_per_server),)
    return (autoscale.max_sessions_per_server,)


def _counts_users(autoscale: ServerAutoscale) -> bool:
    return autoscale.connection.type in {ConnectionType.RDP, ConnectionType.SSH}


def _agent_size(autoscale: DockerAgentAutoscale) -> Size:
    return Size(
        cores=autoscale.agent_cores_override,
        memory_mib=autoscale.agent_memory_override_mib,
        gpus=autoscale.agent_gpus_override,
    )


def _first(preferred: int | None, other: int | None) -> int | None:
    return other if preferred is None else preferred


def _lowest(one: int | None, other: int | None) -> int | None:
    return min((number for number in (one, other) if number is not None), default=None)
