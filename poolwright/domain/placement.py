"""Where sessions go.

Who may take a session: running servers that accept sessions, are not spent and have room for this very session. Among
them the order is:

- The server that is kept for this person, if the caller names one.
- Server pools: the most room first, so that people are spread evenly; of equals one in the person's zone, then the
  first by host name. If no server has a free user's place, one where the person already is and a session is left.
- Docker agents: the person's zone before others (others only if that zone allows it), agents registered by hand before
  autoscaled ones (if that zone says so), agents that already have the image, then the zone's load strategy; of equals
  the first by host name.

One pass over a queue looks at each server once for each distinct (zone, image, size) and not once for each session.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush, heapreplace
from operator import attrgetter
from typing import Final

from pydantic import Field

from poolwright.domain.base import Model
from poolwright.domain.resources import LoadStrategy, PoolType, Zone
from poolwright.domain.room import Amount, Open, OpenAgent, OpenServer, amount_of, covers
from poolwright.domain.scaling import ServerView, WaitingSession
from poolwright.domain.states import ServerState
from poolwright.domain.wording import agree, counted, size_text

_ANY_ZONE: Final = Zone(name="any")

# To look a member up on its class takes many times as long as a name, and these are asked for every server.
_RUNNING: Final = ServerState.RUNNING
_LEAST_LOAD: Final = LoadStrategy.LEAST_LOAD
_MOST_SESSIONS: Final = LoadStrategy.MOST_SESSIONS


class PlacementRules(Model):
    """What placement depends on beside the servers and the sessions."""

    pool_type: PoolType
    zones: Mapping[str, Zone] = Field(default_factory=dict)
    """By name. The zone of a session decides how agents are ranked for it."""

    def zone_of(self, session: WaitingSession) -> Zone:
        """The session's zone. A session that is for any zone, or for an unknown one, goes by a zone's defaults, or by
        the only zone that there is."""
        if session.zone is not None and session.zone in self.zones:
            return self.zones[session.zone]
        return next(iter(self.zones.values())) if len(self.zones) == 1 else _ANY_ZONE


class Placement(Model):
    """The server that a session goes to."""

    server_id: str
    reason: str


class NoRoom(Model):
    """No server can take the session now."""

    reason: str
    """A sentence for the person who waits."""


class QueueAssignment(Model):
    """What one pass over a queue gave."""

    assignments: tuple[tuple[str, str], ...]
    """(session id, server id), in the order of the queue."""
    unserved: tuple[tuple[str, str], ...]
    """(session id, reason), in the order of the queue."""


def place(
    session: WaitingSession,
    servers: Iterable[ServerView],
    rules: PlacementRules,
    *,
    preferred_server_id: str | None = None,
) -> Placement | NoRoom:
    """The best server for this session among all of the pool's, or why there is none."""
    seating = Seating(open_servers(servers, rules.pool_type), rules)
    found = seating.seat(session, preferred_server_id)
    if found is None:
        return NoRoom(reason=seating.why_not(session))
    return Placement(server_id=found.view.id, reason=_why(found, preferred_server_id))


def assign_queue(
    waiting: Iterable[WaitingSession],
    servers: Iterable[ServerView],
    rules: PlacementRules,
    *,
    preferred: Mapping[str, str] | None = None,
) -> QueueAssignment:
    """Give room to as many waiting sessions as possible: higher priority first, within one who asked first.

    A session without room does not hold up those behind it that fit elsewhere. `preferred` maps a user to the server
    that is kept for them.
    """
    seating = Seating(open_servers(servers, rules.pool_type), rules)
    kept_for = preferred or {}
    assignments: list[tuple[str, str]] = []
    unserved: list[tuple[str, str]] = []
    for session in sorted(waiting, key=queue_order):
        found = seating.seat(session, kept_for.get(session.user))
        if found is None:
            unserved.append((session.id, seating.why_not(session)))
        else:
            assignments.append((session.id, found.view.id))
    return QueueAssignment(assignments=tuple(assignments), unserved=tuple(unserved))


def queue_order(session: WaitingSession) -> tuple[object, ...]:
    """Sort key of the queue."""
    return (-session.priority, session.requested_at, session.id)


def open_servers(servers: Iterable[ServerView], pool_type: PoolType) -> Sequence[Open]:
    """Those that may take sessions now."""
    usable = (server for server in servers if server.state is _RUNNING and server.accepts_sessions)
    if pool_type is PoolType.SERVER:
        return [OpenServer(server) for server in usable]
    return [OpenAgent(server) for server in usable]


_Shape = Hashable
_Entry = tuple[float, float, int, int]


@dataclass(slots=True)
class _Ranking:
    """The servers that could take the sessions of one shape, the best of them first."""

    size: Amount
    """What each of these sessions needs."""
    strategy: LoadStrategy
    lasting: list[int | None]
    """By position, what no session changes in a server's rank; None: out of reach."""
    entries: list[_Entry]
    """Heap of (both parts of the rank, position, version)."""


class Seating:
    """Hands out the room of some servers, session by session, in the order that this module states.

    A server's position is its place in the order of host names, which decides between equals. For each shape of session
    there is a ranking of the servers that could take it. A server whose room changed enters it again with a new
    version; its old entries are dropped when they come up.
    """

    def __init__(self, servers: Iterable[Open], rules: PlacementRules) -> None:
        self._servers: list[Open] = sorted(servers, key=attrgetter("view.hostname", "view.id"))
        self._rules = rules
        self._in_server_pool = rules.pool_type is PoolType.SERVER
        self._versions = [0] * len(self._servers)
        self._positions: dict[str, int] = {}
        self._rankings: dict[_Shape, _Ranking] = {}
        self._present: dict[str, set[int]] | None = None
        self._refused: set[tuple[_Shape, str, str]] = set()
        self._reasons: dict[_Shape, str] = {}

    def seat(self, session: WaitingSession, preferred_server_id: str | None = None) -> Open | None:
        """Give the session to the best server and return it, or return None. Room never grows in between, so a person
        who was refused once is refused again at no cost."""
        shape = self._shape(session)
        if self._refused and (shape, session.user, session.kind) in self._refused:
            return None
        position = self._preferred(preferred_server_id, session) if preferred_server_id else None
        if position is None:
            position = self._best(shape, session)
        if position is None:
            position = self._where_present(session)
        if position is None:
            self._refused.add((shape, session.user, session.kind))
            return None
        server = self._servers[position]
        server.take(session)
        self._rank_again(position, server)
        if self._present is not None:
            self._present.setdefault(session.user, set()).add(position)
        return server

    def why_not(self, session: WaitingSession) -> str:
        """Why `seat` returned None, as a sentence for the person. What holds for everybody with such a session is found
        out once."""
        shape = self._shape(session)
        if shape not in self._reasons:
            size = amount_of(session.size)
            if self._in_server_pool and any(server.has_room_for(size) for server in self._servers):
                return "Each server with room already has a desktop of this person: one person gets one on a server."
            self._reasons[shape] = self._why_no_room(session)
        return self._reasons[shape]

    def _shape(self, session: WaitingSession) -> _Shape:
        """All that a ranking depends on. Sessions of server pools are all of one size."""
        if self._in_server_pool:
            return session.zone
        size = session.size
        return (session.zone, session.image, size.cores, size.memory_mib, size.gpus)

    def _preferred(self, server_id: str, session: WaitingSession) -> int | None:
        if not self._positions:
            self._positions = {server.view.id: position for position, server in enumerate(self._servers)}
        position = self._positions.get(server_id)
        return None if position is None or not self._servers[position].takes(session) else position

    def _best(self, shape: _Shape, session: WaitingSession) -> int | None:
        ranking = self._rankings.get(shape)
        if ranking is None:
            ranking = self._rankings[shape] = self._rank_all(session)
        entries = ranking.entries
        passed_over: list[_Entry] = []
        best = None
        while entries:
            _, _, position, version = entries[0]
            if version != self._versions[position]:
                heappop(entries)
            elif self._servers[position].takes(session):
                best = position
                break
            else:
                passed_over.append(heappop(entries))
        for entry in passed_over:
            heappush(entries, entry)
        return best

    def _rank_all(self, session: WaitingSession) -> _Ranking:
        zone = self._rules.zone_of(session)
        strategy, size = zone.load_strategy, amount_of(session.size)
        lastings = [_lasting_rank(server, session, zone) for server in self._servers]
        entries: list[_Entry] = []
        for position, (server, lasting) in enumerate(zip(self._servers, lastings, strict=True)):
            if lasting is not None and server.has_room_for(size):
                first, second = _rank(server, lasting, strategy)
                entries.append((first, second, position, self._versions[position]))
        heapify(entries)
        return _Ranking(size, strategy, lastings, entries)

    def _rank_again(self, position: int, server: Open) -> None:
        version = self._versions[position] = self._versions[position] + 1
        for ranking in self._rankings.values():
            lasting = ranking.lasting[position]
            if lasting is None or not server.has_room_for(ranking.size):
                continue
            first, second = _rank(server, lasting, ranking.strategy)
            entry = (first, second, position, version)
            if ranking.entries[0][2] == position:
                heapreplace(ranking.entries, entry)
            else:
                heappush(ranking.entries, entry)

    def _where_present(self, session: WaitingSession) -> int | None:
        """A server without a free user's place, on which the person already is."""
        if not self._in_server_pool:
            return None
        if self._present is None:
            self._present = {}
            for position, server in enumerate(self._servers):
                for user in server.users() if isinstance(server, OpenServer) and server.counts_users else ():
                    self._present.setdefault(user, set()).add(position)
        zone = self._rules.zone_of(session)
        able = {n: self._servers[n] for n in self._present.get(session.user, ()) if self._servers[n].takes(session)}
        return min(
            able,
            key=lambda n: (*_rank(able[n], _lasting_rank(able[n], session, zone) or 0, zone.load_strategy), n),
            default=None,
        )

    def _why_no_room(self, session: WaitingSession) -> str:
        count = len(self._servers)
        if count == 0:
            return "No server of the pool is running."
        if self._in_server_pool:
            return f"{_all_of(count, 'running server')} {agree(count, 'is', 'are')} full."
        return self._why_no_agent(session)

    def _why_no_agent(self, session: WaitingSession) -> str:
        wanted = size_text(session.size)
        agents = [server for server in self._servers if isinstance(server, OpenAgent)]
        big_enough = [agent for agent in agents if covers(amount_of(agent.view.size), amount_of(session.size))]
        if not big_enough:
            return f"No agent that runs is big enough for {wanted}."
        zone = self._rules.zone_of(session)
        if all(_lasting_rank(agent, session, zone) is None for agent in big_enough):
            return f"No agent in zone {session.zone!r} is big enough for {wanted}, and other zones are not searched."
        return f"No agent has {wanted} free now."


def _lasting_rank(server: Open, session: WaitingSession, zone: Zone) -> int | None:
    """What no session changes in the server's rank, as one number: what counts more in the higher digit. None: it is
    out of reach."""
    view = server.view
    elsewhere = session.zone is not None and view.zone != session.zone
    if isinstance(server, OpenServer):
        return int(elsewhere)
    if elsewhere and not zone.search_alternate_zones:
        return None
    autoscaled = zone.prioritize_static_agents and view.autoscale is not None
    must_pull = session.image is not None and session.image not in view.images
    return 100 * elsewhere + 10 * autoscaled + must_pull


def _rank(server: Open, lasting: int, strategy: LoadStrategy) -> tuple[float, float]:
    if isinstance(server, OpenServer):
        return (-server.room[0], lasting)
    return (lasting, _strategy_rank(server, strategy))


def _strategy_rank(agent: OpenAgent, strategy: LoadStrategy) -> float:
    if strategy is _LEAST_LOAD:
        return agent.load
    return -agent.sessions if strategy is _MOST_SESSIONS else agent.sessions


def _why(server: Open, preferred_server_id: str | None) -> str:
    view = server.view
    if view.id == preferred_server_id:
        return f"{view.hostname} is kept for this person."
    if isinstance(server, OpenServer):
        return f"{view.hostname} has the most room; {counted(server.sessions_left, 'session')} left after this one."
    return f"{view.hostname} is the first of the agents with room by the zone's order."


def _all_of(count: int, noun: str) -> str:
    return f"The only {noun}" if count == 1 else f"All {count:,} {noun}s"
