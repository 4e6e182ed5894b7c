"""How old servers are, measured against the rotation settings. Age counts from the server's row."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from operator import attrgetter
from typing import Final

from poolwright.domain.autoscale import Rotation
from poolwright.domain.scaling import ServerView
from poolwright.domain.states import ServerState

_MAY_AGE: Final = frozenset({ServerState.RUNNING, ServerState.DRAINING})


@dataclass(frozen=True, slots=True)
class Ages:
    """The births before which a server is too old for something; None: never."""

    soft: datetime | None
    """Born before: it is drained."""
    hard: datetime | None
    """Born before: it is deleted."""
    retiring: datetime | None
    """Born before: its replacement is made already."""
    crossings: tuple[timedelta, ...]
    """The ages at which something changes."""

    def is_due(self, server: ServerView) -> bool:
        """It has reached its soft age."""
        return self.soft is not None and server.created_at <= self.soft

    def is_overdue(self, server: ServerView) -> bool:
        """It has reached its hard age."""
        return self.hard is not None and server.created_at <= self.hard

    def is_retiring(self, server: ServerView) -> bool:
        """It has to be replaced, now or soon."""
        return self.retiring is not None and server.created_at <= self.retiring

    def next_crossing(self, servers: Sequence[ServerView], now: datetime) -> datetime | None:
        """When the next of these servers, the oldest first, reaches one of the ages while it runs or drains."""
        upcoming = []
        for age in self.crossings:
            older = bisect_right(servers, now - age, key=attrgetter("created_at"))
            births = (server.created_at for server in islice(servers, older, None) if server.state in _MAY_AGE)
            birth = next(births, None)
            if birth is not None:
                upcoming.append(birth + age)
        return min(upcoming, default=None)


def ages_at(rotation: Rotation, now: datetime) -> Ages:
    """The settings as seen from now."""
    soft = _age(rotation.soft_age_seconds)
    hard = _age(rotation.hard_age_seconds)
    first = soft if soft is not None else hard
    pre_warm = None if first is None else max(timedelta(0), first - timedelta(seconds=rotation.pre_warm_seconds))
    return Ages(
        soft=None if soft is None else now - soft,
        hard=None if hard is None else now - hard,
        retiring=None if pre_warm is None else now - pre_warm,
        crossings=tuple(sorted({age for age in (soft, hard, pre_warm) if age is not None})),
    )


def _age(seconds: int | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
