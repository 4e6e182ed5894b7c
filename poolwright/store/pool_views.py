"""A pool's servers and queue as planning and placement see them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row, bindparam, func, select
from sqlalchemy.orm import Session as Transaction

from poolwright.domain.autoscale import DockerAgentAutoscale
from poolwright.domain.placement import PlacementRules
from poolwright.domain.resources import PoolType, Workspace, Zone
from poolwright.domain.scaling import ServerView, SessionView, WaitingSession
from poolwright.domain.schedules import active_at
from poolwright.domain.servers import SessionKind, SessionState, Size
from poolwright.domain.states import ServerState
from poolwright.store import documents
from poolwright.store.engine import fetch
from poolwright.store.tables import EXISTING, DocumentRow, ServerRow, SessionRow

LIVE = (SessionState.ASSIGNED, SessionState.STAGED)
"""States in which a session holds room on a server."""

# Columns rather than objects, and statements that are built once: in large pools, and in rounds over many pools,
# SQLAlchemy takes most of the time of a decision.
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
)
"""What a `ServerView` takes as it is."""
_VIEWED_NAMES = tuple(column.key for column in _VIEWED)
_BESIDE = (ServerRow.pool_type, ServerRow.cores, ServerRow.memory_mib, ServerRow.gpus)
_OF_POOL = (ServerRow.pool == bindparam("pool"), ServerRow.state.in_(bindparam("states", expanding=True)))
_SERVERS = select(*_VIEWED, *_BESIDE).where(*_OF_POOL).order_by(ServerRow.created_at, ServerRow.id)
_IMAGES = select(ServerRow.id, ServerRow.images).where(*_OF_POOL)
_LIVE_SESSIONS = select(
    SessionRow.server_id, SessionRow.user, SessionRow.kind, SessionRow.state, SessionRow.workspace
).where(SessionRow.pool == bindparam("pool"), SessionRow.state.in_(LIVE))
_SERVED = (
    select(SessionRow.server_id, func.count().label("served"))
    .join(ServerRow, ServerRow.id == SessionRow.server_id)
    .where(*_OF_POOL)
    .group_by(SessionRow.server_id)
)
_QUEUE = (
    select(SessionRow)
    .where(SessionRow.pool == bindparam("pool"), SessionRow.state == SessionState.QUEUED)
    .order_by(SessionRow.priority.desc(), SessionRow.requested_at, SessionRow.id)
)
_WAITING = _QUEUE.with_only_columns(
    SessionRow.id,
    SessionRow.user,
    SessionRow.kind,
    SessionRow.requested_at,
    SessionRow.priority,
    SessionRow.zone,
    SessionRow.workspace,
)
_SERVER_VIEWS = TypeAdapter(tuple[ServerView, ...])
_SESSION_VIEWS = TypeAdapter(list[SessionView])
_NO_SIZE = Size()


def waiting_sessions(
    tx: Transaction, pool: str, queued: Sequence[SessionRow] | None = None
) -> tuple[WaitingSession, ...]:
    """The pool's queue, or these rows of it, in the order in which it is served."""
    rows: Sequence[Any] = fetch(tx, _WAITING, pool=pool) if queued is None else queued
    workspaces = _workspaces(tx, {row.workspace for row in rows if row.workspace})
    return tuple(
        WaitingSession(
            id=row.id,
            user=row.user,
            kind=SessionKind(row.kind),
            requested_at=row.requested_at,
            priority=row.priority,
            zone=_zone_of(row.workspace, workspaces) or row.zone,
            workspace=row.workspace,
            image=workspaces[row.workspace].image if row.workspace else None,
            size=_size_of(row.workspace, workspaces),
        )
        for row in rows
    )


def pool_servers(
    tx: Transaction, pool: str, now: datetime, states: Iterable[ServerState] | None = None
) -> tuple[ServerView, ...]:
    """The pool's servers as planning and placement see them, deleted ones left out."""
    chosen = {"pool": pool, "states": EXISTING if states is None else list(states)}
    rows = fetch(tx, _SERVERS, **chosen)
    if not rows:
        return ()
    live = _live_by_server(tx, pool)
    served = {row.server_id: row.served for row in fetch(tx, _SERVED, **chosen)}
    agents = any(row.pool_type == PoolType.DOCKER_AGENT for row in rows)
    images = {row.id: row.images for row in fetch(tx, _IMAGES, **chosen)} if agents else {}
    asleep = _asleep_agents(tx, pool, now) if agents else set()
    # All at once, here too.
    return _SERVER_VIEWS.validate_python(
        [
            dict(
                zip(_VIEWED_NAMES, row, strict=False),
                sessions=live.get(row.id, ()),
                served=served.get(row.id, 0),
                size=_size(row) if agents else _NO_SIZE,
                images=images.get(row.id, ()),
                accepts_sessions=row.autoscale not in asleep,
            )
            for row in rows
        ]
    )


def placement_rules(tx: Transaction, pool: str) -> PlacementRules:
    """How this pool's zones rank their servers."""
    row = documents.get_row(tx, "pool", pool)
    return PlacementRules(pool_type=PoolType(row.body["type"]), zones=all_zones(tx))


def all_zones(tx: Transaction) -> Mapping[str, Zone]:
    """Every zone by its name."""
    zones = map(documents.load_without_secrets, documents.rows(tx, "zone"))
    return {zone.name: zone for zone in zones if isinstance(zone, Zone)}


def queued_rows(tx: Transaction, pool: str) -> list[SessionRow]:
    return list(tx.scalars(_QUEUE, {"pool": pool}))


def _live_by_server(tx: Transaction, pool: str) -> dict[str, tuple[SessionView, ...]]:
    rows = fetch(tx, _LIVE_SESSIONS, pool=pool)
    workspaces = _workspaces(tx, {row.workspace for row in rows if row.workspace})
    # All at once: one by one their validation would take as long as the database.
    views = _SESSION_VIEWS.validate_python(
        [
            {
                "user": row.user,
                "kind": row.kind,
                "staged": row.state == SessionState.STAGED,
                "size": _size_of(row.workspace, workspaces),
            }
            for row in rows
        ]
    )
    grouped: dict[str, list[SessionView]] = {}
    for row, view in zip(rows, views, strict=True):
        grouped.setdefault(row.server_id, []).append(view)
    return {server_id: tuple(views) for server_id, views in grouped.items()}


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
    query = select(DocumentRow).where(DocumentRow.kind == "autoscale", DocumentRow.pool == pool)
    asleep: set[str | None] = set()
    for row in tx.scalars(query):
        if row.body["type"] == PoolType.DOCKER_AGENT:
            config = documents.load_without_secrets(row)
            assert isinstance(config, DockerAgentAutoscale)
            if not config.enabled or not active_at(config.schedules, now).active:
                asleep.add(row.name)
    return asleep


def _size(row: Row[Any]) -> Size:
    return Size(cores=row.cores, memory_mib=row.memory_mib, gpus=row.gpus)
