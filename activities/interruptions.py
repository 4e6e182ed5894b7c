"""The activity that asks a provider which VMs it will take away soon, so that people on them can move."""

import asyncio
from collections.abc import Sequence

from temporalio import activity

from activities.accounts import Accounts
from activities.boundary import boundary, without_secrets
from activities.contract import LOOK_FOR_INTERRUPTIONS
from activities.lifeline import signal, wake_scaling
from poolwright.domain.base import Model
from poolwright.domain.identities import server_workflow_id
from poolwright.domain.scaling import DrainReason
from poolwright.store import scaling
from poolwright.store.engine import Store
from poolwright.store.servers import running_servers


class _Interrupted(Model):
    server_id: str
    reason: str


class InterruptionActivities:
    """Runs on a zone's task queue."""

    def __init__(self, store: Store, accounts: Accounts) -> None:
        self._store = store
        self._accounts = accounts

    @activity.defn(name=LOOK_FOR_INTERRUPTIONS)
    async def look_for_interruptions(self, autoscale: str) -> int:
        """Drain the running servers of this config whose VMs the provider says it will take away. Returns how many.

        Repeatable: a server that drains already is left alone. Raises the provider's errors; the next look mends them.
        """
        with boundary(self._store):
            interrupted = await asyncio.to_thread(self._interrupted, autoscale)
            for one in interrupted:
                await signal(server_workflow_id(one.server_id), "drain", one.reason, DrainReason.INTERRUPTED.value)
            if interrupted:
                await wake_scaling(autoscale, f"{len(interrupted)} VM(s) are about to be taken away")
            return len(interrupted)

    def _interrupted(self, autoscale: str) -> Sequence[_Interrupted]:
        with self._store.read() as tx:
            config = scaling.load_autoscale(tx, autoscale)
            running = {server.id: server.vm_provider for server in running_servers(tx, autoscale)}
        found: list[_Interrupted] = []
        for name in (config.vm_provider, *config.fallback_vm_providers):
            mine = {server_id for server_id, vm_provider in running.items() if vm_provider == name}
            if not mine:
                continue
            for vm in self._accounts.provider(name).list_owned():
                if vm.interruption is not None and vm.mark.server_id in mine:
                    said = without_secrets(vm.interruption, self._store)
                    found.append(
                        _Interrupted(server_id=vm.mark.server_id, reason=f"the provider takes it away: {said}")
                    )
        return found
