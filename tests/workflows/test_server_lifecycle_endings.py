"""Ending a server in each state of its life, in three ways: nothing is left, and nobody is thrown out unasked."""

from itertools import pairwise
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.testing import WorkflowEnvironment

from activities.contract import MARK_RUNNING
from activities.lifeline import start_life
from poolwright.domain.servers import CheckInStatus, Server, SessionState
from poolwright.domain.states import TRANSITIONS, ServerState
from poolwright.providers.sim.settings import Operation
from poolwright.store.sessions import list_sessions
from tests.workflows.scenes import Scene, scene
from tests.workflows.states import STAGES, WITH_A_SESSION, Stage, go_on

pytestmark = pytest.mark.slow

EVERY_STAGE = pytest.mark.parametrize("stage", STAGES, ids=[stage.name for stage in STAGES])
NOT_GOING = [stage for stage in STAGES if stage.name not in {"kept", "deleting"}]
"""Stages in which the reason for the end is still open."""


def nothing_is_left(poolwright: Scene, server: Server) -> None:
    """No VM, no open session, and a story without a gap from the first state to the last."""
    assert not poolwright.living()
    assert not poolwright.servers()
    assert poolwright.server(server).state is ServerState.DELETED
    with poolwright.store.read() as tx:
        assert not list_sessions(tx, pool="demo")
    story = [entry for entry in poolwright.story(server) if entry.from_state != entry.to_state]
    assert story[0].from_state is None
    assert all(before.to_state == after.from_state for before, after in pairwise(story))
    assert all((entry.from_state, entry.to_state) in TRANSITIONS for entry in story[1:] if entry.from_state)
    assert all(entry.reason for entry in story)


async def nobody_is_thrown_out(poolwright: Scene, server: Server) -> None:
    """The server drains, and waits for as long as somebody is on it. Ends that session."""
    await poolwright.until_state(server, ServerState.DRAINING)
    await poolwright.skip(1700)
    assert poolwright.server(server).state is ServerState.DRAINING
    assert len(poolwright.living()) == 1
    await poolwright.end(poolwright.session_on(server))


class TestTerminate:
    """The signal `terminate` waits for nobody."""

    @EVERY_STAGE
    async def test_nothing_is_left(self, skipping: WorkflowEnvironment, tmp_path: Path, stage: Stage) -> None:
        async with stage.scene(skipping, tmp_path) as poolwright:
            server = await stage.reach(poolwright)
            assert await poolwright.signals.terminate(server.id, "the building burns")
            await go_on(poolwright, server, stage)
            reason = await poolwright.ended(server)
            if stage in NOT_GOING:
                assert reason == "the building burns"
                assert "the building burns" in poolwright.reasons(server)
            assert poolwright.creations() <= 1
            nothing_is_left(poolwright, server)

    async def test_sessions_on_it_end_with_the_reason(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            server = await poolwright.running()
            session = await poolwright.request("ada")
            await poolwright.signals.terminate(server.id, "the building burns")
            await poolwright.ended(server)
            assert poolwright.session(session).state is SessionState.ENDED
            assert poolwright.session(session).end_reason == "the building burns"

    async def test_a_vm_that_is_born_meanwhile_is_deleted(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            # Whoever holds the world's lock keeps every call to the provider waiting.
            with poolwright.world.database.transaction():
                server = await poolwright.live()
                await poolwright.until_state(server, ServerState.CREATING)
                await poolwright.signals.terminate(server.id, "the building burns")
                await poolwright.until_event(server, EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED)
            await poolwright.ended(server)
            assert poolwright.creations() == 1
            nothing_is_left(poolwright, server)

    async def test_a_second_one_changes_nothing(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path, sticky=True, sim={"delete_seconds": 60}) as poolwright:
            server = await poolwright.running()
            await poolwright.signals.terminate(server.id, "the building burns")
            await poolwright.signals.terminate(server.id, "it still burns")
            assert await poolwright.ended(server) == "the building burns"


class TestDelete:
    """The signal `delete` waits for those who are on the server, and for nothing else."""

    @EVERY_STAGE
    async def test_nothing_is_left_once_the_sessions_have_ended(
        self, skipping: WorkflowEnvironment, tmp_path: Path, stage: Stage
    ) -> None:
        async with stage.scene(skipping, tmp_path) as poolwright:
            server = await stage.reach(poolwright)
            assert await poolwright.signals.delete(server.id, "it is not wanted")
            await go_on(poolwright, server, stage)
            if stage.name in WITH_A_SESSION:
                await nobody_is_thrown_out(poolwright, server)
            reason = await poolwright.ended(server)
            if stage in NOT_GOING and stage.name != "draining":
                assert reason == "it is not wanted"
            assert poolwright.creations() <= 1
            nothing_is_left(poolwright, server)

    async def test_a_boot_is_not_waited_for(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            session = await poolwright.request("ada")
            server = await poolwright.live()
            await poolwright.until_told(server, ServerState.BOOTING)
            await poolwright.signals.delete(server.id, "it is not wanted")
            await poolwright.ended(server)
            assert "running" not in poolwright.states(server)
            assert poolwright.session(session).state is SessionState.QUEUED

    async def test_somebody_who_gets_the_server_at_this_moment_keeps_it(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            session = await poolwright.request("ada")
            server = await poolwright.live()
            await poolwright.until_told(server, ServerState.BOOTING)
            # Whoever writes keeps the step waiting that gives the server to those who wait.
            with poolwright.store.write():
                await poolwright.signals.check_in(server.id, CheckInStatus.RUNNING, "")
                await poolwright.until_at_work(server, MARK_RUNNING)
                await poolwright.signals.delete(server.id, "it is not wanted")
                await poolwright.page(server)
            await poolwright.until_state(server, ServerState.DRAINING)
            assert poolwright.session(session).state is SessionState.ASSIGNED
            await poolwright.skip(1100)
            await poolwright.end(poolwright.session(session))
            assert await poolwright.ended(server) == "it is not wanted"
            assert poolwright.session(session).end_reason == "done"

    async def test_a_life_that_does_not_know_yet_where_it_stands_throws_nobody_out(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path) as poolwright:
            server = await poolwright.running()
            await poolwright.request("ada")
            await poolwright.stop_working()
            await poolwright.life(server).terminate("somebody pressed the button")
            await start_life(poolwright.client, poolwright.server(server))
            await poolwright.signals.delete(server.id, "it is not wanted")
            poolwright.start_working()
            await nobody_is_thrown_out(poolwright, server)
            assert await poolwright.ended(server) == "it is not wanted"

    async def test_it_can_be_taken_back(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            server = await poolwright.running()
            session = await poolwright.request("ada")
            await poolwright.signals.delete(server.id, "it is not wanted")
            await poolwright.until_told(server, ServerState.DRAINING)
            await poolwright.signals.undrain(server.id, "it is wanted after all")
            await poolwright.until_told(server, ServerState.RUNNING)
            await poolwright.signals.delete(server.id, "it is not wanted")
            await poolwright.until_told(server, ServerState.DRAINING)
            await poolwright.end(session)
            assert await poolwright.ended(server) == "it is not wanted"


class TestCancel:
    """Cancelling a life drains a server that serves and tears down any other; it never ends a session."""

    @EVERY_STAGE
    async def test_nothing_is_left_once_the_sessions_have_ended(
        self, skipping: WorkflowEnvironment, tmp_path: Path, stage: Stage
    ) -> None:
        async with stage.scene(skipping, tmp_path) as poolwright:
            server = await stage.reach(poolwright)
            await poolwright.life(server).cancel()
            await go_on(poolwright, server, stage)
            if stage.name in WITH_A_SESSION:
                await nobody_is_thrown_out(poolwright, server)
            assert await poolwright.ended_by_cancellation(server)
            assert poolwright.creations() <= 1
            nothing_is_left(poolwright, server)

    async def test_somebody_who_waited_for_the_server_is_not_thrown_out(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            session = await poolwright.request("ada")
            server = await poolwright.live()
            await poolwright.until_told(server, ServerState.BOOTING)
            # Whoever writes keeps the step waiting that gives the server to those who wait.
            with poolwright.store.write():
                await poolwright.signals.check_in(server.id, CheckInStatus.RUNNING, "")
                await poolwright.until_at_work(server, MARK_RUNNING)
                await poolwright.life(server).cancel()
                await poolwright.until_event(server, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED)
                await poolwright.page(server)
            await poolwright.soon(lambda: poolwright.server(server).state is not ServerState.BOOTING)
            await poolwright.skip(1100)
            assert poolwright.session(session).state is SessionState.ASSIGNED
            await poolwright.end(poolwright.session(session))
            assert await poolwright.ended_by_cancellation(server)

    async def test_an_undrain_of_long_ago_does_not_annul_it(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            server = await poolwright.running()
            await poolwright.signals.undrain(server.id, "it was not even drained")
            await poolwright.skip(50)
            session = await poolwright.request("ada")
            await poolwright.life(server).cancel()
            await poolwright.until_state(server, ServerState.DRAINING)
            await poolwright.skip(1100)
            assert poolwright.server(server).state is ServerState.DRAINING
            await poolwright.end(session)
            assert await poolwright.ended_by_cancellation(server)

    async def test_it_never_touches_the_provider_for_a_server_without_a_vm(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        (stage,) = (stage for stage in STAGES if stage.name == "preparing")
        async with stage.scene(skipping, tmp_path) as poolwright:
            server = await stage.reach(poolwright)
            await poolwright.life(server).cancel()
            await go_on(poolwright, server, stage)
            assert await poolwright.ended_by_cancellation(server)
            assert not any(poolwright.calls(operation) for operation in (Operation.CREATE, Operation.DELETE))
