"""What an autoscale config asks for at one moment: its own numbers, or its schedule's, or nothing while inactive."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from poolwright.domain.autoscale import ConnectionType, DockerAgentAutoscale, ServerAutoscale
from poolwright.domain.placement import PlacementRules
from poolwright.domain.resources import PoolType, Zone
from poolwright.domain.room import Amount, Open, OpenAgent, OpenServer
from poolwright.domain.scaling import ServerView, Snapshot
from poolwright.domain.schedules import ScheduleTargets, active_at
from poolwright.domain.servers import Size
from poolwright.domain.states import ServerState
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
    imagined: ServerView
    """A server that this config could make."""
    new_server: Amount
    """Room of one such server."""
    counts_sessions: bool
    """True for server pools, False for docker agents."""
    open: Callable[[ServerView], Open]
    """Makes of a server something that takes sessions."""

    @property
    def noun(self) -> str:
        """What people call one of its VMs."""
        return "server" if self.counts_sessions else "agent"

    def imagine(self) -> Open:
        """One more server that this config could make."""
        return self.open(self.imagined)

    def room_text(self, amount: Amount) -> str:
        """The amount in words: `room for 3 sessions`, or `4 cores and 8,192 MiB of memory`, GPUs if they matter."""
        if self.counts_sessions:
            return f"room for {counted(amount[0], 'session')}"
        cores, memory_mib, gpus = amount
        parts = [counted(cores, "core"), f"{number_text(memory_mib)} MiB of memory"]
        if gpus or self.standby[2] or self.new_server[2]:
            parts.append(counted(gpus, "GPU"))
        return listed(parts)


def terms_at(autoscale: ServerAutoscale | DockerAgentAutoscale, now: datetime) -> Terms:
    """The terms of this moment. A schedule's targets stand in place of the config's own numbers."""
    schedule = active_at(autoscale.schedules, now)
    active = autoscale.enabled and schedule.active
    targets = schedule.targets or ScheduleTargets()
    ceiling = _lowest(_first(targets.total_ceiling, autoscale.total_ceiling), autoscale.max_instances)
    floor = _first(targets.total_floor, autoscale.total_floor) or 0
    imagined = _imagined(autoscale, now)
    counts_sessions = isinstance(autoscale, ServerAutoscale)
    open_server = OpenServer if counts_sessions else OpenAgent
    return Terms(
        autoscale=autoscale,
        active=active,
        why=schedule.reason if autoscale.enabled else f"The autoscale config {autoscale.name!r} is disabled.",
        standby=_standby(autoscale, targets, active=active),
        floor=(floor if ceiling is None else min(floor, ceiling)) if active else 0,
        ceiling=ceiling,
        next_change=schedule.next_change if autoscale.enabled else None,
        imagined=imagined,
        new_server=open_server(imagined).room,
        counts_sessions=counts_sessions,
        open=open_server,
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


def _imagined(autoscale: ServerAutoscale | DockerAgentAutoscale, now: datetime) -> ServerView:
    named: dict[str, Any] = {
        "id": "",
        "hostname": "",
        "autoscale": autoscale.name,
        "zone": autoscale.zone,
        "state": ServerState.REQUESTED,
        "created_at": now,
    }
    if isinstance(autoscale, DockerAgentAutoscale):
        size = Size(
            cores=autoscale.agent_cores_override,
            memory_mib=autoscale.agent_memory_override_mib,
            gpus=autoscale.agent_gpus_override,
        )
        return ServerView(**named, size=size)
    return ServerView(
        **named,
        max_sessions=autoscale.max_sessions_per_server,
        max_users=autoscale.max_users_per_server,
        counts_users=autoscale.connection.type in {ConnectionType.RDP, ConnectionType.SSH},
    )


def _first(preferred: int | None, other: int | None) -> int | None:
    return other if preferred is None else preferred


def _lowest(one: int | None, other: int | None) -> int | None:
    return min((number for number in (one, other) if number is not None), default=None)
