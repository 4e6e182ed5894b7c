"""Activities on a server's row: each is one transaction, and each may run twice."""

import asyncio
from datetime import datetime, timedelta

from sqlalchemy.orm import Session
from temporalio import activity

from activities.boundary import boundary, failure
from activities.contract import (
    BEGIN_DELETING,
    BEGIN_LIFE,
    DRAIN,
    FAIL,
    MARK_DELETED,
    MARK_RUNNING,
    NOTE_CONFIGURING,
    RETIRE_IF_EMPTY,
    UNDRAIN,
    DrainRequest,
    Failed,
    Life,
    ServerReason,
    Serving,
    Teardown,
    TeardownRequest,
)
from activities.deadlines import boot_deadline
from activities.lifeline import wake_scaling
from poolwright.dns.names import plain
from poolwright.domain.autoscale import AutoscaleConfig, CredentialType, ServerAutoscale
from poolwright.domain.scaling import DrainReason
from poolwright.domain.states import ServerState
from poolwright.store import documents, scaling, sessions
from poolwright.store.check_ins import latest_check_in, reported_images
from poolwright.store.engine import Store
from poolwright.store.pool_views import waiting_sessions
from poolwright.store.secrets import delete_secrets
from poolwright.store.servers import lock_pool, lock_server, note, transition
from poolwright.store.tables import CheckInRow, ServerRow

_NOT_OUR_FAULT = frozenset({"CapacityUnavailable", "QuotaExceeded"})
"""Kinds of failure that say nothing about the configuration: another place is tried, no budget is used up."""


def now() -> datetime:
    """The time of this attempt by the Temporal server's clock: one for all workers, and one that tests can turn."""
    return activity.info().started_time


class LifeActivities:
    """Steps of `ServerLifecycle` that touch only the store (and wake the scaling loop)."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @activity.defn(name=BEGIN_LIFE, no_thread_cancel_exception=True)
    def begin_life(self, server_id: str) -> Life:
        """Begin the life, or say where it stands when its workflow was lost and started again."""
        with boundary(self._store), self._store.write() as tx:
            row = _hold(tx, server_id)
            if row.state == ServerState.REQUESTED:
                transition(tx, row, ServerState.PREPARING, "its life has begun", now())
                row.fqdn = _fqdn(tx, row)
            return self._life(tx, row)

    @activity.defn(name=NOTE_CONFIGURING, no_thread_cancel_exception=True)
    def note_configuring(self, server_id: str) -> None:
        """The startup script reported that it works."""
        with boundary(self._store), self._store.write() as tx:
            row = _hold(tx, server_id)
            if row.state == ServerState.BOOTING:
                transition(tx, row, ServerState.CONFIGURING, "its startup script works", now())

    @activity.defn(name=MARK_RUNNING)
    async def mark_running(self, request: ServerReason) -> Serving:
        """The server is ready: whoever waits gets it in the same transaction."""
        with boundary(self._store):
            serving, autoscale = await asyncio.to_thread(self._mark_running, request, now())
            await wake_scaling(autoscale, f"{request.server_id} is running")
            return serving

    def _mark_running(self, request: ServerReason, at: datetime) -> tuple[Serving, str | None]:
        with self._store.write() as tx:
            row = _hold(tx, request.server_id)
            lock_pool(tx, row.pool)
            if row.state in (ServerState.BOOTING, ServerState.CONFIGURING):
                transition(tx, row, ServerState.RUNNING, request.reason, at)
                row.images = reported_images(tx, row.id)
                tx.flush()
                sessions.assign_waiting(tx, row.pool, at)
            return _serving(row, sessions.live_sessions(tx, row.id)), row.autoscale

    @activity.defn(name=DRAIN, no_thread_cancel_exception=True)
    def drain(self, request: DrainRequest) -> Serving:
        """Take no new session; an empty server goes on to `deleting` at once.

        A scale-down of a server that somebody got in the meantime is not done.
        """
        with boundary(self._store), self._store.write() as tx:
            row = _hold(tx, request.server_id)
            lock_pool(tx, row.pool)
            live = sessions.live_sessions(tx, row.id)
            if row.state == ServerState.RUNNING:
                if request.kind is DrainReason.SCALE_DOWN and live:
                    note(tx, row, f"not drained after all: {live} session(s) came first", now())
                    return _serving(row, live)
                transition(tx, row, ServerState.DRAINING, request.reason, now())
                row.drain_reason = request.kind
                if row.autoscale and request.kind is DrainReason.ERROR:
                    scaling.note_failure(tx, row.autoscale, f"{row.hostname}: {request.reason}", now())
                if live:
                    row.message = f"{request.reason}; waits for {live} session(s) to end"
            return self._retire(tx, row, live)

    @activity.defn(name=RETIRE_IF_EMPTY, no_thread_cancel_exception=True)
    def retire_if_empty(self, server_id: str) -> Serving:
        """Go on from `draining` to `deleting` if no session is left."""
        with boundary(self._store), self._store.write() as tx:
            row = _hold(tx, server_id)
            lock_pool(tx, row.pool)
            return self._retire(tx, row, sessions.live_sessions(tx, row.id))

    @activity.defn(name=UNDRAIN, no_thread_cancel_exception=True)
    def undrain(self, request: ServerReason) -> Serving:
        """Take sessions again, unless it is too late."""
        with boundary(self._store), self._store.write() as tx:
            row = _hold(tx, request.server_id)
            lock_pool(tx, row.pool)
            if row.state == ServerState.DRAINING:
                transition(tx, row, ServerState.RUNNING, request.reason, now())
                tx.flush()
                sessions.assign_waiting(tx, row.pool, now())
            return _serving(row, sessions.live_sessions(tx, row.id))

    @activity.defn(name=FAIL)
    async def fail(self, request: ServerReason) -> Failed:
        """Record the failure; it counts against the config's budget unless it was for want of capacity."""
        with boundary(self._store):
            failed, autoscale = await asyncio.to_thread(self._fail, request, now())
            await wake_scaling(autoscale, f"{request.server_id} failed")
            return failed

    def _fail(self, request: ServerReason, at: datetime) -> tuple[Failed, str | None]:
        with self._store.write() as tx:
            row = _hold(tx, request.server_id)
            lock_pool(tx, row.pool)
            if row.state in (ServerState.RUNNING, ServerState.DRAINING):
                # Whoever pressed *Reset* in the Temporal Web UI made its life forget that it has booted.
                note(tx, row, f"it serves, and its life had forgotten: {request.reason}", at)
                return Failed(keep_until=None, serves=True), None
            if row.state not in (ServerState.FAILED, ServerState.DELETING, ServerState.DELETED):
                transition(tx, row, ServerState.FAILED, request.reason, at)
                kind = request.reason.partition(":")[0]
                if row.autoscale and kind not in _NOT_OUR_FAULT:
                    scaling.note_failure(tx, row.autoscale, f"{row.hostname}: {request.reason}", at)
                # A failed server never has sessions of ours that work; say so rather than leave them hanging.
                sessions.end_sessions_of_server(tx, row.id, f"its server failed: {request.reason}", at)
            # Without a VM there is nothing to look at, and the slot is wanted.
            keep = self._keep_failed_seconds(tx, row) if row.provider_reference else 0
            until = row.state_since + timedelta(seconds=keep)
            return Failed(keep_until=until if keep and row.state == ServerState.FAILED else None), row.autoscale

    @activity.defn(name=BEGIN_DELETING, no_thread_cancel_exception=True)
    def begin_deleting(self, request: TeardownRequest) -> Teardown:
        """From whatever state to `deleting`: the decision is made, sessions that are left end with this reason."""
        with boundary(self._store), self._store.write() as tx:
            row = _hold(tx, request.server_id)
            lock_pool(tx, row.pool)
            if request.unless_serving and row.state in (ServerState.RUNNING, ServerState.DRAINING):
                return Teardown(state=ServerState(row.state))
            if row.state not in (ServerState.DELETING, ServerState.DELETED):
                if row.state == ServerState.DRAINING:
                    note(tx, row, request.reason, now())
                sessions.end_sessions_of_server(tx, row.id, request.reason, now())
                transition(tx, row, ServerState.DELETING, request.reason, now())
            return Teardown(
                state=ServerState(row.state),
                dns=row.dns_provider is not None,
                computer_record=row.ldap is not None,
            )

    @activity.defn(name=MARK_DELETED)
    async def mark_deleted(self, server_id: str) -> None:
        """Everything is proven gone: the slot and the host name are free."""
        with boundary(self._store):
            autoscale = await asyncio.to_thread(self._mark_deleted, server_id, now())
            await wake_scaling(autoscale, f"{server_id} is gone")

    def _mark_deleted(self, server_id: str, at: datetime) -> str | None:
        with self._store.write() as tx:
            row = _hold(tx, server_id)
            if row.state == ServerState.DELETING:
                transition(tx, row, ServerState.DELETED, "every part of it is gone", at)
                delete_secrets(tx, f"server/{row.id}/")
                tx.flush()
            # A freed slot matters only to people who wait; otherwise the next round is soon enough.
            return row.autoscale if waiting_sessions(tx, row.pool) else None

    def _retire(self, tx: Session, row: ServerRow, live: int) -> Serving:
        if row.state == ServerState.DRAINING and live == 0:
            transition(tx, row, ServerState.DELETING, f"{row.message.partition(';')[0]}; no session is left", now())
            if row.autoscale and row.running_at and row.drain_reason != DrainReason.ERROR:
                scaling.note_success(tx, row.autoscale, row.running_at)
        return _serving(row, live)

    def _life(self, tx: Session, row: ServerRow) -> Life:
        report = None if _is_known(tx, row) else latest_check_in(tx, row.id)
        vm_provider = documents.get_row(tx, "vm_provider", row.vm_provider or "")
        autoscale = scaling.load_autoscale(tx, row.autoscale) if row.autoscale else None
        return Life(
            server_id=row.id,
            hostname=row.hostname,
            pool=row.pool,
            zone=row.zone,
            provider=row.provider,
            state=ServerState(row.state),
            require_checkin=row.require_checkin,
            runs_script_in_guest=bool(vm_provider.facts.get("runs_script_in_guest", False)),
            retrieves_password=_needs_password(autoscale) and bool(vm_provider.facts.get("retrieves_password", False)),
            computer_record=isinstance(autoscale, ServerAutoscale) and autoscale.computer_record is not None,
            dns=autoscale is not None and autoscale.dns is not None,
            keep_failed_seconds=self._keep_failed_seconds(tx, row),
            boot_deadline=boot_deadline(tx, row),
            checked_in=report[0] if report else None,
            checked_in_message=report[1] if report else "",
            failure_reason=row.failure_reason,
            drain_reason=DrainReason(row.drain_reason) if row.drain_reason else None,
        )

    def _keep_failed_seconds(self, tx: Session, row: ServerRow) -> int:
        if row.autoscale is None:
            return 0
        return scaling.load_autoscale(tx, row.autoscale).failure.keep_failed_seconds


def _hold(tx: Session, server_id: str) -> ServerRow:
    """The row, held for a write. Raises when nobody waits for this attempt any more: its life may have gone on, or
    begun anew, and would not hear of what were written now."""
    row = lock_server(tx, server_id)
    if activity.is_cancelled():
        raise failure("this attempt is too late: its life goes on without it", "TooLate", retryable=True)
    return row


def _serving(row: ServerRow, live: int) -> Serving:
    return Serving(state=ServerState(row.state), sessions=live, message=row.message)


def _is_known(tx: Session, row: ServerRow) -> bool:
    """Whether somebody had the server back from its draining after the newest report: an error was known then."""
    was_had_back = row.state == ServerState.RUNNING and row.running_at is not None and row.running_at < row.state_since
    report = tx.get(CheckInRow, row.id)
    return was_had_back and report is not None and report.at <= row.state_since


def _needs_password(autoscale: AutoscaleConfig | None) -> bool:
    """Whether people log in with one password for all, and the config leaves it blank."""
    if not isinstance(autoscale, ServerAutoscale):
        return False
    connection = autoscale.connection
    return connection.credential_type is CredentialType.STATIC and connection.password is None


def _fqdn(tx: Session, row: ServerRow) -> str | None:
    """The name that DNS will know it by, fixed before its startup script is rendered."""
    dns = scaling.load_autoscale(tx, row.autoscale).dns if row.autoscale else None
    return f"{row.id}.{plain(dns.base_domain)}" if dns else None
