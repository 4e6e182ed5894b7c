"""Staged sessions: started before anyone asks, handed to whoever asks for just that, thrown away when they are old."""

from collections.abc import Iterator, Mapping, Sequence
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


def staging_needs(
    tx: Transaction, autoscale: ServerAutoscale | DockerAgentAutoscale, declared: Sequence[DocumentRow]
) -> tuple[StagingNeed, ...]:
    """What the staging configs that this autoscale config serves still lack. `declared`: the pool's configs."""
    needs = []
    for staging, workspace in _configs(tx, declared):
        if _served_by(staging, declared) == autoscale.name:
            missing = max(0, staging.desired_sessions - len(_staged(tx, staging.name)))
            needs.append(StagingNeed(staging=staging.name, size=_size(workspace), missing=missing))
    return tuple(needs)


def drop_stale(tx: Transaction, pool: str, now: datetime) -> None:
    """End staged sessions that nobody may get any more: too old, of another kind than their config wants now, asleep
    with their autoscale config, or on a server that takes no more sessions.

    Call with the pool locked, before the queue is served.
    """
    declared = documents.rows_of_pool(tx, pool)
    for staging, _ in _configs(tx, declared):
        staged = _staged(tx, staging.name)
        asleep = _asleep(tx, _served_by(staging, declared), now) if staged else None
        servers = _servers_of(tx, staged)
        for row in staged:
            stale = asleep or _too_old(row, staging, now) or _unusable(row, staging, servers[row.server_id])
            if stale is not None:
                _end(row, stale, now)
    tx.flush()


def tend_staging(tx: Transaction, pool: str, now: datetime) -> None:
    """End staged sessions that are too many; start what is missing where there is room.

    Call with the pool locked, after the queue was served: people who ask come before sessions for nobody.
    """
    declared = documents.rows_of_pool(tx, pool)
    for staging, workspace in _configs(tx, declared):
        staged = _staged(tx, staging.name)
        wanted = staging.desired_sessions
        for row in staged[wanted:]:
            _end(row, f"staging {staging.name} wants {wanted} session(s) now", now)
        tx.flush()
        missing = wanted - len(staged)
        if missing > 0 and _asleep(tx, _served_by(staging, declared), now) is None:
            _refill(tx, staging, workspace, missing, now)


def take_staged(tx: Transaction, row: SessionRow, now: datetime) -> bool:
    """Give the queued session the place of a staged one with its workspace, zone and permissions. False: none fits."""
    if row.workspace is None:
        return False
    wanted = row.permissions or StagingPermissions().model_dump(mode="json")
    query = select(SessionRow).where(
        SessionRow.pool == row.pool,
        SessionRow.state == SessionState.STAGED,
        SessionRow.workspace == row.workspace,
    )
    for staged in tx.scalars(query.order_by(SessionRow.requested_at, SessionRow.id)):
        if (row.zone is None or row.zone == staged.zone) and staged.permissions == wanted:
            row.state, row.server_id, row.assigned_at = SessionState.ASSIGNED, staged.server_id, now
            row.waits_because = None
            _end(staged, f"handed over to session {row.id}", now)
            tx.flush()
            return True
    return False


def _refill(tx: Transaction, staging: Staging, workspace: Workspace, missing: int, now: datetime) -> None:
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
                assigned_at=now,
                staging=staging.name,
                permissions=staging.permissions.model_dump(mode="json"),
            )
        )
    tx.flush()


def _configs(tx: Transaction, declared: Sequence[DocumentRow]) -> Iterator[tuple[Staging, Workspace]]:
    for row in declared:
        if row.kind != "staging":
            continue
        staging = documents.load_without_secrets(row)
        assert isinstance(staging, Staging)
        workspace = documents.load_without_secrets(documents.get_row(tx, "workspace", staging.workspace))
        assert isinstance(workspace, Workspace)
        yield staging, workspace


def _staged(tx: Transaction, staging: str) -> list[SessionRow]:
    query = select(SessionRow).where(SessionRow.staging == staging, SessionRow.state == SessionState.STAGED)
    return list(tx.scalars(query.order_by(SessionRow.requested_at, SessionRow.id)))


def _servers_of(tx: Transaction, staged: Sequence[SessionRow]) -> Mapping[str | None, ServerRow]:
    ids = {row.server_id for row in staged if row.server_id is not None}
    if not ids:
        return {}
    return {server.id: server for server in tx.scalars(select(ServerRow).where(ServerRow.id.in_(ids)))}


def _too_old(row: SessionRow, staging: Staging, now: datetime) -> str | None:
    if row.requested_at + timedelta(seconds=staging.expiration_seconds) > now:
        return None
    return f"nobody took it for {staging.expiration_seconds} s: it is made again"


def _unusable(row: SessionRow, staging: Staging, server: ServerRow) -> str | None:
    if server.state != ServerState.RUNNING:
        return f"its server is {server.state}"
    wanted = (staging.workspace, staging.zone, staging.permissions.model_dump(mode="json"))
    if (row.workspace, row.zone, row.permissions) == wanted and staging.autoscale in (None, server.autoscale):
        return None
    return f"staging {staging.name} wants another kind of session now"


def _served_by(staging: Staging, declared: Sequence[DocumentRow]) -> str | None:
    """The one autoscale config that makes room for it: its own, or the first of its pool and zone."""
    if staging.autoscale is not None:
        return staging.autoscale
    return next(
        (row.name for row in declared if row.kind == "autoscale" and row.body["zone"] == staging.zone),
        None,
    )


def _asleep(tx: Transaction, name: str | None, now: datetime) -> str | None:
    """Why what this autoscale config makes room for must have no sessions now, or None."""
    if name is None:
        return None
    config = documents.load_without_secrets(documents.get_row(tx, "autoscale", name))
    assert isinstance(config, ServerAutoscale | DockerAgentAutoscale)
    if not config.enabled:
        return f"the autoscale config {name} is disabled"
    state = active_at(config.schedules, now)
    return None if state.active else f"the autoscale config {name} is not active: {state.reason}"


def _end(row: SessionRow, reason: str, now: datetime) -> None:
    row.state, row.ended_at, row.end_reason = SessionState.ENDED, now, reason


def _size(workspace: Workspace) -> Size:
    return Size(cores=workspace.cores, memory_mib=workspace.memory_mib, gpus=workspace.gpus)
