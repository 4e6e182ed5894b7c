"""What tests of the store set the scene with: pools, servers in any state, sessions, and many threads at once."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import Any, Final, TypeVar

from poolwright.domain.scaling import Snapshot
from poolwright.domain.servers import Server, Session
from poolwright.domain.states import TRANSITIONS, ServerState
from poolwright.store import ledger, scaling, sessions
from poolwright.store.engine import Store
from poolwright.store.identifiers import new_id
from poolwright.store.servers import get_server, lock_pool, lock_server, transition
from tests.installations import save

T = TypeVar("T")

NOW: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""A Monday morning."""

PROVIDER: Final = {"provider": "sim", "startup_script": "#!/bin/sh\n# {checkin_jwt}\n"}
AUTOSCALE: Final = {"pool": "demo", "zone": "here", "vm_provider": "sim", "type": "server"}
AGENTS: Final = {"type": "docker_agent", "agent_cores_override": 4, "agent_memory_override_mib": 4096}


def server_pool(store: Store, *, cap: int = 20, **autoscale: Any) -> None:
    """Zone `here`, VM provider config `sim`, pool `demo` and autoscale config `demo` with these settings."""
    save(store, "zone", "here", {})
    save(store, "vm_provider", "sim", {**PROVIDER, "max_instances": cap})
    save(store, "pool", "demo", {"type": autoscale.get("type", "server")})
    save(store, "autoscale", "demo", {**AUTOSCALE, "hostname_pattern": "demo-{n:03}", **autoscale})


def agent_pool(store: Store, **autoscale: Any) -> None:
    """The same for docker agents of 4 cores and 4,096 MiB; workspace `desk` takes 1 core and 1,024 MiB."""
    server_pool(store, **{**AGENTS, **autoscale})
    save(store, "workspace", "desk", {"image": "registry.example/desk:1", "cores": 1, "memory_mib": 1024})


def reserve(
    store: Store,
    *,
    autoscale: str = "demo",
    count: int = 1,
    vm_provider: str = "sim",
    decision: str | None = None,
    at: datetime = NOW,
) -> list[str]:
    """Server ids of as many slots as the caps allow."""
    with store.write() as tx:
        config = scaling.load_autoscale(tx, autoscale)
        slots = [ledger.Slot(vm_provider=vm_provider, reason="a test wants it")] * count
        return ledger.reserve(tx, config, slots, decision or new_id("d"), at)


def move(store: Store, server_id: str, state: ServerState, at: datetime = NOW) -> Server:
    """Take the shortest way to this state. A server that runs gets what waits for it."""
    with store.write() as tx:
        row = lock_server(tx, server_id)
        lock_pool(tx, row.pool)
        for step in way(ServerState(row.state), state):
            transition(tx, row, step, f"a test wants it {step}", at)
        tx.flush()
        sessions.assign_waiting(tx, row.pool, at)
        return get_server(tx, server_id)


def way(start: ServerState, goal: ServerState) -> Sequence[ServerState]:
    """The states after `start` on the shortest way to `goal`."""
    ways: dict[ServerState, tuple[ServerState, ...]] = {start: ()}
    while goal not in ways:
        ways = {end: (*ways[begin], end) for begin, end in TRANSITIONS if begin in ways and end not in ways} | ways
    return ways[goal]


def running(store: Store, count: int = 1, *, autoscale: str = "demo", at: datetime = NOW) -> list[Server]:
    """So many servers that run."""
    ids = reserve(store, autoscale=autoscale, count=count, at=at)
    assert len(ids) == count
    return [move(store, server_id, ServerState.RUNNING, at) for server_id in ids]


def request(store: Store, user: str = "ada", at: datetime = NOW, **wishes: Any) -> Session:
    """Ask for a session in the pool `demo`."""
    with store.write() as tx:
        asked = sessions.SessionRequest.model_validate({"pool": "demo", "user": user, **wishes})
        return sessions.request_session(tx, asked, at)


def end(store: Store, session: Session, at: datetime = NOW) -> Session:
    """End it."""
    with store.write() as tx:
        return sessions.end_session(tx, session.id, "done", at)


def snapshot(store: Store, name: str = "demo", at: datetime = NOW) -> Snapshot:
    """What the config's decision at this time would see."""
    with store.write() as tx:
        return scaling.take_snapshot(tx, name, at)


def again(store: Store, session: Session) -> Session:
    """The session as it is now."""
    with store.read() as tx:
        return sessions.get_session(tx, session.id)


def at_once(count: int, work: Callable[[int], T]) -> list[T]:
    """What `work(0)`, `work(1)`... return, each in a thread of its own, all begun together."""
    ready = Barrier(count, timeout=90)

    def begin(number: int) -> T:
        ready.wait()
        return work(number)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(begin, range(count)))
