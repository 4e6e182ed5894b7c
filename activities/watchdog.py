"""The watchdog's round: every config has its loop, every row that is not deleted has a running life."""

import asyncio

from temporalio import activity
from temporalio.client import Client

from activities.boundary import boundary
from activities.contract import ENSURE_LIVES, Ensured
from activities.lifeline import start_life, start_loop
from poolwright.domain.identities import POOL_SCALING, SERVER_LIFECYCLE, scaling_workflow_id, server_workflow_id
from poolwright.domain.servers import Server
from poolwright.store import scaling
from poolwright.store.engine import Store
from poolwright.store.servers import list_servers


class WatchdogActivities:
    """Mending what was lost: a start that a crash swallowed, a workflow that an operator terminated."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @activity.defn(name=ENSURE_LIVES)
    async def ensure_lives(self) -> Ensured:
        """Start what should run and does not. Repeatable; starting what runs is harmless."""
        with boundary(self._store):
            client = activity.client()
            running = await _running(client)
            loops, servers = await asyncio.to_thread(self._wanted)
            missing_loops = {name: pool for name, pool in loops.items() if scaling_workflow_id(name) not in running}
            missing_lives = [server for server in servers if server_workflow_id(server.id) not in running]
            for name, pool in missing_loops.items():
                await start_loop(client, name, pool)
            for server in missing_lives:
                await start_life(client, server)
                activity.heartbeat()
            return Ensured(
                loops_started=tuple(missing_loops), lives_started=tuple(server.id for server in missing_lives)
            )

    def _wanted(self) -> tuple[dict[str, str], list[Server]]:
        with self._store.read() as tx:
            loops = {name: scaling.load_autoscale(tx, name).pool for name in scaling.autoscale_names(tx)}
            return loops, [server for server in list_servers(tx) if server.autoscale is not None]


async def _running(client: Client) -> set[str]:
    """Ids of the workflows that visibility knows to run. It lags a little: what seems missing is started with
    "use existing", which asks the server itself."""
    query = f"ExecutionStatus = 'Running' AND WorkflowType IN ('{POOL_SCALING}', '{SERVER_LIFECYCLE}')"
    return {execution.id async for execution in client.list_workflows(query)}
