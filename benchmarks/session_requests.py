"""How long a session request takes over HTTP when capacity is ready: `python benchmarks/session_requests.py`.

Starts the real endpoint on SQLite with running servers, without Temporal, and requests one session after the other.
Prints a table and writes `benchmarks/results/session_requests.json`. The aim is 100 milliseconds for 99 of 100.
"""

import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from time import monotonic, perf_counter, sleep
from typing import Any, Final

import httpx
from rich.console import Console
from rich.table import Table
from sqlalchemy import update

from poolwright.domain.states import ServerState
from poolwright.store import documents, ledger, scaling
from poolwright.store.api_keys import Role, create_key
from poolwright.store.engine import Store
from poolwright.store.installation import upgrade
from poolwright.store.tables import ServerRow
from starter.settings import Settings

POOL_SIZES: Final = (10, 100, 1_000)
REQUESTS: Final = 300
AIM_MILLISECONDS: Final = 100.0
RESULTS: Final = Path(__file__).parent / "results" / "session_requests.json"

SERVE: Final = """
import asyncio
from starter.endpoint.serve import serve
from starter.settings import load_settings
asyncio.run(serve(load_settings()))
"""


@dataclass(frozen=True)
class Measurement:
    """From the request to the answer `assigned`, in milliseconds."""

    servers: int
    median: float
    p99: float
    slowest: float


def main() -> None:
    """Measure every pool size."""
    measurements = [_measure(servers) for servers in POOL_SIZES]
    _print(measurements)
    facts = {"python": platform.python_version(), "processors": os.cpu_count(), "requests": REQUESTS}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(facts | {"measurements": [asdict(one) for one in measurements]}, indent=2) + "\n")


def _measure(servers: int) -> Measurement:
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(data_directory=Path(directory), endpoint_port=_free_port())
        store = settings.open_store()
        upgrade(store)
        _fill(store, servers)
        key = _key(store)
        store.close()
        unreachable = {"TEMPORAL_ADDRESS": f"127.0.0.1:{_free_port()}"}
        with (Path(directory) / "log").open("wb") as log:
            endpoint = subprocess.Popen(
                [sys.executable, "-c", SERVE], env={**os.environ, **settings.environment(), **unreachable}, stderr=log
            )
        try:
            took = _request_all(f"http://127.0.0.1:{settings.endpoint_port}", key)
        finally:
            endpoint.terminate()
            endpoint.wait()
    percentiles = quantiles(took, n=100)
    return Measurement(servers, round(percentiles[49], 1), round(percentiles[98], 1), round(max(took), 1))


def _request_all(url: str, key: str) -> list[float]:
    took = []
    with httpx.Client(base_url=url, headers={"X-API-Key": key}, trust_env=False, timeout=60) as http:
        _until_up(http)
        # The first ones warm up caches and the connection.
        for number in range(-5, REQUESTS):
            began = perf_counter()
            answer = http.post("/api/sessions", json={"pool": "bench", "user": f"user-{number}"})
            if number >= 0:
                took.append((perf_counter() - began) * 1000)
            if answer.json().get("state") != "assigned":
                raise RuntimeError(f"not assigned: {answer.text}")
    return took


def _until_up(http: httpx.Client) -> None:
    give_up_at = monotonic() + 60
    while monotonic() < give_up_at:
        try:
            http.get("/healthz")
        except httpx.TransportError:
            sleep(0.05)
        else:
            return
    raise RuntimeError("the endpoint did not come up")


def _fill(store: Store, servers: int) -> None:
    """A pool of running servers with room for all requests."""
    room = -(-(REQUESTS + 5) // servers)
    _declare(store, "zone", "north", {})
    _declare(store, "vm_provider", "machines", {"provider": "sim", "max_instances": servers})
    _declare(store, "pool", "bench", {"type": "server"})
    config = {"type": "server", "pool": "bench", "zone": "north", "vm_provider": "machines", "reusable": True}
    limits = {"max_sessions_per_server": room, "max_users_per_server": room}
    _declare(store, "autoscale", "bench", config | limits)
    with store.write() as tx:
        slots = [ledger.Slot(vm_provider="machines", reason="benchmark")] * servers
        ledger.reserve(tx, scaling.load_autoscale(tx, "bench"), slots, "benchmark-1", store.clock())
        # Past the state table on purpose: a thousand lives are not what is measured.
        tx.execute(update(ServerRow).values(state=ServerState.RUNNING, running_at=store.clock(), address="192.0.2.1"))


def _declare(store: Store, kind: str, name: str, body: dict[str, Any]) -> None:
    with store.write() as tx:
        documents.save_document(
            tx,
            kind=kind,
            name=name,
            body={"kind": kind, "name": name, **body},
            facts={},
            revision=documents.next_revision(tx),
            reshapes=True,
            now=datetime.now(UTC),
        )


def _key(store: Store) -> str:
    with store.write() as tx:
        return create_key(tx, "benchmark", Role.BROKER, store.clock())[1].get_secret_value()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _print(measurements: list[Measurement]) -> None:
    table = Table(title="Request to assigned over HTTP, milliseconds")
    for column in ("running servers", "median", "p99", "slowest", f"aim {AIM_MILLISECONDS:.0f}"):
        table.add_column(column, justify="right")
    for one in measurements:
        met = "met" if one.p99 < AIM_MILLISECONDS else "missed"
        table.add_row(f"{one.servers:,}", f"{one.median:.1f}", f"{one.p99:.1f}", f"{one.slowest:.1f}", met)
    Console().print(table)


if __name__ == "__main__":
    main()
