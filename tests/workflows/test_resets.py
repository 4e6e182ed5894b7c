"""*Reset* in the Temporal Web UI: a life forgets what came after one of its tasks, and its server does not."""

from pathlib import Path

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.testing import WorkflowEnvironment

from poolwright.domain.servers import Server, SessionState
from poolwright.domain.states import ServerState
from poolwright.store.identifiers import new_id
from poolwright.store.servers import lock_server, transition
from tests.workflows.scenes import Scene, scene

pytestmark = pytest.mark.slow

BEFORE_CREATION, BEFORE_CHECK_IN = 1, 2
"""Which of its tasks, counted from 0, a life is reset to."""


async def reset(poolwright: Scene, server: Server, task: int) -> None:
    life = await poolwright.life(server).describe()
    tasks = [
        event.event_id
        for event in (await poolwright.life(server).fetch_history()).events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    ]
    await poolwright.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=poolwright.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=life.id, run_id=life.run_id),
            reason="an operator pressed the button",
            workflow_task_finish_event_id=tasks[task],
            request_id=new_id("r"),
        )
    )


class TestReset:
    async def test_a_server_that_serves_goes_on_serving(
        self, temporal_env: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(temporal_env, tmp_path) as poolwright:
            server = await poolwright.running()
            session = await poolwright.request("ada")
            await reset(poolwright, server, BEFORE_CREATION)
            await poolwright.soon(lambda: "it serves, and its life had forgotten" in poolwright.reasons(server)[-1])
            await poolwright.until_told(server, ServerState.RUNNING)
            assert poolwright.session(session).state is SessionState.ASSIGNED
            await poolwright.signals.drain(server.id, "the image is old")
            await poolwright.until_told(server, ServerState.DRAINING)
            await poolwright.end(session)
            await poolwright.until_state(server, ServerState.DELETED)
            assert poolwright.creations() == 1

    async def test_a_wish_to_delete_that_it_hears_again_ends_no_session(
        self, temporal_env: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(temporal_env, tmp_path) as poolwright:
            server = await poolwright.running()
            session = await poolwright.request("ada")
            await poolwright.signals.delete(server.id, "it is not wanted")
            await poolwright.until_told(server, ServerState.DRAINING)
            await poolwright.signals.undrain(server.id, "it is wanted after all")
            await poolwright.until_told(server, ServerState.RUNNING)
            await reset(poolwright, server, BEFORE_CHECK_IN)
            await poolwright.until_told(server, ServerState.DRAINING)
            assert poolwright.session(session).state is SessionState.ASSIGNED
            await poolwright.end(session)
            await poolwright.until_state(server, ServerState.DELETED)

    async def test_a_server_that_drains_goes_when_it_is_empty(
        self, temporal_env: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(temporal_env, tmp_path) as poolwright:
            server = await poolwright.running()
            session = await poolwright.request("ada")
            with poolwright.store.write() as tx:
                row = lock_server(tx, server.id)
                transition(tx, row, ServerState.DRAINING, "the image is old", await poolwright.now())
            await reset(poolwright, server, BEFORE_CHECK_IN)
            await poolwright.until_told(server, ServerState.DRAINING)
            await poolwright.end(session)
            await poolwright.until_state(server, ServerState.DELETED)
