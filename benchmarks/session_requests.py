"""How long a session request takes over HTTP when capacity is ready: `python -m benchmarks.session_requests`.

Starts the real endpoint on SQLite with running servers, without Temporal, and requests one session after the other, in
pools of growing size. The aim is 100 milliseconds for 99 of 100.
"""

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles
from typing import Final

from rich.table import Table

from benchmarks.endpoint import broker_key, fill, request_all, running_endpoint
from benchmarks.reporting import Aim, Conditions, report
from poolwright.store.installation import upgrade
from starter.settings import Settings
from tests.servers.ports import reserved_port

POOL_SIZES: Final = (10, 100, 1_000)
REQUESTS: Final = 300
AIM_MILLISECONDS: Final = 100.0


@dataclass(frozen=True)
class Measurement:
    """From the request to the answer `assigned`, in milliseconds."""

    servers: int
    median: float
    p99: float
    slowest: float


def main() -> None:
    """Measure every pool size."""
    conditions = Conditions()
    measurements = [_measure(servers) for servers in POOL_SIZES]
    aims = [
        Aim(f"request to assigned, p99, {one.servers:,} running servers", one.p99, "ms", at_most=AIM_MILLISECONDS)
        for one in measurements
    ]
    facts = {"requests": REQUESTS, "results": [asdict(one) for one in measurements]}
    report("session_requests", "Session requests", conditions, aims, facts, [_table(measurements)])


def _measure(servers: int) -> Measurement:
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(data_directory=Path(directory), endpoint_port=reserved_port())
        store = settings.open_store()
        upgrade(store)
        fill(store, servers, REQUESTS + 5)
        key = broker_key(store)
        store.close()
        with running_endpoint(settings, temporal_address=f"127.0.0.1:{reserved_port()}") as url:
            took = request_all(url, key, REQUESTS)
    percentiles = quantiles(took, n=100)
    return Measurement(servers, round(percentiles[49], 1), round(percentiles[98], 1), round(max(took), 1))


def _table(measurements: list[Measurement]) -> Table:
    table = Table("running servers", "median", "p99", "slowest", title="Request to assigned over HTTP, milliseconds")
    for one in measurements:
        table.add_row(f"{one.servers:,}", *(f"{value:.1f}" for value in (one.median, one.p99, one.slowest)))
    return table


if __name__ == "__main__":
    main()
