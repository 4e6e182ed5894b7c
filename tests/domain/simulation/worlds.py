"""Small worlds to simulate: short ways to write down configurations, demand and what happened."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

from poolwright.domain.autoscale import DockerAgentAutoscale, ServerAutoscale
from poolwright.domain.resources import Pool, PoolType, VMProviderConfig, Workspace, Zone
from poolwright.domain.servers import SessionKind
from poolwright.domain.simulation import (
    Conditions,
    Configuration,
    DemandSession,
    HashedDraws,
    Outcome,
    Scenario,
    simulate,
)
from poolwright.domain.simulation.durations import Fixed
from poolwright.domain.simulation.timeline import Happening

BEGIN = datetime(2026, 3, 2, 8, tzinfo=UTC)
"""A Monday."""
BOOT = Fixed(seconds=60)


def at(seconds: float) -> datetime:
    """So long after the beginning."""
    return BEGIN + timedelta(seconds=seconds)


def asks(seconds: float, user: str = "ann", lasts: float = 600, **changes: Any) -> DemandSession:
    """A person who asks for a session so long after the beginning."""
    return DemandSession(start=at(seconds), user=user, length_seconds=lasts, **changes)


def desks(**changes: Any) -> ServerAutoscale:
    """One session per server, used once, no standby, no waits before it shrinks."""
    settings: dict[str, Any] = {
        "name": "desk",
        "pool": "desk",
        "zone": "eu",
        "vm_provider": "cloud",
        "type": "server",
        "downscale_backoff_seconds": 0,
        "minimum_life_seconds": 0,
    }
    return ServerAutoscale(**(settings | changes))


def agents(**changes: Any) -> DockerAgentAutoscale:
    """Agents of 8 cores and 16 GiB, no standby, no waits before they shrink."""
    settings: dict[str, Any] = {
        "name": "desk",
        "pool": "desk",
        "zone": "eu",
        "vm_provider": "cloud",
        "type": "docker_agent",
        "agent_cores_override": 8,
        "agent_memory_override_mib": 16_384,
        "downscale_backoff_seconds": 0,
        "minimum_life_seconds": 0,
    }
    return DockerAgentAutoscale(**(settings | changes))


def configuration(*autoscales: ServerAutoscale | DockerAgentAutoscale, cap: int = 100, **changes: Any) -> Configuration:
    """These configs with a pool each name belongs to, on the VM provider configs that they name, all of this cap."""
    types = {autoscale.pool: PoolType(autoscale.type) for autoscale in autoscales}
    providers = {name for one in autoscales for name in (one.vm_provider, *one.fallback_vm_providers)}
    facts: dict[str, Any] = {
        "pools": tuple(Pool(name=name, type=type_) for name, type_ in types.items()),
        "autoscales": autoscales,
        "vm_providers": tuple(
            VMProviderConfig(name=name, provider="sim", max_instances=cap) for name in sorted(providers)
        ),
        "zones": tuple(Zone(name=name) for name in sorted({autoscale.zone for autoscale in autoscales})),
        "workspaces": (Workspace(name="small", image="small", cores=2, memory_mib=4096),),
    }
    return Configuration(**(facts | changes))


def scenario(config: Configuration, hours: float = 2, conditions: Conditions | None = None, **changes: Any) -> Scenario:
    """The configuration for some hours; boots take a minute, deletions half of one."""
    facts: dict[str, Any] = {
        "configuration": config,
        "conditions": conditions or Conditions(boot=BOOT),
        "begin": BEGIN,
        "end": at(hours * 3600),
    }
    return Scenario(**(facts | changes))


def play(played: Scenario, demand: Iterable[DemandSession], seed: int = 1) -> Outcome:
    """The outcome."""
    return simulate(played, sorted(demand, key=attrgetter("start")), HashedDraws(seed))


def watched(played: Scenario, demand: Iterable[DemandSession], seed: int = 1) -> tuple[Outcome, Sequence[Happening]]:
    """The outcome, and everything that happened."""
    happened: list[Happening] = []
    outcome = simulate(played, sorted(demand, key=attrgetter("start")), HashedDraws(seed), happened.append)
    return outcome, happened


def times(happened: Iterable[Happening], what: str) -> list[float]:
    """Seconds from the beginning at which this happened."""
    return [one.at / 1e6 for one in happened if one.what == what]


def counts(happened: Iterable[Happening]) -> Counter[str]:
    """How often each thing happened."""
    return Counter(one.what for one in happened)


DESKTOP, APP = SessionKind.DESKTOP, SessionKind.APP
