"""The simulated installation, as its configuration says."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple

from poolwright.domain.autoscale import Connection, DockerAgentAutoscale, ServerAutoscale
from poolwright.domain.placement import PlacementRules
from poolwright.domain.planning.terms import Terms, terms_at
from poolwright.domain.resources import Workspace, Zone
from poolwright.domain.servers import Size
from poolwright.domain.simulation import stock
from poolwright.domain.simulation.clock import Clock, microseconds
from poolwright.domain.simulation.demand import DemandSession
from poolwright.domain.simulation.measuring import PoolMeter, StepSeries
from poolwright.domain.simulation.records import (
    CORE,
    ConfigState,
    PoolState,
    ProviderState,
    SimulatedServer,
    SimulatedSession,
    Units,
    units_of,
)
from poolwright.domain.simulation.scenario import Scenario
from poolwright.domain.static_servers import StaticServer

Autoscale = ServerAutoscale | DockerAgentAutoscale

_NOTHING = Size()
_BY_HAND = "by-hand"


class _Kind(NamedTuple):
    """What sessions that name the same pool, workspace and zone have in common."""

    pool: PoolState
    zone: str | None
    workspace: str | None
    image: str | None
    size: Size
    units: Units


class World:
    """Pools, configs and VM provider configs, empty."""

    def __init__(self, scenario: Scenario) -> None:
        configuration = scenario.configuration
        length = Clock(scenario.begin).instant(scenario.end)
        zones = {zone.name: zone for zone in configuration.zones}
        for autoscale in configuration.autoscales:
            zones.setdefault(autoscale.zone, Zone(name=autoscale.zone))
        self._zones = zones
        self._workspaces = {workspace.name: workspace for workspace in configuration.workspaces}
        self.providers = {
            provider.name: ProviderState(provider.name, provider.max_instances)
            for provider in configuration.vm_providers
        }
        self.pools = {
            pool.name: PoolState(
                number,
                pool,
                PlacementRules(pool_type=pool.type, zones=zones),
                PoolMeter(StepSeries(length, scenario.most_points)),
            )
            for number, pool in enumerate(configuration.pools)
        }
        self.configs = [
            self._config(number, autoscale, terms_at(autoscale, scenario.begin))
            for number, autoscale in enumerate(sorted(configuration.autoscales, key=attrgetter("name")))
        ]
        for number, static in enumerate(configuration.static_servers, start=len(self.configs)):
            if static.enabled:
                self._add_static(number, static, scenario.begin)

    def arrivals(self, demand: Iterable[DemandSession], clock: Clock) -> Iterator[SimulatedSession]:
        """The sessions of the demand, one after the other, with all that the configuration says of them.

        Raises ValueError if they are not in order, begin too early, or name what is not declared.
        """
        last = 0
        known: dict[tuple[str | None, str | None, str | None], _Kind] = {}
        for number, wanted in enumerate(demand, start=1):
            requested_at = clock.instant(wanted.start)
            if requested_at < last:
                raise ValueError(f"the session of {wanted.user!r} at {wanted.start} comes before the one it follows")
            last = requested_at
            named = (wanted.pool, wanted.workspace, wanted.zone)
            kind = known.get(named)
            if kind is None:
                kind = known[named] = self._kind(wanted)
            yield SimulatedSession(
                number,
                kind.pool,
                wanted.user,
                wanted.kind,
                wanted.priority,
                kind.zone,
                kind.workspace,
                kind.image,
                kind.size,
                kind.units,
                requested_at,
                max(1, microseconds(wanted.length_seconds)),
            )

    def _kind(self, wanted: DemandSession) -> "_Kind":
        pool = self._pool(wanted)
        workspace = self._workspace(wanted, pool)
        zone = self._zone(wanted, workspace)
        if workspace is None:
            return _Kind(pool, zone, None, None, _NOTHING, (1,))
        size = Size(cores=workspace.cores, memory_mib=workspace.memory_mib, gpus=workspace.gpus)
        units = (1,) if pool.counts_sessions else units_of(size)
        return _Kind(pool, zone, workspace.name, workspace.image, size, units)

    def _config(self, number: int, autoscale: Autoscale, terms: Terms) -> ConfigState:
        pool = self.pools[autoscale.pool]
        names = (autoscale.vm_provider, *autoscale.fallback_vm_providers)
        config = ConfigState(number, autoscale, pool, tuple(self.providers[name] for name in names), terms)
        pool.configs.append(config)
        pool.stocks.append(config)
        return config

    def _add_static(self, number: int, static: StaticServer, begin: datetime) -> None:
        pool = self.pools[static.pool]
        autoscale = _as_autoscale(static, pool)
        stock_of_one = ConfigState(number, autoscale, pool, (), terms_at(autoscale, begin), static)
        pool.stocks.append(stock_of_one)
        server = SimulatedServer(
            id=f"static-{static.name}",
            hostname=static.name,
            host_number=0,
            config=stock_of_one,
            vm_provider=None,
            created_at=0,
            running_at=0,
        )
        stock.add_static(server)

    def _pool(self, wanted: DemandSession) -> PoolState:
        if wanted.pool is None and len(self.pools) == 1:
            return next(iter(self.pools.values()))
        if wanted.pool is None:
            raise ValueError(f"there are the pools {_listed(self.pools)}: say which of them the demand is for")
        if wanted.pool not in self.pools:
            raise ValueError(f"the demand names pool {wanted.pool!r}; the configuration has {_listed(self.pools)}")
        return self.pools[wanted.pool]

    def _workspace(self, wanted: DemandSession, pool: PoolState) -> Workspace | None:
        if wanted.workspace is not None:
            if wanted.workspace not in self._workspaces:
                known = _listed(self._workspaces) or "none"
                raise ValueError(f"the demand names workspace {wanted.workspace!r}; the configuration has {known}")
            return self._workspaces[wanted.workspace]
        if pool.counts_sessions:
            return None
        if len(self._workspaces) == 1:
            return next(iter(self._workspaces.values()))
        known = _listed(self._workspaces) or "none, declare one"
        raise ValueError(
            f"pool {pool.name!r} runs containers: say which workspace the demand is for; there are {known}"
        )

    def _zone(self, wanted: DemandSession, workspace: Workspace | None) -> str | None:
        if workspace is not None and workspace.zone is not None:
            return workspace.zone
        if wanted.zone is not None and wanted.zone not in self._zones:
            raise ValueError(f"the demand names zone {wanted.zone!r}; the configuration has {_listed(self._zones)}")
        return wanted.zone


def _as_autoscale(static: StaticServer, pool: PoolState) -> Autoscale:
    """A config whose servers would take what this server takes."""
    if pool.counts_sessions:
        return ServerAutoscale(
            type="server",
            name=static.name,
            pool=static.pool,
            zone=static.zone,
            vm_provider=_BY_HAND,
            max_sessions_per_server=static.max_sessions,
            max_users_per_server=static.max_users,
            connection=Connection(type=static.connection.type),
            reusable=True,
        )
    return DockerAgentAutoscale(
        type="docker_agent",
        name=static.name,
        pool=static.pool,
        zone=static.zone,
        vm_provider=_BY_HAND,
        agent_cores_override=max(static.size.cores, 1 / CORE),
        agent_memory_override_mib=max(static.size.memory_mib, 1),
        agent_gpus_override=static.size.gpus,
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
