"""The endpoint on PostgreSQL, where transactions really run at the same time."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from poolwright.domain.states import ServerState
from poolwright.store.engine import open_store
from poolwright.store.sealing import Sealer, new_key
from poolwright.store.servers import lock_pool, lock_server, transition
from poolwright.store.sessions import assign_waiting, live_sessions
from tests.starter.endpoint.world import POOL, World

pytestmark = pytest.mark.slow

ROUNDS = 8


@pytest.fixture
def world(postgresql_database_url: str) -> Iterator[World]:
    """A small installation of the test's own, on PostgreSQL."""
    world = World.new(open_store(postgresql_database_url, Sealer([new_key()])))
    yield world
    world.store.close()


async def come_and_go(client: httpx.AsyncClient, user: str) -> set[int]:
    statuses = set()
    for _ in range(ROUNDS):
        answer = await client.post("/api/sessions", json={"pool": POOL, "user": user})
        statuses.add(answer.status_code)
        statuses.add((await client.delete(f"/api/sessions/{answer.json()['id']}")).status_code)
    return statuses


async def report(client: httpx.AsyncClient, token: str) -> set[int]:
    statuses = set()
    for number in range(ROUNDS * 2):
        body = {"status": "running", "status_progress": number, "logs": [{"message": "still here"}]}
        for path in ("/api/set_server_status", "/api/component_log"):
            statuses.add((await client.post(path, params={"token": token}, json=body)).status_code)
    return statuses


def drain_and_undrain(world: World, server_id: str) -> None:
    """As the activities of its life do: the server is locked first, then the pool."""
    for number in range(ROUNDS * 2):
        with world.store.write() as tx:
            row = lock_server(tx, server_id)
            lock_pool(tx, row.pool)
            live_sessions(tx, server_id)
            new = ServerState.RUNNING if number % 2 else ServerState.DRAINING
            transition(tx, row, new, "there and back", world.store.clock())
            tx.flush()
            assign_waiting(tx, row.pool, world.store.clock())


class TestAtTheSameTime:
    async def test_requests_ends_reports_and_lives_do_not_wait_for_each_other_in_a_circle(
        self, broker: httpx.AsyncClient, http: httpx.AsyncClient, world: World
    ) -> None:
        servers = [world.server() for _ in range(3)]
        results = await asyncio.gather(
            *(come_and_go(broker, f"user-{n}") for n in range(6)),
            *(report(http, world.token(server)) for server in servers),
            *(asyncio.to_thread(drain_and_undrain, world, server) for server in servers[:2]),
        )
        statuses = [result for result in results if result is not None]
        assert statuses == [{201, 200}] * 6 + [{202}] * 3
        with world.store.read() as tx:
            assert [live_sessions(tx, server) for server in servers] == [0, 0, 0]

    async def test_one_key_for_two_pools_at_once_gives_one_session(
        self, broker: httpx.AsyncClient, world: World
    ) -> None:
        world.declare_pool("other")
        for number in range(ROUNDS):
            headers = {"Idempotency-Key": f"key-{number}"}
            answers = await asyncio.gather(
                *(
                    broker.post("/api/sessions", json={"pool": pool, "user": "ada"}, headers=headers)
                    for pool in (POOL, "other")
                )
            )
            assert sorted(answer.status_code for answer in answers) == [201, 409]


class TestOddText:
    @pytest.mark.parametrize("text", ["\0", "\ud800", "\U0010ffff", "'; --", "%s %(x)s"])
    async def test_none_breaks_anything(self, broker: httpx.AsyncClient, world: World, text: str) -> None:
        token = world.token(world.server(ServerState.BOOTING))
        bodies: dict[str, Any] = {
            "/api/sessions": {"pool": POOL, "user": text},
            "/api/set_server_status": {"status": "starting", "status_message": text},
            "/api/component_log": {"logs": [{"message": text, "application": text, "levelname": text}]},
        }
        for path, body in bodies.items():
            content = json.dumps(body)
            answer = await broker.post(path, content=content, params={"token": token}, headers=_without_key(path))
            assert answer.status_code in (201, 202, 422), answer.text


def _without_key(path: str) -> dict[str, str]:
    # The header would be taken for the check-in token.
    return {} if path == "/api/sessions" else {"Authorization": ""}
