"""The activity that decides: snapshot, plan and reservation in one transaction, then lives are started and told."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session
from temporalio import activity

from activities.boundary import boundary
from activities.contract import DECIDE, Decided, DecideRequest
from activities.lifeline import signal, start_life
from activities.lives import now
from activities.telling import decision_markdown
from poolwright.domain.autoscale import AutoscaleConfig
from poolwright.domain.base import Model
from poolwright.domain.identities import server_workflow_id
from poolwright.domain.planning import plan
from poolwright.domain.scaling import Action, ActionKind, DrainReason, Plan, Snapshot
from poolwright.domain.servers import Server
from poolwright.store import documents, ledger, scaling, sessions
from poolwright.store.engine import Store
from poolwright.store.servers import get_server

_PAUSED_WAIT_SECONDS = 600.0
_SHORTEST_WAIT = timedelta(seconds=1)


class _Outcome(Model):
    """A decision that is committed, and what is still to be told to workflows."""

    decided: Decided
    to_start: tuple[Server, ...] = ()
    actions: tuple[Action, ...] = ()


class ScalingActivities:
    """Decisions about autoscale configs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @activity.defn(name=DECIDE)
    async def decide(self, request: DecideRequest) -> Decided:
        """Decide once for this config and set it in motion.

        May run twice: the second run sees the first one's rows and plans on top of them; starts and signals repeat.
        """
        with boundary(self._store):
            outcome = await asyncio.to_thread(self._decide, request, now())
            client = activity.client()
            for server in outcome.to_start:
                await start_life(client, server)
            await self._tell(outcome.actions)
            return outcome.decided

    def _decide(self, request: DecideRequest, at: datetime) -> _Outcome:
        with self._store.write() as tx:
            try:
                autoscale = scaling.load_autoscale(tx, request.autoscale)
            except documents.UnknownDocument:
                return _Outcome(decided=Decided(exists=False))
            autoscale = ledger.lock_caps(tx, autoscale)
            sessions.assign_waiting(tx, autoscale.pool, at)
            if request.pause_because is not None:
                scaling.set_paused(tx, autoscale.name, request.pause_because)
            elif request.resume:
                scaling.set_paused(tx, autoscale.name, None)
            snapshot = scaling.take_snapshot(tx, autoscale.name, at)
            planned = plan(snapshot, at)
            recorded = scaling.record_plan(tx, snapshot, planned)
            watches = _can_be_interrupted(tx, autoscale)
            acts = snapshot.paused is None and not autoscale.observe
            to_start = [get_server(tx, server_id) for server_id in scaling.requested_servers(tx, autoscale.name)]
        return _Outcome(
            decided=_decided(snapshot, planned, recorded, at, watches),
            to_start=tuple(to_start),
            actions=planned.actions if acts else (),
        )

    async def _tell(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if action.server_id is None:
                continue
            workflow_id = server_workflow_id(action.server_id)
            if action.kind is ActionKind.DRAIN:
                kind = action.drain_reason or DrainReason.SCALE_DOWN
                await signal(workflow_id, "drain", action.reason, kind.value)
            elif action.kind is ActionKind.UNDRAIN:
                await signal(workflow_id, "undrain", action.reason)
            elif action.kind is ActionKind.DELETE:
                await signal(workflow_id, "terminate", action.reason)


def _can_be_interrupted(tx: Session, autoscale: AutoscaleConfig) -> bool:
    configs = (autoscale.vm_provider, *autoscale.fallback_vm_providers)
    return any(documents.get_row(tx, "vm_provider", name).facts.get("interruptible", False) for name in configs)


def _decided(
    snapshot: Snapshot, planned: Plan, recorded: scaling.Recorded, at: datetime, can_be_interrupted: bool
) -> Decided:
    autoscale = snapshot.autoscale
    wait = timedelta(seconds=autoscale.scaling_period_seconds)
    if planned.next_decision_at is not None:
        wait = max(_SHORTEST_WAIT, min(wait, planned.next_decision_at - at))
    return Decided(
        exists=True,
        pool=autoscale.pool,
        paused=recorded.paused,
        observed=autoscale.observe,
        # Those who wait are to be sent away in time.
        wait_seconds=_PAUSED_WAIT_SECONDS if recorded.paused and not snapshot.waiting else wait.total_seconds(),
        summary=planned.reasons[0] if planned.reasons else "nothing to do",
        details=decision_markdown(autoscale, planned, recorded),
        interruptible_in=autoscale.zone if can_be_interrupted else None,
    )
