"""The shortcuts of a simulation change nothing: the same outcome as asking for everything every time."""

from datetime import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from poolwright.domain.autoscale import (
    Connection,
    ConnectionType,
    DockerAgentAutoscale,
    FailurePolicy,
    Rotation,
    ServerAutoscale,
)
from poolwright.domain.resources import LoadStrategy, Pool, PoolType, Workspace, Zone
from poolwright.domain.schedules import Schedule, ScheduleTargets
from poolwright.domain.servers import Size
from poolwright.domain.simulation import BootFailures, Conditions, Configuration, DemandSession, Scenario
from poolwright.domain.simulation.durations import Duration, Fixed, Lognormal, Uniform
from poolwright.domain.static_servers import StaticServer
from tests.domain.simulation.worlds import APP, DESKTOP, agents, asks, configuration, desks, play, scenario

pytestmark = pytest.mark.slow

USERS = ("ann", "bob", "cid", "dee", "eve", "fay", "gus", "hal")


def schedules() -> some.SearchStrategy[tuple[Schedule, ...]]:
    """None, or one that opens or closes while the world is looked at, with or without numbers of its own."""
    targets = some.builds(
        ScheduleTargets,
        minimum_available_sessions=some.none() | some.integers(0, 4),
        standby_cores=some.none() | some.integers(0, 16),
        total_floor=some.none() | some.integers(0, 2),
        total_ceiling=some.none() | some.integers(2, 6),
    )
    window = some.builds(
        Schedule,
        days=some.just(("monday",)),
        start=some.sampled_from([time(7), time(8, 30)]),
        end=some.sampled_from([time(9), time(10)]),
        timezone=some.just("UTC"),
        targets=some.none() | targets,
    )
    return some.just(()) | some.tuples(window)


def rotations() -> some.SearchStrategy[Rotation]:
    """None, a soft age, a hard one or both, within the time that is looked at."""
    soft = some.builds(
        Rotation, soft_age_seconds=some.integers(600, 4000), pre_warm_seconds=some.sampled_from([0, 120, 300])
    )
    hard = some.builds(Rotation, hard_age_seconds=some.integers(600, 4000))
    both = some.builds(Rotation, soft_age_seconds=some.integers(600, 2000), hard_age_seconds=some.integers(2000, 4000))
    return some.just(Rotation()) | soft | hard | both


def shared_settings() -> dict[str, some.SearchStrategy[Any]]:
    """What configs of both types have, name and pool apart."""
    return {
        "zone": some.sampled_from(["eu", "us"]),
        "vm_provider": some.sampled_from(["cloud", "other"]),
        "max_instances": some.none() | some.integers(2, 8),
        "total_floor": some.integers(0, 2),
        "total_ceiling": some.none() | some.integers(2, 8),
        "aggressive": some.booleans(),
        "downscale_backoff_seconds": some.sampled_from([0, 45, 300, 1200]),
        "minimum_life_seconds": some.sampled_from([0, 50, 600]),
        "scaling_period_seconds": some.sampled_from([47, 120]),
        "schedules": schedules(),
        "rotation": rotations(),
        "failure": some.builds(
            FailurePolicy,
            boot_deadline_seconds=some.sampled_from([100, 1800]),
            budget=some.integers(1, 3),
            pause_seconds=some.sampled_from([60, 300]),
            keep_failed_seconds=some.sampled_from([0, 200]),
        ),
    }


@some.composite
def server_config(draw: some.DrawFn, name: str, pool: str) -> ServerAutoscale:
    """Any config of a server pool."""
    chosen = {key: draw(strategy) for key, strategy in shared_settings().items()}
    return desks(
        **chosen,
        name=name,
        pool=pool,
        minimum_available_sessions=draw(some.integers(0, 5)),
        max_sessions_per_server=draw(some.integers(1, 4)),
        max_users_per_server=draw(some.integers(1, 4)),
        reusable=draw(some.booleans()),
        connection=Connection(type=draw(some.sampled_from([ConnectionType.KASMVNC, ConnectionType.RDP]))),
    )


@some.composite
def agent_config(draw: some.DrawFn, name: str, pool: str) -> DockerAgentAutoscale:
    """Any config of a docker agent pool."""
    chosen = {key: draw(strategy) for key, strategy in shared_settings().items()}
    return agents(
        **chosen,
        name=name,
        pool=pool,
        standby_cores=draw(some.sampled_from([0, 1.5, 8, 12])),
        standby_memory_mib=draw(some.sampled_from([0, 4096])),
        agent_cores_override=draw(some.sampled_from([4, 8])),
        agent_gpus_override=draw(some.sampled_from([0, 1])),
    )


def any_config(type_: PoolType, name: str, pool: str) -> some.SearchStrategy[ServerAutoscale | DockerAgentAutoscale]:
    """Any config of a pool of this type."""
    return server_config(name, pool) if type_ is PoolType.SERVER else agent_config(name, pool)


@some.composite
def demand(draw: some.DrawFn, pools: list[str], workspaces: list[str]) -> list[DemandSession]:
    """A few dozen sessions, often close to each other, some of the same people."""
    second = some.integers(0, 7000) | some.integers(60, 400).map(lambda value: value / 2)
    return draw(
        some.lists(
            some.builds(
                asks,
                second,
                user=some.sampled_from(USERS) | some.integers(0, 10_000).map(str),
                lasts=some.sampled_from([40, 300, 600, 3000]),
                pool=some.sampled_from(pools),
                workspace=some.sampled_from(workspaces) if workspaces else some.none(),
                kind=some.sampled_from([DESKTOP, DESKTOP, APP]),
                zone=some.sampled_from([None, "eu", "us"]),
                priority=some.sampled_from([0, 0, 0, 1]),
            ),
            max_size=40,
        )
    )


@some.composite
def worlds(draw: some.DrawFn, type_: PoolType, *, by_hand: bool = True) -> tuple[Configuration, list[DemandSession]]:
    """One config, two of one pool, or one each of two pools; `by_hand`: some with a server that was registered so."""
    of_pools = draw(some.sampled_from([["desk"], ["desk"], ["desk", "desk"], ["desk", "lab"]]))
    configs = [draw(any_config(type_, f"config-{number}", name)) for number, name in enumerate(of_pools)]
    pools = tuple(
        Pool(
            name=name,
            type=type_,
            server_assignment_enabled=draw(some.booleans()),
            queue_expiry_seconds=draw(some.sampled_from([100, 900, 3600])),
        )
        for name in dict.fromkeys(of_pools)
    )
    strategies = some.sampled_from(list(LoadStrategy))
    zones = tuple(
        Zone(name=name, load_strategy=draw(strategies), search_alternate_zones=draw(some.booleans()))
        for name in ("eu", "us")
    )
    workspaces = (
        Workspace(name="small", image="small", cores=0.5, memory_mib=1024),
        Workspace(name="big", image="big", cores=3, memory_mib=6000),
        Workspace(name="there", image="small", cores=1, memory_mib=1024, zone="us"),
    )
    static = StaticServer(
        name="by-hand",
        pool="desk",
        zone="eu",
        address="10.0.0.1",
        max_sessions=2,
        size=Size(cores=4, memory_mib=8192),
        images=("small",),
    )
    built = configuration(
        *configs,
        cap=draw(some.integers(2, 10)),
        pools=pools,
        zones=zones,
        workspaces=workspaces,
        static_servers=draw(some.sampled_from([(), (), (), (static,)] if by_hand else [()])),
    )
    names = [workspace.name for workspace in workspaces] if type_ is PoolType.DOCKER_AGENT else []
    return built, draw(demand(of_pools, names))


@some.composite
def conditions(draw: some.DrawFn) -> Conditions:
    """Any boot time, some failures."""
    boots: list[Duration] = [Fixed(seconds=60), Uniform(low=20, high=200), Lognormal(p50=50, p95=150)]
    return Conditions(
        boot=draw(some.sampled_from(boots)),
        failures=BootFailures(
            share=draw(some.sampled_from([0, 0, 0.3])), after_seconds=draw(some.sampled_from([None, 40]))
        ),
        delete_seconds=draw(some.sampled_from([0, 30])),
        wake_pause_seconds=draw(some.sampled_from([0, 1, 20])),
        prices_per_hour={"cloud": 0.5, "other": 1},
    )


def assert_no_difference(played: Scenario, asked: list[DemandSession]) -> None:
    quick = play(played, asked).model_dump()
    thorough = play(played.model_copy(update={"thorough": True}), asked).model_dump()
    assert quick.pop("effort")["plan_asked"] <= thorough.pop("effort")["plan_asked"]
    assert quick == thorough


class TestShortcuts:
    @settings(max_examples=25, suppress_health_check=list(HealthCheck))
    @given(worlds(PoolType.SERVER), conditions())
    def test_they_change_nothing_in_a_server_pool(
        self, world: tuple[Configuration, list[DemandSession]], given_conditions: Conditions
    ) -> None:
        config, asked = world
        assert_no_difference(scenario(config, conditions=given_conditions), asked)

    @settings(max_examples=25, suppress_health_check=list(HealthCheck))
    @given(worlds(PoolType.DOCKER_AGENT), conditions())
    def test_they_change_nothing_in_a_pool_of_docker_agents(
        self, world: tuple[Configuration, list[DemandSession]], given_conditions: Conditions
    ) -> None:
        config, asked = world
        assert_no_difference(scenario(config, conditions=given_conditions), asked)
