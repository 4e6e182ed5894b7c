"""The slot ledger: rows of servers are the slots, and the caps are guarantees.

Whoever reserves holds the rows of every config whose cap counts, counts all rows that are not deleted, and inserts, in
one transaction. No race, no second worker and no aggressive mode passes a cap.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, func, select, text
from sqlalchemy.orm import Session

from poolwright.domain.autoscale import AutoscaleConfig, ConnectionType, DockerAgentAutoscale, ServerAutoscale
from poolwright.domain.base import Model
from poolwright.domain.hostnames import lowest_free
from poolwright.domain.resources import PoolType, VMProviderConfig
from poolwright.domain.states import ServerState
from poolwright.store import documents
from poolwright.store.engine import fetch
from poolwright.store.identifiers import new_id
from poolwright.store.tables import EXISTING, HistoryRow, ServerRow

_SLOTS = select(func.count().label("slots")).where(EXISTING)
_ON_PROVIDER = _SLOTS.where(ServerRow.vm_provider == bindparam("name"))
_OF_AUTOSCALE = _SLOTS.where(ServerRow.autoscale == bindparam("name"))

_HOSTNAME_LOCK = text("SELECT pg_advisory_xact_lock(7066802)")
"""PostgreSQL: whoever gives out a host name holds it, since configs that share no cap share all names."""


class Slot(Model):
    """One server to reserve."""

    vm_provider: str
    place: str | None = None
    reason: str


class Usage(Model):
    """How much of a cap is taken."""

    in_use: int
    max_instances: int | None

    @property
    def left(self) -> int | None:
        """Slots left, or None without a cap."""
        return None if self.max_instances is None else max(0, self.max_instances - self.in_use)


def lock_caps(session: Session, autoscale: AutoscaleConfig) -> AutoscaleConfig:
    """Hold the rows that every reservation against these caps must hold: the autoscale config, then provider configs in
    order of name, so that two reservers never wait for each other. Returns the config as it is once it is held.

    The autoscale config first: only then nobody changes which provider configs it names.
    """
    held = documents.load_without_secrets(documents.get_row(session, "autoscale", autoscale.name, lock=True))
    assert isinstance(held, ServerAutoscale | DockerAgentAutoscale)
    # Those that it named before too: slots of them may be wanted still.
    for name in sorted(
        {one for config in (autoscale, held) for one in (config.vm_provider, *config.fallback_vm_providers)}
    ):
        documents.get_row(session, "vm_provider", name, lock=True)
    return held


def provider_usage(session: Session, name: str) -> Usage:
    """Slots of this VM provider config."""
    row = documents.get_row(session, "vm_provider", name)
    config = documents.load_without_secrets(row)
    assert isinstance(config, VMProviderConfig)
    return Usage(in_use=provider_in_use(session, name), max_instances=config.max_instances)


def provider_in_use(session: Session, name: str) -> int:
    """How many slots of this VM provider config are taken."""
    return int(fetch(session, _ON_PROVIDER, name=name)[0].slots)


def autoscale_usage(session: Session, autoscale: ServerAutoscale | DockerAgentAutoscale) -> Usage:
    """Slots of this autoscale config."""
    in_use = int(fetch(session, _OF_AUTOSCALE, name=autoscale.name)[0].slots)
    return Usage(in_use=in_use, max_instances=autoscale.max_instances)


def autoscale_revision(session: Session, autoscale: ServerAutoscale | DockerAgentAutoscale) -> int:
    """Revision that its servers are to have, on whichever provider config; those with an older one are drifted."""
    used = [("vm_provider", name) for name in (autoscale.vm_provider, *autoscale.fallback_vm_providers)]
    rows = [documents.get_row(session, kind, name) for kind, name in (("autoscale", autoscale.name), *used)]
    return max(row.shape_revision for row in rows)


def reserve(
    session: Session,
    autoscale: ServerAutoscale | DockerAgentAutoscale,
    slots: Sequence[Slot],
    decision_id: str,
    now: datetime,
) -> list[str]:
    """Insert a row for each slot, as many as the caps allow, in order. Returns the new server ids.

    Repeatable by decision id: a repeat returns what the first call reserved.
    """
    lock_caps(session, autoscale)
    before = select(ServerRow.id).where(ServerRow.decision_id == decision_id).order_by(ServerRow.decision_index)
    if existing := list(session.scalars(before)):
        return existing
    left_of_config = autoscale_usage(session, autoscale).left
    left_of_provider = {slot.vm_provider: provider_usage(session, slot.vm_provider).left for slot in slots}
    taken = lock_hostnames(session)
    reserved: list[str] = []
    for index, slot in enumerate(slots):
        left = left_of_provider[slot.vm_provider]
        if left_of_config == 0 or left == 0:
            continue
        row = _new_row(session, autoscale, slot, taken, now)
        row.decision_id, row.decision_index = decision_id, index
        session.add(row)
        session.flush()
        session.add(HistoryRow(server_id=row.id, at=now, from_state=None, to_state=row.state, reason=slot.reason))
        reserved.append(row.id)
        taken.add(row.hostname)
        left_of_provider[slot.vm_provider] = None if left is None else left - 1
        left_of_config = None if left_of_config is None else left_of_config - 1
    return reserved


def rename(session: Session, row: ServerRow) -> None:
    """Give the server the next free host name, since the one it has belongs to somebody else outside.

    Raises `HostnameProblem` where its pattern gives no other.
    """
    assert row.autoscale is not None
    autoscale = documents.load_without_secrets(documents.get_row(session, "autoscale", row.autoscale))
    assert isinstance(autoscale, ServerAutoscale | DockerAgentAutoscale)
    row.hostname = lowest_free(
        autoscale.hostname_pattern,
        lock_hostnames(session),
        pool=row.pool,
        zone=row.zone,
        autoscale=row.autoscale,
        server_id=row.id,
        # Never back to a lower one: that may have been refused before.
        instead_of=row.hostname,
    )


def lock_hostnames(session: Session) -> set[str]:
    """Every host name that is taken; nobody else gives one out until the transaction ends. Take this lock last."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_HOSTNAME_LOCK)
    return set(session.scalars(select(ServerRow.hostname).where(EXISTING)))


def _new_row(
    session: Session,
    autoscale: ServerAutoscale | DockerAgentAutoscale,
    slot: Slot,
    taken: set[str],
    now: datetime,
) -> ServerRow:
    provider_row = documents.get_row(session, "vm_provider", slot.vm_provider)
    server_id = new_id("s")
    hostname = lowest_free(
        autoscale.hostname_pattern,
        taken,
        pool=autoscale.pool,
        zone=autoscale.zone,
        autoscale=autoscale.name,
        server_id=server_id,
    )
    row = ServerRow(
        id=server_id,
        hostname=hostname,
        pool=autoscale.pool,
        pool_type=PoolType(autoscale.type),
        zone=autoscale.zone,
        autoscale=autoscale.name,
        vm_provider=slot.vm_provider,
        provider=str(provider_row.body["provider"]),
        state=ServerState.REQUESTED,
        state_since=now,
        created_at=now,
        message=slot.reason,
        place=slot.place,
        config_revision=autoscale_revision(session, autoscale),
        require_checkin=autoscale.require_checkin,
    )
    _copy_limits(row, autoscale)
    return row


def _copy_limits(row: ServerRow, autoscale: ServerAutoscale | DockerAgentAutoscale) -> None:
    if isinstance(autoscale, ServerAutoscale):
        row.max_sessions = autoscale.max_sessions_per_server
        row.max_users = autoscale.max_users_per_server
        row.counts_users = autoscale.connection.type in (ConnectionType.RDP, ConnectionType.SSH)
        row.reusable = autoscale.reusable
        return
    row.max_sessions, row.max_users, row.reusable = 1_000_000, 1_000_000, True
    row.cores = autoscale.agent_cores_override
    row.memory_mib = autoscale.agent_memory_override_mib
    row.gpus = autoscale.agent_gpus_override
