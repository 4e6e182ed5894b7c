"""How long one decision takes, by size of the pool: `python benchmarks/decision.py`.

Measures `plan` alone, on snapshots that exist already, and one pass of `assign_queue`. Prints a table and writes
`benchmarks/results/decision.json`. The aim is 5 milliseconds for a pool of 1,000 servers and growth in proportion.
"""

import gc
import json
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import process_time
from typing import Final

from rich.console import Console
from rich.table import Table

from poolwright.domain.autoscale import Connection, ConnectionType, DockerAgentAutoscale, Rotation, ServerAutoscale
from poolwright.domain.placement import PlacementRules, assign_queue
from poolwright.domain.planning import plan
from poolwright.domain.resources import PoolType
from poolwright.domain.scaling import ProviderCap, ServerView, SessionView, Snapshot, StagingNeed, WaitingSession
from poolwright.domain.servers import Size
from poolwright.domain.states import ServerState

POOL_SIZES: Final = (10, 100, 1_000, 10_000)
AIM_MILLISECONDS: Final = 5.0
AIM_AT: Final = 1_000
RESULTS: Final = Path(__file__).parent / "results" / "decision.json"

NOW: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)
WORKSPACES: Final = (Size(cores=1, memory_mib=2048), Size(cores=2, memory_mib=4096), Size(cores=4, memory_mib=8192))


@dataclass(frozen=True)
class Measurement:
    """The time of one case at one pool size."""

    case: str
    servers: int
    milliseconds: float
    growth: float | None
    """Times the time of the next smaller pool; 10 is in proportion."""


def main() -> None:
    """Measure every case at every size."""
    measurements: list[Measurement] = []
    for case, build in CASES.items():
        before: float | None = None
        for servers in POOL_SIZES:
            milliseconds = _time(build(servers))
            growth = None if before is None else milliseconds / before
            measurements.append(Measurement(case, servers, milliseconds, growth))
            before = milliseconds
    _print(measurements)
    _write(measurements)


def steady(servers: int) -> Callable[[], object]:
    """Server pool, half of it busy, nobody waits, nothing to do."""
    snapshot = _server_pool(servers, waiting=0)
    return lambda: plan(snapshot, NOW)


def spike(servers: int) -> Callable[[], object]:
    """Server pool of which as many people wait as it has servers, a tenth of it on the way."""
    snapshot = _server_pool(servers, waiting=servers)
    return lambda: plan(snapshot, NOW)


def shrink(servers: int) -> Callable[[], object]:
    """Server pool that is far too big: half of it goes at once."""
    quiet = _server_pool(servers, waiting=0)
    snapshot = quiet.model_copy(
        update={
            "autoscale": quiet.autoscale.model_copy(update={"minimum_available_sessions": 0}),
            "downscale_wanted_since": NOW - timedelta(days=1),
        }
    )
    return lambda: plan(snapshot, NOW)


def agents(servers: int) -> Callable[[], object]:
    """Docker agents with three workspaces, as many people waiting as there are agents, and staging."""
    snapshot = _agent_pool(servers)
    return lambda: plan(snapshot, NOW)


def queue(servers: int) -> Callable[[], object]:
    """Placement of as many waiting sessions as there are servers."""
    snapshot = _server_pool(servers, waiting=servers)
    rules = PlacementRules(pool_type=PoolType.SERVER)
    return lambda: assign_queue(snapshot.waiting, snapshot.servers, rules)


def agent_queue(servers: int) -> Callable[[], object]:
    """The same on docker agents."""
    snapshot = _agent_pool(servers)
    rules = PlacementRules(pool_type=PoolType.DOCKER_AGENT)
    return lambda: assign_queue(snapshot.waiting, snapshot.servers, rules)


CASES: Final[dict[str, Callable[[int], Callable[[], object]]]] = {
    "plan: servers, steady": steady,
    "plan: servers, as many waiting": spike,
    "plan: servers, half goes": shrink,
    "plan: agents, as many waiting": agents,
    "assign_queue: servers": queue,
    "assign_queue: agents": agent_queue,
}


def _server_pool(servers: int, waiting: int) -> Snapshot:
    autoscale = ServerAutoscale(
        name="desk",
        pool="desk",
        zone="eu",
        vm_provider="cloud",
        type="server",
        minimum_available_sessions=servers * 2,
        max_sessions_per_server=4,
        max_users_per_server=4,
        reusable=True,
        connection=Connection(type=ConnectionType.RDP),
        rotation=Rotation(soft_age_seconds=14 * 86_400, pre_warm_seconds=1_800),
        downscale_backoff_seconds=600,
    )
    return Snapshot(
        autoscale=autoscale,
        pool_type=PoolType.SERVER,
        servers=tuple(_server(n, busy=n % 2 == 0, coming=n % 10 == 9) for n in range(servers)),
        waiting=tuple(
            WaitingSession(id=f"w{n:06}", user=f"waiting-{n}", requested_at=NOW - timedelta(seconds=waiting - n))
            for n in range(waiting)
        ),
        providers=(ProviderCap(vm_provider="cloud", max_instances=servers * 3, in_use=servers),),
    )


def _server(number: int, *, busy: bool, coming: bool) -> ServerView:
    return ServerView(
        id=f"s{number:06}",
        hostname=f"desk-{number:06}",
        autoscale="desk",
        zone="eu",
        vm_provider="cloud",
        state=ServerState.BOOTING if coming else ServerState.RUNNING,
        created_at=NOW - timedelta(days=1, seconds=number),
        running_at=None if coming else NOW - timedelta(hours=20, seconds=number),
        sessions=tuple(SessionView(user=f"user-{number}-{n}") for n in range(3)) if busy else (),
        served=3 if busy else 0,
        max_sessions=4,
        max_users=4,
        counts_users=True,
        reusable=True,
    )


def _agent_pool(servers: int) -> Snapshot:
    autoscale = DockerAgentAutoscale(
        name="agents",
        pool="agents",
        zone="eu",
        vm_provider="cloud",
        type="docker_agent",
        standby_cores=servers,
        standby_memory_mib=servers * 2048,
        agent_cores_override=8,
        agent_memory_override_mib=16_384,
    )
    return Snapshot(
        autoscale=autoscale,
        pool_type=PoolType.DOCKER_AGENT,
        servers=tuple(_agent(n) for n in range(servers)),
        waiting=tuple(
            WaitingSession(
                id=f"w{n:06}",
                user=f"waiting-{n}",
                requested_at=NOW - timedelta(seconds=servers - n),
                image=f"desktop-{n % 3}",
                size=WORKSPACES[n % 3],
            )
            for n in range(servers)
        ),
        staging=tuple(StagingNeed(staging=f"s{n}", size=size, missing=5) for n, size in enumerate(WORKSPACES)),
        providers=(ProviderCap(vm_provider="cloud", max_instances=servers * 3, in_use=servers),),
    )


def _agent(number: int) -> ServerView:
    return ServerView(
        id=f"s{number:06}",
        hostname=f"agent-{number:06}",
        autoscale="agents",
        zone="eu",
        state=ServerState.RUNNING,
        created_at=NOW - timedelta(days=1, seconds=number),
        running_at=NOW - timedelta(hours=20),
        sessions=tuple(SessionView(user=f"user-{number}-{n}", size=WORKSPACES[n % 3]) for n in range(number % 4)),
        size=Size(cores=8, memory_mib=16_384),
        images=frozenset({f"desktop-{number % 3}"}),
    )


def _time(call: Callable[[], object]) -> float:
    """Milliseconds of processor time: the best of enough rounds to take about a second, after one that warms up."""
    call()
    start = process_time()
    call()
    rounds = max(3, min(200, int(1 / max(process_time() - start, 1e-6))))
    times = []
    gc.collect()
    for _ in range(rounds):
        start = process_time()
        call()
        times.append(process_time() - start)
    return min(times) * 1000


def _yardstick() -> object:
    """The same work everywhere, so that results of different or busy machines can be compared."""
    return sum(number * number for number in range(1_000_000))


def _print(measurements: list[Measurement]) -> None:
    table = Table("case", "servers", "milliseconds", "growth per 10x", title="One decision")
    for one in measurements:
        growth = "" if one.growth is None else f"{one.growth:.1f}"
        table.add_row(
            one.case, f"{one.servers:,}", f"{one.milliseconds:.2f}", growth, end_section=one.servers == 10_000
        )
    Console().print(table, f"Yardstick (a million squares): {_time(_yardstick):.0f} ms")


def _write(measurements: list[Measurement]) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    aimed = [one.milliseconds for one in measurements if one.servers == AIM_AT and one.case == "plan: servers, steady"]
    result = {
        "aim": {"servers": AIM_AT, "milliseconds": AIM_MILLISECONDS, "met": max(aimed) <= AIM_MILLISECONDS},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "yardstick_milliseconds": _time(_yardstick),
        "measurements": [asdict(one) for one in measurements],
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
