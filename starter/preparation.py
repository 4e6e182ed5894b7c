"""What a Temporal namespace needs before Poolwright runs in it: search attributes and the watchdog's schedule."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import UpdateNamespaceRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
)
from temporalio.service import RPCError, RPCStatusCode

from poolwright.domain.identities import SEARCH_ATTRIBUTES, TASK_QUEUE, WATCHDOG, WATCHDOG_ID

_LOGGER = logging.getLogger(__name__)


class NamespaceNotReady(Exception):
    """The namespace lacks something that only its administrator can add."""


async def prepare_namespace(client: Client) -> None:
    """Register what is missing. Repeatable; a watchdog that an operator paused stays paused.

    Raises `NamespaceNotReady`.
    """
    try:
        await _ensure_search_attributes(client)
        await _ensure_watchdog(client)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        raise NamespaceNotReady(
            f"{error.message} Make it with `temporal operator namespace create`, or name another with "
            "TEMPORAL_NAMESPACE or in the profile"
        ) from None


async def keep_prepared(client: Client, prepare: Callable[[], Awaitable[None]], *, every_seconds: float = 60) -> None:
    """Prepare the namespace again whenever its watchdog is gone, with a database of Temporal's or alone. Never ends."""
    while True:
        await asyncio.sleep(every_seconds)
        try:
            if await _has_watchdog(client):
                continue
            _LOGGER.warning("the schedule %s of namespace %s is gone: making it again", WATCHDOG_ID, client.namespace)
            await prepare()
        except (RPCError, NamespaceNotReady) as error:
            # The next look mends it.
            _LOGGER.warning("could not see whether namespace %s is prepared: %s", client.namespace, error)


async def keep_closed_workflows(client: Client, days: int) -> None:
    """Let the namespace keep workflows for so long after their end. Repeatable."""
    config = NamespaceConfig()
    config.workflow_execution_retention_ttl.FromTimedelta(timedelta(days=days))
    await client.workflow_service.update_namespace(UpdateNamespaceRequest(namespace=client.namespace, config=config))


async def _ensure_search_attributes(client: Client) -> None:
    wanted = {
        name: IndexedValueType.Value(f"INDEXED_VALUE_TYPE_{kind.upper()}") for name, kind in SEARCH_ATTRIBUTES.items()
    }
    try:
        answer = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace)
        )
        have = dict(answer.custom_attributes)
        if wrong := [name for name, kind in wanted.items() if name in have and have[name] != kind]:
            raise NamespaceNotReady(
                f"the search attributes {', '.join(wrong)} of namespace {client.namespace} have another type than "
                "Keyword: use a namespace of its own"
            )
        if missing := {name: kind for name, kind in wanted.items() if name not in have}:
            await client.operator_service.add_search_attributes(
                AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)
            )
    except RPCError as error:
        if error.status not in (RPCStatusCode.UNIMPLEMENTED, RPCStatusCode.PERMISSION_DENIED):
            raise
        # Temporal Cloud has no such service: there an administrator adds them, and starts fail with their names if not.


async def _has_watchdog(client: Client) -> bool:
    try:
        await client.get_schedule_handle(WATCHDOG_ID).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return True


async def _ensure_watchdog(client: Client) -> None:
    schedule = Schedule(
        action=ScheduleActionStartWorkflow(WATCHDOG, id=WATCHDOG_ID, task_queue=TASK_QUEUE),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(minutes=1))]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(minutes=1)),
    )
    try:
        await client.create_schedule(WATCHDOG_ID, schedule, trigger_immediately=True)
    except ScheduleAlreadyRunningError:
        await client.get_schedule_handle(WATCHDOG_ID).trigger(overlap=ScheduleOverlapPolicy.SKIP)
