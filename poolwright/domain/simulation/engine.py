"""The simulation itself: people come and go, servers boot and leave, and the decisions are those of production."""

from collections.abc import Iterable
from typing import TypeVar

from poolwright.domain.planning.terms import Terms, terms_at
from poolwright.domain.simulation import stock
from poolwright.domain.simulation.clock import SECOND, Clock, microseconds
from poolwright.domain.simulation.deciding import Deciding, Decision, QuickDeciding, ThoroughDeciding
from poolwright.domain.simulation.demand import DemandSession
from poolwright.domain.simulation.draws import Draws
from poolwright.domain.simulation.lives import ServerLives
from poolwright.domain.simulation.placing import Placing, QuickPlacing, ThoroughPlacing
from poolwright.domain.simulation.records import ConfigState, PoolState, SimulatedServer, SimulatedSession, minus, plus
from poolwright.domain.simulation.reporting import outcome_of
from poolwright.domain.simulation.results import Outcome
from poolwright.domain.simulation.scenario import Scenario
from poolwright.domain.simulation.timeline import Timeline, Watch
from poolwright.domain.simulation.views import Views
from poolwright.domain.simulation.world import World

_LOOK_AGAIN = 86_400 * SECOND


def simulate(scenario: Scenario, demand: Iterable[DemandSession], draws: Draws, watch: Watch | None = None) -> Outcome:
    """Play the demand, which comes in the order of its starts, against the configuration.

    What is the same as in production: every decision is `plan`'s, everybody gets the server that `assign_queue` gives
    them, and decisions are made at once when somebody asks for a session or ends one (wakes of this kind come no
    closer than `wake_pause_seconds`), when a server runs or fails, when a slot becomes free while somebody waits, at
    the time that the last plan named, and regularly.

    What is simpler: the regular decisions keep a fixed beat from the beginning, while in production the period counts
    from the last decision; people who give up do so at the end of their time, in production at the next decision; a
    decision takes no time; capacity never lacks at the VM provider, below its cap. The same scenario, demand and draws
    give the same outcome. Raises ValueError for a session that the configuration knows no pool or workspace for.
    """
    return _Simulation(scenario, draws, watch).run(demand)


class _Simulation:
    def __init__(self, scenario: Scenario, draws: Draws, watch: Watch | None) -> None:
        self._scenario = scenario
        clock = Clock(scenario.begin)
        self._clock = clock
        self._end = clock.instant(scenario.end)
        self._world = World(scenario)
        self._timeline = Timeline(clock, watch)
        self._wake_pause = microseconds(scenario.conditions.wake_pause_seconds)
        views = Views(clock)
        self._placing: Placing = ThoroughPlacing(views) if scenario.thorough else QuickPlacing(views)
        self._deciding: Deciding = ThoroughDeciding(clock, views) if scenario.thorough else QuickDeciding(clock, views)
        self._decisions = 0
        self._lives = ServerLives(
            self._timeline,
            scenario.conditions,
            draws,
            changed=self._changed,
            wake=self._wake,
            end_sessions=self._end_all,
        )
        self._touched: set[PoolState] = set()
        self._due: set[ConfigState] = set()
        """Those that decide in this instant: if they are woken, or if it is time and anything has changed."""

    def run(self, demand: Iterable[DemandSession]) -> Outcome:
        """Play it to the end."""
        timeline, end = self._timeline, self._end
        for config in self._world.configs:
            timeline.at(0, self._beat, config)
            self._await_schedule(config)
        arrivals = self._world.arrivals(demand, self._clock)
        arriving = next(arrivals, None)
        while True:
            instant = end if arriving is None else arriving.requested_at
            upcoming = timeline.next_instant()
            if upcoming is not None and upcoming < instant:
                instant = upcoming
            if instant >= end:
                break
            timeline.now = instant
            timeline.handle_due()
            while arriving is not None and arriving.requested_at <= instant:
                self._arrive(arriving)
                arriving = next(arrivals, None)
            self._settle()
        timeline.now = end
        return self._close()

    def _settle(self) -> None:
        """What follows at once from what happened in this instant: people get servers, then configs decide."""
        touched, due = self._touched, self._due
        for pool in touched if len(touched) < 2 else _in_order(touched):
            self._placing.place(pool, self._seat)
            if pool.newcomers:
                self._await_expiry(pool)
        if due:
            for config in list(due) if len(due) == 1 else _in_order(due):
                # Asked only now, when all else has happened that belongs to this instant.
                if config.is_woken or self._deciding.is_needed(config):
                    self._decide(config)
                config.is_woken = False
            due.clear()
        for pool in touched:
            pool.record(self._timeline.now)
        touched.clear()

    def _decide(self, config: ConfigState) -> None:
        now = self._timeline.now
        self._decisions += 1
        if config.young or config.ageing:
            stock.settle_ages(config, now)
        decision = self._deciding.decide(config, now)
        config.decided_version = config.version()
        config.failures = decision.failures or config.failures
        config.downscale_wanted_since = decision.downscale_wanted_since
        config.decide_at = decision.next_at
        if decision.next_at is not None and decision.next_at not in config.alarms:
            config.alarms.add(decision.next_at)
            self._timeline.at(decision.next_at, self._alarm, config)
        self._act(config, decision)

    def _act(self, config: ConfigState, decision: Decision) -> None:
        lives, servers = self._lives, config.servers
        for server_id in decision.deletes:
            lives.terminate(servers[server_id])
        for server_id in decision.undrains:
            lives.undrain(servers[server_id])
        for name in decision.creates:
            lives.create(config, next(provider for provider in config.providers if provider.name == name))
        for server_id, reason in decision.drains:
            lives.drain(servers[server_id], reason)
        if decision.undrains:
            self._placing.place(config.pool, self._seat)

    def _beat(self, config: ConfigState) -> None:
        """The regular decision."""
        now = self._timeline.now
        self._timeline.at(now + config.scaling_period, self._beat, config)
        if now == 0:
            self._wake(config)
        self._due.add(config)

    def _alarm(self, config: ConfigState) -> None:
        """The last plan named this time, unless another plan has been made since."""
        config.alarms.discard(self._timeline.now)
        if config.decide_at == self._timeline.now:
            self._wake(config)

    def _wake(self, config: ConfigState) -> None:
        config.is_woken = True
        self._due.add(config)

    def _woken_by_people(self, pool: PoolState) -> None:
        now = self._timeline.now
        for config in pool.configs:
            if config.round_at is not None:
                continue
            if now >= config.quiet_until:
                self._round(config)
            else:
                config.round_at = config.quiet_until
                self._timeline.at(config.quiet_until, self._round, config)

    def _round(self, config: ConfigState) -> None:
        config.round_at, config.quiet_until = None, self._timeline.now + self._wake_pause
        self._wake(config)

    def _await_schedule(self, config: ConfigState) -> None:
        if config.autoscale.schedules:
            known = config.terms.next_change
            until = self._timeline.now + _LOOK_AGAIN if known is None else self._clock.instant(known)
            self._timeline.at(until, self._look_at_schedule, config)

    def _look_at_schedule(self, config: ConfigState) -> None:
        before, accepted = config.terms, config.accepts
        config.take_terms(terms_at(config.autoscale, self._clock.moment(self._timeline.now)))
        self._await_schedule(config)
        if before.next_change is not None or _in_force(before) != _in_force(config.terms):
            self._wake(config)
            self._changed(config.pool)
        if config.accepts != accepted:
            config.pool.room_grew |= config.accepts
            for server in config.open.values():
                stock.refresh(server)

    def _arrive(self, session: SimulatedSession) -> None:
        pool = session.pool
        pool.meter.sessions += 1
        pool.enter(session)
        if session.priority:
            pool.has_priorities = True
        self._changed(pool)
        self._woken_by_people(pool)
        if self._timeline.watched:
            self._timeline.tell("requested", session=session.number)

    def _await_expiry(self, pool: PoolState) -> None:
        for session in pool.newcomers:
            if session.number in pool.waiting:
                self._timeline.at(session.requested_at + pool.queue_expiry, self._expire, session)
        pool.newcomers.clear()

    def _expire(self, session: SimulatedSession) -> None:
        pool = session.pool
        if session.number in pool.waiting:
            pool.leave_queue(session)
            pool.leave(session)
            pool.meter.refused += 1
            self._changed(pool)
            self._timeline.tell("refused", session=session.number)

    def _seat(self, session: SimulatedSession, server: SimulatedServer) -> None:
        now, pool = self._timeline.now, session.pool
        pool.leave_queue(session)
        session.server, session.assigned_at = server, now
        if not server.sessions:
            server.busy_since = now
        stock.seat(server, session)
        pool.in_use = plus(pool.in_use, session.units)
        pool.meter.served(now - session.requested_at)
        if pool.pool.server_assignment_enabled and pool.kept_for.get(session.user) != server.id:
            pool.kept_for[session.user] = server.id
            # A server kept for somebody is open to them even where others are out of its reach.
            pool.room_grew = True
        self._timeline.at(now + session.length, self._end_session, session)
        if self._timeline.watched:
            self._timeline.tell("assigned", server.id, session.number)

    def _end_session(self, session: SimulatedSession) -> None:
        server = session.server
        if server is None:
            return
        self._unseat(session, server)
        if not server.sessions:
            self._lives.emptied(server)
        self._changed(session.pool)
        self._woken_by_people(session.pool)

    def _end_all(self, server: SimulatedServer) -> None:
        for session in list(server.sessions.values()):
            self._unseat(session, server)
            session.pool.meter.cut_short += 1

    def _unseat(self, session: SimulatedSession, server: SimulatedServer) -> None:
        now, pool = self._timeline.now, session.pool
        session.server = None
        server.config.used += session.units[0] * (now - session.assigned_at)
        stock.unseat(server, session)
        if not server.sessions:
            server.busy_microseconds += now - server.busy_since
        pool.in_use = minus(pool.in_use, session.units)
        pool.leave(session)
        if self._timeline.watched:
            self._timeline.tell("ended", server.id, session.number)

    def _changed(self, pool: PoolState) -> None:
        pool.version += 1
        self._touched.add(pool)

    def _close(self) -> Outcome:
        """Count what is left as it stands."""
        for config in self._world.configs:
            for server in config.servers.values():
                self._lives.account(server, self._end)
                for session in server.sessions.values():
                    config.used += session.units[0] * (self._end - session.assigned_at)
        effort = {
            "events": self._timeline.events,
            "decisions": self._decisions,
            "plan_asked": self._deciding.asked,
            "assign_queue_asked": self._placing.asked,
        }
        return outcome_of(
            self._scenario, self._world, self._clock, peak_servers=self._lives.peak_servers, effort=effort
        )


def _in_force(terms: Terms) -> tuple[object, ...]:
    return (terms.active, terms.standby, terms.floor, terms.ceiling)


_Numbered = TypeVar("_Numbered", ConfigState, PoolState)


def _in_order(some: set[_Numbered]) -> list[_Numbered]:
    """Always the same order, as a set has none."""
    return sorted(some, key=lambda one: one.number)
