"""Who gets which server, as `assign_queue` says."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Protocol

from poolwright.domain.placement import assign_queue
from poolwright.domain.simulation.records import ClassKey, PoolState, SimulatedServer, SimulatedSession, queue_order
from poolwright.domain.simulation.views import Views
from poolwright.domain.states import ServerState

_MOST_REMEMBERED: Final = 200_000
_NOBODY: Final[Mapping[str, str]] = MappingProxyType({})


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
            _ask(self._views, pool, pool.waiting.values(), servers, pool.kept_for, seat)
        pool.room_grew = False


class QuickPlacing:
    """Asks only what is not known yet, and shows only what matters.

    Who found no room before finds none until room grows: only newcomers are looked at in between. A server without room
    takes nobody, but for somebody who is on it already. Of servers that only their names tell apart, one with a later
    name is never chosen before one with an earlier name: of each such class only the first is shown. What was chosen
    among the same classes once is chosen again, unless the person tells servers apart: they are on one already, or one
    is kept for them.
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
        if pool.classes or pool.doubled:
            self._place(pool, sessions, seat)

    def _newcomers(self, pool: PoolState) -> Sequence[SimulatedSession]:
        waiting = [session for session in pool.newcomers if session.number in pool.waiting]
        return sorted(waiting, key=queue_order) if pool.has_priorities else waiting

    def _place(self, pool: PoolState, sessions: Sequence[SimulatedSession], seat: Seats) -> None:
        # What is kept by what this very pass gives out counts from the next pass on, as in production.
        kept_for = {session.user: pool.kept_server(session.user) for session in sessions} if pool.kept_for else {}
        refused: set[tuple[str | None, str | None]] = set()
        for session in sessions:
            kept, plain = kept_for.get(session.user), pool.is_plain(session)
            shape = (None, None) if pool.counts_sessions else (session.zone, session.workspace)
            if plain and kept is None:
                if shape in refused:
                    continue
                server = self._first_of_class(pool, session)
            else:
                server = self._best_for(pool, session, kept)
            if server is not None:
                seat(session, server)
            elif plain:
                refused.add(shape)
                if pool.counts_sessions and not pool.doubled and not pool.kept_for:
                    return

    def _first_of_class(self, pool: PoolState, session: SimulatedSession) -> SimulatedServer | None:
        question = (pool.number, session.zone, session.workspace, _classes(pool))
        if question in self._chosen:
            key = self._chosen[question]
            return None if key is None else pool.classes[key].first()
        server = self._best_of(pool, session, [entered.first() for entered in pool.classes.values()])
        if len(self._chosen) >= _MOST_REMEMBERED:
            self._chosen.clear()
        self._chosen[question] = None if server is None else server.class_key
        return server

    def _best_for(
        self, pool: PoolState, session: SimulatedSession, kept: SimulatedServer | None
    ) -> SimulatedServer | None:
        known = pool.hosts(session)
        if kept is not None:
            known[kept.id] = kept
        others = [entered.first_but(known) for entered in pool.classes.values()]
        shown = [*known.values(), *(server for server in others if server is not None)]
        return self._best_of(pool, session, shown, {session.user: kept.id} if kept is not None else {})

    def _best_of(
        self,
        pool: PoolState,
        session: SimulatedSession,
        servers: Iterable[SimulatedServer],
        preferred: Mapping[str, str] = _NOBODY,
    ) -> SimulatedServer | None:
        found: list[SimulatedServer] = []
        self.asked += 1
        _ask(self._views, pool, [session], servers, preferred, lambda _, server: found.append(server))
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
    preferred: Mapping[str, str],
    seat: Seats,
) -> None:
    by_server = {server.id: server for server in servers if server.state is ServerState.RUNNING}
    by_session = {views.waiting(session).id: session for session in sessions}
    result = assign_queue(
        [views.waiting(session) for session in by_session.values()],
        [views.server(server) for server in by_server.values()],
        pool.rules,
        preferred=preferred,
    )
    for session_id, server_id in result.assignments:
        seat(by_session[session_id], by_server[server_id])


def _name(server: SimulatedServer) -> tuple[str, str]:
    return server.hostname, server.id
