"""Staged sessions: started before anyone asks, handed to whoever asks for just that, thrown away when they are old."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session as Transaction

from poolwright.domain.autoscale import DockerAgentAutoscale, ServerAutoscale
from poolwright.domain.placement import assign_queue
from poolwright.domain.resources import Staging, StagingPermissions, Workspace
from poolwright.domain.scaling import StagingNeed, WaitingSession
from poolwright.domain.schedules import active_at
from poolwright.domain.servers import SessionKind, SessionState, Size
from poolwright.domain.states import ServerState
from poolwright.store import documents
from poolwright.store.identifiers import new_id
from poolwright.store.pool_views import placement_rules, pool_servers
from poolwright.store.tables import DocumentRow, ServerRow, SessionRow


@dataclass(frozen=True, slots=True)
class _StagingConfig:
    """A staging config with what its sessions run."""

    staging: Staging
    workspace: Workspace
    workspace_changed_at: datetime


def staging_needs(
    tx: Transaction,
    autoscale: ServerAutoscale | DockerAgentAutoscale,
    declared: Sequence[DocumentRow],
    now: datetime,
) -> tuple[StagingNeed, ...]:
    """What the staging configs that this autoscale config serves now still lack. `declared`: the pool's configs.

    One autoscale config at most serves a staging config at any moment, whichever of them asks.
    """
    needs = []
    for one in _staging_configs(tx, declared):
        if _served_by(one.staging, declared, now) == autoscale.name:
            missing = max(0, one.staging.desired_sessions - len(_staged(tx, one.staging.name)))
            needs.append(StagingNeed(staging=one.staging.name, size=_size(one.workspace), missing=missing))
    return tuple(needs)


def drop_stale(tx: Transaction, pool: str, now: datetime) -> None:
    """End staged sessions that nobody may get any more: too old, of another kind than their config wants now, of a
    workspace that has changed, or on a server that takes no more sessions or whose autoscale config sleeps.

    Call with the pool locked, before the queue is served.
    """
    declared = documents.rows_of_pool(tx, pool)
    for one in _staging_configs(tx, declared):
        staged = _staged(tx, one.staging.name)
        servers = _servers_of(tx, staged)
        asleep = _asleep_of_servers(servers.values(), declared, now)
        for row in staged:
            server = servers[row.server_id]
            stale = (
                asleep.get(server.autoscale)
                or _too_old(row, one.staging, now)
                or _unusable(row, one.staging, server)
                or _outdated(row, one)
            )
            if stale is not None:
                _end(row, stale, now)
    tx.flush()


def tend_staging(tx: Transaction, pool: str, now: datetime) -> None:
    """End staged sessions that are too many; start what is missing where there is room.

    Call with the pool locked, after the queue was served: people who ask come before sessions for nobody.
    """
    declared = documents.rows_of_pool(tx, pool)
    for one in _staging_configs(tx, declared):
        staged = _staged(tx, one.staging.name)
        wanted = one.staging.desired_sessions
        for row in staged[wanted:]:
            _end(row, f"staging {one.staging.name} wants {wanted} session(s) now", now)
        tx.flush()
        missing = wanted - len(staged)
        if missing > 0:
            _refill(tx, one, missing, now)


def take_staged(tx: Transaction, row: SessionRow, now: datetime) -> bool:
    """Give the queued session the place of a staged one with its workspace, zone and permissions. False: none fits.

    The zone that its workspace is pinned to goes before the one that the person asked for.
    """
    if row.workspace is None:
        return False
    wanted = row.permissions or StagingPermissions().model_dump(mode="json")
    query = select(SessionRow).where(
        SessionRow.pool == row.pool,
        SessionRow.state == SessionState.STAGED,
        SessionRow.workspace == row.workspace,
    )
    ready = tx.scalars(query.order_by(SessionRow.requested_at, SessionRow.id)).all()
    if not ready:
        return False
    zone = _workspace(documents.get_row(tx, "workspace", row.workspace)).zone or row.zone
    for staged in ready:
        if zone in (None, staged.zone) and staged.permissions == wanted:
            row.state, row.server_id, row.assigned_at = SessionState.ASSIGNED, staged.server_id, now
            row.waits_because = None
            _end(staged, f"handed over to session {row.id}", now)
            tx.flush()
            return True
    return False


def _refill(tx: Transaction, config: _StagingConfig, missing: int, now: datetime) -> None:
    staging, workspace = config.staging, config.workspace
    # Agents whose config sleeps are among them, but accept nothing.
    servers = [
        server
        for server in pool_servers(tx, staging.pool, now, only_running=True)
        if server.zone == staging.zone and staging.autoscale in (None, server.autoscale)
    ]
    wishes = [
        WaitingSession(
            id=new_id("n"),
            user=f"staging {staging.name}",
            kind=SessionKind.APP,
            requested_at=now,
            zone=staging.zone,
            workspace=workspace.name,
            image=workspace.image,
            size=_size(workspace),
        )
        for _ in range(missing)
    ]
    for session_id, server_id in assign_queue(wishes, servers, placement_rules(tx, staging.pool)).assignments:
        tx.add(
            SessionRow(
                id=session_id,
                pool=staging.pool,
                user="",
                kind=SessionKind.APP,
                state=SessionState.STAGED,
                server_id=server_id,
                workspace=workspace.name,
                zone=staging.zone,
                requested_at=now,
                # A clock that is behind the one of whoever changed the workspace must not make it look outdated.
                assigned_at=max(now, config.workspace_changed_at),
                staging=staging.name,
                permissions=staging.permissions.model_dump(mode="json"),
            )
        )
    tx.flush()


def _staging_configs(tx: Transaction, declared: Sequence[DocumentRow]) -> Iterator[_StagingConfig]:
    for row in declared:
        if row.kind != "staging":
            continue
        staging = documents.load_without_secrets(row)
        assert isinstance(staging, Staging)
        workspace = documents.get_row(tx, "workspace", staging.workspace)
        yield _StagingConfig(staging, _workspace(workspace), workspace.updated_at)


def _workspace(row: DocumentRow) -> Workspace:
    workspace = documents.load_without_secrets(row)
    assert isinstance(workspace, Workspace)
    return workspace


def _staged(tx: Transaction, staging: str) -> list[SessionRow]:
    query = select(SessionRow).where(SessionRow.staging == staging, SessionRow.state == SessionState.STAGED)
    return list(tx.scalars(query.order_by(SessionRow.requested_at, SessionRow.id)))


def _servers_of(tx: Transaction, staged: Sequence[SessionRow]) -> Mapping[str | None, ServerRow]:
    ids = {row.server_id for row in staged if row.server_id is not None}
    if not ids:
        return {}
    return {server.id: server for server in tx.scalars(select(ServerRow).where(ServerRow.id.in_(ids)))}


def _asleep_of_servers(
    servers: Iterable[ServerRow], declared: Sequence[DocumentRow], now: datetime
) -> Mapping[str | None, str]:
    """Autoscale configs of these servers that sleep, and why. Static servers have none, so that they never sleep."""
    named = {server.autoscale for server in servers}
    reasons = ((row.name, _asleep(row, now)) for row in declared if row.kind == "autoscale" and row.name in named)
    return {name: reason for name, reason in reasons if reason is not None}


def _too_old(row: SessionRow, staging: Staging, now: datetime) -> str | None:
    if row.requested_at + timedelta(seconds=staging.expiration_seconds) > now:
        return None
    return f"nobody took it for {staging.expiration_seconds} s: it is made again"


def _unusable(row: SessionRow, staging: Staging, server: ServerRow) -> str | None:
    if server.state != ServerState.RUNNING:
        return f"its server is {server.state}"
    wanted = (staging.pool, staging.workspace, staging.zone, staging.permissions.model_dump(mode="json"))
    fits = (row.pool, row.workspace, row.zone, row.permissions) == wanted
    if fits and staging.autoscale in (None, server.autoscale):
        return None
    return f"staging {staging.name} wants another kind of session now"


def _outdated(row: SessionRow, config: _StagingConfig) -> str | None:
    # Any change counts: only the zone of a workspace leaves its containers as they are, and that rarely changes.
    if row.assigned_at is None or row.assigned_at >= config.workspace_changed_at:
        return None
    return f"the workspace {config.workspace.name} was changed after it was started: it is made again"


def _served_by(staging: Staging, declared: Sequence[DocumentRow], now: datetime) -> str | None:
    """The one autoscale config that makes room for it now: its own, or the first of its pool and zone that is awake."""
    able = [
        row
        for row in declared
        if row.kind == "autoscale" and (staging.autoscale or row.name) == row.name and row.body["zone"] == staging.zone
    ]
    # One that observes makes no agents, so it comes after all that act. Where it is alone it still serves, so that its
    # record tells what it would make. Sorting keeps the order of names, which is the same for whichever config asks.
    able.sort(key=lambda row: bool(row.body.get("observe", False)))
    return next((row.name for row in able if _asleep(row, now) is None), None)


def _asleep(autoscale: DocumentRow, now: datetime) -> str | None:
    """Why the agents of this autoscale config may have no staged sessions now, or None."""
    config = documents.load_without_secrets(autoscale)
    assert isinstance(config, ServerAutoscale | DockerAgentAutoscale)
    if not config.enabled:
        return f"the autoscale config {config.name} is disabled"
    state = active_at(config.schedules, now)
    return None if state.active else f"the autoscale config {config.name} is not active: {state.reason}"


def _end(row: SessionRow, reason: str, now: datetime) -> None:
    row.state, row.ended_at, row.end_reason = SessionState.ENDED, now, reason


def _size(workspace: Workspace) -> Size:
    return Size(cores=workspace.cores, memory_mib=workspace.memory_mib, gpus=workspace.gpus)
