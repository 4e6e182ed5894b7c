"""Bringing a server into each state of its life, and holding it there."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio.testing import WorkflowEnvironment

from poolwright.domain.servers import Server
from poolwright.domain.states import ServerState
from poolwright.providers.sim.settings import Failure, Operation
from tests.workflows.scenes import Scene, scene


async def requested(poolwright: Scene) -> Server:
    """Its life is started, but no worker has heard of it."""
    return await poolwright.live()


async def preparing(poolwright: Scene) -> Server:
    """Its life has begun, but no worker serves its zone."""
    poolwright.start_working(zone=False)
    server = await poolwright.live()
    return await poolwright.until_state(server, ServerState.PREPARING)


async def creating(poolwright: Scene) -> Server:
    """The provider refuses to make its VM, for the time being."""
    poolwright.world.fail_next(Operation.CREATE, Failure.TRANSIENT, 10_000)
    server = await poolwright.live()
    await poolwright.soon(lambda: poolwright.calls(Operation.CREATE) > 0)
    return await poolwright.until_told(server, ServerState.CREATING)


async def creating_unheard(poolwright: Scene) -> Server:
    """Its VM exists, but the provider's answer was lost, and the next ones are errors."""
    poolwright.world.lose_next_response()
    server = await poolwright.live()
    await poolwright.soon(lambda: poolwright.creations() == 1)
    poolwright.world.fail_next(Operation.CREATE, Failure.TRANSIENT, 10_000)
    return await poolwright.until_told(server, ServerState.CREATING)


async def booting(poolwright: Scene) -> Server:
    """Its VM runs and has not checked in."""
    server = await poolwright.live()
    return await poolwright.until_told(server, ServerState.BOOTING)


async def configuring(poolwright: Scene) -> Server:
    """Its startup script works."""
    server = await booting(poolwright)
    await poolwright.check_in(server, "configuring", "installing")
    return await poolwright.until_told(server, ServerState.CONFIGURING)


async def running(poolwright: Scene) -> Server:
    """It is ready, and nobody is on it."""
    return await poolwright.running()


async def serving(poolwright: Scene) -> Server:
    """Somebody is on it."""
    server = await poolwright.running()
    session = await poolwright.request("ada")
    assert session.server_id == server.id
    return server


async def draining(poolwright: Scene) -> Server:
    """It waits for its last session to end."""
    server = await serving(poolwright)
    await poolwright.signals.drain(server.id, "it is to go")
    return await poolwright.until_told(server, ServerState.DRAINING)


async def kept(poolwright: Scene) -> Server:
    """It failed and is kept for diagnosis."""
    server = await booting(poolwright)
    await poolwright.check_in(server, "error", "no disk")
    return await poolwright.until_told(server, ServerState.FAILED)


async def deleting(poolwright: Scene) -> Server:
    """Its VM is being deleted, which takes long."""
    server = await booting(poolwright)
    await poolwright.signals.terminate(server.id, "it is to go")
    await poolwright.soon(lambda: poolwright.calls(Operation.DELETE) > 0)
    return await poolwright.until_told(server, ServerState.DELETING)


@dataclass(frozen=True)
class Stage:
    """A state of life to be in, and the settings without which nothing stays in it."""

    reach: Callable[[Scene], Awaitable[Server]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    working: bool = True
    """False: the workers start later."""

    def scene(self, environment: WorkflowEnvironment, directory: Path) -> AbstractAsyncContextManager[Scene]:
        """A scene in which the state can be reached."""
        return scene(environment, directory, working=self.working, **self.settings)

    @property
    def name(self) -> str:
        """For the ids of tests."""
        return self.reach.__name__


STAGES = (
    Stage(requested, working=False),
    Stage(preparing, working=False),
    Stage(creating),
    Stage(creating_unheard),
    Stage(booting),
    Stage(configuring),
    Stage(running),
    Stage(serving),
    Stage(draining),
    Stage(kept, {"failure": {"keep_failed_seconds": 7200}}),
    Stage(deleting, {"sim": {"delete_seconds": 300}}),
)
"""Every state of life but `deleted`, and those within a state that make a difference."""

WITH_A_SESSION = frozenset({"serving", "draining"})
"""Stages in which somebody is on the server."""


async def go_on(poolwright: Scene, server: Server, stage: Stage) -> None:
    """End what held the server in its stage: all workers serve, and the provider answers."""
    poolwright.mend_provider()
    if stage.reach is requested:
        poolwright.start_working()
    if stage.reach is preparing:
        # Only once its life has had its say, or a step could end while it is being cancelled.
        await poolwright.page(server)
        poolwright.start_working(workflows=False)
