"""Rows of servers that admins registered by hand. No workflow owns them: they change with their document."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from poolwright.domain.autoscale import ConnectionType
from poolwright.domain.resources import PoolType
from poolwright.domain.states import ServerState
from poolwright.domain.static_servers import StaticServer
from poolwright.store import documents
from poolwright.store.identifiers import new_id
from poolwright.store.ledger import lock_hostnames
from poolwright.store.servers import lock_pool, transition
from poolwright.store.sessions import assign_waiting, live_sessions
from poolwright.store.tables import HistoryRow, ServerRow

PROVIDER = "static"


class NameInUse(ValueError):
    """Another server has this host name."""


class StillUsed(ValueError):
    """People are on the server."""


def register(session: Session, static: StaticServer, now: datetime) -> None:
    """Make the row of this server, or bring it in line with its document, which is stored already. Repeatable.

    Whoever waits gets it. Raises `NameInUse`, and `StillUsed` if people keep it in the pool where it is.
    """
    lock_pool(session, static.pool)
    row = _row(session, static.name)
    if row is None:
        row = _new_row(session, static, now)
    if row.pool != static.pool:
        _move(session, row, static.pool)
    _copy(session, row, static)
    if static.enabled and row.state == ServerState.DRAINING:
        transition(session, row, ServerState.RUNNING, "enabled again", now)
    elif not static.enabled and row.state == ServerState.RUNNING:
        transition(session, row, ServerState.DRAINING, "disabled: it takes no new session", now)
    session.flush()
    assign_waiting(session, static.pool, now)


def unregister(session: Session, name: str, now: datetime) -> None:
    """Forget the server; the machine itself is left alone. Repeatable. Raises `StillUsed`."""
    row = _row(session, name)
    if row is None:
        return
    lock_pool(session, row.pool)
    if live := live_sessions(session, row.id):
        raise StillUsed(f"{live} session(s) on it have not ended")
    if row.state == ServerState.RUNNING:
        transition(session, row, ServerState.DRAINING, "it is no longer registered", now)
    transition(session, row, ServerState.DELETING, "it is no longer registered", now)
    transition(session, row, ServerState.DELETED, "the machine itself is left alone", now)


def _row(session: Session, name: str) -> ServerRow | None:
    query = select(ServerRow).where(
        ServerRow.hostname == name, ServerRow.provider == PROVIDER, ServerRow.state != ServerState.DELETED
    )
    # Its key is left unlocked, as in `lock_server`: whoever holds the pool may just be giving it a session.
    return session.scalar(query.with_for_update(key_share=True))


def _new_row(session: Session, static: StaticServer, now: datetime) -> ServerRow:
    if static.name in lock_hostnames(session):
        raise NameInUse(f"another server has the host name {static.name!r}: choose another name")
    row = ServerRow(
        id=new_id("s"),
        hostname=static.name,
        pool=static.pool,
        pool_type=_pool_type(session, static.pool),
        zone=static.zone,
        provider=PROVIDER,
        state=ServerState.RUNNING,
        state_since=now,
        created_at=now,
        running_at=now,
        message="registered by hand",
        require_checkin=False,
    )
    session.add(row)
    session.flush()
    story = HistoryRow(server_id=row.id, at=now, from_state=None, to_state=row.state, reason="registered by hand")
    session.add(story)
    return row


def _move(session: Session, row: ServerRow, pool: str) -> None:
    lock_pool(session, row.pool)
    if live := live_sessions(session, row.id):
        raise StillUsed(f"{live} session(s) on it have not ended: until then it stays in pool {row.pool!r}")
    row.pool, row.pool_type = pool, _pool_type(session, pool)


def _pool_type(session: Session, pool: str) -> PoolType:
    return PoolType(documents.get_row(session, "pool", pool).body["type"])


def _copy(session: Session, row: ServerRow, static: StaticServer) -> None:
    row.address, row.zone, row.reusable = static.address, static.zone, True
    row.cores, row.memory_mib, row.gpus = static.size.cores, static.size.memory_mib, static.size.gpus
    row.images = list(static.images)
    # With placeholders for secrets, as its document has them.
    row.connection = dict(documents.get_row(session, "static_server", static.name).body.get("connection", {}))
    row.max_sessions, row.max_users = static.max_sessions, static.max_users
    row.counts_users = static.connection.type in (ConnectionType.RDP, ConnectionType.SSH)
    if row.pool_type == PoolType.DOCKER_AGENT:
        row.max_sessions, row.max_users = 1_000_000, 1_000_000
