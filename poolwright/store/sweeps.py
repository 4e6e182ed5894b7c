"""What sweeps remember from round to round, and which configs have one."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from poolwright.domain.autoscale import DockerAgentAutoscale, ServerAutoscale
from poolwright.domain.base import Model
from poolwright.domain.resources import DNSProviderConfig, LDAPConfig, SweepSettings, VMProviderConfig
from poolwright.domain.states import ServerState
from poolwright.domain.sweep import SweepPlan
from poolwright.domain.sweep_round import SweepRound
from poolwright.store import documents, scaling
from poolwright.store.inserting import insert_into
from poolwright.store.tables import DocumentRow, ServerRow, SweepRow

SWEPT_KINDS: Final = ("vm_provider", "dns_provider", "ldap")
"""Kinds of document that each have a sweep."""

Autoscale = ServerAutoscale | DockerAgentAutoscale


class SweepState(Model):
    """A config's sweep as it stands."""

    kind: str
    name: str
    settings: SweepSettings
    zone: str | None
    """Where it looks from: the zone of the first autoscale config by name that uses the config."""
    paused_because: str | None = None
    next_round_at: datetime | None = None
    """None: at once, or never while it is paused or has no zone."""
    last_round: SweepRound | None = None


class RunningMachine(Model):
    """A server that counts as running, and its VM."""

    server_id: str
    hostname: str
    reference: str


def swept_configs(session: Session) -> list[tuple[str, str]]:
    """Kind and name of every config that has a sweep."""
    query = select(DocumentRow.kind, DocumentRow.name).where(DocumentRow.kind.in_(SWEPT_KINDS))
    return [(kind, name) for kind, name in session.execute(query.order_by(DocumentRow.kind, DocumentRow.name))]


def swept_by(autoscale: Autoscale) -> list[tuple[str, str]]:
    """Kind and name of every config that holds things of this autoscale config's servers."""
    used = [("vm_provider", name) for name in (autoscale.vm_provider, *autoscale.fallback_vm_providers)]
    if autoscale.dns is not None:
        used.append(("dns_provider", autoscale.dns.provider))
    if isinstance(autoscale, ServerAutoscale) and autoscale.computer_record is not None:
        used.append(("ldap", autoscale.computer_record.ldap))
    return used


def users(session: Session, kind: str, name: str) -> list[Autoscale]:
    """The autoscale configs that use this config, by name."""
    autoscales = (scaling.load_autoscale(session, one) for one in scaling.autoscale_names(session))
    return [autoscale for autoscale in autoscales if (kind, name) in swept_by(autoscale)]


def sweep_state(session: Session, kind: str, name: str) -> SweepState:
    """The sweep of this config. Raises `UnknownDocument`."""
    config = documents.load_without_secrets(documents.get_row(session, kind, name))
    assert isinstance(config, VMProviderConfig | DNSProviderConfig | LDAPConfig)
    using = users(session, kind, name)
    row = session.get(SweepRow, (kind, name))
    period = timedelta(seconds=config.sweep.period_seconds)
    return SweepState(
        kind=kind,
        name=name,
        settings=config.sweep,
        zone=using[0].zone if using else None,
        paused_because=row.paused_because if row else None,
        next_round_at=row.swept_at + period if row and row.swept_at else None,
        last_round=SweepRound.model_validate(row.last_round) if row and row.last_round else None,
    )


def set_paused(session: Session, kind: str, name: str, because: str | None) -> None:
    """Pause the config's sweep for this reason, or resume it with None."""
    _memory(session, kind, name).paused_because = because


def begin_round(session: Session, kind: str, name: str) -> int:
    """Number of a new round."""
    row = _memory(session, kind, name)
    row.rounds += 1
    return row.rounds


def first_seen(session: Session, kind: str, name: str) -> Mapping[str, datetime]:
    """Key of each orphan of the last round -> when it was first seen as one. Held until the transaction ends."""
    remembered = _memory(session, kind, name).first_seen
    return {key: datetime.fromisoformat(at) for key, at in remembered.items()}


def record_plan(session: Session, kind: str, name: str, number: int, plan: SweepPlan) -> SweepPlan:
    """Write down what this round deletes, before anything is deleted.

    A round that is planned again after a crash deletes nothing that its first plan did not: the cap holds for both.
    Returns the plan to follow.
    """
    row = _memory(session, kind, name)
    row.first_seen = {key: at.isoformat() for key, at in plan.first_seen().items()}
    if row.planned_round == number:
        return plan.limited_to(row.due)
    row.planned_round, row.due = number, [verdict.owned.key for verdict in plan.delete]
    return plan


def running_machines(session: Session, vm_provider: str) -> list[RunningMachine]:
    """Every running server of this VM provider config."""
    query = select(ServerRow).where(ServerRow.vm_provider == vm_provider, ServerRow.state == ServerState.RUNNING)
    return [
        RunningMachine(server_id=row.id, hostname=row.hostname, reference=row.provider_reference)
        for row in session.scalars(query.order_by(ServerRow.id))
        if row.provider_reference is not None
    ]


def missing_since(session: Session, kind: str, name: str) -> Mapping[str, datetime]:
    """Server id -> since when the provider has not known its VM, as of the last round."""
    row = session.get(SweepRow, (kind, name))
    return {server_id: datetime.fromisoformat(at) for server_id, at in (row.missing if row else {}).items()}


def finish_round(
    session: Session, kind: str, name: str, swept: SweepRound, missing: Mapping[str, datetime] | None
) -> None:
    """Keep what the round came to. `missing` None: nothing new is known, what was stays."""
    row = _memory(session, kind, name)
    row.last_round, row.swept_at = swept.model_dump(mode="json"), swept.at
    if missing is not None:
        row.missing = {server_id: at.isoformat() for server_id, at in missing.items()}


def sweep_states(session: Session, names: Sequence[str] | None = None) -> list[SweepState]:
    """The sweeps of all configs, or of those with these names."""
    return [sweep_state(session, kind, name) for kind, name in swept_configs(session) if names is None or name in names]


def forget_sweep(session: Session, kind: str, name: str) -> None:
    """The config is gone: so is what its sweep remembers."""
    session.execute(delete(SweepRow).where(SweepRow.kind == kind, SweepRow.config == name))


def _memory(session: Session, kind: str, name: str) -> SweepRow:
    row = session.get(SweepRow, (kind, name), with_for_update=True, populate_existing=True)
    if row is not None:
        return row
    # An operator who pauses it may begin it at the same moment.
    begun = insert_into(session, SweepRow).values(kind=kind, config=name, rounds=0, due=[], first_seen={}, missing={})
    session.execute(begun.on_conflict_do_nothing())
    return session.get_one(SweepRow, (kind, name), with_for_update=True, populate_existing=True)
