"""The DNS protocol on OCI DNS."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from poolwright.dns.base import AddressRecord, Changes, OwnedRecord
from poolwright.dns.claims import (
    ATTEMPTS,
    left_alone,
    name_taken,
    owned_records,
    refuse_another_controllers,
    too_busy,
)
from poolwright.dns.errors import DNSError
from poolwright.dns.names import Address, address_of, claimed_name, plain
from poolwright.dns.oci.checks import findings, refuse_unknown
from poolwright.dns.oci.pointers import CompartmentPointers, pointer_target
from poolwright.dns.oci.records import (
    ADDRESS_KINDS,
    ALIAS_KINDS,
    Place,
    Record,
    address_records,
    addresses_in,
    claim,
    kind_of,
    marks_in,
    release,
    rewrite,
)
from poolwright.dns.oci.service import OCIDNS, Unmet, Zone, again
from poolwright.dns.oci.settings import Settings
from poolwright.domain.findings import Finding
from poolwright.domain.identities import OwnerMark


def open_dns_provider(settings: Mapping[str, Any], controller_id: str) -> "OCIDNSProvider":
    """Open the provider; nothing is asked of OCI yet. Raises pydantic's ValidationError."""
    return OCIDNSProvider(Settings.model_validate(settings), controller_id)


class OCIDNSProvider:
    """The zones of one compartment. See `poolwright.dns.base`.

    Each write is one change with its conditions in it: a name is claimed if nothing is there, and rewritten or released
    if our mark still is.
    """

    def __init__(self, settings: Settings, controller_id: str) -> None:
        self._settings = settings
        self._controller_id = controller_id
        self._service = OCIDNS(settings)
        self._zones = self._service.zones()
        self._pointers = CompartmentPointers(self._service, self._zones)

    def check(self, base_domain: str) -> Sequence[Finding]:
        """See the protocol."""
        with self._service.operation():
            return findings(self._settings, self._service, base_domain)

    def upsert(self, mark: OwnerMark, record: AddressRecord) -> Changes:
        """See the protocol."""
        refuse_another_controllers(mark, record, self._controller_id)
        with self._service.operation():
            removed = self._write(self._zones.forward(record.fqdn), mark, record)
            pointed, notes = self._pointers.write(mark, record)
        written = (f"{record.fqdn} {kind_of(address)} {address}" for address in record.addresses)
        return Changes(written=(*written, *pointed), removed=removed, notes=notes)

    def delete(self, mark: OwnerMark, fqdn: str, addresses: Iterable[Address] = ()) -> Changes:
        """See the protocol."""
        if mark.controller_id != self._controller_id:
            return Changes(notes=(f"{fqdn} was left alone: controller {mark.controller_id} owns it",))
        with self._service.operation():
            return self._delete(mark, plain(fqdn), addresses)

    def list_owned(self) -> Sequence[OwnedRecord]:
        """See the protocol."""
        with self._service.operation():
            zones = self._zones.read()
            refuse_unknown(self._settings, zones)
            return owned_records(one for zone in zones for one in self._claims(zone))

    def _delete(self, mark: OwnerMark, fqdn: str, addresses: Iterable[Address]) -> Changes:
        found = [(zone, self._service.place(zone, fqdn)) for zone in self._zones.holding(fqdn)]
        here = (address for _, place in found for address in addresses_in(place.at_name))
        # PTR records go first: once the name is gone, nothing at it tells of its addresses any more.
        removed = [*self._pointers.remove(mark, fqdn, {*addresses, *here})]
        notes: list[str] = []
        for zone, place in found:
            kinds, strangers = self._release(zone, mark, place)
            removed += [f"{fqdn} {kinds}"] if kinds else []
            notes += left_alone(fqdn, strangers)
        return Changes(removed=tuple(removed), notes=tuple(notes))

    def _write(self, zone: Zone, mark: OwnerMark, record: AddressRecord) -> tuple[str, ...]:
        """Write addresses and mark. Returns the PTR records that had to go first, in words."""
        wanted = address_records(mark, record)
        problem: DNSError = too_busy(record.fqdn)
        removed: tuple[str, ...] = ()
        for _ in range(ATTEMPTS):
            place = self._service.place(zone, record.fqdn)
            if not (place.is_free or place.bears(mark)) or place.of(*ALIAS_KINDS):
                raise name_taken(record.fqdn, place.marks)
            removed += self._remove_outdated_pointers(mark, record, place)
            operations = claim(record.fqdn, wanted) if place.is_free else rewrite(place, ADDRESS_KINDS, wanted)
            if not operations:
                return removed
            try:
                self._service.change(zone, operations)
            except Unmet as unmet:
                problem = again(unmet, record.fqdn)
            else:
                return removed
        raise problem

    def _release(self, zone: Zone, mark: OwnerMark, place: Place) -> tuple[str, Sequence[OwnerMark]]:
        """Remove addresses and mark. Returns what was removed, in words, and the marks of others if nothing was."""
        problem: DNSError = too_busy(place.name)
        for _ in range(ATTEMPTS):
            if not place.bears(mark):
                return "", place.marks
            leaving = place.of(*ADDRESS_KINDS)
            try:
                self._service.change(zone, release(place, leaving))
            except Unmet as unmet:
                problem = again(unmet, place.name)
                place = self._service.place(zone, place.name)
            else:
                return " and ".join(sorted({one.kind for one in leaving})) or "owner mark", ()
        raise problem

    def _remove_outdated_pointers(self, mark: OwnerMark, record: AddressRecord, place: Place) -> tuple[str, ...]:
        kept = record.addresses if record.ptr else ()
        outdated = set(addresses_in(place.at_name)).difference(kept)
        return self._pointers.remove(mark, record.fqdn, outdated) if outdated else ()

    def _claims(self, zone: Zone) -> Iterator[tuple[OwnerMark, str, list[Address]]]:
        """What bears our mark in a zone: the mark, the name that `delete` takes, and the addresses."""
        by_name: dict[str, list[Record]] = {}
        for one in self._service.every_record(zone):
            by_name.setdefault(one.name, []).append(one)
        for owner, records in by_name.items():
            name = claimed_name(owner)
            if name is None:
                continue
            at_name, address = by_name.get(name, []), address_of(name)
            for mark in marks_in(records):
                if mark.controller_id != self._controller_id:
                    continue
                if address is None:
                    yield mark, name, addresses_in(at_name)
                else:
                    yield mark, pointer_target(at_name, self._zones) or name, [address]
