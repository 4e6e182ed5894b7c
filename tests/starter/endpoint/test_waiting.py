"""Long polls and large bodies over real HTTP."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
import pytest_asyncio
import uvicorn
from fastapi import FastAPI

from poolwright.domain.states import ServerState
from poolwright.store.api_keys import Role
from starter.endpoint.app import create_app
from starter.session_watch import SessionWatch
from tests.starter.endpoint.world import POOL, World

pytestmark = pytest.mark.slow

LONG = 60
"""Seconds that no test here may take."""


@pytest.fixture
def app(world: World) -> FastAPI:
    """The application, which is told to stop by `app.state.stop`."""
    endpoint = create_app(world.store, world.signals, stopping=lambda: endpoint.state.stop)
    endpoint.state.stop = False
    return endpoint


async def until(what: Callable[[], object]) -> None:
    """Until it is true."""
    async with asyncio.timeout(LONG):
        while not what():
            await asyncio.sleep(0.01)


@pytest_asyncio.fixture
async def broker(app: FastAPI, world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A broker's client over a socket."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, server_header=False))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        serving = asyncio.create_task(server.serve([listener]))
        headers = {"X-API-Key": world.key(Role.BROKER)}
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=LONG, trust_env=False
        ) as client:
            await until(lambda: server.started)
            yield client
        app.state.stop = server.should_exit = True
        await serving


class TestLongPoll:
    async def test_a_request_answers_once_somebody_else_assigns_it(
        self, broker: httpx.AsyncClient, world: World
    ) -> None:
        server = world.server(ServerState.BOOTING)
        body = {"pool": POOL, "user": "ada"}
        asking = asyncio.create_task(broker.post("/api/sessions", json=body, params={"wait_seconds": LONG}))
        await until(lambda: world.signals.scaled)
        world.move(server, ServerState.CONFIGURING, ServerState.RUNNING)
        answer = await asking
        assert (answer.status_code, answer.json()["state"]) == (201, "assigned")
        assert answer.json()["connection"]["address"] == "192.0.2.7"
        assert answer.json()["queued_seconds"] > 0

    async def test_many_wait_at_once_and_each_hears_of_its_own(self, broker: httpx.AsyncClient, world: World) -> None:
        sessions = [world.request(f"user-{n}").id for n in range(20)]
        waiting = [
            asyncio.create_task(broker.get(f"/api/sessions/{one}", params={"wait_seconds": LONG})) for one in sessions
        ]
        await broker.get("/healthz")
        for one in sessions[:10]:
            await broker.delete(f"/api/sessions/{one}")
        ended = await asyncio.gather(*waiting[:10])
        assert {answer.json()["state"] for answer in ended} == {"ended"}
        assert [task.done() for task in waiting[10:]] == [False] * 10
        world.server()
        assert {answer.json()["state"] for answer in await asyncio.gather(*waiting[10:12])} == {"assigned"}

    async def test_it_answers_in_time_if_nothing_happens(self, broker: httpx.AsyncClient, world: World) -> None:
        began = time.monotonic()
        answer = await broker.get(f"/api/sessions/{world.request().id}", params={"wait_seconds": 0.3})
        assert 0.3 <= time.monotonic() - began < LONG
        assert answer.json()["state"] == "queued"

    @pytest.mark.parametrize("seconds", ["-1", "301", "nan", "inf", "soon", ""])
    async def test_it_waits_five_minutes_at_most(self, broker: httpx.AsyncClient, world: World, seconds: str) -> None:
        answer = await broker.get(f"/api/sessions/{world.request().id}", params={"wait_seconds": seconds})
        assert (answer.status_code, "query.wait_seconds" in answer.json()["error"]) == (422, True)

    async def test_it_answers_at_once_when_the_endpoint_stops(
        self, app: FastAPI, broker: httpx.AsyncClient, world: World
    ) -> None:
        path = f"/api/sessions/{world.request().id}"
        waiting = asyncio.create_task(broker.get(path, params={"wait_seconds": LONG}))
        await broker.get(path, params={"wait_seconds": 0.3})
        assert not waiting.done()
        app.state.stop = True
        assert (await waiting).json()["state"] == "queued"
        assert (await broker.get(path, params={"wait_seconds": LONG})).json()["state"] == "queued"


async def spaces(chunks: int) -> AsyncIterator[bytes]:
    """A body of so many times 10,000 bytes."""
    for _ in range(chunks):
        yield b" " * 10_000


class TestWatch:
    async def test_beyond_its_limit_nobody_has_to_wait(self, world: World) -> None:
        watch = SessionWatch(world.store, most_waiters=1)
        session = world.request().id
        waiting = asyncio.create_task(watch.wait(session, LONG))
        await asyncio.sleep(0)
        async with asyncio.timeout(LONG / 2):
            await watch.wait(session, LONG)
        assert not waiting.done()
        waiting.cancel()


class TestLargeBodies:
    @pytest.mark.parametrize("declared", [True, False])
    async def test_the_sender_hears_why(self, broker: httpx.AsyncClient, declared: bool) -> None:
        headers = {"Content-Length": "1000000"} if declared else {}
        answer = await broker.post("/api/sessions", content=spaces(100), headers=headers)
        assert (answer.status_code, answer.json()) == (413, {"error": "the body is too large: at most 64 KiB"})
