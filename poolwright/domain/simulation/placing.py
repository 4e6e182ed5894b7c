"""Who gets which server, as `assign_queue` says."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from poolwright.domain.placement import assign_queue
from poolwright.domain.simulation.records import ClassKey, PoolState, SimulatedServer, SimulatedSession, queue_order
from poolwright.domain.simulation.views import Views
from poolwright.domain.states import ServerState

Seat = tuple[SimulatedSession, SimulatedServer]


class Seats(Protocol):
    """Puts a session on a server, so that the next one is placed beside it."""

    def __call__(self, session: SimulatedSession, server: SimulatedServer) -> None: ...


class Placing(Protocol):
    """Gives room to those who wait."""

    asked: int
    """How often `assign_queue` was asked."""

    def place(self, pool: PoolState, seat: Seats) -> None:
        """Seat whom there is room for, in the order of the queue."""
        ...


class ThoroughPlacing:
    """Asks every time, with the whole queue and every server."""

    def __init__(self, views: Views) -> None:
        self.asked = 0
        self._views = views

    def place(self, pool: PoolState, seat: Seats) -> None:
        """See `Placing`."""
        if pool.waiting:
            servers = [server for stock in pool.stocks for server in stock.servers.values()]
            self.asked += 1
            _ask(self._views, pool, pool.waiting.values(), servers, seat)
        pool.room_grew = False


class QuickPlacing:
    """Asks only what is not known yet.

    Three things make no difference. Who found no room before finds none until room grows: only newcomers are looked at
    in between. A server without room takes nobody. Of servers that only their names tell apart, one with a later name
    is never chosen before one with an earlier name; so of each such class only the first is shown, and what was chosen
    among the same classes once is chosen again. The last two hold for plain sessions, of people with no other session
    in the pool and no server kept for them; when there are others, all of them are asked for in one go.
    """

    def __init__(self, views: Views) -> None:
        self.asked = 0
        self._views = views
        self._chosen: dict[tuple[object, ...], ClassKey | None] = {}

    def place(self, pool: PoolState, seat: Seats) -> None:
        """See `Placing`."""
        if not pool.waiting:
            pool.room_grew = False
            return
        sessions = pool.queue() if pool.room_grew else self._newcomers(pool)
        pool.room_grew = False
        if not pool.classes and pool.doubled == 0:
            return
        if all(pool.is_plain(session) for session in sessions):
            self._place_plain(pool, sessions, seat)
            return
        self.asked += 1
        _ask(self._views, pool, sessions, _with_room(pool), seat)

    def _newcomers(self, pool: PoolState) -> Sequence[SimulatedSession]:
        waiting = [session for session in pool.newcomers if session.number in pool.waiting]
        return sorted(waiting, key=queue_order) if pool.has_priorities else waiting

    def _place_plain(self, pool: PoolState, sessions: Iterable[SimulatedSession], seat: Seats) -> None:
        refused: set[tuple[str | None, str | None]] = set()
        for session in sessions:
            shape = (session.zone, session.workspace)
            kept = pool.kept_server(session.user)
            if shape in refused and kept is None:
                continue
            server = self._best_of(pool, session, [kept]) if kept is not None else self._first_of_class(pool, session)
            if server is not None:
                seat(session, server)
            elif pool.counts_sessions:
                return
            else:
                refused.add(shape)

    def _first_of_class(self, pool: PoolState, session: SimulatedSession) -> SimulatedServer | None:
        question = (pool.number, session.zone, session.workspace, _classes(pool))
        if question in self._chosen:
            key = self._chosen[question]
            return None if key is None else pool.classes[key].first()
        server = self._best_of(pool, session, ())
        if len(self._chosen) >= 200_000:
            self._chosen.clear()
        self._chosen[question] = None if server is None else server.class_key
        return server

    def _best_of(
        self, pool: PoolState, session: SimulatedSession, further: Sequence[SimulatedServer]
    ) -> SimulatedServer | None:
        found: list[SimulatedServer] = []
        shown = {server.id: server for server in (*(entered.first() for entered in pool.classes.values()), *further)}
        self.asked += 1
        _ask(self._views, pool, [session], shown.values(), lambda _, server: found.append(server))
        return found[0] if found else None


def _classes(pool: PoolState) -> tuple[ClassKey, ...]:
    """What there is to choose among, in the order of the names, which decide between equals.

    In a server pool of one config no two classes are equals, so that any order will do.
    """
    if len(pool.stocks) > 1 or not pool.counts_sessions:
        return tuple(sorted(pool.classes, key=lambda key: _name(pool.classes[key].first())))
    if pool.signature is None:
        pool.signature = tuple(sorted(pool.classes))
    return pool.signature


def _ask(
    views: Views,
    pool: PoolState,
    sessions: Iterable[SimulatedSession],
    servers: Iterable[SimulatedServer],
    seat: Seats,
) -> None:
    by_server = {server.id: server for server in servers if server.state is ServerState.RUNNING}
    by_session = {views.waiting(session).id: session for session in sessions}
    result = assign_queue(
        [views.waiting(session) for session in by_session.values()],
        [views.server(server) for server in by_server.values()],
        pool.rules,
        preferred={
            session.user: pool.kept_for[session.user]
            for session in by_session.values()
            if session.user in pool.kept_for
        },
    )
    for session_id, server_id in result.assignments:
        seat(by_session[session_id], by_server[server_id])


def _with_room(pool: PoolState) -> list[SimulatedServer]:
    """Those that take a session of somebody, if only of a person who is on it already."""
    return [server for stock in pool.stocks if stock.accepts for server in stock.open.values() if _could_take(server)]


def _could_take(server: SimulatedServer) -> bool:
    if not server.config.pool.counts_sessions:
        return server.room[0] > 0
    sessions = len(server.sessions)
    return sessions < server.config.max_sessions and (server.config.reusable or server.served == sessions)


def _name(server: SimulatedServer) -> tuple[str, str]:
    return server.hostname, server.id
