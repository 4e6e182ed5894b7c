"""What `pool show` tells: a pool with each of its autoscale configs, as they stand now."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from poolwright.domain.base import Model
from poolwright.domain.schedules import active_at
from poolwright.domain.states import GOING
from poolwright.store import ledger, scaling
from starter.answering import answer_pool
from starter.answers import PoolAnswer


class CapReport(Model):
    """How much of a cap is taken."""

    in_use: int
    max_instances: int | None


class AutoscaleReport(Model):
    """One autoscale config."""

    name: str
    zone: str
    vm_providers: tuple[str, ...]
    enabled: bool
    observe: bool
    schedule: str
    """Whether its schedules are active, and why."""
    paused_because: str | None
    """By an operator."""
    paused_until: datetime | None
    """After failures."""
    failures: tuple[str, ...]
    """Since the last success, newest last."""
    caps: Mapping[str, CapReport]
    drifted: int
    """Servers that differ from those that would be made now."""
    decided_at: datetime | None
    numbers: Mapping[str, float | int | str | bool | None]
    reasons: tuple[str, ...]


class PoolReport(PoolAnswer):
    """A pool with what its configs last decided."""

    configs: tuple[AutoscaleReport, ...]


def report(tx: Session, pool: str, now: datetime) -> PoolReport:
    """The pool's report. Raises `UnknownDocument`."""
    answer = answer_pool(tx, pool)
    decisions = {decision.autoscale: decision for decision in scaling.latest_decisions(tx, pool)}
    configs = tuple(_config(tx, name, decisions.get(name), now) for name in scaling.autoscales_of_pool(tx, pool))
    return PoolReport(**answer.model_dump(), configs=configs)


def _config(tx: Session, name: str, decision: scaling.Decision | None, now: datetime) -> AutoscaleReport:
    snapshot = scaling.take_snapshot(tx, name, now)
    config = snapshot.autoscale
    drifted = [
        server
        for server in snapshot.servers
        if server.autoscale == name
        and server.config_revision < snapshot.autoscale_revision
        and server.state not in GOING
    ]
    own = ledger.autoscale_usage(tx, config)
    caps = {name: CapReport(in_use=own.in_use, max_instances=own.max_instances)} | {
        cap.vm_provider: CapReport(in_use=cap.in_use, max_instances=cap.max_instances) for cap in snapshot.providers
    }
    return AutoscaleReport(
        name=name,
        zone=config.zone,
        vm_providers=(config.vm_provider, *config.fallback_vm_providers),
        enabled=config.enabled,
        observe=config.observe,
        schedule=active_at(config.schedules, now).reason,
        paused_because=snapshot.paused,
        paused_until=snapshot.failures.paused_until,
        failures=snapshot.failures.reasons,
        caps=caps,
        drifted=len(drifted),
        decided_at=decision.confirmed_at if decision else None,
        numbers=decision.plan.numbers if decision else {},
        reasons=decision.plan.reasons if decision else (),
    )
