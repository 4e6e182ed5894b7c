"""The watchdog's round: every config has its loops, every row that is not deleted has a running life, and pools without
a loop are tended."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from temporalio import activity
from temporalio.client import Client, WorkflowExecution
from temporalio.common import SearchAttributeKey

from activities.boundary import boundary
from activities.contract import ENSURE_LIVES, Ensured
from activities.lifeline import signal, start_life, start_loop, start_sweep
from activities.lives import now
from poolwright.domain.base import Model
from poolwright.domain.identities import (
    POOL_SCALING,
    SERVER_LIFECYCLE,
    SWEEP,
    scaling_workflow_id,
    server_workflow_id,
    sweep_workflow_id,
)
from poolwright.domain.servers import Server
from poolwright.domain.states import ServerState
from poolwright.store import documents, scaling, sessions, sweeps
from poolwright.store.engine import Store
from poolwright.store.servers import list_servers

_STATE = SearchAttributeKey.for_keyword("ServerState")
_HEARD_WITHIN = timedelta(minutes=5)
"""A life whose step has changed its row knows so by then."""


class _Wanted(Model):
    """What is to run."""

    loops: Mapping[str, str]
    """Autoscale config -> its pool."""
    sweeps: tuple[tuple[str, str], ...]
    """Kind and name of a config."""
    lives: tuple[Server, ...]


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
            wanted = await asyncio.to_thread(self._wanted)
            loops = {name: pool for name, pool in wanted.loops.items() if scaling_workflow_id(name) not in running}
            missing_sweeps = [one for one in wanted.sweeps if sweep_workflow_id(*one) not in running]
            lives = [server for server in wanted.lives if server_workflow_id(server.id) not in running]
            for name, pool in loops.items():
                await start_loop(client, name, pool)
            for kind, name in missing_sweeps:
                await start_sweep(client, kind, name)
            for server in lives:
                await start_life(client, server)
                activity.heartbeat()
            for server in wanted.lives:
                if _is_unheard(server, running.get(server_workflow_id(server.id)), now()):
                    activity.logger.warning("server %s is %s, and its life takes it to serve", server.id, server.state)
                    await signal(server_workflow_id(server.id), "look_again")
            await asyncio.to_thread(self._tend_pools_without_loops, now())
            return Ensured(
                loops_started=tuple(loops),
                sweeps_started=tuple(sweep_workflow_id(*one) for one in missing_sweeps),
                lives_started=tuple(server.id for server in lives),
            )

    def _tend_pools_without_loops(self, at: datetime) -> None:
        """Where no autoscale config decides, nobody else looks whether people have waited too long, or at staging."""
        with self._store.read() as tx:
            pools = [row.name for row in documents.rows(tx, "pool") if not scaling.autoscales_of_pool(tx, row.name)]
        for pool in pools:
            with suppress(documents.UnknownDocument), self._store.write() as tx:  # it was deleted meanwhile
                sessions.assign_waiting(tx, pool, at)

    def _wanted(self) -> _Wanted:
        with self._store.read() as tx:
            return _Wanted(
                loops={name: scaling.load_autoscale(tx, name).pool for name in scaling.autoscale_names(tx)},
                sweeps=tuple(sweeps.swept_configs(tx)),
                lives=tuple(server for server in list_servers(tx) if server.autoscale is not None),
            )


def _is_unheard(server: Server, life: WorkflowExecution | None, at: datetime) -> bool:
    """Whether the row was changed behind its life, which would serve for ever: by a step that was too late to be heard,
    from a worker that stood still for instance, or when the database was restored from a backup."""
    if life is None or server.state is ServerState.RUNNING or at - server.state_since < _HEARD_WITHIN:
        return False
    return life.typed_search_attributes.get(_STATE) == ServerState.RUNNING


async def _running(client: Client) -> Mapping[str, WorkflowExecution]:
    """The workflows that visibility knows to run, by id. It lags a little: what seems missing is started with "use
    existing", which asks the server itself."""
    query = f"ExecutionStatus = 'Running' AND WorkflowType IN ('{POOL_SCALING}', '{SERVER_LIFECYCLE}', '{SWEEP}')"
    return {execution.id: execution async for execution in client.list_workflows(query)}
