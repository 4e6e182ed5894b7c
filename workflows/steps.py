"""The steps of a server's life as activity calls: where each runs, how long it may take, how it is retried."""

import asyncio
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy
from temporalio.exceptions import ActivityError
from temporalio.workflow import ActivityCancellationType

with workflow.unsafe.imports_passed_through():
    from activities import contract
    from activities.contract import (
        DrainRequest,
        Failed,
        Life,
        Machine,
        ServerReason,
        Serving,
        Teardown,
        TeardownRequest,
    )
    from poolwright.domain.identities import zone_task_queue

Result = TypeVar("Result")

_HEARTBEAT = timedelta(seconds=10)
"""A worker that died is noticed after this long; the worker beats for every activity."""
_STORE_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=500), maximum_interval=timedelta(seconds=30))
_PROVIDER_RETRY = RetryPolicy(initial_interval=timedelta(seconds=2), maximum_interval=timedelta(minutes=1))
_STORE_TIMEOUT = timedelta(minutes=2)
_PROVIDER_TIMEOUT = timedelta(minutes=10)
_MENDING_PAUSE = timedelta(minutes=5)

_TEARDOWN, _BOOT, _SERVE = (Priority(priority_key=key) for key in (1, 3, 2))
"""Teardown goes first: it frees what costs money. A server that is ready or drains goes before new ones."""


class Steps:
    """The activities of one server."""

    def __init__(self, server_id: str) -> None:
        self.server_id = server_id

    async def begin(self) -> Life:
        """Begin the life, or learn where it stands."""
        return await self._store(contract.BEGIN_LIFE, self.server_id, Life, "begin the life", _BOOT)

    async def look_again(self) -> Life:
        """See what the row says by now."""
        return await self._store(contract.BEGIN_LIFE, self.server_id, Life, "look at the row again", _BOOT)

    async def create_computer_record(self, zone: str) -> str:
        """Create the computer record. A cancellation waits for the answer. Returns the host name."""
        return await self._provider(
            contract.CREATE_COMPUTER_RECORD,
            zone,
            str,
            "create the computer record",
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )

    async def create_machine(self, zone: str) -> Machine:
        """Create the VM or adopt it. A cancellation waits for the answer, or a VM could be born after its deletion."""
        return await self._provider(
            contract.CREATE_MACHINE,
            zone,
            Machine,
            "create the VM",
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )

    async def await_machine(self, zone: str) -> Machine:
        """Until the VM runs and has an address."""
        return await self._provider(contract.AWAIT_MACHINE, zone, Machine, "wait for the VM to run")

    async def write_dns(self, zone: str) -> str:
        """Write the DNS records. A cancellation waits for the answer. Returns the name."""
        return await self._provider(
            contract.WRITE_DNS,
            zone,
            str,
            "write the DNS records",
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )

    async def run_startup_script(self, zone: str) -> None:
        """Run the startup script in the guest."""
        await self._provider(contract.RUN_STARTUP_SCRIPT, zone, None, "run the startup script in the guest")

    async def retrieve_password(self, zone: str) -> None:
        """Store the password that the provider made, once it has."""
        await self._provider(contract.RETRIEVE_PASSWORD, zone, None, "wait for the password that the provider makes")

    async def note_configuring(self) -> None:
        """The startup script works."""
        await self._store(contract.NOTE_CONFIGURING, self.server_id, None, "the startup script works", _BOOT)

    async def mark_running(self, reason: str) -> Serving:
        """The server is ready."""
        request = ServerReason(server_id=self.server_id, reason=reason)
        return await self._store(contract.MARK_RUNNING, request, Serving, "ready: give it to who waits", _SERVE)

    async def drain(self, request: DrainRequest) -> Serving:
        """Take no new session; an empty server goes."""
        return await self._store(contract.DRAIN, request, Serving, f"drain: {request.reason}", _SERVE)

    async def undrain(self, reason: str) -> Serving:
        """Take sessions again."""
        request = ServerReason(server_id=self.server_id, reason=reason)
        return await self._store(contract.UNDRAIN, request, Serving, f"undrain: {reason}", _SERVE)

    async def retire_if_empty(self) -> Serving:
        """Go if no session is left."""
        return await self._store(contract.RETIRE_IF_EMPTY, self.server_id, Serving, "go if it is empty", _SERVE)

    async def fail(self, reason: str) -> Failed:
        """Record a failure."""
        request = ServerReason(server_id=self.server_id, reason=reason)
        return await self._store(contract.FAIL, request, Failed, "record the failure", _TEARDOWN)

    async def begin_deleting(self, reason: str, *, unless_serving: bool) -> Teardown:
        """The decision to delete is made."""
        request = TeardownRequest(server_id=self.server_id, reason=reason, unless_serving=unless_serving)
        return await self._store(contract.BEGIN_DELETING, request, Teardown, f"tear down: {reason}", _TEARDOWN)

    async def remove_dns(self, zone: str) -> None:
        """Remove the DNS records: never gives up."""
        await self._undo(contract.REMOVE_DNS, zone, "remove the DNS records until they are gone")

    async def delete_machine(self, zone: str) -> None:
        """Delete the VM until it is proven gone: never gives up."""
        await self._undo(contract.DELETE_MACHINE, zone, "delete the VM until it is gone")

    async def delete_computer_record(self, zone: str) -> None:
        """Delete the computer record: never gives up."""
        await self._undo(contract.DELETE_COMPUTER_RECORD, zone, "delete the computer record until it is gone")

    async def mark_deleted(self) -> None:
        """Everything is proven gone."""
        await self._store(contract.MARK_DELETED, self.server_id, None, "free the slot and the host name", _TEARDOWN)

    async def _undo(self, activity: str, zone: str, summary: str) -> None:
        while True:
            try:
                return await self._provider(activity, zone, None, summary, priority=_TEARDOWN)
            except ActivityError as error:
                workflow.logger.error("%s of server %s has to be tried again: %s", activity, self.server_id, error)
                await workflow.sleep(_MENDING_PAUSE, summary=f"before the next try to {summary}")

    async def _store(
        self, activity: str, argument: Any, result: type[Result] | None, summary: str, priority: Priority
    ) -> Result:
        answer: Result = await workflow.execute_activity(
            activity,
            argument,
            result_type=result,
            start_to_close_timeout=_STORE_TIMEOUT,
            heartbeat_timeout=_HEARTBEAT,
            retry_policy=_STORE_RETRY,
            summary=summary,
            priority=priority,
        )
        _stop_if_cancelled()
        return answer

    async def _provider(
        self,
        activity: str,
        zone: str,
        result: type[Result] | None,
        summary: str,
        *,
        priority: Priority = _BOOT,
        cancellation_type: ActivityCancellationType = ActivityCancellationType.TRY_CANCEL,
    ) -> Result:
        answer: Result = await workflow.execute_activity(
            activity,
            self.server_id,
            task_queue=zone_task_queue(zone),
            result_type=result,
            start_to_close_timeout=_PROVIDER_TIMEOUT,
            heartbeat_timeout=_HEARTBEAT,
            retry_policy=_PROVIDER_RETRY,
            cancellation_type=cancellation_type,
            summary=summary,
            priority=priority,
        )
        _stop_if_cancelled()
        return answer


def _stop_if_cancelled() -> None:
    """A step whose result comes together with its cancellation gives the result and forgets the cancellation.

    Unheard, whoever cancelled would wait for an end that never comes.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
