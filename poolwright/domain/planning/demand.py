"""Who waits, and for which of their sessions this config makes servers.

Waiting sessions are seated in thought: first on what runs, then on what is coming, then on what was drained only
because it was too much. What is left is dealt out to the pool's configs in order (docker agents: those of the person's
zone first; then by name), each as far as its slots go. Every config of the pool deals out in the same way from the same
facts, so for each session exactly one of them makes a server.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import chain

from poolwright.domain.placement import PlacementRules, Seating, queue_order
from poolwright.domain.planning.supply import Stock, Supply
from poolwright.domain.planning.terms import Terms, placement_rules
from poolwright.domain.room import Amount, Open, OpenAgent, OpenServer, amount_of
from poolwright.domain.scaling import SiblingConfig, Snapshot, WaitingSession
from poolwright.domain.states import COMING


@dataclass(slots=True)
class Demand:
    """What becomes of the waiting sessions."""

    on_running: int = 0
    """Sessions that fit on what runs: they are about to be placed."""
    on_coming: int = 0
    """Sessions that servers on the way will serve."""
    on_drained: int = 0
    """Sessions for which drained servers are had back, here or by another config."""
    ours: int = 0
    """Sessions for which this config makes servers."""
    new_servers: Stock = field(default_factory=list)
    """The servers to make for them, filled in thought."""
    elsewhere: Counter[str] = field(default_factory=Counter)
    """Config -> sessions that it makes servers for."""
    without_slot: list[WaitingSession] = field(default_factory=list)
    """This config could hold them, and neither it nor any other that could may make another server now."""
    for_others: list[WaitingSession] = field(default_factory=list)
    """The same of sessions that only other configs could hold: for their size, or for the zone."""
    others: set[str] = field(default_factory=set)
    """Those configs."""
    too_big: list[WaitingSession] = field(default_factory=list)
    """No config could ever hold them on one agent."""
    out_of_reach: list[WaitingSession] = field(default_factory=list)
    """The pool has no config in their zone, and their zone does not search others."""


class FirstFit:
    """Fills servers in order, each session on the first with room; failing that, on one where the person already is.

    A server that lacks room for a size never has room for it again, so each size remembers how far it has got and the
    whole pass stays linear.
    """

    def __init__(self, servers: Iterable[Open] = ()) -> None:
        self.servers: Stock = list(servers)
        self._first_candidate: dict[Amount, int] = {}
        self._seated: dict[str, list[OpenServer]] = {}

    def take(self, session: WaitingSession) -> bool:
        """Seat the session if any server takes it."""
        size = amount_of(session.size)
        position = self._first_candidate.get(size, 0)
        while position < len(self.servers) and not self.servers[position].has_room_for(size):
            position += 1
        self._first_candidate[size] = position
        with_room = (self.servers[n] for n in range(position, len(self.servers)))
        for server in chain(with_room, self._seated.get(session.user, ())):
            if server.takes(session):
                self.seat(session, server)
                return True
        return False

    def seat(self, session: WaitingSession, server: Open) -> None:
        """Seat the session here."""
        server.take(session)
        if isinstance(server, OpenServer):
            self._seated.setdefault(session.user, []).append(server)


class Maker:
    """A config that may make servers for waiting sessions, as far as its slots go."""

    def __init__(self, config: SiblingConfig, imagine: Callable[[], Open]) -> None:
        self.name = config.name
        self.zone = config.zone
        self.made = FirstFit()
        self._imagine_one = imagine
        self._aggressive = config.aggressive
        self._slots_left = config.free_slots if config.active and not config.paused else 0

    def take(self, session: WaitingSession) -> bool:
        """Seat the session on a server that is to be made already, or on one more."""
        if self.made.take(session):
            return True
        if self._slots_left <= 0:
            return False
        server = self._imagine()
        if not server.takes(session):
            return False
        self._slots_left -= 1
        self.made.servers.append(server)
        self.made.seat(session, server)
        return True

    def could_ever_take(self, session: WaitingSession) -> bool:
        """True if one of its servers, empty, would take the session."""
        return self._imagine().takes(session)

    def _imagine(self) -> Open:
        server = self._imagine_one()
        if self._aggressive:
            server.limit = 1
        return server


def demand_of(snapshot: Snapshot, terms: Terms, supply: Supply, free_slots: int) -> Demand:
    """Seat the waiting sessions in thought. The stock's room is what is left for standby afterwards."""
    demand = Demand()
    if not snapshot.waiting:
        return demand
    rules = placement_rules(snapshot)
    left = sorted(snapshot.waiting, key=queue_order)
    accepting = terms.counts_sessions or terms.active
    demand.on_running, left = _seat([*(supply.running if accepting else ()), *supply.other_running], left, rules)
    coming = [*(supply.coming if accepting else ()), *supply.other_coming]
    _limit_aggressive(coming, snapshot)
    demand.on_coming, left = _seat(coming, left, rules)
    _lift_limits(coming)
    demand.on_drained, left = _seat([*supply.drained, *supply.other_drained], left, rules)
    _deal_out(demand, left, _makers(snapshot, terms, free_slots), rules, terms)
    return demand


def _seat(stock: Stock, sessions: list[WaitingSession], rules: PlacementRules) -> tuple[int, list[WaitingSession]]:
    if not stock or not sessions:
        return 0, sessions
    seating = Seating(stock, rules)
    left = [session for session in sessions if seating.seat(session) is None]
    return len(sessions) - len(left), left


def _limit_aggressive(coming: Stock, snapshot: Snapshot) -> None:
    """Where each waiting person is to have a server of their own, a server on the way is there for one of them."""
    aggressive = {sibling.name for sibling in snapshot.siblings if sibling.aggressive}
    if snapshot.autoscale.aggressive:
        aggressive.add(snapshot.autoscale.name)
    for server in coming:
        if server.view.autoscale in aggressive:
            server.limit = 1


def _lift_limits(stock: Stock) -> None:
    for server in stock:
        server.limit = None


def _makers(snapshot: Snapshot, terms: Terms, free_slots: int) -> list[Maker]:
    autoscale = terms.autoscale
    own = SiblingConfig(
        name=autoscale.name,
        zone=autoscale.zone,
        active=terms.active,
        paused=snapshot.paused is not None,
        free_slots=free_slots,
        aggressive=autoscale.aggressive,
    )
    makers = [Maker(own, terms.imagine)]
    makers += [Maker(_on_trial(sibling, snapshot), _imagining(sibling, terms)) for sibling in snapshot.siblings]
    return sorted(makers, key=lambda maker: maker.name)


def _on_trial(sibling: SiblingConfig, snapshot: Snapshot) -> SiblingConfig:
    """With no more slots than its failures leave it."""
    if sibling.most_coming is None:
        return sibling
    coming = sum(server.autoscale == sibling.name and server.state in COMING for server in snapshot.servers)
    slots = max(0, min(sibling.free_slots, sibling.most_coming - coming))
    return sibling.model_copy(update={"free_slots": slots})


def _imagining(sibling: SiblingConfig, terms: Terms) -> Callable[[], Open]:
    """How to imagine a server of another config, from what is known of it."""
    if terms.counts_sessions:
        room: dict[str, object] = {"max_sessions": sibling.room_per_server, "counts_users": False}
        if sibling.most_users is not None:
            room = {"max_sessions": sibling.most_sessions, "max_users": sibling.most_users, "counts_users": True}
        view = terms.imagined.model_copy(update=room)
        return lambda: OpenServer(view)
    if sibling.agent_size is None:
        view = terms.imagined.model_copy(update={"max_sessions": 1, "counts_users": False})
        return lambda: OpenServer(view)
    view = terms.imagined.model_copy(update={"size": sibling.agent_size})
    return lambda: OpenAgent(view)


def _deal_out(
    demand: Demand, sessions: list[WaitingSession], makers: list[Maker], rules: PlacementRules, terms: Terms
) -> None:
    in_order: dict[str | None, list[Maker]] = {}
    able: dict[tuple[str | None, Amount], list[str]] = {}
    for session in sessions:
        zone = None if terms.counts_sessions else session.zone
        if zone not in in_order:
            in_order[zone] = _makers_for(session, makers, rules) if zone else makers
        taker = next((maker for maker in in_order[zone] if maker.take(session)), None)
        if taker is not None and taker.name == terms.autoscale.name:
            demand.ours += 1
        elif taker is not None:
            demand.elsewhere[taker.name] += 1
        elif not in_order[zone]:
            demand.out_of_reach.append(session)
        else:
            kind = (zone, amount_of(session.size))
            if kind not in able:
                able[kind] = [maker.name for maker in in_order[zone] if maker.could_ever_take(session)]
            _leave_without_room(demand, session, able[kind], terms.autoscale.name)
    demand.new_servers = next(maker.made.servers for maker in makers if maker.name == terms.autoscale.name)
    _lift_limits(demand.new_servers)


def _leave_without_room(demand: Demand, session: WaitingSession, able: list[str], own: str) -> None:
    """`able`: the configs one of whose servers, empty, would take the session."""
    if not able:
        demand.too_big.append(session)
    elif own in able:
        demand.without_slot.append(session)
    else:
        demand.for_others.append(session)
        demand.others.update(able)


def _makers_for(session: WaitingSession, makers: list[Maker], rules: PlacementRules) -> list[Maker]:
    near = [maker for maker in makers if maker.zone == session.zone]
    if not rules.zone_of(session).search_alternate_zones:
        return near
    return [*near, *(maker for maker in makers if maker.zone != session.zone)]
