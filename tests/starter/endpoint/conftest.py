import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from poolwright.store.api_keys import Role
from poolwright.store.engine import open_store
from poolwright.store.sealing import Sealer, new_key
from starter.endpoint.app import create_app
from tests.starter.endpoint.world import World

KEY = new_key()


@pytest.fixture(scope="session")
def new_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with a small installation: copying it is quicker than migrating each test's own."""
    file = tmp_path_factory.mktemp("endpoint") / "poolwright.db"
    World.new(open_store(f"sqlite:///{file}", Sealer([KEY]))).store.close()
    return file


@pytest.fixture
def world(new_database: Path, tmp_path: Path) -> Iterator[World]:
    """A small installation of the test's own."""
    file = tmp_path / "poolwright.db"
    shutil.copy(new_database, file)
    world = World(open_store(f"sqlite:///{file}", Sealer([KEY])))
    yield world
    world.store.close()


@pytest.fixture
def app(world: World) -> FastAPI:
    """The real application over that installation."""
    return create_app(world.store, world.signals)


@pytest_asyncio.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client without credentials."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://endpoint") as client:
        yield client
        await app.state.sessions.finish()


@pytest_asyncio.fixture
async def broker(app: FastAPI, world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the role `broker`."""
    headers = {"Authorization": f"Bearer {world.key(Role.BROKER)}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://endpoint", headers=headers) as it:
        yield it
        await app.state.sessions.finish()
