"""The DNS protocol over the zones of an account: what is the same wherever a service can say what zones it has."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Generic, TypeVar

from poolwright.dns.base import AddressRecord, Changes, OwnedRecord
from poolwright.dns.claims import left_alone, owned_records, refuse_another_controllers
from poolwright.dns.names import Address, kind_of, plain
from poolwright.dns.pointers import Pointers
from poolwright.dns.zones import NamedZone, Zones
from poolwright.domain.identities import OwnerMark

Zone = TypeVar("Zone", bound=NamedZone)
There = TypeVar("There")
"""What a look at a name shows."""
Claim = tuple[OwnerMark, str, Iterable[Address]]
"""A mark, the name that `delete` takes, and the addresses."""


class ZonedDNS(ABC, Generic[Zone, There]):
    """Finds the zones, lets PTR records follow their names, and says what was done. What a subclass adds is how one
    name in one zone is looked at, written and released."""

    def __init__(
        self,
        controller_id: str,
        zones: Zones[Zone],
        pointers: Pointers[Zone],
        operation: Callable[[], AbstractContextManager[None]],
    ) -> None:
        """`operation` stands around all calls of one call of the protocol."""
        self._controller_id, self._zones, self._pointers, self._operation = controller_id, zones, pointers, operation

    def upsert(self, mark: OwnerMark, record: AddressRecord) -> Changes:
        """See the protocol."""
        refuse_another_controllers(mark, record, self._controller_id)
        with self._operation():
            removed = self.write_name(self._zones.forward(record.fqdn), mark, record)
            pointed, notes = self._pointers.write(mark, record)
        written = (f"{record.fqdn} {kind_of(address)} {address}" for address in record.addresses)
        return Changes(written=(*written, *pointed), removed=removed, notes=notes)

    def delete(self, mark: OwnerMark, fqdn: str, addresses: Iterable[Address] = ()) -> Changes:
        """See the protocol."""
        if mark.controller_id != self._controller_id:
            return Changes(notes=(f"{fqdn} was left alone: controller {mark.controller_id} owns it",))
        with self._operation():
            return self._delete(mark, plain(fqdn), addresses)

    def list_owned(self) -> Sequence[OwnedRecord]:
        """See the protocol."""
        with self._operation():
            zones = self._zones.read()
            self.refuse_unknown(zones)
            return owned_records(claim for zone in zones for claim in self.claims(zone))

    @abstractmethod
    def write_name(self, zone: Zone, mark: OwnerMark, record: AddressRecord) -> tuple[str, ...]:
        """Write addresses and mark. Returns the PTR records that had to go first, in words. Raises `NameTaken`."""

    @abstractmethod
    def look(self, zone: Zone, fqdn: str) -> There:
        """What is at this name and is ours to judge."""

    @abstractmethod
    def addresses_there(self, there: There) -> Iterable[Address]:
        """The addresses among it."""

    @abstractmethod
    def release(self, zone: Zone, mark: OwnerMark, fqdn: str, there: There) -> tuple[str, Sequence[OwnerMark]]:
        """Remove the mark, and the addresses if no other mark is there: the last one takes them along. Returns what was
        removed, in words, and the marks of others that keep the name."""

    @abstractmethod
    def claims(self, zone: Zone) -> Iterable[Claim]:
        """What bears our mark in a zone."""

    @abstractmethod
    def refuse_unknown(self, zones: Sequence[Zone]) -> None:
        """Raise `InvalidSettings` when a zone that the settings name is not among these: nobody sees what is in it."""

    def remove_outdated_pointers(
        self, mark: OwnerMark, record: AddressRecord, before: Iterable[Address]
    ) -> tuple[str, ...]:
        """Remove the PTR records of addresses that the name had and is no longer to have. Returns them in words."""
        kept = record.addresses if record.ptr else ()
        return self._pointers.remove(mark, record.fqdn, set(before).difference(kept))

    def _delete(self, mark: OwnerMark, fqdn: str, addresses: Iterable[Address]) -> Changes:
        found = [(zone, self.look(zone, fqdn)) for zone in self._zones.holding(fqdn)]
        here = {address for _, there in found for address in self.addresses_there(there)}
        # PTR records go first: once the name is gone, nothing at it tells of its addresses any more.
        removed = [*self._pointers.remove(mark, fqdn, here.union(addresses))]
        notes: list[str] = []
        for zone, there in found:
            kinds, strangers = self.release(zone, mark, fqdn, there)
            removed += [f"{fqdn} {kinds}"] if kinds else []
            notes += left_alone(fqdn, strangers)
        return Changes(removed=tuple(removed), notes=tuple(notes))
