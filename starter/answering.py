"""Composes answers from the store. Each function works in one transaction and changes nothing."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session as Transaction

from poolwright.domain.resources import Pool
from poolwright.domain.servers import Server, Session, SessionState
from poolwright.domain.states import COMING, ServerState
from poolwright.store import documents, scaling, sessions
from poolwright.store.pool_views import waiting_sessions
from poolwright.store.scaling import Decision
from poolwright.store.servers import UnknownServer, count_servers, find_server, get_server, history, list_servers
from poolwright.store.session_accounts import session_connection
from poolwright.store.tables import ServerRow, SessionRow
from starter.answers import (
    ConfigExplanation,
    ConnectionAnswer,
    ExplainedAction,
    Explanation,
    PoolAnswer,
    Progress,
    ServerAnswer,
    ServerBrief,
    SessionAnswer,
)

_NEARNESS = (
    ServerState.CONFIGURING,
    ServerState.BOOTING,
    ServerState.CREATING,
    ServerState.PREPARING,
    ServerState.REQUESTED,
)


def answer_session(tx: Transaction, session: Session, now: datetime, *, with_connection: bool) -> SessionAnswer:
    """The session as the API answers it, with its connection if that is wanted and the session is assigned."""
    answer = _Composer(tx, now).answer(session)
    if session.state is SessionState.QUEUED:
        return answer.model_copy(update={"decided": _decided_about(tx, session)})
    if not with_connection:
        return answer
    try:
        details = session_connection(tx, session)
    except ValueError as problem:
        return answer.model_copy(update={"no_connection_because": str(problem)})
    if details is None:
        return answer
    return answer.model_copy(update={"connection": ConnectionAnswer(**details.model_dump())})


def answer_sessions(
    tx: Transaction, pool: str | None, *, ended: bool, newest: int, now: datetime
) -> list[SessionAnswer]:
    """The sessions in the order of their requests, without connections. Raises `UnknownDocument`."""
    check_pool(tx, pool)
    composer = _Composer(tx, now)
    return [composer.answer(session) for session in sessions.list_sessions(tx, pool=pool, ended=ended, newest=newest)]


def answer_servers(
    tx: Transaction, pool: str | None, *, states: Sequence[ServerState] | None = None, deleted: bool = False
) -> list[Server]:
    """The servers, oldest first; deleted ones only if asked for. Raises `UnknownDocument`."""
    check_pool(tx, pool)
    return list_servers(tx, pool=pool, states=states, deleted=deleted)


def check_pool(tx: Transaction, name: str | None) -> None:
    """Raises `UnknownDocument` when no pool has this name, and no server or session is left of one that had it."""
    if name is None:
        return
    left = select(ServerRow.id).where(ServerRow.pool == name), select(SessionRow.id).where(SessionRow.pool == name)
    if not any(tx.scalar(query.limit(1)) for query in left):
        documents.get_row(tx, "pool", name)


def answer_pools(tx: Transaction) -> list[PoolAnswer]:
    """All pools by name."""
    servers, live = count_servers(tx), sessions.count_sessions(tx)
    found = (documents.load_without_secrets(row) for row in documents.rows(tx, "pool"))
    return [
        PoolAnswer(
            name=pool.name,
            type=pool.type,
            description=pool.description,
            labels=pool.labels,
            autoscales=tuple(scaling.autoscales_of_pool(tx, pool.name)),
            servers=servers.get(pool.name, {}),
            sessions=live.get(pool.name, {}),
        )
        for pool in found
        if isinstance(pool, Pool)
    ]


def answer_pool(tx: Transaction, name: str) -> PoolAnswer:
    """The pool of this name. Raises `UnknownDocument`."""
    documents.get_row(tx, "pool", name)
    return next(pool for pool in answer_pools(tx) if pool.name == name)


def answer_server(tx: Transaction, name: str) -> ServerAnswer:
    """The server with this id or host name, with its story. Raises `UnknownServer`."""
    server = find_server(tx, name)
    return ServerAnswer(**server.model_dump(), story=tuple(history(tx, server.id)))


def explain(tx: Transaction, pool: str, at: datetime | None = None) -> Explanation:
    """The pool's last decisions, as of `at` or now, put together. Raises `UnknownDocument`."""
    documents.get_row(tx, "pool", pool)
    names = scaling.autoscales_of_pool(tx, pool)
    decisions = scaling.latest_decisions(tx, pool, at)
    silent = [name for name in names if name not in {decision.autoscale for decision in decisions}]
    several = len(names) > 1
    return Explanation(
        pool=pool,
        autoscale=names[0] if len(names) == 1 else None,
        at=max((decision.at for decision in decisions), default=None),
        numbers=_merged_numbers(decisions, several=several),
        actions=tuple(
            ExplainedAction(**action.model_dump(), autoscale=decision.autoscale)
            for decision in decisions
            for action in decision.plan.actions
        ),
        reasons=(*_merged_reasons(decisions, several=several), *_silence(pool, names, silent, at)),
        configs=tuple(_config(decision) for decision in decisions),
    )


def _decided_about(tx: Transaction, session: Session) -> tuple[str, ...]:
    names = scaling.autoscales_of_pool(tx, session.pool)
    decisions = [
        decision
        for decision in scaling.latest_decisions(tx, session.pool)
        if decision.confirmed_at >= session.requested_at
    ]
    return (*_merged_reasons(decisions, several=len(names) > 1), *_silence(session.pool, names, (), None))


class _Composer:
    """Answers one or many sessions of one transaction; queues and coming servers are read once per pool."""

    def __init__(self, tx: Transaction, now: datetime) -> None:
        self._tx = tx
        self._now = now
        self._queues: dict[str, Mapping[str, int]] = {}
        self._coming: dict[str, Sequence[Server]] = {}

    def answer(self, session: Session) -> SessionAnswer:
        queued = session.state is SessionState.QUEUED
        position = self._position(session) if queued else None
        waited_until = session.assigned_at or session.ended_at or self._now
        return SessionAnswer(
            id=session.id,
            pool=session.pool,
            user=session.user,
            kind=session.kind,
            workspace=session.workspace,
            zone=session.zone,
            state=session.state,
            server=self._server(session),
            connection=None,
            queued_seconds=round(max(0.0, (waited_until - session.requested_at).total_seconds()), 3),
            position=position,
            waits_because=sessions.waits_because(self._tx, session.id) if queued else None,
            progress=self._progress(session.pool, position) if position is not None else None,
            requested_at=session.requested_at,
            assigned_at=session.assigned_at,
            ended_at=session.ended_at,
            end_reason=session.end_reason,
        )

    def _server(self, session: Session) -> ServerBrief | None:
        if session.server_id is None:
            return None
        try:
            server = get_server(self._tx, session.server_id)
        except UnknownServer:
            return None
        return ServerBrief(id=server.id, hostname=server.hostname, address=server.address, state=server.state)

    def _position(self, session: Session) -> int | None:
        if session.pool not in self._queues:
            waiting = waiting_sessions(self._tx, session.pool)
            self._queues[session.pool] = {one.id: place for place, one in enumerate(waiting, start=1)}
        return self._queues[session.pool].get(session.id)

    def _progress(self, pool: str, position: int) -> Progress | None:
        """Of the server that the person at this position gets, if those that are nearest to ready are ready first."""
        if pool not in self._coming:
            coming = list_servers(self._tx, pool=pool, states=sorted(COMING))
            self._coming[pool] = sorted(coming, key=_distance)
        served = 0
        for server in self._coming[pool]:
            served += server.max_sessions
            if served >= position:
                return Progress(percent=server.progress, message=server.message)
        return None


def _distance(server: Server) -> tuple[int, int, datetime]:
    return _NEARNESS.index(server.state), -(server.progress or 0), server.created_at


def _merged_numbers(decisions: Sequence[Decision], *, several: bool) -> Mapping[str, float | int | str | bool | None]:
    if not several:
        return decisions[0].plan.numbers if decisions else {}
    return {
        f"{decision.autoscale}.{name}": number
        for decision in decisions
        for name, number in decision.plan.numbers.items()
    }


def _merged_reasons(decisions: Sequence[Decision], *, several: bool) -> list[str]:
    return [
        f"{decision.autoscale}: {reason}" if several else reason
        for decision in decisions
        for reason in decision.plan.reasons
    ]


def _silence(pool: str, names: Sequence[str], silent: Sequence[str], at: datetime | None) -> list[str]:
    if not names:
        return [f"The pool {pool} has no autoscale config: nothing makes or deletes servers in it."]
    when = "yet" if at is None else f"up to {at.isoformat()}"
    return [f"{name} has made no decision {when}." for name in silent]


def _config(decision: Decision) -> ConfigExplanation:
    plan = decision.plan
    return ConfigExplanation(
        autoscale=decision.autoscale,
        at=decision.at,
        confirmed_at=decision.confirmed_at,
        numbers=plan.numbers,
        actions=plan.actions,
        reasons=plan.reasons,
    )
