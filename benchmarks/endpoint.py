"""The real endpoint in a process of its own, over a pool of servers that run or boot."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from time import monotonic, perf_counter, sleep
from typing import Any, Final

import httpx
from sqlalchemy import update

from poolwright.domain.states import ServerState
from poolwright.store import documents, ledger, scaling
from poolwright.store.api_keys import Role, create_key
from poolwright.store.engine import Store
from poolwright.store.tables import ServerRow
from starter.settings import Settings

_SERVE: Final = """
import asyncio
from starter.endpoint.serve import serve
from starter.settings import load_settings
asyncio.run(serve(load_settings()))
"""


@contextmanager
def running_endpoint(settings: Settings, temporal_address: str) -> Iterator[str]:
    """Its URL once it answers. The tables must exist."""
    environment = {**os.environ, **settings.environment(), "TEMPORAL_ADDRESS": temporal_address}
    with (settings.data_directory / "log").open("wb") as log:
        endpoint = subprocess.Popen([sys.executable, "-c", _SERVE], env=environment, stderr=log)
    url = f"http://127.0.0.1:{settings.endpoint_port}"
    try:
        _until_up(url)
        yield url
    finally:
        endpoint.terminate()
        endpoint.wait()


def fill(store: Store, servers: int, sessions: int, state: ServerState = ServerState.RUNNING) -> list[str]:
    """A pool `bench` of so many servers in this state, with room for all sessions. Returns the servers' ids."""
    room = -(-sessions // servers)
    _declare(store, "zone", "north", {})
    _declare(store, "vm_provider", "machines", {"provider": "sim", "max_instances": servers})
    _declare(store, "pool", "bench", {"type": "server"})
    config = {"type": "server", "pool": "bench", "zone": "north", "vm_provider": "machines", "reusable": True}
    limits = {"max_sessions_per_server": room, "max_users_per_server": room}
    _declare(store, "autoscale", "bench", config | limits)
    with store.write() as tx:
        slots = [ledger.Slot(vm_provider="machines", reason="benchmark")] * servers
        ids = ledger.reserve(tx, scaling.load_autoscale(tx, "bench"), slots, "benchmark-1", store.clock())
        # Past the state table on purpose: a thousand lives are not what is measured.
        tx.execute(update(ServerRow).values(state=state, running_at=store.clock(), address="192.0.2.1"))
    return ids


def broker_key(store: Store) -> str:
    """An API key that may request sessions."""
    with store.write() as tx:
        return create_key(tx, "benchmark", Role.BROKER, store.clock())[1].get_secret_value()


def request_all(url: str, key: str, requests: int) -> list[float]:
    """Request so many sessions of the pool `bench`, one after the other. Milliseconds that each took."""
    took = []
    with httpx.Client(base_url=url, headers={"X-API-Key": key}, trust_env=False, timeout=60) as http:
        # The first ones warm up caches and the connection.
        for number in range(-5, requests):
            began = perf_counter()
            answer = http.post("/api/sessions", json={"pool": "bench", "user": f"user-{number}"})
            if number >= 0:
                took.append((perf_counter() - began) * 1000)
            if answer.json().get("state") != "assigned":
                raise RuntimeError(f"not assigned: {answer.text}")
    return took


def _until_up(url: str) -> None:
    give_up_at = monotonic() + 60
    with httpx.Client(base_url=url, trust_env=False) as http:
        while monotonic() < give_up_at:
            try:
                http.get("/healthz")
            except httpx.TransportError:
                sleep(0.05)
            else:
                return
    raise RuntimeError("the endpoint did not come up")


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
