"""Server lives that go well, on the time-skipping server."""

from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from poolwright.domain.servers import CheckInStatus
from poolwright.domain.states import ServerState
from poolwright.providers.sim.settings import Failure, Operation
from tests.workflows.scenes import scene


class TestHappyPath:
    """From the row to `deleted`."""

    async def test_a_server_lives_and_goes(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            server = await poolwright.live()
            await poolwright.until_state(server, ServerState.BOOTING)
            await poolwright.check_in(server, "configuring", "installing")
            await poolwright.until_state(server, ServerState.CONFIGURING)
            await poolwright.check_in(server)
            await poolwright.until_state(server, ServerState.RUNNING)
            assert [vm.hostname for vm in poolwright.living()] == [server.hostname]
            await poolwright.signals.drain(server.id, "the test is over")
            assert await poolwright.ended(server) == "the test is over"
            assert poolwright.states(server) == [
                "requested",
                "preparing",
                "creating",
                "booting",
                "configuring",
                "running",
                "draining",
                "deleting",
                "deleted",
            ]
            assert not poolwright.living()

    async def test_a_server_that_need_not_check_in_runs_once_its_vm_does(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True, require_checkin=False) as poolwright:
            server = await poolwright.live()
            await poolwright.until_state(server, ServerState.RUNNING)
            assert poolwright.reasons(server)[-1] == "the VM runs, and no check-in is required"

    async def test_a_script_that_is_run_in_the_guest_is_run_once(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        knobs = {"runs_script_in_guest": True, "boot_seconds": 90}
        async with scene(skipping, tmp_path, sticky=True, sim=knobs) as poolwright:
            poolwright.change("vm_provider", "sim", facts={"runs_script_in_guest": True})
            server = await poolwright.live()
            await poolwright.until_state(server, ServerState.BOOTING)
            await poolwright.until(lambda: poolwright.calls(Operation.RUN_STARTUP_SCRIPT) > 3, within_seconds=120)
            await poolwright.check_in(server)
            await poolwright.until(lambda: poolwright.states(server)[-1] == "running", within_seconds=180)
            (vm,) = poolwright.living()
            assert "checkin_jwt" not in vm.startup_script.get_secret_value()
            assert vm.startup_script.get_secret_value().startswith("#!/bin/sh")


@pytest.mark.slow
class TestAddress:
    """A VM counts as there when it runs and its address is known."""

    async def test_a_late_address_is_waited_for(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        knobs = {"create_seconds": 120, "address_delay_seconds": 45}
        async with scene(skipping, tmp_path, sticky=True, sim=knobs) as poolwright:
            server = await poolwright.live()
            await poolwright.until_state(server, ServerState.BOOTING)
            assert poolwright.server(server).address is None
            await poolwright.until(lambda: poolwright.server(server).address is not None, within_seconds=220)
            await poolwright.check_in(server)
            await poolwright.until_state(server, ServerState.RUNNING)
            assert poolwright.server(server).address == poolwright.living()[0].address

    async def test_a_check_in_before_the_address_does_not_make_it_run(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True, sim={"address_delay_seconds": 60}) as poolwright:
            server = await poolwright.live()
            await poolwright.until_state(server, ServerState.BOOTING)
            await poolwright.check_in(server)
            await poolwright.skip(20)
            assert poolwright.server(server).state is ServerState.BOOTING
            await poolwright.until(lambda: poolwright.states(server)[-1] == "running", within_seconds=120)

    async def test_a_provider_that_does_not_show_the_vm_yet_is_asked_again(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True, sim={"create_seconds": 10}) as poolwright:
            poolwright.world.fail_next(Operation.GET, Failure.NOT_FOUND, 3)
            server = await poolwright.live()
            await poolwright.until_state(server, ServerState.BOOTING)
            await poolwright.check_in(server)
            await poolwright.until(lambda: poolwright.states(server)[-1] == "running", within_seconds=120)
            assert poolwright.creations() == 1


class TestCheckIns:
    """Reports of the startup script, in whatever order they come."""

    async def test_one_that_overtakes_the_answer_to_the_creation_counts(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            poolwright.world.lose_next_response()
            server = await poolwright.live()
            await poolwright.soon(lambda: poolwright.creations() == 1)
            await poolwright.check_in(server)
            assert poolwright.server(server).state is ServerState.CREATING
            await poolwright.until(lambda: poolwright.states(server)[-1] == "running", within_seconds=30)
            assert poolwright.creations() == 1

    async def test_any_number_of_them_change_nothing_while_it_runs(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            server = await poolwright.running()
            for status in ("running", "starting", "configuring", "running"):
                await poolwright.check_in(server, status)
            await poolwright.skip(60)
            assert poolwright.states(server)[-1] == "running"

    async def test_an_unknown_status_is_ignored(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            server = await poolwright.live()
            await poolwright.until_state(server, ServerState.BOOTING)
            await poolwright.life(server).signal("check_in", args=["levitating", "a status of the future"])
            await poolwright.check_in(server, CheckInStatus.RUNNING)
            await poolwright.until_state(server, ServerState.RUNNING)


class TestStory:
    """What an operator reads in the Temporal Web UI."""

    async def test_the_page_says_where_it_stands_and_what_it_did(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            server = await poolwright.running()
            await poolwright.request("ada")
            await poolwright.signals.drain(server.id, "the image is old")
            await poolwright.until_told(server, ServerState.DRAINING)
            page = await poolwright.life(server).query("story", result_type=str)
            assert page.startswith("## draining")
            assert f"`{server.hostname}`" in page
            assert "**Waits for** 1 session(s) to end" in page
            for line in ("asks the provider for a VM", "its startup script checked in as running", "the image is old"):
                assert line in page
