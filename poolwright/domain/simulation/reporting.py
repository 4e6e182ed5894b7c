"""Putting what was counted into the result."""

from collections.abc import Iterable, Mapping

from poolwright.domain.simulation.clock import Clock
from poolwright.domain.simulation.measuring import cost_of, figures_of, hours, series_of
from poolwright.domain.simulation.records import CORE, PoolState, ProviderState
from poolwright.domain.simulation.results import Outcome, PoolOutcome, ProviderOutcome
from poolwright.domain.simulation.scenario import Scenario
from poolwright.domain.simulation.world import World


def outcome_of(
    scenario: Scenario, world: World, clock: Clock, *, peak_servers: int, effort: Mapping[str, int]
) -> Outcome:
    """The result, once everything is counted up to the end."""
    prices = scenario.conditions.prices_per_hour
    pools = list(world.pools.values())
    for pool in pools:
        _close(pool)
    return Outcome(
        begin=scenario.begin,
        end=scenario.end,
        total=figures_of([pool.meter for pool in pools], prices, peak_servers),
        pools=tuple(_pool_outcome(pool, clock, prices) for pool in pools),
        vm_providers=tuple(_provider_outcome(provider, pools, prices) for provider in world.providers.values()),
        effort=effort,
    )


def _close(pool: PoolState) -> None:
    meter = pool.meter
    meter.series.close()
    meter.waiting_at_end = len(pool.waiting)
    meter.live_at_end = sum(len(server.sessions) for stock in pool.stocks for server in stock.servers.values())
    for config in pool.configs:
        meter.paid += config.paid
        meter.used += config.used / config.new_room[0]


def _pool_outcome(pool: PoolState, clock: Clock, prices: Mapping[str, float]) -> PoolOutcome:
    unit, unit_size = ("sessions", 1) if pool.counts_sessions else ("cores", CORE)
    return PoolOutcome(
        pool=pool.name,
        type=pool.pool.type,
        figures=figures_of([pool.meter], prices, pool.meter.peak_servers),
        series=series_of(pool.meter, clock, unit, unit_size),
    )


def _provider_outcome(
    provider: ProviderState, pools: Iterable[PoolState], prices: Mapping[str, float]
) -> ProviderOutcome:
    lives = [pool.meter.lives[provider.name] for pool in pools if provider.name in pool.meter.lives]
    used = hours(sum(life.total for life in lives))
    return ProviderOutcome(
        vm_provider=provider.name,
        max_instances=provider.max_instances,
        peak_servers=provider.peak,
        vm_hours=used,
        cost=cost_of({provider.name: used}, prices),
    )
