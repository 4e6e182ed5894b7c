"""Replacement by age and by rollout: the room that goes is there again before it goes.

Servers that retire no longer count as room that stays, so growth makes their replacements; only when that room runs is
the old server drained. All servers of an age retire together, as far as the caps allow. Servers marked by a rollout
retire one at a time: an idle one first, then the oldest.

If the caps leave no slot for a replacement, and nothing is on the way up or down, one idle server is drained although
its room is wanted: the slot that it frees is its replacement's.
"""

from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final

from poolwright.domain.planning.ages import Ages
from poolwright.domain.planning.growth import Growth, Slots
from poolwright.domain.planning.supply import Stock, Supply, room_of
from poolwright.domain.planning.terms import Terms
from poolwright.domain.room import Amount, Open, minus
from poolwright.domain.scaling import DrainReason
from poolwright.domain.states import ServerState

_ON_THE_WAY_OUT: Final = frozenset({ServerState.DELETING, ServerState.FAILED})


@dataclass(slots=True)
class Retirement:
    """Which of the running servers are to be replaced."""

    retiring: frozenset[Open]
    """All that retire now."""
    due: Stock
    """Those that may be drained now, in this order: past their soft age, the oldest first; then one of a rollout."""
    marked: int
    """Servers marked by a rollout that still run."""
    fresh: Stock
    """The running servers that stay."""


@dataclass(slots=True)
class Ready:
    """Room that runs, while servers are taken off it one by one."""

    room: Amount
    count: int
    fresh_room: Amount
    """Without the servers that retire."""
    fresh_count: int

    def remove(self, server: Open, *, retiring: bool) -> None:
        """The server is drained."""
        self.room = minus(self.room, server.room)
        self.count -= 1
        if not retiring:
            self.fresh_room = minus(self.fresh_room, server.room)
            self.fresh_count -= 1


@dataclass(slots=True)
class Rotated:
    """What rotation and rollout do now."""

    drained: list[tuple[Open, DrainReason]] = field(default_factory=list)
    for_the_slot: Open | None = None
    """Drained, as the last of them, although its room is wanted."""
    wait: Stock = field(default_factory=list)
    """Due, but their replacements do not run yet."""


def retirement_of(supply: Supply, ages: Ages) -> Retirement:
    """Who retires."""
    retiring = list(takewhile(lambda server: ages.is_retiring(server.view), supply.running))
    due = [server for server in retiring if ages.is_due(server.view)]
    fresh = supply.running[len(retiring) :]
    marked = [server for server in fresh if server.view.rollout]
    if marked:
        turn = next((server for server in marked if server.is_idle), marked[0])
        retiring.append(turn)
        due.append(turn)
        fresh = [server for server in fresh if not server.view.rollout]
        fresh += [server for server in marked if server is not turn]
    return Retirement(retiring=frozenset(retiring), due=due, marked=len(marked), fresh=fresh)


def ready_room(supply: Supply, retirement: Retirement, terms: Terms) -> Ready:
    """The room that runs, beside what is seated on it by now."""
    fresh_room = room_of(retirement.fresh, terms)
    return Ready(
        room=room_of(supply.running, terms) if retirement.retiring else fresh_room,
        count=len(supply.running),
        fresh_room=fresh_room,
        fresh_count=len(retirement.fresh),
    )


def rotate(terms: Terms, supply: Supply, retirement: Retirement, ready: Ready, slots: Slots, growth: Growth) -> Rotated:
    """Drain what is due, as long as enough room runs without it. Takes it off `ready`."""
    rotated = Rotated()
    for server in retirement.due:
        if server.taken == 0 and _can_be_spared(server, ready, terms):
            _drain(server, rotated, ready)
        else:
            rotated.wait.append(server)
    idle = [server for server in rotated.wait if server.is_idle and server.taken == 0]
    if idle and not rotated.drained and _has_to_dip(supply, slots, growth):
        rotated.wait.remove(idle[0])
        rotated.for_the_slot = idle[0]
        _drain(idle[0], rotated, ready)
    return rotated


def _drain(server: Open, rotated: Rotated, ready: Ready) -> None:
    view = server.view
    ready.remove(server, retiring=True)
    rotated.drained.append((server, DrainReason.ROLLOUT if view.rollout else DrainReason.ROTATION))


def _can_be_spared(server: Open, ready: Ready, terms: Terms) -> bool:
    """Room of its own that is wanted keeps it; a full server can go at any time."""
    if ready.count - 1 < terms.floor:
        return False
    without = minus(ready.room, server.room)
    return all(
        room == 0 or left >= need - 1e-9 for room, left, need in zip(server.room, without, terms.standby, strict=True)
    )


def _has_to_dip(supply: Supply, slots: Slots, growth: Growth) -> bool:
    if slots.cap_left > 0 or slots.paused or growth.creations or supply.coming:
        return False
    return not any(
        server.state in _ON_THE_WAY_OUT or (server.state is ServerState.DRAINING and not server.sessions)
        for server in supply.own
    )
