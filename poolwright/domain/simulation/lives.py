"""The lives of simulated servers, from the decision to create one until its slot is free."""

from collections.abc import Callable
from heapq import heappop, heappush

from poolwright.domain.scaling import DrainReason
from poolwright.domain.simulation import stock
from poolwright.domain.simulation.clock import microseconds
from poolwright.domain.simulation.draws import Draws
from poolwright.domain.simulation.measuring import Lives
from poolwright.domain.simulation.records import ConfigState, PoolState, ProviderState, SimulatedServer
from poolwright.domain.simulation.scenario import Conditions
from poolwright.domain.simulation.timeline import Timeline
from poolwright.domain.states import ServerState

_FAILURES_KEPT = 50


class HostNumbers:
    """The lowest free number for each pattern of host names, as production gives them."""

    def __init__(self) -> None:
        self._freed: dict[str, list[int]] = {}
        self._given: dict[str, int] = {}

    def take(self, config: ConfigState) -> int:
        """The lowest that no server with the same pattern has."""
        key = config.host_pattern
        if freed := self._freed.get(key):
            return heappop(freed)
        self._given[key] = self._given.get(key, 0) + 1
        return self._given[key]

    def free(self, config: ConfigState, number: int) -> None:
        """The server with this number is gone."""
        heappush(self._freed.setdefault(config.host_pattern, []), number)


class ServerLives:
    """Creates servers, lets them boot or fail, and takes them down again."""

    def __init__(
        self,
        timeline: Timeline,
        conditions: Conditions,
        draws: Draws,
        *,
        changed: Callable[[PoolState], None],
        wake: Callable[[ConfigState], None],
        end_sessions: Callable[[SimulatedServer], None],
    ) -> None:
        """`changed` is told of every pool that something happens in, `wake` of every config that is to decide at once,
        and `end_sessions` ends what is left on a server."""
        self._timeline = timeline
        self._conditions = conditions
        self._draws = draws
        self._changed = changed
        self._wake = wake
        self._end_sessions = end_sessions
        self._delete_takes = microseconds(conditions.delete_seconds)
        self._numbers = HostNumbers()
        self._created = 0
        self._present = 0
        self.peak_servers = 0
        """The most that were there at once, of all pools together."""

    def create(self, config: ConfigState, provider: ProviderState) -> None:
        """Take a slot and begin to boot."""
        timeline, now = self._timeline, self._timeline.now
        self._created += 1
        self._present += 1
        self.peak_servers = max(self.peak_servers, self._present)
        config.made += 1
        number, server_id = self._numbers.take(config), f"s{self._created:09}"
        server = SimulatedServer(
            id=server_id,
            hostname=config.host_pattern.format(id=server_id, n=number),
            host_number=number,
            config=config,
            vm_provider=provider,
            created_at=now,
        )
        stock.add_coming(server)
        provider.in_use += 1
        provider.version += 1
        provider.peak = max(provider.peak, provider.in_use)
        meter = config.pool.meter
        meter.created += 1
        meter.peak_servers = max(meter.peak_servers, config.pool.servers)
        self._changed(config.pool)
        boots, ends_after = self._boot(config, provider)
        timeline.at(now + ends_after, self._run if boots else self._fail, server)
        if timeline.watched:
            timeline.tell("created", server_id)

    def drain(self, server: SimulatedServer, reason: DrainReason) -> None:
        """Take nobody any more, and go when empty."""
        server.drain_reason = reason
        server.state = ServerState.DRAINING if server.sessions else ServerState.DELETING
        stock.leave_to_go(server)
        self._timeline.tell("draining", server.id)
        if server.state is ServerState.DELETING:
            _succeed(server)
            self._begin_deleting(server)
        self._changed(server.config.pool)

    def undrain(self, server: SimulatedServer) -> None:
        """Take sessions again, unless it is too late."""
        if server.state is ServerState.DRAINING:
            server.state, server.drain_reason = ServerState.RUNNING, None
            stock.open_up(server)
            self._timeline.tell("undrained", server.id)
            self._changed(server.config.pool)

    def terminate(self, server: SimulatedServer) -> None:
        """Go now; sessions that are left end."""
        self._end_sessions(server)
        server.state = ServerState.DELETING
        stock.leave_to_go(server)
        self._begin_deleting(server)
        self._changed(server.config.pool)

    def emptied(self, server: SimulatedServer) -> None:
        """Its last session has ended: a draining server goes."""
        if server.state is ServerState.DRAINING:
            server.state = ServerState.DELETING
            server.config.draining.pop(server.id, None)
            _succeed(server)
            self._begin_deleting(server)

    def account(self, server: SimulatedServer, until: int) -> None:
        """Count its hours up to then."""
        config, provider = server.config, server.vm_provider
        if provider is None:
            return
        lives = config.pool.meter.lives.setdefault(provider.name, Lives())
        total = until - server.created_at
        coming = server.state is ServerState.BOOTING
        lives.total += total
        lives.booting += total if coming else server.boot_ended_at - server.created_at
        lives.busy += server.busy_microseconds + (until - server.busy_since if server.sessions else 0)
        if server.state in (ServerState.FAILED, ServerState.DELETING):
            lives.leaving += until - server.leaving_at
        config.paid += total

    def _boot(self, config: ConfigState, provider: ProviderState) -> tuple[bool, int]:
        """Whether the boot succeeds, and how long it takes to find out."""
        failures, deadline = self._conditions.failures, config.boot_deadline
        length, luck, _, _ = self._draws.uniforms(f"boot/{config.name}", config.made)
        takes = microseconds(self._conditions.boot_of(provider.name).at(length))
        if luck < failures.share:
            fails_after = deadline if failures.after_seconds is None else microseconds(failures.after_seconds)
            return False, min(fails_after, deadline)
        return takes <= deadline, min(takes, deadline)

    def _run(self, server: SimulatedServer) -> None:
        now, config = self._timeline.now, server.config
        server.state = ServerState.RUNNING
        server.running_at = server.boot_ended_at = now
        if config.autoscale.minimum_life_seconds:
            server.is_young = True
            config.young.append(server)
        stock.open_up(server)
        if config.failures.failed_at or config.failures.pauses:
            self._timeline.at(now + microseconds(config.autoscale.failure.success_after_seconds), self._look, server)
        self._timeline.tell("running", server.id)
        self._changed(config.pool)
        self._wake(config)

    def _look(self, server: SimulatedServer) -> None:
        """It has run for so long that it is a success, if it still runs."""
        if server.state in (ServerState.RUNNING, ServerState.DRAINING):
            _succeed(server)

    def _fail(self, server: SimulatedServer) -> None:
        now, config, record = self._timeline.now, server.config, server.config.failures
        server.state = ServerState.FAILED
        server.boot_ended_at = server.leaving_at = now
        stock.leave_to_go(server)
        kept = max(_FAILURES_KEPT, config.autoscale.failure.budget)
        failed_at = (*record.failed_at, self._timeline.clock.moment(now))[-kept:]
        reasons = (*record.reasons, "the boot failed")[-kept:]
        config.failures = record.model_copy(update={"failed_at": failed_at, "reasons": reasons})
        config.pool.meter.failed += 1
        self._timeline.tell("failed", server.id)
        self._changed(config.pool)
        self._wake(config)
        kept = microseconds(config.autoscale.failure.keep_failed_seconds)
        self._timeline.at(now + kept, self._delete_failed, server)

    def _delete_failed(self, server: SimulatedServer) -> None:
        leaving_at = server.leaving_at
        server.state = ServerState.DELETING
        self._begin_deleting(server)
        server.leaving_at = leaving_at
        self._changed(server.config.pool)

    def _begin_deleting(self, server: SimulatedServer) -> None:
        timeline = self._timeline
        server.leaving_at = timeline.now
        timeline.at(timeline.now + self._delete_takes, self._forget, server)
        timeline.tell("deleting", server.id)

    def _forget(self, server: SimulatedServer) -> None:
        config, provider = server.config, server.vm_provider
        assert provider is not None
        self.account(server, self._timeline.now)
        stock.forget(server)
        self._numbers.free(config, server.host_number)
        self._present -= 1
        provider.in_use -= 1
        provider.version += 1
        config.pool.meter.deleted += 1
        self._timeline.tell("deleted", server.id)
        self._changed(config.pool)
        # As in production: a free slot matters at once only to people who wait.
        if config.pool.waiting:
            self._wake(config)


def _succeed(server: SimulatedServer) -> None:
    config, ready_at = server.config, server.running_at
    if ready_at is not None and (config.succeeded_at is None or config.succeeded_at < ready_at):
        config.succeeded_at = ready_at
