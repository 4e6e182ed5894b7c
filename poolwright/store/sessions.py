"""Sessions: request, placement, end. One pool at a time, in order."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session as Transaction

from poolwright.domain.base import Model
from poolwright.domain.placement import assign_queue
from poolwright.domain.resources import Pool, PoolType, StagingPermissions
from poolwright.domain.servers import Session, SessionKind, SessionState
from poolwright.store import documents
from poolwright.store.identifiers import new_id
from poolwright.store.pool_views import placement_rules, pool_servers, queued_rows, waiting_sessions
from poolwright.store.servers import lock_pool
from poolwright.store.session_accounts import forget_accounts, make_account
from poolwright.store.staging import drop_stale, take_staged, tend_staging
from poolwright.store.tables import LIVE, ServerAssignmentRow, SessionRow


class UnknownSession(LookupError):
    """There is no session with this id."""


class SessionRefused(ValueError):
    """The request can never be served as it stands."""


class SessionRequest(Model):
    """What a person, or a broker for them, asks for."""

    pool: str
    user: str
    kind: SessionKind = SessionKind.DESKTOP
    workspace: str | None = None
    zone: str | None = None
    priority: int = 0
    permissions: StagingPermissions = StagingPermissions()
    """What the person may do in a container; a staged session must have been started with the same."""
    request_key: str | None = None
    """Caller's idempotency key: the same key gives the same session."""


def request_session(tx: Transaction, request: SessionRequest, now: datetime) -> Session:
    """Queue the session and place whoever's turn it is. Returns the session, assigned if there was room.

    Raises `UnknownDocument` for the pool or the workspace, `SessionRefused` for a request that makes no sense.
    """
    lock_pool(tx, request.pool)
    pool = documents.load_without_secrets(documents.get_row(tx, "pool", request.pool))
    assert isinstance(pool, Pool)
    if request.request_key is not None:
        known = tx.scalar(select(SessionRow).where(SessionRow.request_key == request.request_key))
        if known is not None:
            return _session(known)
    _check_request(tx, request, pool)
    row = SessionRow(
        id=new_id("n"),
        pool=request.pool,
        user=request.user,
        kind=request.kind,
        state=SessionState.QUEUED,
        workspace=request.workspace,
        zone=request.zone,
        priority=request.priority,
        requested_at=now,
        expires_at=now + timedelta(seconds=pool.queue_expiry_seconds),
        permissions=request.permissions.model_dump(mode="json"),
        request_key=request.request_key,
    )
    tx.add(row)
    tx.flush()
    assign_waiting(tx, request.pool, now)
    return _session(row)


def assign_waiting(tx: Transaction, pool: str, now: datetime) -> list[str]:
    """Give room to waiting sessions, in order, and what is left to staging. Returns the ids that were assigned."""
    lock_pool(tx, pool)
    queued = _expire_waiting(tx, queued_rows(tx, pool), now)
    drop_stale(tx, pool, now)
    assigned = _serve_queue(tx, pool, queued, now)
    tend_staging(tx, pool, now)
    return assigned


def _expire_waiting(tx: Transaction, queued: Sequence[SessionRow], now: datetime) -> list[SessionRow]:
    """End those that waited longer than their pool lets them. Returns the others."""
    still_queued = []
    for row in queued:
        if row.expires_at is None or row.expires_at > now:
            still_queued.append(row)
            continue
        waited = int((now - row.requested_at).total_seconds())
        row.state, row.ended_at = SessionState.ENDED, now
        row.end_reason = (
            f"waited {waited} s without capacity, the pool's limit; {row.waits_because or 'no server came'}"
        )
    tx.flush()
    return still_queued


def _serve_queue(tx: Transaction, pool: str, queued: Sequence[SessionRow], now: datetime) -> list[str]:
    handed_over = [row for row in queued if take_staged(tx, row, now)]
    waiting_rows = [row for row in queued if row not in handed_over]
    if not waiting_rows:
        return [row.id for row in handed_over]
    views = pool_servers(tx, pool, now, only_running=True)
    result = assign_queue(
        waiting_sessions(tx, pool, waiting_rows),
        views,
        placement_rules(tx, pool),
        preferred=_preferred(tx, pool, {row.user for row in waiting_rows}),
    )
    rows = {row.id: row for row in waiting_rows}
    for session_id, server_id in result.assignments:
        row = rows[session_id]
        row.state, row.server_id, row.assigned_at, row.waits_because = SessionState.ASSIGNED, server_id, now, None
        _remember_server(tx, row)
        make_account(tx, session_id, server_id, now)
    for session_id, reason in result.unserved:
        if rows[session_id].waits_because != reason:
            rows[session_id].waits_because = reason
    tx.flush()
    return [row.id for row in handed_over] + [session_id for session_id, _ in result.assignments]


def end_session(tx: Transaction, session_id: str, reason: str, now: datetime) -> Session:
    """End the session, or take it out of the queue. Repeatable. Raises `UnknownSession`."""
    row = tx.get(SessionRow, session_id)
    if row is None:
        raise UnknownSession(f"there is no session {session_id!r}: see `poolwright session list`")
    if row.state == SessionState.ENDED:
        # For good; and its pool may be deleted since.
        return _session(row)
    lock_pool(tx, row.pool)
    tx.refresh(row, with_for_update=True)
    if row.state != SessionState.ENDED:
        row.state, row.ended_at, row.end_reason, row.waits_because = SessionState.ENDED, now, reason, None
        tx.flush()
        forget_accounts(tx, [session_id])
        assign_waiting(tx, row.pool, now)
    return _session(row)


def end_sessions_of_server(tx: Transaction, server_id: str, reason: str, now: datetime) -> int:
    """End every live session of a server that is lost or deleted on purpose. Returns how many."""
    condition = (SessionRow.server_id == server_id, LIVE)
    ids = list(tx.scalars(select(SessionRow.id).where(*condition)))
    if ids:
        ended = {"state": SessionState.ENDED, "ended_at": now, "end_reason": reason}
        tx.execute(update(SessionRow).where(*condition).values(ended))
        forget_accounts(tx, ids)
    return len(ids)


def live_sessions(tx: Transaction, server_id: str) -> int:
    """How many sessions hold room on this server."""
    query = select(func.count()).select_from(SessionRow)
    return tx.scalar(query.where(SessionRow.server_id == server_id, LIVE)) or 0


def get_session(tx: Transaction, session_id: str) -> Session:
    """The session. Raises `UnknownSession`."""
    row = tx.get(SessionRow, session_id)
    if row is None:
        raise UnknownSession(f"there is no session {session_id!r}: see `poolwright session list`")
    return _session(row)


def waits_because(tx: Transaction, session_id: str) -> str | None:
    """The reason, in words, why a queued session has no server yet."""
    row = tx.get(SessionRow, session_id)
    return None if row is None else row.waits_because


def list_sessions(
    tx: Transaction,
    *,
    pool: str | None = None,
    server_id: str | None = None,
    ended: bool = False,
    newest: int | None = None,
) -> list[Session]:
    """Sessions in the order of their requests; ended ones only if asked for, and only so many of the newest."""
    query = select(SessionRow).order_by(SessionRow.requested_at.desc(), SessionRow.id.desc()).limit(newest)
    if pool is not None:
        query = query.where(SessionRow.pool == pool)
    if server_id is not None:
        query = query.where(SessionRow.server_id == server_id)
    if not ended:
        query = query.where(SessionRow.state != SessionState.ENDED)
    return [_session(row) for row in reversed(tx.scalars(query).all())]


def still_queued(tx: Transaction, session_ids: Collection[str]) -> set[str]:
    """Those of these sessions that wait for a server."""
    query = select(SessionRow.id).where(SessionRow.state == SessionState.QUEUED)
    return set(tx.scalars(query.where(SessionRow.id.in_(session_ids))))


def count_sessions(tx: Transaction) -> Mapping[str, Mapping[SessionState, int]]:
    """How many sessions each pool has in each state but `ended`; pools and states without any are left out."""
    query = select(SessionRow.pool, SessionRow.state, func.count()).where(SessionRow.state != SessionState.ENDED)
    counts: dict[str, dict[SessionState, int]] = {}
    for pool, state, count in tx.execute(query.group_by(SessionRow.pool, SessionRow.state)):
        counts.setdefault(pool, {})[SessionState(state)] = count
    return counts


def _check_request(tx: Transaction, request: SessionRequest, pool: Pool) -> None:
    if not request.user.strip():
        raise SessionRefused("a session needs a user: name the person it is for")
    if pool.type is PoolType.DOCKER_AGENT and request.workspace is None:
        raise SessionRefused(f"the pool {pool.name!r} runs containers: name the workspace to start")
    if request.workspace is not None:
        documents.get_row(tx, "workspace", request.workspace)
    if request.zone is not None:
        documents.get_row(tx, "zone", request.zone)


def _preferred(tx: Transaction, pool: str, users: set[str]) -> Mapping[str, str]:
    row = documents.get_row(tx, "pool", pool)
    if not row.body.get("server_assignment_enabled", False):
        return {}
    query = select(ServerAssignmentRow).where(ServerAssignmentRow.pool == pool, ServerAssignmentRow.user.in_(users))
    return {row.user: row.server_id for row in tx.scalars(query)}


def _remember_server(tx: Transaction, row: SessionRow) -> None:
    pool = documents.get_row(tx, "pool", row.pool)
    if pool.body.get("server_assignment_enabled", False):
        tx.merge(ServerAssignmentRow(pool=row.pool, user=row.user, server_id=row.server_id))


def _session(row: SessionRow) -> Session:
    return Session(
        id=row.id,
        pool=row.pool,
        user=row.user,
        kind=SessionKind(row.kind),
        state=SessionState(row.state),
        server_id=row.server_id,
        workspace=row.workspace,
        zone=row.zone,
        priority=row.priority,
        requested_at=row.requested_at,
        assigned_at=row.assigned_at,
        ended_at=row.ended_at,
        expires_at=row.expires_at,
        end_reason=row.end_reason,
    )
