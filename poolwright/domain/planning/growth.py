"""How many servers to add, and where: undrain first, then create, never past a cap.

Order of claims on the slots that the caps leave: people who wait, sessions to stage, standby (with the replacements for
retiring servers in it), the floor.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil
from typing import Final

from poolwright.domain.planning.demand import Demand, FirstFit
from poolwright.domain.planning.failures import FailureVerdict
from poolwright.domain.planning.supply import Stock, Supply, room_of
from poolwright.domain.planning.terms import Terms
from poolwright.domain.room import Amount, Open, minus
from poolwright.domain.scaling import ProviderCap, Snapshot, StagingNeed, WaitingSession
from poolwright.domain.wording import listed, moment

_NEVER: Final = datetime.min.replace(tzinfo=UTC)
"""Before every moment: nobody has asked for a session to stage, and nothing keeps an open place closed."""

_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Site:
    """A provider config, or one place at it, where servers can be made now."""

    vm_provider: str
    place: str | None
    slots: int


@dataclass(frozen=True, slots=True)
class Slots:
    """How many servers may be made, where, and what sets the limit."""

    sites: tuple[Site, ...]
    count: int
    """Servers that may be made now."""
    cap_left: int
    """Servers that the caps alone would allow: pauses and places without capacity do not lower it."""
    limited_by: str
    """What allows no more, as part of a sentence: `the cap of ... is 10 and 10 are in use`."""
    paused: bool
    """Creation is paused after failures."""

    def places(self) -> Iterator[tuple[str, str | None]]:
        """(provider config, place) for one server after the other, in order of preference."""
        for site in self.sites:
            for _ in range(site.slots):
                yield site.vm_provider, site.place


@dataclass(slots=True)
class Growth:
    """What to add."""

    undrain: Stock = field(default_factory=list)
    for_waiting: int = 0
    for_staging: int = 0
    for_standby: int = 0
    for_floor: int = 0
    unmet_servers: int = 0
    """Servers that staging, standby and floor still want and that no slot is left for."""
    staging_too_big: list[StagingNeed] = field(default_factory=list)
    unreachable: Amount = ()
    """Standby that no number of servers could give, because a new one has none of it."""

    @property
    def creations(self) -> int:
        """Servers to make."""
        return self.for_waiting + self.for_staging + self.for_standby + self.for_floor


def slots_of(snapshot: Snapshot, terms: Terms, supply: Supply, verdict: FailureVerdict, now: datetime) -> Slots:
    """The slots that every cap leaves, and the sites that they can be used at."""
    left_of_config = _left_of_config(terms, supply)
    left_of_providers = sum(max(0, cap.max_instances - cap.in_use) for cap in snapshot.providers)
    cap_left = left_of_providers if left_of_config is None else min(left_of_config, left_of_providers)
    sites = tuple(_sites(snapshot, now))
    count = min(cap_left, sum(site.slots for site in sites))
    limited_by = _limit_text(snapshot, terms, supply, sites)
    if verdict.paused_until is not None:
        count, limited_by = 0, f"creation is paused after failures until {moment(verdict.paused_until)}"
    elif verdict.on_trial:
        on_trial = max(0, terms.autoscale.failure.budget - len(supply.coming))
        if on_trial < count:
            count, limited_by = on_trial, "creation is on trial after failures"
    return Slots(
        sites=sites,
        count=count if terms.active else 0,
        cap_left=cap_left,
        limited_by=limited_by if terms.active else "nothing is created while this autoscale config is inactive",
        paused=verdict.paused_until is not None,
    )


def growth_of(snapshot: Snapshot, terms: Terms, supply: Supply, fresh: Stock, demand: Demand, slots: Slots) -> Growth:
    """What to add so that everything wanted is met, as far as the slots go.

    `fresh` are the running servers that will stay. Staging needs are seated on the stock in thought.
    """
    needs = _Needs(terms, supply, fresh, demand, slots)
    if terms.active:
        needs.stage(snapshot.staging)
        needs.keep_standby()
        needs.keep_floor()
    return needs.growth


def _left_of_config(terms: Terms, supply: Supply) -> int | None:
    return None if terms.ceiling is None else max(0, terms.ceiling - len(supply.own))


def _sites(snapshot: Snapshot, now: datetime) -> Iterator[Site]:
    """For each provider config the first place that may be tried."""
    for cap in snapshot.providers:
        blocked = {place for place, until in cap.unavailable_until.items() if until > now}
        if "" in blocked or cap.max_instances <= cap.in_use:
            continue
        open_places = [place for place in cap.places if place not in blocked]
        if cap.places and not open_places:
            continue
        yield Site(cap.vm_provider, open_places[0] if open_places else None, cap.max_instances - cap.in_use)


def _limit_text(snapshot: Snapshot, terms: Terms, supply: Supply, sites: tuple[Site, ...]) -> str:
    own = len(supply.own)
    left_of_config = _left_of_config(terms, supply)
    if left_of_config is not None and left_of_config <= sum(site.slots for site in sites):
        return f"the cap of this autoscale config is {terms.ceiling} and {own} are in use"
    open_sites = {site.vm_provider for site in sites}
    parts = []
    for cap in snapshot.providers:
        if cap.in_use >= cap.max_instances or cap.vm_provider in open_sites:
            parts.append(f"the cap of {cap.vm_provider!r} is {cap.max_instances} and {cap.in_use} are in use")
        else:
            parts.append(f"{cap.vm_provider!r} had no capacity and is tried again at {moment(_tried_again_at(cap))}")
    return listed(parts)


def _tried_again_at(cap: ProviderCap) -> datetime:
    """When the first of its places is open again. A memory of the whole config holds for all of them."""
    until = cap.unavailable_until
    first_place = min((until.get(place, _NEVER) for place in cap.places), default=_NEVER)
    return max(first_place, until.get("", _NEVER))


class _Needs:
    """Meets one need after the other out of the same slots."""

    def __init__(self, terms: Terms, supply: Supply, fresh: Stock, demand: Demand, slots: Slots) -> None:
        had_back = [server for server in supply.drained if server.taken]
        self.growth = Growth(undrain=had_back, for_waiting=len(demand.new_servers))
        self._terms = terms
        self._stock: Stock = [*fresh, *supply.coming, *had_back, *demand.new_servers]
        self._drained = {server.view.id: server for server in supply.drained if not server.taken}
        self._slots_left = slots.count - self.growth.for_waiting

    def stage(self, needs: tuple[StagingNeed, ...]) -> None:
        """Sessions to stage count like people: they need a place on one agent, not just room in sum."""
        there, drained, new = FirstFit(self._stock), FirstFit(self._drained.values()), FirstFit()
        for need in needs:
            session = WaitingSession(id=need.staging, user="", requested_at=_NEVER, size=need.size)
            if need.missing and not self._terms.imagine().takes(session):
                self.growth.staging_too_big.append(need)
                continue
            for _ in range(need.missing):
                if not (there.take(session) or drained.take(session) or new.take(session)):
                    new.servers.append(self._terms.imagine())
                    new.take(session)
        for server in [server for server in self._drained.values() if server.taken]:
            self._have_back(server)
        self.growth.for_staging = self._make(len(new.servers))
        self._stock += new.servers[: self.growth.for_staging]

    def keep_standby(self) -> None:
        """Room beside everything that is seated by now."""
        short = minus(self._terms.standby, room_of(self._stock, self._terms))
        for server in list(self._drained.values()):
            if any(lack > 0 and room > 0 for lack, room in zip(short, server.room, strict=True)):
                short = minus(short, server.room)
                self._have_back(server)
        wanted = 0
        for lack, room in zip(short, self._terms.new_server, strict=True):
            if room > 0:
                wanted = max(wanted, ceil(lack / room - _ROUNDING))
        has_none = [room == 0 and lack > 0 for lack, room in zip(short, self._terms.new_server, strict=True)]
        self.growth.unreachable = tuple(lack if none else 0 for lack, none in zip(short, has_none, strict=True))
        self.growth.for_standby = self._make(wanted)

    def keep_floor(self) -> None:
        """Servers in all, whatever their room."""
        growth = self.growth
        missing = self._terms.floor - len(self._stock) - growth.for_standby - growth.unmet_servers
        for server in list(self._drained.values())[: max(0, missing)]:
            self._have_back(server)
            missing -= 1
        growth.for_floor = self._make(missing)

    def _have_back(self, server: Open) -> None:
        del self._drained[server.view.id]
        self._stock.append(server)
        self.growth.undrain.append(server)

    def _make(self, wanted: int) -> int:
        wanted = max(0, wanted)
        made = min(wanted, self._slots_left)
        self._slots_left -= made
        self.growth.unmet_servers += wanted - made
        return made
