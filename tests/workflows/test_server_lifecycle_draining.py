"""Draining and having back: a server goes when it is empty, never before."""

from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from poolwright.domain.scaling import DrainReason
from poolwright.domain.servers import SessionState
from poolwright.domain.states import ServerState
from poolwright.store import sessions
from tests.workflows.scenes import scene

pytestmark = pytest.mark.slow


class TestDrain:
    """The signal `drain`."""

    async def test_an_empty_server_goes_at_once(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            server = await poolwright.running()
            await poolwright.signals.drain(server.id, "the image is old")
            await poolwright.until_state(server, ServerState.DELETED)
            assert "the image is old; no session is left" in poolwright.reasons(server)

    @pytest.mark.parametrize("reason", ["", " ", 5, {"why": "typing"}])
    async def test_whatever_the_web_ui_sends_as_the_reason_the_server_goes(
        self, skipping: WorkflowEnvironment, tmp_path: Path, reason: object
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            server = await poolwright.running()
            handle = skipping.client.get_workflow_handle(f"server-{server.id}")
            await handle.signal("drain", reason)
            await poolwright.until_state(server, ServerState.DELETED)

    async def test_it_waits_for_every_session_and_goes_with_the_last(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True, max_sessions_per_server=2) as poolwright:
            server = await poolwright.running()
            ada, ben = await poolwright.request("ada"), await poolwright.request("ben")
            await poolwright.signals.drain(server.id, "the image is old")
            await poolwright.until_told(server, ServerState.DRAINING)
            assert poolwright.server(server).message == "the image is old; waits for 2 session(s) to end"
            await poolwright.end(ada)
            await poolwright.skip(3500)
            assert poolwright.server(server).state is ServerState.DRAINING
            await poolwright.end(ben)
            await poolwright.until_state(server, ServerState.DELETED)
            assert not poolwright.living()

    async def test_it_takes_no_new_session_meanwhile(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path, sticky=True, max_sessions_per_server=2) as poolwright:
            server = await poolwright.running()
            await poolwright.request("ada")
            await poolwright.signals.drain(server.id, "the image is old")
            await poolwright.until_state(server, ServerState.DRAINING)
            assert (await poolwright.request("ben")).state is SessionState.QUEUED

    async def test_it_looks_by_itself_when_nobody_tells_of_the_last_sessions_end(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            server = await poolwright.running()
            session = await poolwright.request("ada")
            await poolwright.signals.drain(server.id, "the image is old")
            await poolwright.until_told(server, ServerState.DRAINING)
            with poolwright.store.write() as tx:
                sessions.end_session(tx, session.id, "logged out", await poolwright.now())
            await poolwright.skip(540)
            assert poolwright.server(server).state is ServerState.DRAINING
            await poolwright.until(lambda: poolwright.states(server)[-1] == "deleted", within_seconds=120)

    async def test_one_that_comes_while_it_boots_is_done_once_it_runs(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            server = await poolwright.live()
            await poolwright.until_told(server, ServerState.BOOTING)
            await poolwright.signals.drain(server.id, "the image is old")
            await poolwright.check_in(server)
            await poolwright.until_state(server, ServerState.DELETED)
            assert poolwright.states(server)[-4:] == ["running", "draining", "deleting", "deleted"]


class TestScaleDown:
    """A drain because there is too much room."""

    async def test_a_server_that_somebody_just_got_stays(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            server = await poolwright.running()
            session = await poolwright.request("ada")
            await poolwright.life(server).signal("drain", args=["too much room", DrainReason.SCALE_DOWN.value])
            await poolwright.soon(lambda: "not drained after all" in poolwright.server(server).message)
            await poolwright.skip(3500)
            assert poolwright.server(server).state is ServerState.RUNNING
            assert poolwright.session(session).state is SessionState.ASSIGNED

    async def test_an_unknown_kind_counts_as_an_operators_wish(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            server = await poolwright.running()
            await poolwright.request("ada")
            await poolwright.life(server).signal("drain", args=["too much room", "a kind of the future"])
            await poolwright.until_state(server, ServerState.DRAINING)


class TestUndrain:
    """The signal `undrain`."""

    async def test_it_serves_again_and_takes_who_waits(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path, sticky=True, max_sessions_per_server=2) as poolwright:
            server = await poolwright.running()
            await poolwright.request("ada")
            await poolwright.signals.drain(server.id, "the image is old")
            await poolwright.until_told(server, ServerState.DRAINING)
            ben = await poolwright.request("ben")
            await poolwright.signals.undrain(server.id, "the image is good enough")
            await poolwright.until_told(server, ServerState.RUNNING)
            assert poolwright.session(ben).server_id == server.id
            assert poolwright.reasons(server)[-1] == "the image is good enough"

    async def test_one_that_overtakes_the_drain_annuls_it(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path) as poolwright:
            server = await poolwright.running()
            await poolwright.stop_working()
            await poolwright.signals.drain(server.id, "the image is old")
            await poolwright.signals.undrain(server.id, "no, it is not")
            poolwright.start_working()
            await poolwright.page(server)
            await poolwright.skip(50)
            assert poolwright.states(server)[-1] == "running"

    async def test_a_server_may_be_drained_and_had_back_any_number_of_times(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            server = await poolwright.running()
            session = await poolwright.request("ada")
            for _ in range(3):
                await poolwright.signals.drain(server.id, "go")
                await poolwright.until_told(server, ServerState.DRAINING)
                await poolwright.signals.undrain(server.id, "stay")
                await poolwright.until_told(server, ServerState.RUNNING)
            await poolwright.signals.drain(server.id, "go")
            await poolwright.until_told(server, ServerState.DRAINING)
            await poolwright.end(session)
            await poolwright.until_state(server, ServerState.DELETED)

    async def test_it_comes_too_late_for_a_server_that_is_being_deleted(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True, sim={"delete_seconds": 60}) as poolwright:
            server = await poolwright.running()
            await poolwright.signals.drain(server.id, "the image is old")
            await poolwright.until_told(server, ServerState.DELETING)
            await poolwright.signals.undrain(server.id, "no, it is not")
            await poolwright.until(lambda: poolwright.states(server)[-1] == "deleted", within_seconds=180)


class TestErrorWhileItServes:
    """A startup script, or an agent, that reports an error from a running server."""

    async def test_nobody_is_thrown_out_and_nobody_else_let_in(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True, max_sessions_per_server=2) as poolwright:
            server = await poolwright.running()
            session = await poolwright.request("ada")
            await poolwright.check_in(server, "error", "the display is gone")
            await poolwright.until_told(server, ServerState.DRAINING)
            assert poolwright.server(server).message.startswith("the server reported an error: the display is gone")
            await poolwright.skip(1700)
            assert poolwright.session(session).state is SessionState.ASSIGNED
            assert len(poolwright.living()) == 1
            await poolwright.end(session)
            await poolwright.until_state(server, ServerState.DELETED)
            assert "failed" not in poolwright.states(server)

    async def test_an_operator_who_has_it_back_knows_of_the_error(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            server = await poolwright.running()
            await poolwright.request("ada")
            await poolwright.check_in(server, "error", "the display is gone")
            await poolwright.until_told(server, ServerState.DRAINING)
            await poolwright.signals.undrain(server.id, "I have mended it")
            await poolwright.until_told(server, ServerState.RUNNING)
            await poolwright.skip(3500)
            assert poolwright.server(server).state is ServerState.RUNNING
            await poolwright.check_in(server, "error", "it is gone again")
            await poolwright.until_state(server, ServerState.DRAINING)
