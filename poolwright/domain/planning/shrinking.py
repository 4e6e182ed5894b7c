"""Scale-down: which idle servers are more than is needed, and when they go.

Only running servers without sessions go, and only as long as the room that runs and stays covers what is wanted in
every dimension, and the floor holds. All that are too many go at once. They go in this order: servers that are to be
replaced anyway (retiring, marked by a rollout), then drifted ones, then the oldest; a server that has not reached its
minimum life goes after all others.

The wish to shrink must last for the downscale backoff before anything goes. Above the ceiling, idle servers go even if
their room is wanted.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from poolwright.domain.planning.rotation import Ready, Retirement, Rotated
from poolwright.domain.planning.supply import Stock, Supply
from poolwright.domain.planning.terms import Terms
from poolwright.domain.room import Open, covers_without
from poolwright.domain.scaling import ServerView, Snapshot


@dataclass(slots=True)
class Shrinkage:
    """What is too much, and what of it goes now."""

    wished: Stock = field(default_factory=list)
    """Idle servers that are not needed, in the order in which they go."""
    drained: Stock = field(default_factory=list)
    young: Stock = field(default_factory=list)
    """Of the wished, those below their minimum life."""
    over_ceiling: int = 0
    """Servers above the ceiling, before any goes."""
    since: datetime | None = None
    """To store: when the wish appeared, if it is still there after this decision."""
    due_at: datetime | None = None
    """When the backoff ends, if it has not."""
    grown_at: datetime | None = None
    """When the next idle server reaches its minimum life, if one that is not needed waits for that: it may be another
    than the one that waits, and then goes in its place."""


def shrinkage_of(
    snapshot: Snapshot,
    terms: Terms,
    supply: Supply,
    retirement: Retirement,
    rotated: Rotated,
    ready: Ready,
    now: datetime,
) -> Shrinkage:
    """What goes now, and what is only wished. Takes it off `ready`."""
    gone = {server for server, _ in rotated.drained}
    idle = [server for server in supply.running if server.is_idle and server.taken == 0 and server not in gone]
    minimum_life = timedelta(seconds=terms.autoscale.minimum_life_seconds)
    shrinkage = Shrinkage(over_ceiling=_over_ceiling(terms, supply, ready))
    excess = shrinkage.over_ceiling
    for server in _in_order(idle, snapshot, retirement, now - minimum_life):
        retiring = server in retirement.retiring
        if excess <= 0 and not _is_too_much(server, ready, terms, retiring=retiring):
            continue
        excess -= 1
        ready.remove(server, retiring=retiring)
        shrinkage.wished.append(server)
        if ready_since(server.view) > now - minimum_life:
            shrinkage.young.append(server)
    if shrinkage.young:
        grown = (ready_since(server.view) + minimum_life for server in idle)
        shrinkage.grown_at = min(at for at in grown if at > now)
    _apply_backoff(shrinkage, snapshot, now)
    return shrinkage


def ready_since(server: ServerView) -> datetime:
    """From when its minimum life counts: a server that took an hour to boot has not lived yet."""
    return server.running_at or server.created_at


def _over_ceiling(terms: Terms, supply: Supply, ready: Ready) -> int:
    return 0 if terms.ceiling is None else max(0, ready.count + len(supply.coming) - terms.ceiling)


def _in_order(idle: Stock, snapshot: Snapshot, retirement: Retirement, ready_before: datetime) -> Stock:
    """Of equals the oldest comes first, as it does among the idle."""
    revision = snapshot.autoscale_revision

    def order(server: Open) -> tuple[bool, ...]:
        view = server.view
        stays = server not in retirement.retiring and not view.rollout
        return (ready_since(view) > ready_before, stays, view.config_revision >= revision)

    return sorted(idle, key=order)


def _is_too_much(server: Open, ready: Ready, terms: Terms, *, retiring: bool) -> bool:
    room, count = (ready.room, ready.count) if retiring else (ready.fresh_room, ready.fresh_count)
    return count > terms.floor and covers_without(room, server.room, terms.standby)


def _apply_backoff(shrinkage: Shrinkage, snapshot: Snapshot, now: datetime) -> None:
    if not shrinkage.wished:
        return
    since = snapshot.downscale_wanted_since or now
    due_at = since + timedelta(seconds=snapshot.autoscale.downscale_backoff_seconds)
    if now < due_at:
        shrinkage.since, shrinkage.due_at = since, due_at
        return
    shrinkage.drained = shrinkage.wished[: len(shrinkage.wished) - len(shrinkage.young)]
    shrinkage.since = since if shrinkage.young else None
