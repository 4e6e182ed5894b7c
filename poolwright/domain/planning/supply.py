"""The servers of the pool, sorted by what a decision may do with them."""

from collections import Counter
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from poolwright.domain.planning.ages import Ages
from poolwright.domain.planning.terms import Terms
from poolwright.domain.room import Amount, Open, is_spent, total
from poolwright.domain.scaling import DrainReason, ServerView, SiblingConfig, Snapshot
from poolwright.domain.states import COMING, ServerState

Stock = list[Open]

# To look a member up on its class takes many times as long as a name, and this is asked for every server.
_RUNNING: Final = ServerState.RUNNING
_DRAINING: Final = ServerState.DRAINING

_OLDEST_FIRST: Final = attrgetter("created_at", "id")
"""An order of its own, so that the plan does not depend on the order in which the servers come."""


@dataclass(slots=True)
class Supply:
    """Room that is there, is coming, or could be had back. Waiting sessions are seated on it in thought."""

    own: list[ServerView] = field(default_factory=list)
    """Every server of this config that is not deleted: what its caps count. The oldest first, as all that follow."""
    running: Stock = field(default_factory=list)
    """Of this config, running; without the spent and the overdue."""
    coming: Stock = field(default_factory=list)
    """Of this config, on the way to running."""
    drained: Stock = field(default_factory=list)
    """Of this config, drained only because they were too many: they can be had back, and in this order. Those with the
    most room first, so that few are had back; of equals the youngest, which lasts longest."""
    other_running: Stock = field(default_factory=list)
    """Of the rest of the pool: registered by hand or made by other configs."""
    other_coming: Stock = field(default_factory=list)
    other_drained: Stock = field(default_factory=list)
    spent: list[ServerView] = field(default_factory=list)
    """Running and not reusable; one of its sessions has ended and none is left."""
    overdue: list[ServerView] = field(default_factory=list)
    """Running or draining, and past the hard age."""

    in_state: Counter[ServerState] = field(default_factory=Counter)
    """Servers of this config by state."""
    live_sessions: int = 0
    """Sessions on servers of this config."""
    drifted: int = 0
    """Running servers of this config that were made from an older configuration."""


def supply_of(snapshot: Snapshot, terms: Terms, ages: Ages) -> Supply:
    """Sort the pool's servers. Those of others are opened only if somebody waits for their room."""
    supply = Supply()
    siblings = {sibling.name: sibling for sibling in snapshot.siblings}
    own_name = terms.autoscale.name
    for server in sorted(snapshot.servers, key=_OLDEST_FIRST):
        if server.autoscale == own_name:
            supply.own.append(server)
            _sort_own(supply, server, terms, ages)
        elif snapshot.waiting:
            _sort_other(supply, server, terms, siblings)
    supply.in_state = Counter([server.state for server in supply.own])
    supply.drifted = sum(server.view.config_revision < snapshot.autoscale_revision for server in supply.running)
    supply.drained = _below_ceiling(supply, terms)
    return supply


def room_of(stock: Stock, terms: Terms) -> Amount:
    """The room of all of them together."""
    return total([server.room for server in stock], len(terms.new_server))


def _sort_own(supply: Supply, server: ServerView, terms: Terms, ages: Ages) -> None:
    state, sessions = server.state, server.sessions
    supply.live_sessions += len(sessions)
    if state is _RUNNING:
        if ages.is_overdue(server):
            supply.overdue.append(server)
        elif not sessions and terms.counts_sessions and is_spent(server):
            supply.spent.append(server)
        else:
            supply.running.append(terms.open(server))
    elif state is _DRAINING:
        if ages.is_overdue(server):
            supply.overdue.append(server)
        elif terms.active and not ages.is_retiring(server) and _was_only_too_much(server, terms):
            supply.drained.append(terms.open(server))
    elif state in COMING:
        supply.coming.append(terms.open(server))


def _sort_other(supply: Supply, server: ServerView, terms: Terms, siblings: dict[str, SiblingConfig]) -> None:
    sibling = siblings.get(server.autoscale) if server.autoscale else None
    agents_sleep = sibling is not None and not sibling.active and not terms.counts_sessions
    if agents_sleep or not server.accepts_sessions:
        return
    if server.state is _RUNNING:
        supply.other_running.append(terms.open(server))
    elif server.state in COMING:
        supply.other_coming.append(terms.open(server))
    elif sibling and sibling.active and not sibling.paused and _was_only_too_much(server, terms):
        supply.other_drained.append(terms.open(server))


def _was_only_too_much(server: ServerView, terms: Terms) -> bool:
    """Drained for no fault of its own, so that it is as good as any when room is short again."""
    return (
        server.state is _DRAINING
        and server.drain_reason is DrainReason.SCALE_DOWN
        and not server.rollout
        and not (terms.counts_sessions and is_spent(server))
    )


def _below_ceiling(supply: Supply, terms: Terms) -> Stock:
    in_order = sorted(supply.drained, key=_undrain_order)
    if terms.ceiling is None:
        return in_order
    return in_order[: max(0, terms.ceiling - len(supply.running) - len(supply.coming))]


def _undrain_order(server: Open) -> tuple[object, ...]:
    view = server.view
    return (*(-room for room in server.room), -view.created_at.timestamp(), view.id)
