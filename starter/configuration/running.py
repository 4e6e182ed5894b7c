"""Changes that would leave servers behind, or that the servers that run have outgrown already."""

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from poolwright.dns.whereabouts import hiding
from poolwright.domain.resources import DNSProviderConfig, LDAPConfig, Pool, VMProviderConfig
from poolwright.domain.states import ServerState
from poolwright.domain.static_servers import StaticServer
from poolwright.providers.registry import whereabouts
from poolwright.store import documents
from poolwright.store.documents import Document, UnknownDocument
from poolwright.store.sessions import live_sessions
from poolwright.store.static_servers import PROVIDER
from poolwright.store.tables import ServerRow
from starter.configuration.problems import Path, shown
from starter.configuration.whole import Autoscale, Finding, Subject

_DRAIN = "Set enabled: false, wait until its servers are gone, then apply this; or make a second autoscale config."

Replacement = tuple[Document, Document]
"""A document as it is stored, and as it is to be."""


def lock_changed(tx: Session, replacements: Sequence[Replacement], registered: Sequence[StaticServer]) -> None:
    """Hold what reservations of servers hold, in their order, so that no server is made while this is decided.

    The pools of all servers that are `registered` by hand too: once one has its host name, no other pool may be held.
    """
    order = {kind: position for position, kind in enumerate(("autoscale", "vm_provider", "pool"))}
    keys = {(order[new.kind], new.kind, new.name) for _, new in replacements if new.kind in order}
    before = [old for old, _ in replacements if isinstance(old, StaticServer)]
    keys |= {(order["pool"], "pool", static.pool) for static in (*before, *registered)}
    for _, kind, name in sorted(keys):
        try:
            documents.get_row(tx, kind, name, lock=True)
        except UnknownDocument:
            continue


def overtaken(tx: Session, replacements: Sequence[Replacement]) -> Iterator[Finding]:
    """Every change that the servers which exist now forbid."""
    for before, after in replacements:
        if isinstance(before, VMProviderConfig) and isinstance(after, VMProviderConfig):
            yield from _vm_provider(tx, before, after)
        elif isinstance(before, DNSProviderConfig) and isinstance(after, DNSProviderConfig):
            yield from _dns_provider(tx, before, after)
        elif isinstance(before, LDAPConfig) and isinstance(after, LDAPConfig):
            if before.domain.lower() != after.domain.lower():
                in_use = servers_where(tx, ServerRow.ldap == after.name)
                yield from _moved(after, in_use, ("search_base",), before.search_base, after.search_base)
        elif isinstance(before, Pool) and isinstance(after, Pool):
            yield from _pool(tx, before, after)
        elif isinstance(before, Autoscale) and isinstance(after, Autoscale):
            yield from _autoscale(tx, before, after)


def unregistrable(tx: Session, registered: Sequence[StaticServer]) -> Iterator[Finding]:
    """Every server registered by hand whose name another one has, or that people keep in the pool where it is."""
    for static in registered:
        row = tx.scalar(
            select(ServerRow).where(ServerRow.hostname == static.name, ServerRow.state != ServerState.DELETED)
        )
        if row is not None and row.provider != PROVIDER:
            yield Finding(
                subjects=(Subject("static_server", static.name, ("name",)),),
                what=f"is the host name of server {row.id} of pool {row.pool!r} already",
                remedy="Choose another name; the server's address need not change.",
                value=shown(static.name),
            )
        elif row is not None and row.pool != static.pool and (live := live_sessions(tx, row.id)):
            yield Finding(
                subjects=(Subject("static_server", static.name, ("pool",)),),
                what=f"cannot change from {row.pool!r} while {live} session(s) on it have not ended",
                remedy="Set enabled: false and apply, wait until they have ended, then apply this.",
                value=shown(static.pool),
            )


def servers_where(tx: Session, condition: ColumnElement[bool]) -> int:
    """How many servers that are not deleted meet the condition."""
    query = select(func.count()).select_from(ServerRow).where(ServerRow.state != ServerState.DELETED, condition)
    return tx.scalar(query) or 0


def servers_text(count: int) -> str:
    """`1 server` or `3 servers`."""
    return "1 server" if count == 1 else f"{count} servers"


def _vm_provider(tx: Session, before: VMProviderConfig, after: VMProviderConfig) -> Iterator[Finding]:
    in_use = servers_where(tx, ServerRow.vm_provider == after.name)
    if after.max_instances < before.max_instances and in_use > after.max_instances:
        yield _below_use(after, in_use, before.max_instances, after.max_instances)
    if not in_use:
        return
    if before.provider != after.provider:
        yield _elsewhere(after, in_use, ("provider",), before.provider, after.provider)
        return
    for key in whereabouts(after.provider):
        old, new = before.settings.get(key), after.settings.get(key)
        if old != new:
            yield _elsewhere(after, in_use, ("settings", key), old, new)


def _elsewhere(after: VMProviderConfig, in_use: int, path: Path, old: Any, new: Any) -> Finding:
    return Finding(
        subjects=(Subject("vm_provider", after.name, path),),
        what=f"cannot change from {old!r} while {servers_text(in_use)} of it exist: "
        "nobody could find their VMs any more",
        remedy="Declare a second vm_provider, and delete this one when its servers are gone.",
        value=shown(new),
    )


def _dns_provider(tx: Session, before: DNSProviderConfig, after: DNSProviderConfig) -> Iterator[Finding]:
    of_it = ServerRow.dns_provider == after.name
    in_use = servers_where(tx, of_it)
    if before.provider != after.provider:
        yield from _moved(after, in_use, ("provider",), before.provider, after.provider)
        return
    query = select(ServerRow.fqdn, ServerRow.address, ServerRow.private_address)
    rows = tx.execute(query.where(ServerRow.state != ServerState.DELETED, of_it)).all()
    names = {row.fqdn for row in rows if row.fqdn}
    addresses = {ip_address(text) for row in rows for text in (row.address, row.private_address) if text}
    for key in hiding(after.provider, before.settings, after.settings, names, addresses):
        yield from _moved(after, in_use, ("settings", key), before.settings.get(key), after.settings.get(key))


def _moved(after: DNSProviderConfig | LDAPConfig, in_use: int, path: Path, old: Any, new: Any) -> Iterator[Finding]:
    if in_use:
        was = "its default" if old is None else repr(old)
        yield Finding(
            subjects=(Subject(after.kind, after.name, path),),
            what=f"cannot change from {was} while {servers_text(in_use)} of it exist: "
            "nobody could find their records any more",
            remedy=f"Declare a second {after.kind}, and delete this one when its servers are gone.",
            value=shown(new),
        )


def _autoscale(tx: Session, before: Autoscale, after: Autoscale) -> Iterator[Finding]:
    in_use = servers_where(tx, ServerRow.autoscale == after.name)
    old, new = before.max_instances, after.max_instances
    if new is not None and (old is None or new < old) and in_use > new:
        yield _below_use(after, in_use, old, new)
    for key in ("pool", "zone", "type"):
        if getattr(before, key) != getattr(after, key) and in_use:
            yield Finding(
                subjects=(Subject("autoscale", after.name, (key,)),),
                what=f"cannot change from {getattr(before, key)!r} while {servers_text(in_use)} of it exist",
                remedy=_DRAIN,
                value=shown(getattr(after, key)),
            )


def _pool(tx: Session, before: Pool, after: Pool) -> Iterator[Finding]:
    in_use = servers_where(tx, ServerRow.pool == after.name)
    if before.type is not after.type and in_use:
        yield Finding(
            subjects=(Subject("pool", after.name, ("type",)),),
            what=f"cannot change from {before.type.value!r} while {servers_text(in_use)} of it exist",
            remedy="Disable its autoscale configs and wait until its servers are gone; or make a second pool.",
            value=shown(after.type.value),
        )


def _below_use(document: Document, in_use: int, old: int | None, new: int) -> Finding:
    too_many = in_use - new
    return Finding(
        subjects=(Subject(document.kind, document.name, ("max_instances",)),),
        what=f"is below the {servers_text(in_use)} that exist now; the cap so far is {'none' if old is None else old}",
        remedy=f"Drain {too_many} first: `poolwright pool pause`, then `poolwright server drain`, and apply again when "
        f"at most {new} are left.",
        value=shown(new),
    )
