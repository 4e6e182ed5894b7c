"""Deleting a VM never gives up, and says ever louder that it does not get on."""

import logging
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from poolwright.domain.servers import Server
from poolwright.domain.states import ServerState
from poolwright.providers.sim.settings import Failure, Operation
from poolwright.store.tables import ServerRow
from tests.workflows.scenes import Scene, scene

pytestmark = pytest.mark.slow

MINUTE, HOUR = 60, 3600


async def goes_wrong(poolwright: Scene, failure: Failure) -> Server:
    """A server whose deletion meets this error again and again."""
    server = await poolwright.running()
    poolwright.world.fail_next(Operation.DELETE, failure, 1_000_000)
    await poolwright.signals.terminate(server.id, "the test is over")
    await poolwright.until_told(server, ServerState.DELETING)
    return server


def has_been_at_it_for(poolwright: Scene, server: Server, time: timedelta) -> None:
    """Make it so much longer ago that the deletion began: a thousand tries more would only be like those before."""
    with poolwright.store.write() as tx:
        tx.get_one(ServerRow, server.id).state_since -= time


class TestErrors:
    """Whatever the provider answers, only "gone" ends it."""

    @pytest.mark.parametrize(
        "failure",
        [
            Failure.AUTHENTICATION_FAILED,
            Failure.PERMISSION_DENIED,
            Failure.INVALID_SETTINGS,
            Failure.TRANSIENT,
            Failure.CONFLICT,
            Failure.THROTTLED,
        ],
    )
    async def test_it_is_tried_until_it_is_mended(
        self, skipping: WorkflowEnvironment, tmp_path: Path, failure: Failure
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            server = await goes_wrong(poolwright, failure)
            await poolwright.skip(30 * MINUTE)
            tries = poolwright.calls(Operation.DELETE)
            assert 20 < tries < 80
            await poolwright.skip(30 * MINUTE)
            assert poolwright.calls(Operation.DELETE) > tries
            assert len(poolwright.living()) == 1
            poolwright.mend_provider()
            await poolwright.until(lambda: poolwright.states(server)[-1] == "deleted", within_seconds=120)
            assert not poolwright.living()

    async def test_not_found_means_gone(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            server = await poolwright.running()
            poolwright.world.fail_next(Operation.DELETE, Failure.NOT_FOUND)
            await poolwright.signals.terminate(server.id, "the test is over")
            await poolwright.until_state(server, ServerState.DELETED)

    async def test_a_vm_that_vanished_by_itself_is_no_problem(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            server = await poolwright.running()
            poolwright.world.vanish(poolwright.living()[0].reference)
            await poolwright.signals.terminate(server.id, "the test is over")
            await poolwright.until_state(server, ServerState.DELETED)


class TestAlerts:
    """The row's message, and the worker's log."""

    async def test_they_grow_louder_with_time(
        self, skipping: WorkflowEnvironment, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            server = await goes_wrong(poolwright, Failure.AUTHENTICATION_FAILED)
            await poolwright.skip(14 * MINUTE)
            assert poolwright.server(server).message == "the test is over"
            await poolwright.skip(3 * MINUTE)
            message = poolwright.server(server).message
            assert message.startswith("warning: not deleted after 1")
            assert "min: delete was planned to fail with authentication_failed" in message
            await poolwright.skip(50 * MINUTE)
            assert poolwright.server(server).message.startswith("ALERT: not deleted after 1 h ")
            has_been_at_it_for(poolwright, server, timedelta(hours=23))
            await poolwright.skip(2 * MINUTE)
            assert poolwright.server(server).message.startswith("ALARM: not deleted after 24 h ")
            alarms = [one for one in caplog.records if "ALARM: not deleted" in one.getMessage()]
            assert alarms
            assert all(one.levelno == logging.ERROR for one in alarms)

    async def test_a_deletion_that_takes_for_ever_is_reported_too(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True, sim={"delete_seconds": HOUR}) as poolwright:
            server = await poolwright.running()
            await poolwright.signals.terminate(server.id, "the test is over")
            await poolwright.until_told(server, ServerState.DELETING)
            await poolwright.skip(20 * MINUTE)
            message = poolwright.server(server).message
            assert message.startswith("warning: not deleted after ")
            assert message.endswith("the provider is still deleting it")
            await poolwright.ended(server)
            assert poolwright.server(server).message == "every part of it is gone"

    async def test_a_configuration_that_cannot_be_used_is_reported_too(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            server = await poolwright.running()
            poolwright.change("vm_provider", "sim", provider="sky")
            await poolwright.signals.terminate(server.id, "the test is over")
            await poolwright.until_told(server, ServerState.DELETING)
            await poolwright.skip(20 * MINUTE)
            assert "there is no provider 'sky'" in poolwright.server(server).message
            assert len(poolwright.living()) == 1
            poolwright.change("vm_provider", "sim", provider="sim")
            await poolwright.until(lambda: poolwright.states(server)[-1] == "deleted", within_seconds=120)
