"""Room: what servers can still take while sessions are handed out, in placement and in planning alike."""

from collections.abc import Sequence
from operator import itemgetter, sub
from typing import Final

from poolwright.domain.scaling import ServerView, WaitingSession
from poolwright.domain.servers import SessionKind, Size

Amount = tuple[float, ...]
"""Room of a server: `(sessions,)` in a server pool, `(cores, memory_mib, gpus)` in a docker agent pool."""

_NOTHING: Final = Size()

# To look a member up on its class takes many times as long as a name, and this is asked for every session.
_DESKTOP: Final = SessionKind.DESKTOP

_ROUNDING: Final = 1e-9
"""Fractions of cores add up with tiny errors; they must not ask for a whole agent."""


def covers(have: Amount, need: Amount) -> bool:
    """True if there is at least as much as needed in every dimension."""
    return all(one >= other - _ROUNDING for one, other in zip(have, need, strict=True))


def covers_without(have: Amount, part: Amount, need: Amount) -> bool:
    """True if what is left without the part still covers the need. Asked for every idle server, so it is quick."""
    for whole, gone, wanted in zip(have, part, need, strict=True):  # noqa: SIM110 - a generator takes twice as long
        if whole - gone < wanted - _ROUNDING:
            return False
    return True


def minus(one: Amount, other: Amount) -> Amount:
    """The difference, dimension by dimension; may be negative."""
    return tuple(map(sub, one, other))


def total(amounts: Sequence[Amount], dimensions: int) -> Amount:
    """The sum of all; zeros if there are none."""
    return tuple(sum(map(itemgetter(dimension), amounts)) for dimension in range(dimensions))


def amount_of(size: Size) -> Amount:
    """The size as an amount."""
    return (size.cores, size.memory_mib, size.gpus)


def is_spent(server: ServerView) -> bool:
    """Server pools: not reusable, and at least one of the sessions that it ever had has ended.

    Until then it fills up: with `max_sessions` 5 it takes five, at once or one after the other.
    """
    return not server.reusable and server.served > len(server.sessions)


class OpenServer:
    """A server of a server pool that sessions are being handed out on, or one that could be made.

    Its room is the lower of the sessions left and, where users count, the users left. A server that is spent or accepts
    no sessions has none.
    """

    __slots__ = (
        "_desktops",
        "_users",
        "_users_left",
        "counts_users",
        "is_idle",
        "limit",
        "room",
        "sessions_left",
        "taken",
        "view",
    )

    def __init__(self, view: ServerView) -> None:
        sessions, most = view.sessions, view.max_sessions
        closed = is_spent(view) or not view.accepts_sessions
        self.view = view
        self.is_idle = not sessions
        """Nobody was on it when it was opened."""
        self.taken = 0
        """Sessions that it took since it was opened."""
        self.limit: int | None = None
        """It takes no more than this many; None: as many as fit."""
        self.sessions_left = 0 if closed else max(0, most - len(sessions))
        # As many users as sessions always fit, so that counting them would change nothing.
        self.counts_users = view.counts_users and view.max_users < most
        """Users may be too many although sessions are left."""
        self._users_left = 0
        self._users: set[str] | None = None
        self._desktops: set[str] | None = None
        self.room: Amount = (self.sessions_left,)
        """`(sessions,)` for people who are not on it yet."""
        if self.counts_users:
            self._users_left = max(0, view.max_users - len(self.users()))
            self.room = (min(self.sessions_left, self._users_left),)

    def has_room_for(self, size: Amount) -> bool:  # noqa: ARG002
        """Sessions of server pools are all of one size."""
        return self.room[0] > 0 and (self.limit is None or self.taken < self.limit)

    def takes(self, session: WaitingSession) -> bool:
        """One desktop per person; their apps stack, and a person who is on it already needs no further user's place."""
        if self.sessions_left <= 0 or (self.limit is not None and self.taken >= self.limit):
            return False
        if self.counts_users and self._users_left <= 0 and session.user not in self.users():
            return False
        return session.kind is not _DESKTOP or session.user not in self._desktop_users()

    def take(self, session: WaitingSession) -> None:
        """Counts the session, and the person if they are new here."""
        if session.kind is _DESKTOP:
            self._desktop_users().add(session.user)
        self.sessions_left -= 1
        self.room = (self.sessions_left,)
        self.taken += 1
        if self.counts_users:
            users = self.users()
            self._users_left -= session.user not in users
            users.add(session.user)
            self.room = (min(self.sessions_left, self._users_left),)

    def users(self) -> set[str]:
        """The people on it."""
        if self._users is None:
            self._users = {session.user for session in self.view.sessions}
        return self._users

    def _desktop_users(self) -> set[str]:
        if self._desktops is None:
            self._desktops = {session.user for session in self.view.sessions if session.kind is _DESKTOP}
        return self._desktops


class OpenAgent:
    """A docker agent that sessions are being handed out on, or one that could be made.

    Its room is its planning size less the sizes of its sessions. An agent that accepts no sessions has none.
    """

    __slots__ = ("cores", "gpus", "is_idle", "limit", "memory_mib", "sessions", "taken", "view")

    def __init__(self, view: ServerView) -> None:
        sessions = view.sessions
        self.view = view
        self.is_idle = not sessions
        """Nobody was on it when it was opened."""
        self.taken = 0
        """Sessions that it took since it was opened."""
        self.limit: int | None = None
        """It takes no more than this many; None: as many as fit."""
        self.sessions = len(sessions)
        size = view.size if view.accepts_sessions else _NOTHING
        self.cores: float = size.cores
        self.memory_mib = size.memory_mib
        self.gpus = size.gpus
        for session in sessions:
            self._take_off(session.size)

    @property
    def room(self) -> Amount:
        """`(cores, memory_mib, gpus)`"""
        return (max(0.0, self.cores), max(0, self.memory_mib), max(0, self.gpus))

    @property
    def load(self) -> float:
        """The most used of its dimensions, as a share of the whole."""
        size = self.view.size
        cores = 1 - self.cores / size.cores if size.cores else 0.0
        memory = 1 - self.memory_mib / size.memory_mib if size.memory_mib else 0.0
        gpus = 1 - self.gpus / size.gpus if size.gpus else 0.0
        return max(cores, memory, gpus)

    def has_room_for(self, size: Amount) -> bool:
        """True if a session of this size fits in every dimension."""
        if self.limit is not None and self.taken >= self.limit:
            return False
        cores, memory_mib, gpus = size
        return self.cores >= cores - _ROUNDING and self.memory_mib >= memory_mib and (gpus == 0 or self.gpus >= gpus)

    def takes(self, session: WaitingSession) -> bool:
        """Containers of one person do not mind each other: only the size decides."""
        return self.has_room_for(amount_of(session.size))

    def take(self, session: WaitingSession) -> None:
        """Takes the session's size off."""
        self._take_off(session.size)
        self.sessions += 1
        self.taken += 1

    def _take_off(self, size: Size) -> None:
        self.cores -= size.cores
        self.memory_mib -= size.memory_mib
        self.gpus -= size.gpus


Open = OpenServer | OpenAgent
"""Either, by the type of the pool."""
