"""A life whose workflow an operator terminated goes on from its row, with the VM that it has."""

from pathlib import Path

import pytest
from temporalio.client import WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment

from activities.lifeline import start_life
from poolwright.domain.servers import Server, SessionState
from poolwright.domain.states import ServerState
from poolwright.providers.sim.settings import Operation
from poolwright.store.sessions import list_sessions
from tests.workflows.scenes import Scene, scene
from tests.workflows.states import STAGES, Stage, go_on, kept

pytestmark = pytest.mark.slow


async def lose_its_workflow(poolwright: Scene, server: Server) -> None:
    """What the button *Terminate* of the Temporal Web UI does."""
    await poolwright.life(server).terminate("somebody pressed the button")


async def find_its_workflow(poolwright: Scene, server: Server) -> None:
    """What the watchdog does, within a minute."""
    await start_life(poolwright.client, poolwright.server(server))


async def bring_to_run(poolwright: Scene, server: Server) -> None:
    """See a server that is on its way through to `running`."""
    booted = {"booting", "configuring", "running", "draining"}
    await poolwright.until(lambda: poolwright.states(server)[-1] in booted, within_seconds=120)
    if poolwright.server(server).state is not ServerState.RUNNING:
        await poolwright.check_in(server)
    await poolwright.until_told(server, ServerState.RUNNING)


class TestLostWorkflow:
    """In each state: no second VM, and no less than before."""

    @pytest.mark.parametrize("stage", STAGES, ids=[stage.name for stage in STAGES])
    async def test_life_goes_on_from_its_row(self, skipping: WorkflowEnvironment, tmp_path: Path, stage: Stage) -> None:
        async with stage.scene(skipping, tmp_path) as poolwright:
            server = await stage.reach(poolwright)
            state = poolwright.server(server).state
            await lose_its_workflow(poolwright, server)
            await go_on(poolwright, server, stage)
            await find_its_workflow(poolwright, server)
            if stage.name in {"requested", "preparing", "creating", "creating_unheard", "booting", "configuring"}:
                await bring_to_run(poolwright, server)
            elif stage.name == "deleting":
                await poolwright.ended(server)
            else:
                await poolwright.until_told(server, state)
            assert poolwright.creations() == 1
            assert len(poolwright.living()) == (0 if stage.name == "deleting" else 1)
            with poolwright.store.read() as tx:
                assert all(one.state is SessionState.ASSIGNED for one in list_sessions(tx, ended=True))

    async def test_a_vm_that_was_born_behind_its_back_is_adopted(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            # Whoever holds the world's lock keeps every call to the provider waiting.
            with poolwright.world.database.transaction():
                server = await poolwright.live()
                await poolwright.until_state(server, ServerState.CREATING)
                await lose_its_workflow(poolwright, server)
                await find_its_workflow(poolwright, server)
            await poolwright.until_told(server, ServerState.BOOTING)
            assert poolwright.creations() == 1

    async def test_what_is_kept_for_diagnosis_is_kept_as_long_as_before(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True, failure={"keep_failed_seconds": 7200}) as poolwright:
            server = await kept(poolwright)
            await poolwright.skip(3600)
            await lose_its_workflow(poolwright, server)
            await find_its_workflow(poolwright, server)
            await poolwright.until_told(server, ServerState.FAILED)
            await poolwright.skip(3500)
            assert poolwright.server(server).state is ServerState.FAILED
            await poolwright.skip(150)
            await poolwright.until_state(server, ServerState.DELETED)
            assert poolwright.states(server).count("failed") == 1

    async def test_an_error_that_was_reported_meanwhile_is_heard(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            server = await poolwright.running()
            session = await poolwright.request("ada")
            await lose_its_workflow(poolwright, server)
            await poolwright.check_in(server, "error", "the display is gone")
            await find_its_workflow(poolwright, server)
            await poolwright.until_state(server, ServerState.DRAINING)
            await poolwright.end(session)
            await poolwright.until_state(server, ServerState.DELETED)

    async def test_an_error_that_an_operator_had_it_back_after_is_not_heard_again(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            server = await poolwright.running()
            await poolwright.request("ada")
            await poolwright.check_in(server, "error", "the display is gone")
            await poolwright.until_told(server, ServerState.DRAINING)
            await poolwright.signals.undrain(server.id, "I have mended it")
            await poolwright.until_told(server, ServerState.RUNNING)
            await lose_its_workflow(poolwright, server)
            await find_its_workflow(poolwright, server)
            await poolwright.until_told(server, ServerState.RUNNING)
            await poolwright.skip(3500)
            assert poolwright.states(server).count("draining") == 1

    async def test_its_draining_goes_on_and_can_still_be_undone(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            server = await poolwright.running()
            await poolwright.request("ada")
            await poolwright.signals.drain(server.id, "the image is old")
            await poolwright.until_told(server, ServerState.DRAINING)
            await lose_its_workflow(poolwright, server)
            await find_its_workflow(poolwright, server)
            await poolwright.until_told(server, ServerState.DRAINING)
            await poolwright.signals.undrain(server.id, "it is not that old")
            await poolwright.until_told(server, ServerState.RUNNING)


class TestRepeatedStart:
    """Starting a life is repeatable."""

    async def test_starting_what_runs_changes_nothing(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            server = await poolwright.running()
            run = (await poolwright.life(server).describe()).run_id
            for _ in range(5):
                await find_its_workflow(poolwright, server)
            assert (await poolwright.life(server).describe()).run_id == run
            assert poolwright.calls(Operation.CREATE) == 1

    async def test_a_life_that_is_over_does_nothing(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            server = await poolwright.running()
            await poolwright.signals.terminate(server.id, "the test is over")
            await poolwright.ended(server)
            calls = poolwright.world.calls()
            await find_its_workflow(poolwright, server)
            assert await poolwright.ended(server) == "it is deleted"
            assert poolwright.world.calls() == calls
            description = await poolwright.life(server).describe()
            assert description.status is WorkflowExecutionStatus.COMPLETED

    async def test_a_signal_to_a_life_that_is_over_is_answered(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            server = await poolwright.running()
            assert await poolwright.signals.terminate(server.id, "the test is over")
            await poolwright.ended(server)
            assert not await poolwright.signals.terminate(server.id, "once more")
            assert not await poolwright.signals.drain(server.id, "once more")
