"""VMs, computer records and DNS records of ours, as a sweep takes them: what each is, and how it is deleted."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from poolwright.dns.base import DNSProvider, OwnedRecord
from poolwright.domain.identities import OwnerMark
from poolwright.domain.sweep import Owned
from poolwright.providers.base import Provider

if TYPE_CHECKING:
    from poolwright.directory.active_directory import ComputerDirectory


class Thing(NamedTuple):
    """One thing that bears our mark."""

    owned: Owned
    delete: Callable[[], bool]
    """Delete it; False: that has only begun. Repeatable. Raises the errors of its adapter's tree."""


def machines(provider: Provider, at: datetime) -> Sequence[Thing]:
    """The VMs of a provider."""
    return [
        Thing(
            Owned(what="VM", reference=vm.reference, mark=vm.mark, first_seen_at=at),
            partial(provider.delete, vm.mark, vm.reference),
        )
        for vm in provider.list_owned()
    ]


def dns_records(provider: DNSProvider, at: datetime) -> Sequence[Thing]:
    """The DNS records of all zones of a DNS provider."""
    return [
        Thing(
            Owned(what="DNS record", reference=record.fqdn, mark=record.mark, first_seen_at=at),
            partial(_delete_record, provider, record),
        )
        for record in provider.list_owned()
    ]


def computer_records(directory: "ComputerDirectory", domain_dn: str, recursive: bool, at: datetime) -> Sequence[Thing]:
    """The computer records of a domain, wherever they were moved to.

    `recursive`: delete them together with objects below them.
    """
    return [
        Thing(
            Owned(
                what="computer record",
                reference=str(computer.object_guid),
                name=computer.dn,
                mark=computer.mark,
                first_seen_at=at,
            ),
            partial(_delete_computer, directory, computer.mark, computer.object_guid, recursive),
        )
        for computer in directory.list_owned([domain_dn])
    ]


def _delete_record(provider: DNSProvider, record: OwnedRecord) -> bool:
    provider.delete(record.mark, record.fqdn, record.addresses)
    return True


def _delete_computer(directory: "ComputerDirectory", mark: OwnerMark, guid: UUID, recursive: bool) -> bool:
    directory.delete(mark, guid, recursive)
    return True
