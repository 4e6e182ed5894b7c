"""Pools to plan for: short ways to write down configs, servers, sessions and snapshots."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from poolwright.domain.autoscale import DockerAgentAutoscale, ServerAutoscale
from poolwright.domain.planning import plan
from poolwright.domain.resources import PoolType
from poolwright.domain.scaling import (
    Action,
    ActionKind,
    Plan,
    ProviderCap,
    ServerView,
    SessionView,
    Snapshot,
    WaitingSession,
)
from poolwright.domain.servers import SessionKind, Size
from poolwright.domain.states import ServerState

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
BIG = Size(cores=8, memory_mib=16_384)
SMALL = Size(cores=2, memory_mib=4096)


def ago(seconds: float) -> datetime:
    """So many seconds before `NOW`."""
    return NOW - timedelta(seconds=seconds)


def later(seconds: float) -> datetime:
    """So many seconds after `NOW`."""
    return NOW + timedelta(seconds=seconds)


def desks(**changes: Any) -> ServerAutoscale:
    """Config of a server pool: one session per server, no standby, no waits before it shrinks."""
    settings: dict[str, Any] = {
        "name": "desk",
        "pool": "desk",
        "zone": "eu",
        "vm_provider": "cloud",
        "type": "server",
        "reusable": True,
        "downscale_backoff_seconds": 0,
        "minimum_life_seconds": 0,
    }
    return ServerAutoscale(**(settings | changes))


def agents(**changes: Any) -> DockerAgentAutoscale:
    """Config of a docker agent pool: agents of 8 cores and 16 GiB, no standby, no waits before it shrinks."""
    settings: dict[str, Any] = {
        "name": "agents",
        "pool": "agents",
        "zone": "eu",
        "vm_provider": "cloud",
        "type": "docker_agent",
        "agent_cores_override": BIG.cores,
        "agent_memory_override_mib": BIG.memory_mib,
        "downscale_backoff_seconds": 0,
        "minimum_life_seconds": 0,
    }
    return DockerAgentAutoscale(**(settings | changes))


def desk(number: int = 1, *users: str, **changes: Any) -> ServerView:
    """A running server `desk-000N` of config `desk`, an hour old, with a desktop of each of the users."""
    facts: dict[str, Any] = {
        "id": f"s{number:04}",
        "hostname": f"desk-{number:04}",
        "autoscale": "desk",
        "zone": "eu",
        "vm_provider": "cloud",
        "state": ServerState.RUNNING,
        "created_at": ago(3600),
        "running_at": ago(3000),
        "sessions": tuple(SessionView(user=user) for user in users),
        "served": len(users),
        "reusable": True,
    }
    return ServerView(**(facts | changes))


def agent(number: int = 1, *sizes: Size, **changes: Any) -> ServerView:
    """A running agent `agent-000N` of config `agents`, with a container of each of the sizes."""
    sessions = tuple(SessionView(user=f"user-{number}-{n}", size=size) for n, size in enumerate(sizes))
    facts: dict[str, Any] = {
        "id": f"a{number:04}",
        "hostname": f"agent-{number:04}",
        "autoscale": "agents",
        "size": BIG,
        "sessions": sessions,
        "served": len(sizes),
        "reusable": False,
    }
    return desk(number, **(facts | changes))


def coming(server: ServerView, state: ServerState = ServerState.BOOTING) -> ServerView:
    """The same server while it is on the way."""
    return server.model_copy(update={"state": state, "running_at": None})


def waits(user: str = "ann", **changes: Any) -> WaitingSession:
    """A person in the queue."""
    facts: dict[str, Any] = {"id": f"w-{user}", "user": user, "requested_at": ago(60)}
    return WaitingSession(**(facts | changes))


def queue(count: int, **changes: Any) -> tuple[WaitingSession, ...]:
    """So many different people, in the order of their requests."""
    return tuple(waits(f"user-{n:03}", requested_at=ago(count - n), **changes) for n in range(count))


def app(user: str, **changes: Any) -> WaitingSession:
    """A person who waits for a remote app."""
    return waits(user, kind=SessionKind.APP, **changes)


def cloud(max_instances: int = 100, in_use: int = 0, **changes: Any) -> ProviderCap:
    """The provider config `cloud`."""
    facts: dict[str, Any] = {"vm_provider": "cloud", "max_instances": max_instances, "in_use": in_use}
    return ProviderCap(**(facts | changes))


def snapshot(
    autoscale: ServerAutoscale | DockerAgentAutoscale,
    servers: Iterable[ServerView] = (),
    waiting: Iterable[WaitingSession] = (),
    **changes: Any,
) -> Snapshot:
    """What a decision sees; by default one provider config whose use is what the servers say."""
    servers = tuple(servers)
    facts: dict[str, Any] = {
        "autoscale": autoscale,
        "pool_type": PoolType(autoscale.type),
        "servers": servers,
        "waiting": tuple(waiting),
        "providers": (cloud(in_use=sum(server.autoscale is not None for server in servers)),),
    }
    return Snapshot(**(facts | changes))


def decide(
    autoscale: ServerAutoscale | DockerAgentAutoscale,
    servers: Iterable[ServerView] = (),
    waiting: Iterable[WaitingSession] = (),
    **changes: Any,
) -> Plan:
    """The plan for such a snapshot, now."""
    return plan(snapshot(autoscale, servers, waiting, **changes), NOW)


def kinds(made: Plan) -> dict[str, int]:
    """How many actions of each kind."""
    return dict(Counter(action.kind.value for action in made.actions))


def of_kind(made: Plan, kind: ActionKind) -> list[Action]:
    """The plan's actions of this kind, in order."""
    return [action for action in made.actions if action.kind is kind]


def targets(made: Plan, kind: ActionKind = ActionKind.DRAIN) -> list[str | None]:
    """The servers that such actions of the plan name, in order."""
    return [action.server_id for action in of_kind(made, kind)]


def text(made: Plan) -> str:
    """All reasons in one text."""
    return " ".join(made.reasons)
