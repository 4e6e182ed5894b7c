"""Starting and signalling workflows from activities: the row is there first, so everything here may run twice."""

from datetime import timedelta

from temporalio import activity
from temporalio.client import Client
from temporalio.common import (
    Priority,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
)
from temporalio.service import RPCError, RPCStatusCode

from activities.contract import LifeInput, ScalingInput, SweepInput
from poolwright.domain.identities import (
    POOL_SCALING,
    SERVER_LIFECYCLE,
    SWEEP,
    TASK_QUEUE,
    scaling_workflow_id,
    server_workflow_id,
    sweep_workflow_id,
)
from poolwright.domain.servers import Server

_RPC_TIMEOUT = timedelta(seconds=5)


async def start_life(client: Client, server: Server) -> None:
    """Start the life of this server unless it runs. The row says where a life that was lost goes on."""
    await client.start_workflow(
        SERVER_LIFECYCLE,
        LifeInput(server_id=server.id),
        id=server_workflow_id(server.id),
        task_queue=TASK_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        search_attributes=_attributes(server),
        static_summary=f"{server.hostname} ({server.pool}, {server.provider})",
        priority=Priority(fairness_key=server.pool),
    )


async def start_loop(client: Client, autoscale: str, pool: str) -> None:
    """Start the scaling loop of this config unless it runs."""
    await client.start_workflow(
        POOL_SCALING,
        ScalingInput(autoscale=autoscale),
        id=scaling_workflow_id(autoscale),
        task_queue=TASK_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        search_attributes=TypedSearchAttributes([SearchAttributePair(SearchAttributeKey.for_keyword("Pool"), pool)]),
        static_summary=f"Scaling of pool {pool} by {autoscale}",
    )


async def start_sweep(client: Client, kind: str, name: str) -> None:
    """Start the sweep loop of this config unless it runs."""
    await client.start_workflow(
        SWEEP,
        SweepInput(kind=kind, name=name),
        id=sweep_workflow_id(kind, name),
        task_queue=TASK_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary=f"Sweep of {kind} {name}",
    )


async def signal(workflow_id: str, name: str, *arguments: str) -> bool:
    """Signal a workflow from within an activity. False: it does not run."""
    try:
        await (
            activity.client()
            .get_workflow_handle(workflow_id)
            .signal(name, args=list(arguments), rpc_timeout=_RPC_TIMEOUT)
        )
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return True


async def wake_scaling(autoscale: str | None, why: str) -> None:
    """Make the config's loop decide again. A lost wake is mended by the loop's own period."""
    if autoscale is None:
        return
    try:
        await signal(scaling_workflow_id(autoscale), "scale_now", why)
    except RPCError as error:
        activity.logger.warning("could not wake %s: %s", scaling_workflow_id(autoscale), error)


def _attributes(server: Server) -> TypedSearchAttributes:
    values = {
        "Pool": server.pool,
        "Zone": server.zone,
        "Provider": server.provider,
        "ServerState": server.state.value,
        "ServerId": server.id,
        "Hostname": server.hostname,
    }
    return TypedSearchAttributes(
        [SearchAttributePair(SearchAttributeKey.for_keyword(name), value) for name, value in values.items()]
    )
