"""Room: what servers can still take while sessions are handed out, in placement and in planning alike."""

from collections.abc import Iterable
from typing import Final, Protocol

from poolwright.domain.scaling import ServerView, SessionView, WaitingSession
from poolwright.domain.servers import SessionKind, Size

Amount = tuple[float, ...]
"""Room of a server: `(sessions,)` in a server pool, `(cores, memory_mib, gpus)` in a docker agent pool."""

_ROUNDING: Final = 1e-9
"""Fractions of cores add up with tiny errors; they must not ask for a whole agent."""


def covers(have: Amount, need: Amount) -> bool:
    """True if there is at least as much as needed in every dimension."""
    return all(one >= other - _ROUNDING for one, other in zip(have, need, strict=True))


def plus(one: Amount, other: Amount) -> Amount:
    """The sum, dimension by dimension."""
    return tuple(a + b for a, b in zip(one, other, strict=True))


def minus(one: Amount, other: Amount) -> Amount:
    """The difference, dimension by dimension; may be negative."""
    return tuple(a - b for a, b in zip(one, other, strict=True))


def total(amounts: Iterable[Amount], dimensions: int) -> Amount:
    """The sum of all; zeros if there are none."""
    columns = tuple(zip(*amounts, strict=True))
    return tuple(sum(column) for column in columns) if columns else (0,) * dimensions


def amount_of(size: Size) -> Amount:
    """The size as an amount."""
    return (size.cores, size.memory_mib, size.gpus)


def is_spent(server: ServerView) -> bool:
    """Server pools: not reusable, and at least one of the sessions that it ever had has ended.

    Until then it fills up: with `max_sessions` 5 it takes five, at once or one after the other.
    """
    return not server.reusable and server.served > len(server.sessions)


class Open(Protocol):
    """A server, existing or imagined, that sessions are being handed out on. Its room shrinks as it takes them."""

    view: ServerView | None
    """None: imagined, a server that could be made."""
    taken: int
    """Sessions that it took in this round, beside those that it already had."""
    limit: int | None
    """Takes no more than this many sessions in this round; None: as many as fit."""

    @property
    def room(self) -> Amount:
        """What is left, never negative."""

    def has_room_for(self, session: WaitingSession) -> bool:
        """True if a session of this size fits, whoever it is for."""

    def takes(self, session: WaitingSession) -> bool:
        """True if this very session, for this very person, can go here."""

    def take(self, session: WaitingSession) -> None:
        """Hand it the session; the caller has asked `takes`."""


class OpenServer:
    """A server of a server pool. Its room is the lower of the sessions left and, where users count, the users left."""

    __slots__ = ("_desktops", "_live", "_users", "_users_left", "limit", "sessions_left", "taken", "view")

    def __init__(
        self,
        max_sessions: int,
        max_users: int | None,
        live: tuple[SessionView, ...] = (),
        view: ServerView | None = None,
    ) -> None:
        self.view = view
        self.taken = 0
        self.limit: int | None = None
        self.sessions_left = max(0, max_sessions - len(live))
        self._live = live
        self._desktops: set[str] | None = None
        self._users: set[str] | None = None
        self._users_left = 0
        if max_users is not None:
            self._users = {session.user for session in live}
            self._users_left = max(0, max_users - len(self._users))

    @classmethod
    def of(cls, view: ServerView) -> "OpenServer":
        """The server as it stands. A spent one has no room."""
        max_sessions = 0 if is_spent(view) else view.max_sessions
        return cls(max_sessions, view.max_users if view.counts_users else None, view.sessions, view)

    @property
    def room(self) -> Amount:
        """`(sessions,)`"""
        return (self.sessions_room,)

    @property
    def sessions_room(self) -> int:
        """Sessions for people who are not on it yet."""
        return self.sessions_left if self._users is None else min(self.sessions_left, self._users_left)

    def has_room_for(self, session: WaitingSession) -> bool:  # noqa: ARG002
        """Sessions of server pools are all of one size."""
        return self.sessions_room > 0 and (self.limit is None or self.taken < self.limit)

    def takes(self, session: WaitingSession) -> bool:
        """One desktop per person; their apps stack, and a person who is on it already needs no further user's place."""
        if self.sessions_left <= 0 or (self.limit is not None and self.taken >= self.limit):
            return False
        if self._users is not None and self._users_left <= 0 and session.user not in self._users:
            return False
        return session.kind is not SessionKind.DESKTOP or session.user not in self._desktop_users()

    def take(self, session: WaitingSession) -> None:
        """Counts the session, and the person if they are new here."""
        if session.kind is SessionKind.DESKTOP:
            self._desktop_users().add(session.user)
        if self._users is not None and session.user not in self._users:
            self._users.add(session.user)
            self._users_left -= 1
        self.sessions_left -= 1
        self.taken += 1

    def users(self) -> Iterable[str]:
        """People on it, where their number is limited."""
        return self._users or ()

    def _desktop_users(self) -> set[str]:
        if self._desktops is None:
            self._desktops = {session.user for session in self._live if session.kind is SessionKind.DESKTOP}
        return self._desktops


class OpenAgent:
    """A docker agent. Its room is its planning size less the sizes of its sessions."""

    __slots__ = ("cores", "gpus", "limit", "memory_mib", "sessions", "size", "taken", "view")

    def __init__(self, size: Size, live: tuple[SessionView, ...] = (), view: ServerView | None = None) -> None:
        self.view = view
        self.taken = 0
        self.limit: int | None = None
        self.size = size
        self.sessions = len(live)
        self.cores: float = size.cores
        self.memory_mib = size.memory_mib
        self.gpus = size.gpus
        for session in live:
            self.cores -= session.size.cores
            self.memory_mib -= session.size.memory_mib
            self.gpus -= session.size.gpus

    @classmethod
    def of(cls, view: ServerView) -> "OpenAgent":
        """The agent as it stands."""
        return cls(view.size, view.sessions, view)

    @property
    def room(self) -> Amount:
        """`(cores, memory_mib, gpus)`"""
        return (max(0.0, self.cores), max(0, self.memory_mib), max(0, self.gpus))

    @property
    def load(self) -> float:
        """The most used of its dimensions, as a share of the whole."""
        size = self.size
        cores = 1 - self.cores / size.cores if size.cores else 0.0
        memory = 1 - self.memory_mib / size.memory_mib if size.memory_mib else 0.0
        gpus = 1 - self.gpus / size.gpus if size.gpus else 0.0
        return max(cores, memory, gpus)

    def has_room_for(self, session: WaitingSession) -> bool:
        """True if the session's size fits in every dimension."""
        if self.limit is not None and self.taken >= self.limit:
            return False
        size = session.size
        return (
            self.cores >= size.cores - _ROUNDING
            and self.memory_mib >= size.memory_mib
            and (size.gpus == 0 or self.gpus >= size.gpus)
        )

    def takes(self, session: WaitingSession) -> bool:
        """Containers of one person do not mind each other: only the size decides."""
        return self.has_room_for(session)

    def take(self, session: WaitingSession) -> None:
        """Takes the session's size off."""
        self.cores -= session.size.cores
        self.memory_mib -= session.size.memory_mib
        self.gpus -= session.size.gpus
        self.sessions += 1
        self.taken += 1
