"""How long one round of decisions over the whole installation takes: `python -m benchmarks.rounds`.

A round decides once for every autoscale config, each in a write transaction of its own as the scaling loops do, on
SQLite and on a PostgreSQL server of the benchmark's own, without Temporal. The aim is 2 seconds for 1,000 pools with
10,000 servers and 100,000 live sessions, and growth in proportion.
"""

import gc
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any, Final

from rich.table import Table
from sqlalchemy import DateTime, bindparam, insert, text

from benchmarks.reporting import Aim, Conditions, report
from poolwright.domain.planning import plan
from poolwright.domain.resources import PoolType
from poolwright.domain.servers import SessionKind, SessionState
from poolwright.domain.states import ServerState
from poolwright.store import documents, ledger, scaling, sessions
from poolwright.store.engine import Store, open_store
from poolwright.store.installation import upgrade
from poolwright.store.sealing import Sealer, new_key
from poolwright.store.tables import ServerRow, SessionRow
from tests.servers.postgresql import throw_away_server

POOLS: Final = (10, 100, 1_000)
SERVERS_PER_POOL: Final = 10
SESSIONS_PER_SERVER: Final = 10
PROVIDERS: Final = 4
ROUNDS: Final = 3
FLOOR: Final = "bare reads and one write"
AIM_SECONDS: Final = 2.0
NOW: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)

BARE_READS: Final = (
    text("SELECT name, body FROM documents WHERE pool = :pool"),
    text("SELECT id, state, created_at, max_sessions FROM servers WHERE pool = :pool AND state != 'deleted'"),
    text("SELECT server_id, \"user\", kind FROM sessions WHERE pool = :pool AND state = 'assigned'"),
)
BARE_WRITE: Final = text("UPDATE scaling SET decided_at = :at WHERE autoscale = :pool").bindparams(
    bindparam("at", type_=DateTime)
)

Decide = Callable[[Store, str, datetime], None]
"""Decides for the pool of this name."""


@dataclass(frozen=True)
class Measurement:
    """The median round on one database at one size."""

    database: str
    kind: str
    pools: int
    seconds: float
    processor_seconds: float
    """Of this process: what the database server needs comes on top."""
    growth: float | None
    """Times the seconds of a tenth of the pools; 10 is in proportion."""


def main() -> None:
    """Measure both databases at every size."""
    conditions = Conditions()
    measurements = [one for database in ("SQLite", "PostgreSQL") for one in _measure_database(database)]
    biggest = [one for one in measurements if one.pools == POOLS[-1] and one.kind == "decisions"]
    aims = [
        Aim(f"round of {one.pools:,} pools on {one.database}", one.seconds, "s", at_most=AIM_SECONDS) for one in biggest
    ]
    aims += [
        Aim(f"growth from {POOLS[-2]:,} to {one.pools:,} pools on {one.database}", one.growth or 0, "x", at_most=12)
        for one in biggest
    ]
    floors = {one.database: one.seconds for one in measurements if one.pools == POOLS[-1] and one.kind == FLOOR}
    ratios = {one.database: round(one.seconds / floors[one.database], 1) for one in biggest}
    servers = f"{SERVERS_PER_POOL} servers, {SERVERS_PER_POOL * SESSIONS_PER_SERVER} sessions a pool"
    facts = {
        "layout": servers,
        "rounds": ROUNDS,
        "times_bare": ratios,
        "results": [asdict(one) for one in measurements],
    }
    report("rounds", "A round of decisions", conditions, aims, facts, [_table(measurements)])


def _measure_database(database: str) -> Iterator[Measurement]:
    before: dict[str, float] = {}
    for pools in POOLS:
        with _store(database) as store:
            _fill(store, pools)
            for kind, decide in ROUND_KINDS.items():
                wall, processor = _median_round(store, decide, pools)
                growth = wall / before[kind] if kind in before else None
                before[kind] = wall
                yield Measurement(database, kind, pools, round(wall, 3), round(processor, 3), growth)


def _median_round(store: Store, decide: Decide, pools: int) -> tuple[float, float]:
    walls, processors = [], []
    for number in range(ROUNDS + 1):
        at = NOW + timedelta(seconds=30 * number)
        gc.collect()
        wall, processor = perf_counter(), process_time()
        for pool in range(pools):
            decide(store, _pool_name(pool), at)
        # The first one records every decision for the first time; loops that run only confirm theirs.
        if number:
            walls.append(perf_counter() - wall)
            processors.append(process_time() - processor)
    return median(walls), median(processors)


def _decide(store: Store, name: str, at: datetime) -> None:
    with store.write() as tx:
        snapshot = scaling.take_snapshot(tx, name, at)
        scaling.record_plan(tx, snapshot, plan(snapshot, at))


def _decide_as_activity(store: Store, name: str, at: datetime) -> None:
    """What a scaling loop's activity does in its transaction."""
    with store.write() as tx:
        autoscale = scaling.load_autoscale(tx, name)
        ledger.lock_caps(tx, autoscale)
        sessions.assign_waiting(tx, autoscale.pool, at)
        snapshot = scaling.take_snapshot(tx, name, at)
        scaling.record_plan(tx, snapshot, plan(snapshot, at))
        scaling.requested_servers(tx, name)


def _bare(store: Store, name: str, at: datetime) -> None:
    """The floor: what a decision cannot do without, as plain SQL in a transaction that is as durable."""
    with store.engine.connect().execution_options(poolwright_write=True) as connection, connection.begin():
        for statement in BARE_READS:
            connection.execute(statement, {"pool": name}).all()
        connection.execute(BARE_WRITE, {"pool": name, "at": at.replace(tzinfo=None)})


ROUND_KINDS: Final[dict[str, Decide]] = {
    "decisions": _decide,
    "with the queue": _decide_as_activity,
    FLOOR: _bare,
}


@contextmanager
def _store(database: str) -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as directory:
        if database == "SQLite":
            yield from _upgraded(f"sqlite:///{Path(directory) / 'poolwright.db'}")
            return
        with throw_away_server() as url:
            yield from _upgraded(url)


def _upgraded(url: str) -> Iterator[Store]:
    store = open_store(url, Sealer([new_key()]))
    upgrade(store)
    yield store
    store.close()


def _fill(store: Store, pools: int) -> None:
    with store.write() as tx:
        for number in range(PROVIDERS):
            cap = {"provider": "sim", "max_instances": pools * SERVERS_PER_POOL}
            _save(tx, "vm_provider", f"cloud-{number}", cap)
        _save(tx, "zone", "north", {})
        for number in range(pools):
            name = _pool_name(number)
            _save(tx, "pool", name, {"type": "server"})
            _save(tx, "autoscale", name, _autoscale(number))
            servers = [_server(number, server) for server in range(SERVERS_PER_POOL)]
            tx.execute(insert(ServerRow), servers)
            tx.execute(
                insert(SessionRow), [_session(server, n) for server in servers for n in range(SESSIONS_PER_SERVER)]
            )


def _autoscale(number: int) -> dict[str, Any]:
    """Room for as many sessions as are wanted: a steady pool, which only confirms its decision."""
    return {
        "type": "server",
        "pool": _pool_name(number),
        "zone": "north",
        "vm_provider": f"cloud-{number % PROVIDERS}",
        "max_sessions_per_server": SESSIONS_PER_SERVER + 2,
        "minimum_available_sessions": SERVERS_PER_POOL * 2,
        "reusable": True,
    }


def _server(pool: int, number: int) -> dict[str, Any]:
    name = _pool_name(pool)
    return {
        "id": f"s{pool:06}{number:03}",
        "hostname": f"{name}-{number:04}",
        "pool": name,
        "pool_type": PoolType.SERVER,
        "zone": "north",
        "autoscale": name,
        "vm_provider": f"cloud-{pool % PROVIDERS}",
        "provider": "sim",
        "state": ServerState.RUNNING,
        "state_since": NOW - timedelta(hours=1),
        "created_at": NOW - timedelta(hours=1),
        "running_at": NOW - timedelta(minutes=50),
        "max_sessions": SESSIONS_PER_SERVER + 2,
        "max_users": 1,
        "reusable": True,
    }


def _session(server: dict[str, Any], number: int) -> dict[str, Any]:
    return {
        "id": f"n{server['id'][1:]}{number:03}",
        "pool": server["pool"],
        "user": f"user-{number}",
        "kind": SessionKind.DESKTOP,
        "state": SessionState.ASSIGNED,
        "server_id": server["id"],
        "requested_at": NOW - timedelta(minutes=40),
        "assigned_at": NOW - timedelta(minutes=40),
    }


def _save(tx: Any, kind: str, name: str, body: dict[str, Any]) -> None:
    documents.save_document(
        tx, kind=kind, name=name, body={"name": name, **body}, facts={}, revision=1, reshapes=True, now=NOW
    )


def _pool_name(number: int) -> str:
    return f"desk-{number:05}"


def _table(measurements: list[Measurement]) -> Table:
    table = Table("database", "round", "pools", "seconds", "of it this process", "growth per 10x", title="Rounds")
    for one in measurements:
        growth = "" if one.growth is None else f"{one.growth:.1f}"
        row = (one.database, one.kind, f"{one.pools:,}", f"{one.seconds:.3f}", f"{one.processor_seconds:.3f}", growth)
        table.add_row(*row)
    return table


if __name__ == "__main__":
    main()
