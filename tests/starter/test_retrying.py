"""A step that waits for its next try goes on at once, on a real Temporal server and its own clock."""

import asyncio
from pathlib import Path

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import PauseActivityRequest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from activities.contract import CREATE_MACHINE
from poolwright.domain.identities import server_workflow_id
from poolwright.domain.servers import Server
from poolwright.domain.states import ServerState
from starter.retrying import retry_pending_steps
from tests.installations import AWAIT_SECONDS, Installation, installation

pytestmark = pytest.mark.slow

FAILURES = 6
"""With the pauses between tries of 2, 4, 8, ... seconds the last one would come after two minutes."""


def failing() -> dict[str, object]:
    return {"fail_next": {"create": {"transient": FAILURES}}}


async def waits(client: Client, server: Server) -> bool:
    """Whether the creation waits for its next try."""
    description = await client.get_workflow_handle(server_workflow_id(server.id)).describe()
    return any(one.attempt > 1 for one in description.raw_description.pending_activities)


async def until_waiting(poolwright: Installation, server: Server) -> None:
    async with asyncio.timeout(AWAIT_SECONDS):
        while True:
            if await waits(poolwright.client, server):
                return
            await asyncio.sleep(0.05)


class TestRetryPendingSteps:
    async def test_a_creation_that_waits_is_tried_again_at_once(
        self, temporal_env: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with installation(temporal_env, tmp_path, sim=failing()) as poolwright:
            server = await poolwright.live()
            await until_waiting(poolwright, server)
            tried = await retry_pending_steps(poolwright.client, server.id)
            assert tried == [CREATE_MACHINE]
            async with asyncio.timeout(AWAIT_SECONDS):
                while poolwright.server(server).state is not ServerState.BOOTING:
                    await retry_pending_steps(poolwright.client, server.id)
                    await asyncio.sleep(0.2)
            await poolwright.signals.terminate(server.id, "the test is over")
            assert await poolwright.ended(server) == "the test is over"

    async def test_a_step_that_an_operator_paused_goes_on(
        self, temporal_env: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with installation(temporal_env, tmp_path, sim=failing()) as poolwright:
            server = await poolwright.live()
            await until_waiting(poolwright, server)
            await poolwright.client.workflow_service.pause_activity(
                PauseActivityRequest(
                    namespace=poolwright.client.namespace,
                    execution=WorkflowExecution(workflow_id=server_workflow_id(server.id)),
                    type=CREATE_MACHINE,
                )
            )
            assert await retry_pending_steps(poolwright.client, server.id) == [CREATE_MACHINE]
            description = await poolwright.life(server).describe()
            assert not any(one.paused for one in description.raw_description.pending_activities)
            await poolwright.signals.terminate(server.id, "the test is over")
            assert await poolwright.ended(server) == "the test is over"

    async def test_a_server_without_a_running_workflow_is_told(self, temporal_env: WorkflowEnvironment) -> None:
        assert await retry_pending_steps(temporal_env.client, "s00000000000") is None
