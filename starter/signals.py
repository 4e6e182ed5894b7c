"""What the outside tells workflows. Every signal is repeatable; a workflow that is gone is an answer, not an error."""

from collections.abc import Iterable
from datetime import timedelta

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from poolwright.domain.identities import scaling_workflow_id, server_workflow_id, sweep_workflow_id
from poolwright.domain.servers import CheckInStatus

_RPC_TIMEOUT = timedelta(seconds=4)


class Signals:
    """Signals to the workflows of this installation.

    Each method returns whether a running workflow took the signal, and raises `temporalio.service.RPCError` when the
    Temporal server cannot be reached within 4 seconds.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def check_in(self, server_id: str, status: CheckInStatus, message: str) -> bool:
        """The startup script reported this status."""
        return await self._signal(server_workflow_id(server_id), "check_in", [status.value, message])

    async def drain(self, server_id: str, reason: str) -> bool:
        """Take no new session; go when empty."""
        return await self._signal(server_workflow_id(server_id), "drain", [reason])

    async def undrain(self, server_id: str, reason: str) -> bool:
        """Take sessions again."""
        return await self._signal(server_workflow_id(server_id), "undrain", [reason])

    async def delete(self, server_id: str, reason: str) -> bool:
        """Tear the server down, now if nobody can be on it, else once its last session has ended."""
        return await self._signal(server_workflow_id(server_id), "delete", [reason])

    async def terminate(self, server_id: str, reason: str) -> bool:
        """Tear the server down now."""
        return await self._signal(server_workflow_id(server_id), "terminate", [reason])

    async def sessions_changed(self, server_id: str) -> bool:
        """A session on this server ended."""
        return await self._signal(server_workflow_id(server_id), "sessions_changed", [])

    async def scale_now(self, autoscales: Iterable[str], why: str) -> None:
        """Decide again at once for these autoscale configs."""
        for name in autoscales:
            await self._signal(scaling_workflow_id(name), "scale_now", [why])

    async def pause(self, autoscale: str, reason: str) -> bool:
        """Make no more decisions for this config."""
        return await self._signal(scaling_workflow_id(autoscale), "pause", [reason])

    async def resume(self, autoscale: str) -> bool:
        """Decide again."""
        return await self._signal(scaling_workflow_id(autoscale), "resume", [])

    async def sweep_now(self, kind: str, name: str, why: str) -> bool:
        """Make a round of this config's sweep at once."""
        return await self._signal(sweep_workflow_id(kind, name), "sweep_now", [why])

    async def sweep_settings_changed(self, kind: str, name: str) -> bool:
        """Look at the settings of this config's sweep again."""
        return await self._signal(sweep_workflow_id(kind, name), "settings_changed", [])

    async def pause_sweep(self, kind: str, name: str, reason: str) -> bool:
        """Make no more rounds for this config."""
        return await self._signal(sweep_workflow_id(kind, name), "pause", [reason])

    async def resume_sweep(self, kind: str, name: str) -> bool:
        """Make rounds again."""
        return await self._signal(sweep_workflow_id(kind, name), "resume", [])

    async def _signal(self, workflow_id: str, signal: str, arguments: list[str]) -> bool:
        handle = self._client.get_workflow_handle(workflow_id)
        try:
            await handle.signal(signal, args=arguments, rpc_timeout=_RPC_TIMEOUT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        return True
