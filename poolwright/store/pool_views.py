"""A pool's servers and queue as planning and placement see them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row, bindparam, case, func, select
from sqlalchemy.orm import Session as Transaction

from poolwright.domain.autoscale import DockerAgentAutoscale
from poolwright.domain.placement import PlacementRules
from poolwright.domain.resources import PoolType, Workspace, Zone
from poolwright.domain.scaling import ServerView, WaitingSession
from poolwright.domain.schedules import active_at
from poolwright.domain.servers import SessionKind, SessionState, Size
from poolwright.domain.states import ServerState
from poolwright.store import documents
from poolwright.store.engine import fetch
from poolwright.store.tables import EXISTING, LIVE, DocumentRow, ServerRow, SessionRow

# Columns rather than objects, taken by position rather than by name, and statements that are built once: in large
# pools, and in rounds over many pools, SQLAlchemy takes most of the time of a decision.
_SERVED = select(func.count()).where(SessionRow.server_id == ServerRow.id).correlate(ServerRow).scalar_subquery()
_VIEWED = (
    ServerRow.id,
    ServerRow.hostname,
    ServerRow.autoscale,
    ServerRow.zone,
    ServerRow.vm_provider,
    ServerRow.place,
    ServerRow.state,
    ServerRow.created_at,
    ServerRow.running_at,
    ServerRow.max_sessions,
    ServerRow.max_users,
    ServerRow.counts_users,
    ServerRow.reusable,
    ServerRow.config_revision,
    ServerRow.rollout,
    ServerRow.drain_reason,
    # Of reusable servers, which serve without end, nobody asks it.
    case((ServerRow.reusable, 0), else_=_SERVED).label("served"),
)
"""What a `ServerView` takes as it is."""
_VIEWED_NAMES = tuple(column.key for column in _VIEWED)
_BESIDE = (ServerRow.pool_type, ServerRow.cores, ServerRow.memory_mib, ServerRow.gpus)
_OF_POOL = ServerRow.pool == bindparam("pool")
_BY_AGE = select(*_VIEWED, *_BESIDE).where(_OF_POOL).order_by(ServerRow.created_at, ServerRow.id)
_SERVERS = _BY_AGE.where(EXISTING)
_RUNNING_SERVERS = _BY_AGE.where(ServerRow.state == ServerState.RUNNING)
_IMAGES = select(ServerRow.id, ServerRow.images).where(_OF_POOL, EXISTING)
_LIVE_SESSIONS = select(
    SessionRow.server_id, SessionRow.user, SessionRow.kind, SessionRow.state, SessionRow.workspace
).where(SessionRow.pool == bindparam("pool"), LIVE)
_QUEUE = (
    select(SessionRow)
    .where(SessionRow.pool == bindparam("pool"), SessionRow.state == SessionState.QUEUED)
    .order_by(SessionRow.priority.desc(), SessionRow.requested_at, SessionRow.id)
)
_WAITING = (
    SessionRow.id,
    SessionRow.user,
    SessionRow.kind,
    SessionRow.requested_at,
    SessionRow.priority,
    SessionRow.zone,
    SessionRow.workspace,
)
_WAITING_OF_POOL = _QUEUE.with_only_columns(*_WAITING)
_waiting_columns = attrgetter(*(column.key for column in _WAITING))
_SERVER_VIEWS = TypeAdapter(tuple[ServerView, ...])
_NO_SIZE = Size()


def waiting_sessions(
    tx: Transaction, pool: str, queued: Sequence[SessionRow] | None = None
) -> tuple[WaitingSession, ...]:
    """The pool's queue, or these rows of it, in the order in which it is served."""
    rows: Sequence[Any] = (
        fetch(tx, _WAITING_OF_POOL, pool=pool) if queued is None else [_waiting_columns(row) for row in queued]
    )
    workspaces = _workspaces(tx, {workspace for *_, workspace in rows if workspace})
    return tuple(
        WaitingSession(
            id=session_id,
            user=user,
            kind=SessionKind(kind),
            requested_at=requested_at,
            priority=priority,
            zone=_zone_of(workspace, workspaces) or zone,
            workspace=workspace,
            image=workspaces[workspace].image if workspace else None,
            size=_size_of(workspace, workspaces),
        )
        for session_id, user, kind, requested_at, priority, zone, workspace in rows
    )


def pool_servers(tx: Transaction, pool: str, now: datetime, *, only_running: bool = False) -> tuple[ServerView, ...]:
    """The pool's servers as planning and placement see them, deleted ones left out. `served` is counted only of those
    that are not reusable."""
    rows = fetch(tx, _RUNNING_SERVERS if only_running else _SERVERS, pool=pool)
    if not rows:
        return ()
    live = _live_by_server(tx, pool)
    views = [dict(zip(_VIEWED_NAMES, row, strict=False), sessions=live.get(row[0], ())) for row in rows]
    if rows[0].pool_type == PoolType.DOCKER_AGENT:
        _complete_agents(tx, pool, now, rows, views)
    # All at once: one by one their validation would take as long as the database.
    return _SERVER_VIEWS.validate_python(views)


def placement_rules(tx: Transaction, pool: str) -> PlacementRules:
    """How this pool's zones rank their servers."""
    row = documents.get_row(tx, "pool", pool)
    return PlacementRules(pool_type=PoolType(row.body["type"]), zones=all_zones(tx, pool))


def all_zones(tx: Transaction, pool: str) -> Mapping[str, Zone]:
    """Every zone by its name, for a decision about this pool."""
    zones = map(documents.load_without_secrets, documents.zones_around_pool(tx, pool))
    return {zone.name: zone for zone in zones if isinstance(zone, Zone)}


def queued_rows(tx: Transaction, pool: str) -> list[SessionRow]:
    return list(tx.scalars(_QUEUE, {"pool": pool}))


def _live_by_server(tx: Transaction, pool: str) -> Mapping[str, Sequence[dict[str, Any]]]:
    rows: Sequence[Any] = fetch(tx, _LIVE_SESSIONS, pool=pool)
    workspaces = _workspaces(tx, {workspace for *_, workspace in rows if workspace})
    views: dict[str, list[dict[str, Any]]] = {}
    for server_id, user, kind, state, workspace in rows:
        view = {"user": user, "kind": kind, "staged": state == SessionState.STAGED}
        if workspace:
            view["size"] = _size_of(workspace, workspaces)
        views.setdefault(server_id, []).append(view)
    return views


def _complete_agents(
    tx: Transaction, pool: str, now: datetime, rows: Sequence[Row[Any]], views: Sequence[dict[str, Any]]
) -> None:
    images = {row.id: row.images for row in fetch(tx, _IMAGES, pool=pool)}
    asleep = _asleep_agents(tx, pool, now)
    for row, view in zip(rows, views, strict=True):
        view["size"] = Size(cores=row.cores, memory_mib=row.memory_mib, gpus=row.gpus)
        view["images"] = images.get(row.id, ())
        view["accepts_sessions"] = row.autoscale not in asleep


def _workspaces(tx: Transaction, names: set[str]) -> Mapping[str, Workspace]:
    if not names:
        return {}
    query = select(DocumentRow).where(DocumentRow.kind == "workspace", DocumentRow.name.in_(names))
    loaded = (documents.load_without_secrets(row) for row in tx.scalars(query))
    return {workspace.name: workspace for workspace in loaded if isinstance(workspace, Workspace)}


def _size_of(name: str | None, workspaces: Mapping[str, Workspace]) -> Size:
    workspace = workspaces.get(name) if name else None
    if workspace is None:
        return _NO_SIZE
    return Size(cores=workspace.cores, memory_mib=workspace.memory_mib, gpus=workspace.gpus)


def _zone_of(name: str | None, workspaces: Mapping[str, Workspace]) -> str | None:
    workspace = workspaces.get(name) if name else None
    return workspace.zone if workspace else None


def _asleep_agents(tx: Transaction, pool: str, now: datetime) -> set[str | None]:
    """Autoscale configs whose docker agents take nothing new, since they are disabled or their schedule is inactive."""
    asleep: set[str | None] = set()
    for row in documents.rows_of_pool(tx, pool):
        if row.kind == "autoscale" and row.body["type"] == PoolType.DOCKER_AGENT:
            config = documents.load_without_secrets(row)
            assert isinstance(config, DockerAgentAutoscale)
            if not config.enabled or not active_at(config.schedules, now).active:
                asleep.add(row.name)
    return asleep
