"""Snapshots for decisions, and what decisions leave behind. All of one decision happens in one write transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, String, bindparam, cast, delete, func, insert, select, update
from sqlalchemy.orm import Session

from poolwright.domain.autoscale import DockerAgentAutoscale, ServerAutoscale
from poolwright.domain.base import Model
from poolwright.domain.planning import sibling_of
from poolwright.domain.resources import PoolType, VMProviderConfig
from poolwright.domain.scaling import (
    ActionKind,
    DrainReason,
    FailureRecord,
    Plan,
    ProviderCap,
    SiblingConfig,
    Snapshot,
)
from poolwright.domain.states import ServerState
from poolwright.store import documents, ledger
from poolwright.store.engine import execute, fetch, writes
from poolwright.store.inserting import insert_into
from poolwright.store.pool_views import all_zones, pool_servers, waiting_sessions
from poolwright.store.staging import staging_needs
from poolwright.store.tables import DecisionRow, DocumentRow, PlaceMemoryRow, ScalingRow, ServerRow

DECISIONS_KEPT = timedelta(days=14)

# Built once, for rounds over many pools: see `engine.fetch`.
_UNAVAILABLE = select(PlaceMemoryRow.place, PlaceMemoryRow.until).where(
    PlaceMemoryRow.vm_provider == bindparam("vm_provider"), PlaceMemoryRow.until > bindparam("now")
)
_MEMORY = (
    select(*ScalingRow.__table__.columns, DecisionRow.plan.label("newest_plan"))
    .outerjoin(DecisionRow, DecisionRow.id == ScalingRow.autoscale + "-" + cast(ScalingRow.decisions, String))
    .where(ScalingRow.autoscale == bindparam("name"))
)
_MEMORY_TO_HOLD = _MEMORY.with_for_update(of=ScalingRow)
_REMEMBER = update(ScalingRow).where(ScalingRow.autoscale == bindparam("name"))
_KEEP = insert(DecisionRow)
_CONFIRM = update(DecisionRow).where(DecisionRow.id == bindparam("decision")).values(confirmed_at=bindparam("now"))
# The first condition follows from the second, and has an index.
_FORGET_DECISIONS = delete(DecisionRow).where(
    DecisionRow.at < bindparam("since"), DecisionRow.confirmed_at < bindparam("since")
)
_FORGET_PLACES = delete(PlaceMemoryRow).where(PlaceMemoryRow.until < bindparam("now"))
_NEWEST_SUCCESS = select(func.max(ServerRow.running_at).label("ready_at")).where(
    ServerRow.autoscale == bindparam("name"),
    ServerRow.state.in_([ServerState.RUNNING, ServerState.DRAINING]),
    func.coalesce(ServerRow.drain_reason, "") != DrainReason.ERROR,
    ServerRow.running_at <= bindparam("until"),
)
_REQUESTED = (
    select(ServerRow.id)
    .where(ServerRow.autoscale == bindparam("autoscale"), ServerRow.state == ServerState.REQUESTED)
    .order_by(ServerRow.created_at, ServerRow.decision_index)
)

# The number at the end of an id is not padded: of two decisions of one moment the one with the longer id is newer.
_NEWEST_FIRST = (DecisionRow.at.desc(), func.length(DecisionRow.id).desc(), DecisionRow.id.desc())


class Decision(Model):
    """A recorded plan."""

    id: str
    autoscale: str
    pool: str
    at: datetime
    confirmed_at: datetime
    plan: Plan


class Recorded(Model):
    """What recording a plan has led to."""

    decision_id: str
    reserved: tuple[str, ...]
    """Servers whose rows now exist and whose lives are to be started."""
    paused: str | None


def autoscale_names(session: Session) -> list[str]:
    """All autoscale configs."""
    return list(
        session.scalars(select(DocumentRow.name).where(DocumentRow.kind == "autoscale").order_by(DocumentRow.name))
    )


def autoscales_of_pool(session: Session, pool: str) -> list[str]:
    """The autoscale configs of a pool."""
    query = select(DocumentRow.name).where(DocumentRow.kind == "autoscale", DocumentRow.pool == pool)
    return list(session.scalars(query.order_by(DocumentRow.name)))


def load_autoscale(session: Session, name: str) -> ServerAutoscale | DockerAgentAutoscale:
    """The autoscale config, secrets masked. Raises `UnknownDocument`."""
    config = documents.load_without_secrets(documents.get_row(session, "autoscale", name))
    assert isinstance(config, ServerAutoscale | DockerAgentAutoscale)
    return config


def take_snapshot(session: Session, name: str, now: datetime) -> Snapshot:
    """All that a decision about this config may depend on. In a write transaction, with the caps locked, it stays true
    until the commit. Raises `UnknownDocument`."""
    autoscale = load_autoscale(session, name)
    zones = all_zones(session, autoscale.pool)
    # Kept for `record_plan`.
    memory = session.info["scaling", name] = _recall(session, name)
    declared = documents.rows_of_pool(session, autoscale.pool)
    providers = tuple(
        _provider_cap(session, provider, now) for provider in (autoscale.vm_provider, *autoscale.fallback_vm_providers)
    )
    return Snapshot(
        autoscale=autoscale,
        autoscale_revision=ledger.autoscale_revision(session, autoscale),
        pool_type=PoolType(autoscale.type),
        load_strategy=zones[autoscale.zone].load_strategy,
        zones=zones,
        paused=memory.paused_because if memory else None,
        servers=pool_servers(session, autoscale.pool, now),
        waiting=waiting_sessions(session, autoscale.pool),
        staging=staging_needs(session, autoscale, declared, now),
        providers=providers,
        siblings=_siblings(session, autoscale, declared, now),
        failures=_with_successes(session, autoscale, _failures(memory), now),
        downscale_wanted_since=memory.downscale_wanted_since if memory else None,
    )


def record_plan(session: Session, snapshot: Snapshot, plan: Plan) -> Recorded:
    """Keep the decision, what it remembers, and reserve the servers that it creates (not in observe mode or paused).

    A decision that says the same as the one before it only renews that one's time. Each that says something new makes
    room: decisions that were last confirmed longer ago than `DECISIONS_KEPT` are forgotten.
    """
    autoscale, now = snapshot.autoscale, plan.at
    decision_id = _keep_decision(session, autoscale, plan)
    reserved: list[str] = []
    if not autoscale.observe and snapshot.paused is None:
        slots = [
            ledger.Slot(
                vm_provider=action.vm_provider or autoscale.vm_provider, place=action.place, reason=action.reason
            )
            for action in plan.actions
            if action.kind is ActionKind.CREATE
        ]
        if slots:
            reserved = ledger.reserve(session, autoscale, slots, decision_id, now)
    return Recorded(decision_id=decision_id, reserved=tuple(reserved), paused=snapshot.paused)


def requested_servers(session: Session, autoscale: str) -> list[str]:
    """Servers of this config whose life has not begun."""
    return [row.id for row in fetch(session, _REQUESTED, autoscale=autoscale)]


def set_paused(session: Session, autoscale: str, because: str | None) -> None:
    """Pause the config's decisions for this reason, or resume them with None."""
    _memory(session, autoscale).paused_because = because


def paused_because(session: Session, autoscale: str) -> str | None:
    """Why the config is paused, or None."""
    memory = session.get(ScalingRow, autoscale)
    return memory.paused_because if memory else None


def note_failure(session: Session, autoscale: str, reason: str, now: datetime) -> None:
    """A server of this config failed: counts against its failure budget."""
    memory = _memory(session, autoscale)
    record = _failures(memory)
    kept = max(50, load_autoscale(session, autoscale).failure.budget)
    memory.failures = record.model_copy(
        update={"failed_at": (*record.failed_at, now)[-kept:], "reasons": (*record.reasons, reason)[-kept:]}
    ).model_dump(mode="json")


def note_success(session: Session, autoscale: str, ready_at: datetime) -> None:
    """A server of this config, which became ready then, has ended well: the failures before are forgiven.

    Those that run on need not be told of: `take_snapshot` looks for them.
    """
    memory = _memory(session, autoscale)
    memory.failures = _succeeded(_failures(memory), ready_at).model_dump(mode="json")


def forgive_failures(session: Session, autoscale: str) -> None:
    """An operator says go on: ends a pause after failures."""
    _memory(session, autoscale).failures = {}


def note_unavailable(session: Session, vm_provider: str, place: str | None, until: datetime, reason: str) -> None:
    """Remember that this place had no capacity. Several servers may find out at once."""
    values = {"vm_provider": vm_provider, "place": place or "", "until": until, "reason": reason}
    statement = insert_into(session, PlaceMemoryRow).values(values)
    session.execute(statement.on_conflict_do_update(index_elements=["vm_provider", "place"], set_=values))


def mark_rollout(session: Session, autoscale: str, revision: int) -> int:
    """Mark every server of this config that is older than this revision for replacement. Returns how many."""
    condition = (
        ServerRow.autoscale == autoscale,
        ServerRow.config_revision < revision,
        ServerRow.state.not_in([ServerState.FAILED, ServerState.DELETING, ServerState.DELETED]),
        ServerRow.rollout.is_(False),
    )
    ids = list(session.scalars(select(ServerRow.id).where(*condition)))
    session.execute(update(ServerRow).where(ServerRow.id.in_(ids)).values(rollout=True))
    return len(ids)


def latest_decisions(session: Session, pool: str, at: datetime | None = None) -> list[Decision]:
    """The last decision of each autoscale config of the pool, as of `at` or now."""
    found = []
    for name in autoscales_of_pool(session, pool):
        query = select(DecisionRow).where(DecisionRow.autoscale == name)
        if at is not None:
            query = query.where(DecisionRow.at <= at)
        row = session.scalar(query.order_by(*_NEWEST_FIRST).limit(1))
        if row is not None:
            found.append(_decision(row))
    return found


def list_decisions(session: Session, autoscale: str, limit: int = 50) -> list[Decision]:
    """The config's newest decisions, newest first."""
    query = select(DecisionRow).where(DecisionRow.autoscale == autoscale)
    return [_decision(row) for row in session.scalars(query.order_by(*_NEWEST_FIRST).limit(limit))]


def _memory(session: Session, autoscale: str) -> ScalingRow:
    row = session.get(ScalingRow, autoscale, with_for_update=True, populate_existing=True)
    if row is not None:
        return row
    # Somebody else, an operator who pauses it for instance, may begin it at the same moment.
    begun = insert_into(session, ScalingRow).values(
        autoscale=autoscale, decisions=_newest_number(session, autoscale), failures={}
    )
    session.execute(begun.on_conflict_do_nothing())
    return session.get_one(ScalingRow, autoscale, with_for_update=True, populate_existing=True)


def _newest_number(session: Session, autoscale: str) -> int:
    """Number of the newest decision that an earlier config of this name has left, itself or by its servers, or 0.

    Each decision's id is its own: by it reservations are told from their repeats.
    """
    before = f"{autoscale}-"
    numbers = [0]
    for column in (DecisionRow.id, ServerRow.decision_id):
        table = column.class_
        query = select(column).where(table.autoscale == autoscale, column.startswith(before, autoescape=True))
        newest = session.scalar(query.order_by(func.length(column).desc(), column.desc()).limit(1))
        if newest is not None:
            numbers.append(int(newest.removeprefix(before)))
    return max(numbers)


def _recall(session: Session, autoscale: str) -> Row[Any] | None:
    """What its decisions remember, with the newest one's plan. None before the first one."""
    # Held, as documents are: what was counted against the config until now must not be overwritten by the plan. After a
    # wait for it PostgreSQL gives no plan if a decision was added meanwhile; the next one is then taken for another.
    found = fetch(session, _MEMORY_TO_HOLD if writes(session) else _MEMORY, name=autoscale)
    return found[0] if found else None


def _keep_decision(session: Session, autoscale: ServerAutoscale | DockerAgentAutoscale, plan: Plan) -> str:
    name, body = autoscale.name, plan.model_dump(mode="json")
    memory = session.info.pop(("scaling", name), None) or _recall(session, name)
    if memory is None:
        _memory(session, name)
        memory = _recall(session, name)
    assert memory is not None
    confirms = memory.newest_plan and not plan.actions and _says(memory.newest_plan) == _says(body)
    number = memory.decisions if confirms else memory.decisions + 1
    decision_id = f"{name}-{number}"
    execute(
        session,
        _REMEMBER,
        name=name,
        decisions=number,
        failures=body["failures"],
        downscale_wanted_since=plan.downscale_wanted_since,
        decided_at=plan.at,
    )
    if confirms:
        execute(session, _CONFIRM, decision=decision_id, now=plan.at)
    else:
        told = {"id": decision_id, "autoscale": name, "pool": autoscale.pool, "plan": body}
        execute(session, _KEEP, **told, at=plan.at, confirmed_at=plan.at)
        _prune(session, plan.at)
    return decision_id


def _prune(session: Session, now: datetime) -> None:
    execute(session, _FORGET_DECISIONS, since=now - DECISIONS_KEPT)
    execute(session, _FORGET_PLACES, now=now)


def _says(body: Mapping[str, object]) -> tuple[object, ...]:
    return body["numbers"], body["actions"], body["reasons"]


def _provider_cap(session: Session, name: str, now: datetime) -> ProviderCap:
    row = documents.get_row(session, "vm_provider", name)
    config = documents.load_without_secrets(row)
    assert isinstance(config, VMProviderConfig)
    return ProviderCap(
        vm_provider=name,
        max_instances=config.max_instances,
        in_use=ledger.provider_in_use(session, name),
        places=tuple(row.facts.get("places", ())),
        unavailable_until={
            memory.place: memory.until for memory in fetch(session, _UNAVAILABLE, vm_provider=name, now=now)
        },
    )


def _siblings(
    session: Session,
    autoscale: ServerAutoscale | DockerAgentAutoscale,
    declared: Sequence[DocumentRow],
    now: datetime,
) -> tuple[SiblingConfig, ...]:
    found = []
    for row in declared:
        if row.kind != "autoscale" or row.name == autoscale.name:
            continue
        other = load_autoscale(session, row.name)
        if not other.enabled or other.observe:
            continue
        memory = session.get(ScalingRow, row.name)
        caps = [_provider_cap(session, one, now) for one in (other.vm_provider, *other.fallback_vm_providers)]
        found.append(
            sibling_of(
                other,
                now,
                servers=ledger.autoscale_usage(session, other).in_use,
                provider_slots=sum(max(0, cap.max_instances - cap.in_use) for cap in caps if _has_capacity(cap)),
                paused=bool(memory and memory.paused_because),
                failures=_failures(memory),
            )
        )
    return tuple(found)


def _has_capacity(cap: ProviderCap) -> bool:
    if "" in cap.unavailable_until:
        return False
    return not cap.places or any(place not in cap.unavailable_until for place in cap.places)


def _with_successes(
    session: Session, autoscale: ServerAutoscale | DockerAgentAutoscale, record: FailureRecord, now: datetime
) -> FailureRecord:
    if not record.failed_at and not record.pauses:
        return record
    until = now - timedelta(seconds=autoscale.failure.success_after_seconds)
    return _succeeded(record, fetch(session, _NEWEST_SUCCESS, name=autoscale.name, until=until)[0].ready_at)


def _succeeded(record: FailureRecord, ready_at: datetime | None) -> FailureRecord:
    if ready_at is None or (record.last_success_at is not None and record.last_success_at >= ready_at):
        return record
    return record.model_copy(update={"last_success_at": ready_at})


def _failures(memory: ScalingRow | Row[Any] | None) -> FailureRecord:
    return FailureRecord.model_validate(memory.failures) if memory and memory.failures else FailureRecord()


def _decision(row: DecisionRow) -> Decision:
    return Decision(
        id=row.id,
        autoscale=row.autoscale,
        pool=row.pool,
        at=row.at,
        confirmed_at=row.confirmed_at,
        plan=Plan.model_validate(row.plan),
    )
