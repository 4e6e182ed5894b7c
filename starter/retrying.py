"""Making a server's step that waits for its next try go on at once."""

from typing import Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import ResetActivityRequest, UnpauseActivityRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from poolwright.domain.identities import server_workflow_id

_IDENTITY: Final = "poolwright server retry"


async def retry_pending_steps(client: Client, server_id: str) -> list[str] | None:
    """Try again at once what this server's workflow waits to try again, paused steps too. Returns the steps' names.

    None: no workflow of this server runs. Raises `RPCError` when the Temporal server cannot be reached.
    """
    workflow_id = server_workflow_id(server_id)
    try:
        description = await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    if description.close_time is not None:
        return None
    waiting = [one for one in description.raw_description.pending_activities if one.paused or _waits(one)]
    for activity in waiting:
        await _try_now(client, workflow_id, description.run_id, activity)
    return [activity.activity_type.name for activity in waiting]


def _waits(activity: PendingActivityInfo) -> bool:
    return activity.attempt > 1 and activity.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED


async def _try_now(client: Client, workflow_id: str, run_id: str | None, activity: PendingActivityInfo) -> None:
    execution = WorkflowExecution(workflow_id=workflow_id, run_id=run_id or "")
    if activity.paused:
        await client.workflow_service.unpause_activity(
            UnpauseActivityRequest(
                namespace=client.namespace,
                execution=execution,
                identity=_IDENTITY,
                id=activity.activity_id,
                reset_attempts=True,
            )
        )
        return
    await client.workflow_service.reset_activity(
        ResetActivityRequest(
            namespace=client.namespace, execution=execution, identity=_IDENTITY, id=activity.activity_id
        )
    )
