"""Sessions: request, placement, end. One pool at a time, in order."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session as Transaction

from poolwright.domain.base import Model
from poolwright.domain.placement import PlacementRules, assign_queue
from poolwright.domain.resources import Pool, PoolType, Workspace, Zone
from poolwright.domain.scaling import DrainReason, ServerView, SessionView, WaitingSession
from poolwright.domain.servers import Session, SessionKind, SessionState, Size
from poolwright.domain.states import ServerState
from poolwright.store import documents
from poolwright.store.ledger import new_id
from poolwright.store.servers import lock_pool
from poolwright.store.tables import DocumentRow, ServerAssignmentRow, ServerRow, SessionRow

LIVE = (SessionState.ASSIGNED, SessionState.STAGED)
"""States in which a session holds room on a server."""


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
    request_key: str | None = None
    """Caller's idempotency key: the same key gives the same session."""


def request_session(tx: Transaction, request: SessionRequest, now: datetime) -> Session:
    """Queue the session and place whoever's turn it is. Returns the session, assigned if there was room.

    Raises `UnknownDocument` for the pool or the workspace, `SessionRefused` for a request that makes no sense.
    """
    lock_pool(tx, request.pool)
    pool = documents.load_without_secrets(documents.get_row(tx, "pool", request.pool))
    assert isinstance(pool, Pool)
    _check_request(tx, request, pool)
    if request.request_key is not None:
        known = tx.scalar(select(SessionRow).where(SessionRow.request_key == request.request_key))
        if known is not None:
            return _session(known)
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
        request_key=request.request_key,
    )
    tx.add(row)
    tx.flush()
    assign_waiting(tx, request.pool, now)
    return _session(row)


def assign_waiting(tx: Transaction, pool: str, now: datetime) -> list[str]:
    """Give room to waiting sessions, in order; expire those that waited too long. Returns the ids that were assigned."""
    lock_pool(tx, pool)
    expire_waiting(tx, pool, now)
    waiting_rows = _queued_rows(tx, pool)
    if not waiting_rows:
        return []
    views = pool_servers(tx, pool, (ServerState.RUNNING,))
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
    for session_id, reason in result.unserved:
        if rows[session_id].waits_because != reason:
            rows[session_id].waits_because = reason
    tx.flush()
    return [session_id for session_id, _ in result.assignments]


def end_session(tx: Transaction, session_id: str, reason: str, now: datetime) -> Session:
    """End the session, or take it out of the queue. Repeatable. Raises `UnknownSession`."""
    row = tx.get(SessionRow, session_id)
    if row is None:
        raise UnknownSession(f"there is no session {session_id!r}: see `poolwright session list`")
    lock_pool(tx, row.pool)
    tx.refresh(row, with_for_update=True)
    if row.state != SessionState.ENDED:
        row.state, row.ended_at, row.end_reason, row.waits_because = SessionState.ENDED, now, reason, None
        tx.flush()
        assign_waiting(tx, row.pool, now)
    return _session(row)


def end_sessions_of_server(tx: Transaction, server_id: str, reason: str, now: datetime) -> int:
    """End every live session of a server that is lost or deleted on purpose. Returns how many."""
    condition = (SessionRow.server_id == server_id, SessionRow.state.in_(LIVE))
    count = tx.scalar(select(func.count()).select_from(SessionRow).where(*condition)) or 0
    if count:
        ended = {"state": SessionState.ENDED, "ended_at": now, "end_reason": reason}
        tx.execute(update(SessionRow).where(*condition).values(ended))
    return count


def live_sessions(tx: Transaction, server_id: str) -> int:
    """How many sessions hold room on this server."""
    query = select(func.count()).select_from(SessionRow)
    return tx.scalar(query.where(SessionRow.server_id == server_id, SessionRow.state.in_(LIVE))) or 0


def get_session(tx: Transaction, session_id: str) -> Session:
    """The session. Raises `UnknownSession`."""
    row = tx.get(SessionRow, session_id)
    if row is None:
        raise UnknownSession(f"there is no session {session_id!r}: see `poolwright session list`")
    return _session(row)


def queue_position(tx: Transaction, session: Session) -> int | None:
    """1 for the next to be served, or None when the session does not wait."""
    if session.state is not SessionState.QUEUED:
        return None
    ids = [row.id for row in _queued_rows(tx, session.pool)]
    return ids.index(session.id) + 1 if session.id in ids else None


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


def waiting_sessions(
    tx: Transaction, pool: str, rows: Sequence[SessionRow] | None = None
) -> tuple[WaitingSession, ...]:
    """The pool's queue in the order in which it is served."""
    rows = _queued_rows(tx, pool) if rows is None else rows
    workspaces = _workspaces(tx, {row.workspace for row in rows if row.workspace})
    return tuple(
        WaitingSession(
            id=row.id,
            user=row.user,
            kind=SessionKind(row.kind),
            requested_at=row.requested_at,
            priority=row.priority,
            zone=_zone_of(row, workspaces),
            workspace=row.workspace,
            image=workspaces[row.workspace].image if row.workspace else None,
            size=_size_of(row, workspaces),
        )
        for row in rows
    )


def pool_servers(tx: Transaction, pool: str, states: Iterable[ServerState] | None = None) -> tuple[ServerView, ...]:
    """The pool's servers as planning and placement see them, deleted ones left out."""
    query = select(ServerRow).where(ServerRow.pool == pool).order_by(ServerRow.created_at, ServerRow.id)
    query = query.where(
        ServerRow.state.in_(list(states)) if states is not None else ServerRow.state != ServerState.DELETED
    )
    rows = list(tx.scalars(query))
    on_server = SessionRow.server_id.in_(query.with_only_columns(ServerRow.id).order_by(None))
    live = _live_by_server(tx, on_server)
    served = _served_by_server(tx, on_server)
    return tuple(_view(row, live.get(row.id, ()), served.get(row.id, 0)) for row in rows)


def placement_rules(tx: Transaction, pool: str) -> PlacementRules:
    """How this pool's zones rank their servers."""
    row = documents.get_row(tx, "pool", pool)
    zones = {
        zone.name: zone
        for zone in map(documents.load_without_secrets, documents.rows(tx, "zone"))
        if isinstance(zone, Zone)
    }
    return PlacementRules(pool_type=PoolType(row.body["type"]), zones=zones)


def _check_request(tx: Transaction, request: SessionRequest, pool: Pool) -> None:
    if not request.user.strip():
        raise SessionRefused("a session needs a user: name the person it is for")
    if pool.type is PoolType.DOCKER_AGENT and request.workspace is None:
        raise SessionRefused(f"the pool {pool.name!r} runs containers: name the workspace to start")
    if request.workspace is not None:
        documents.get_row(tx, "workspace", request.workspace)
    if request.zone is not None:
        documents.get_row(tx, "zone", request.zone)


def expire_waiting(tx: Transaction, pool: str, now: datetime) -> None:
    """End the sessions that waited longer than their pool lets them."""
    overdue = (SessionRow.pool == pool, SessionRow.state == SessionState.QUEUED, SessionRow.expires_at <= now)
    for row in tx.scalars(select(SessionRow).where(*overdue)):
        waited = int((now - row.requested_at).total_seconds())
        row.state, row.ended_at = SessionState.ENDED, now
        row.end_reason = (
            f"waited {waited} s without capacity, the pool's limit; {row.waits_because or 'no server came'}"
        )
    tx.flush()


def _queued_rows(tx: Transaction, pool: str) -> list[SessionRow]:
    query = select(SessionRow).where(SessionRow.pool == pool, SessionRow.state == SessionState.QUEUED)
    return list(tx.scalars(query.order_by(SessionRow.priority.desc(), SessionRow.requested_at, SessionRow.id)))


def _live_by_server(tx: Transaction, on_server: ColumnElement[bool]) -> dict[str, tuple[SessionView, ...]]:
    rows = list(tx.scalars(select(SessionRow).where(on_server, SessionRow.state.in_(LIVE))))
    workspaces = _workspaces(tx, {row.workspace for row in rows if row.workspace})
    grouped: dict[str, list[SessionView]] = {}
    for row in rows:
        assert row.server_id is not None
        view = SessionView(
            user=row.user,
            kind=SessionKind(row.kind),
            staged=row.state == SessionState.STAGED,
            size=_size_of(row, workspaces),
        )
        grouped.setdefault(row.server_id, []).append(view)
    return {server_id: tuple(views) for server_id, views in grouped.items()}


def _served_by_server(tx: Transaction, on_server: ColumnElement[bool]) -> dict[str, int]:
    query = select(SessionRow.server_id, func.count()).where(on_server).group_by(SessionRow.server_id)
    return {server_id: count for server_id, count in tx.execute(query) if server_id is not None}


def _workspaces(tx: Transaction, names: set[str]) -> Mapping[str, Workspace]:
    if not names:
        return {}
    query = select(DocumentRow).where(DocumentRow.kind == "workspace", DocumentRow.name.in_(names))
    loaded = (documents.load_without_secrets(row) for row in tx.scalars(query))
    return {workspace.name: workspace for workspace in loaded if isinstance(workspace, Workspace)}


def _size_of(row: SessionRow, workspaces: Mapping[str, Workspace]) -> Size:
    workspace = workspaces.get(row.workspace) if row.workspace else None
    if workspace is None:
        return Size()
    return Size(cores=workspace.cores, memory_mib=workspace.memory_mib, gpus=workspace.gpus)


def _zone_of(row: SessionRow, workspaces: Mapping[str, Workspace]) -> str | None:
    workspace = workspaces.get(row.workspace) if row.workspace else None
    return workspace.zone if workspace and workspace.zone else row.zone


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


def _view(row: ServerRow, live: tuple[SessionView, ...], served: int) -> ServerView:
    return ServerView(
        id=row.id,
        hostname=row.hostname,
        autoscale=row.autoscale,
        zone=row.zone,
        vm_provider=row.vm_provider,
        place=row.place,
        state=ServerState(row.state),
        created_at=row.created_at,
        running_at=row.running_at,
        sessions=live,
        served=served,
        max_sessions=row.max_sessions,
        max_users=row.max_users,
        counts_users=row.counts_users,
        reusable=row.reusable,
        size=Size(cores=row.cores, memory_mib=row.memory_mib, gpus=row.gpus),
        images=frozenset(row.images),
        config_revision=row.config_revision,
        rollout=row.rollout,
        drain_reason=DrainReason(row.drain_reason) if row.drain_reason else None,
    )


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
