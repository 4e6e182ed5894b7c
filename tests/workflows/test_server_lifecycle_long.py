"""Servers that live for months: their history starts afresh, and nothing is forgotten or overheard."""

import asyncio
from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from poolwright.domain.servers import Server, SessionState
from poolwright.domain.states import ServerState
from tests.workflows.scenes import Scene, scene
from tests.workflows.short_histories import SUGGESTED_EVENTS
from tests.workflows.states import draining, serving

pytestmark = pytest.mark.slow


async def run_id(poolwright: Scene, server: Server) -> str:
    """The run that its life is in."""
    return (await poolwright.life(server).describe()).run_id or ""


async def grow_old(poolwright: Scene, server: Server) -> None:
    """Signal it until its life has begun a new run."""
    first = await run_id(poolwright, server)

    async def is_in_another() -> bool:
        await poolwright.signals.sessions_changed(server.id)
        return await run_id(poolwright, server) != first

    await poolwright.soon(is_in_another)


async def told_much_at_once(poolwright: Scene, server: Server) -> None:
    """Signals enough for a new run, and all unheard as yet: its workers are away."""
    for _ in range(SUGGESTED_EVENTS):
        await poolwright.signals.sessions_changed(server.id)


class TestNewRun:
    """What a new run knows, it knows from the row."""

    async def test_a_server_that_serves_goes_on_serving(
        self, short_histories: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(short_histories, tmp_path) as poolwright:
            server = await serving(poolwright)
            states = poolwright.states(server)
            await grow_old(poolwright, server)
            await poolwright.until_told(server, ServerState.RUNNING)
            assert poolwright.states(server) == states
            await poolwright.signals.drain(server.id, "the image is old")
            await poolwright.until_told(server, ServerState.DRAINING)
            await poolwright.signals.terminate(server.id, "the test is over")
            assert await poolwright.life(server).result() == "the test is over"
            assert poolwright.creations() == 1

    async def test_a_server_that_drains_goes_on_draining(
        self, short_histories: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(short_histories, tmp_path) as poolwright:
            server = await draining(poolwright)
            await grow_old(poolwright, server)
            await poolwright.until_told(server, ServerState.DRAINING)
            assert poolwright.states(server).count("draining") == 1
            assert poolwright.session_on(server).state is SessionState.ASSIGNED
            await poolwright.end(poolwright.session_on(server))
            await poolwright.until_state(server, ServerState.DELETED)


class TestWhatIsSaidMeanwhile:
    """Nothing that comes together with the change of runs is lost."""

    @pytest.mark.parametrize("before", [True, False], ids=["before the others", "after the others"])
    async def test_a_wish_to_terminate(
        self, short_histories: WorkflowEnvironment, tmp_path: Path, *, before: bool
    ) -> None:
        async with scene(short_histories, tmp_path) as poolwright:
            server = await serving(poolwright)
            await poolwright.stop_working()
            if before:
                await poolwright.signals.terminate(server.id, "the building burns")
            await told_much_at_once(poolwright, server)
            if not before:
                await poolwright.signals.terminate(server.id, "the building burns")
            poolwright.start_working()
            await poolwright.until_state(server, ServerState.DELETED)

    async def test_a_wish_to_drain(self, short_histories: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(short_histories, tmp_path) as poolwright:
            server = await serving(poolwright)
            await poolwright.stop_working()
            await told_much_at_once(poolwright, server)
            await poolwright.signals.drain(server.id, "the image is old")
            poolwright.start_working()
            await poolwright.until_told(server, ServerState.DRAINING)

    async def test_a_cancellation(self, short_histories: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(short_histories, tmp_path) as poolwright:
            server = await serving(poolwright)
            await poolwright.stop_working()
            await told_much_at_once(poolwright, server)
            await poolwright.life(server).cancel()
            poolwright.start_working()
            await poolwright.until_told(server, ServerState.DRAINING)

    async def test_a_wish_to_have_it_back(self, short_histories: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(short_histories, tmp_path) as poolwright:
            server = await draining(poolwright)
            await poolwright.stop_working()
            await told_much_at_once(poolwright, server)
            await poolwright.signals.undrain(server.id, "the image is good enough")
            poolwright.start_working()
            await poolwright.until_told(server, ServerState.RUNNING)

    async def test_an_undrain_of_long_ago_does_not_hold_it_up(
        self, short_histories: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(short_histories, tmp_path) as poolwright:
            server = await serving(poolwright)
            await poolwright.signals.undrain(server.id, "it was not even drained")
            await grow_old(poolwright, server)
            await poolwright.until_told(server, ServerState.RUNNING)
            first = await run_id(poolwright, server)
            await asyncio.sleep(0.5)
            assert await run_id(poolwright, server) == first
