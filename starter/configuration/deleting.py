"""Deleting a document that nothing needs any more."""

from collections.abc import Iterator

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from poolwright.domain.servers import SessionState
from poolwright.store import documents
from poolwright.store.engine import Store
from poolwright.store.servers import lock_pool
from poolwright.store.static_servers import PROVIDER, unregister
from poolwright.store.sweeps import SWEPT_KINDS, forget_sweep
from poolwright.store.tables import DocumentRow, ScalingRow, ServerRow, SessionRow
from starter.configuration.applying import OnApplied
from starter.configuration.problems import ConfigurationRefused, Problem
from starter.configuration.references import references_of
from starter.configuration.running import servers_text, servers_where


def delete_document(store: Store, kind: str, name: str, on_applied: OnApplied | None = None) -> None:
    """Forget the document and its secrets.

    Raises `UnknownDocument`, or `ConfigurationRefused` with everything that still needs it; then nothing was changed.
    """
    with store.write() as tx:
        documents.next_revision(tx)
        row = documents.get_row(tx, kind, name, lock=True)
        _lock_pools(tx, row)
        problems = [*_named_by(tx, kind, name), *_in_use(tx, kind, name)]
        if problems:
            raise ConfigurationRefused(problems)
        documents.delete_document(tx, kind, name)
        if kind == "static_server":
            unregister(tx, name, store.clock())
        if kind in SWEPT_KINDS:
            forget_sweep(tx, kind, name)
        if kind == "autoscale":
            tx.execute(delete(ScalingRow).where(ScalingRow.autoscale == name))
    if on_applied is not None and kind == "autoscale":
        on_applied([name])


def _lock_pools(tx: Session, row: DocumentRow) -> None:
    """Hold the pools where sessions may just be begun that need this document, so that all of them are counted."""
    if row.kind == "workspace":
        pools = [pool.name for pool in documents.rows(tx, "pool")]
    else:
        pools = [row.pool] if row.kind in ("staging", "static_server") and row.pool is not None else []
    for pool in pools:
        lock_pool(tx, pool)


def _named_by(tx: Session, kind: str, name: str) -> Iterator[Problem]:
    for row in documents.rows(tx):
        for reference in references_of(documents.load_without_secrets(row)):
            if (reference.kind, reference.name) == (kind, name):
                yield Problem(
                    kind=kind,
                    name=name,
                    what=f"{row.kind} {row.name!r} names it",
                    remedy=f"Change that first, or delete it: `poolwright delete {row.kind} {row.name}`.",
                )


def _in_use(tx: Session, kind: str, name: str) -> Iterator[Problem]:
    columns: dict[str, ColumnElement[bool]] = {
        "zone": ServerRow.zone == name,
        "pool": ServerRow.pool == name,
        "vm_provider": ServerRow.vm_provider == name,
        "autoscale": ServerRow.autoscale == name,
        # Their records could not be removed any more.
        "dns_provider": ServerRow.dns_provider == name,
        "ldap": ServerRow.ldap == name,
    }
    servers = servers_where(tx, columns[kind]) if kind in columns else 0
    if servers:
        remedy = "Wait until they are gone."
        if kind == "autoscale":
            remedy = "Set enabled: false and apply, wait until they are gone, then delete it."
        what = f"{servers_text(servers)} of it exist"
        yield Problem(kind=kind, name=name, what=what, remedy=remedy)
    sessions = _sessions(tx, kind, name)
    if sessions:
        what = f"{sessions} session(s) of it have not ended"
        yield Problem(kind=kind, name=name, what=what, remedy="End them: `poolwright session end ID`.")


def _sessions(tx: Session, kind: str, name: str) -> int:
    columns: dict[str, ColumnElement[bool]] = {
        "pool": SessionRow.pool == name,
        "workspace": SessionRow.workspace == name,
        "staging": SessionRow.staging == name,
        "static_server": SessionRow.server_id.in_(
            select(ServerRow.id).where(ServerRow.hostname == name, ServerRow.provider == PROVIDER)
        ),
    }
    if kind not in columns:
        return 0
    query = select(func.count()).select_from(SessionRow).where(SessionRow.state != SessionState.ENDED)
    return tx.scalar(query.where(columns[kind])) or 0
