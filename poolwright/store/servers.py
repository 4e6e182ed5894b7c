"""Server rows: the one `transition`, the reads, and the story."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.orm import Session

from poolwright.domain.resources import PoolType
from poolwright.domain.servers import HistoryEntry, Server, Size
from poolwright.domain.states import ServerState, check_transition
from poolwright.store.documents import get_row
from poolwright.store.engine import fetch
from poolwright.store.tables import CheckInRow, HistoryRow, ServerRow

_STATE = select(ServerRow.state).where(ServerRow.id == bindparam("server"))
# The key is left unlocked: whoever holds the pool may meanwhile give sessions to this server, which checks their
# foreign key, and would otherwise wait for us while we wait for the pool.
_TO_HOLD = (
    select(ServerRow)
    .where(ServerRow.id == bindparam("server"))
    .with_for_update(key_share=True)
    .execution_options(populate_existing=True)
)


class UnknownServer(LookupError):
    """There is no server with this id or host name."""


def transition(session: Session, row: ServerRow, new: ServerState, reason: str, now: datetime) -> None:
    """Take one edge of the state table and append it to the story. The only way in which a state changes.

    Raises `IllegalTransition`.
    """
    current = ServerState(row.state)
    check_transition(current, new)
    row.state, row.state_since, row.message = new, now, reason
    if new is ServerState.CREATING:
        row.creating_at = now
    if new is ServerState.BOOTING:
        row.booting_at = now
    if new is ServerState.RUNNING and row.running_at is None:
        row.running_at = now
    if new is ServerState.RUNNING:
        row.drain_reason = None
    if new is ServerState.FAILED:
        row.failure_reason = reason
    session.add(HistoryRow(server_id=row.id, at=now, from_state=current, to_state=new, reason=reason))


def note(session: Session, row: ServerRow, message: str, now: datetime) -> None:
    """Append a line to the story without a change of state, unless it repeats what the server already says."""
    if row.message == message:
        return
    row.message = message
    session.add(HistoryRow(server_id=row.id, at=now, from_state=row.state, to_state=row.state, reason=message))


def lock_server(session: Session, server_id: str) -> ServerRow:
    """The row of this server, held until the transaction ends. Raises `UnknownServer`."""
    row = session.scalars(_TO_HOLD, {"server": server_id}).one_or_none()
    if row is None:
        raise UnknownServer(f"there is no server {server_id!r}")
    return row


def lock_pool(session: Session, pool: str) -> None:
    """Hold the pool until the transaction ends: sessions are placed, and servers stop taking them, one at a time."""
    get_row(session, "pool", pool, lock=True)


def get_server(session: Session, server_id: str) -> Server:
    """The server. Raises `UnknownServer`."""
    found = _servers(session, select(ServerRow).where(ServerRow.id == server_id))
    if not found:
        raise UnknownServer(f"there is no server {server_id!r}")
    return found[0]


def state_of(session: Session, server_id: str) -> ServerState:
    """The state of this server and no more. Raises `UnknownServer`."""
    found = fetch(session, _STATE, server=server_id)
    if not found:
        raise UnknownServer(f"there is no server {server_id!r}")
    return ServerState(found[0].state)


def find_server(session: Session, name: str) -> Server:
    """The server with this id, or else the newest with this host name, live ones first. Raises `UnknownServer`."""
    found = _servers(session, select(ServerRow).where((ServerRow.id == name) | (ServerRow.hostname == name)))
    if not found:
        raise UnknownServer(f"there is no server with the id or host name {name!r}: see `poolwright server list`")
    return max(
        found, key=lambda server: (server.id == name, server.state is not ServerState.DELETED, server.created_at)
    )


def list_servers(
    session: Session, *, pool: str | None = None, states: Sequence[ServerState] | None = None, deleted: bool = False
) -> list[Server]:
    """Servers, oldest first; deleted ones only if asked for."""
    query = select(ServerRow).order_by(ServerRow.created_at, ServerRow.id)
    if pool is not None:
        query = query.where(ServerRow.pool == pool)
    if states is not None:
        query = query.where(ServerRow.state.in_(states))
    elif not deleted:
        query = query.where(ServerRow.state != ServerState.DELETED)
    return _servers(session, query)


def count_servers(session: Session) -> Mapping[str, Mapping[ServerState, int]]:
    """How many servers each pool has in each state but `deleted`; pools and states without any are left out."""
    query = select(ServerRow.pool, ServerRow.state, func.count()).where(ServerRow.state != ServerState.DELETED)
    counts: dict[str, dict[ServerState, int]] = {}
    for pool, state, count in session.execute(query.group_by(ServerRow.pool, ServerRow.state)):
        counts.setdefault(pool, {})[ServerState(state)] = count
    return counts


def live_server_ids(session: Session) -> list[str]:
    """Ids of all autoscaled servers that are not deleted."""
    query = select(ServerRow.id).where(ServerRow.state != ServerState.DELETED, ServerRow.autoscale.is_not(None))
    return list(session.scalars(query))


def running_servers(session: Session, autoscale: str) -> list[Server]:
    """The running servers of this autoscale config."""
    running = (ServerRow.autoscale == autoscale, ServerRow.state == ServerState.RUNNING)
    return _servers(session, select(ServerRow).where(*running))


def history(session: Session, server_id: str) -> list[HistoryEntry]:
    """The server's story, oldest first."""
    query = select(HistoryRow).where(HistoryRow.server_id == server_id).order_by(HistoryRow.id)
    return [
        HistoryEntry(
            at=row.at,
            from_state=ServerState(row.from_state) if row.from_state else None,
            to_state=ServerState(row.to_state),
            reason=row.reason,
        )
        for row in session.scalars(query)
    ]


def _servers(session: Session, query: Select[ServerRow]) -> list[Server]:
    joined = query.add_columns(CheckInRow).outerjoin(CheckInRow, CheckInRow.server_id == ServerRow.id)
    return [_server(row, report) for row, report in session.execute(joined)]


def _server(row: ServerRow, report: CheckInRow | None) -> Server:
    state = ServerState(row.state)
    # While the startup script works, its own words say more than ours.
    says = report.message if report and report.message and state in _REPORTING else row.message
    return Server(
        id=row.id,
        hostname=row.hostname,
        pool=row.pool,
        pool_type=PoolType(row.pool_type),
        zone=row.zone,
        autoscale=row.autoscale,
        vm_provider=row.vm_provider,
        provider=row.provider,
        state=state,
        state_since=row.state_since,
        created_at=row.created_at,
        creating_at=row.creating_at,
        running_at=row.running_at,
        progress=report.progress if report else None,
        message=says,
        failure_reason=row.failure_reason,
        address=row.address,
        private_address=row.private_address,
        provider_reference=row.provider_reference,
        place=row.place,
        attempt=row.attempt,
        config_revision=row.config_revision,
        max_sessions=row.max_sessions,
        max_users=row.max_users,
        reusable=row.reusable,
        require_checkin=row.require_checkin,
        size=Size(cores=row.cores, memory_mib=row.memory_mib, gpus=row.gpus),
        decision_id=row.decision_id,
        decision_index=row.decision_index,
        fqdn=row.fqdn,
        last_reported_at=report.at if report else None,
    )


_REPORTING = frozenset({ServerState.BOOTING, ServerState.CONFIGURING})
