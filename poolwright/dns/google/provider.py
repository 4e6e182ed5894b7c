"""The DNS protocol on Google Cloud DNS."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from poolwright.dns.google.checks import findings
from poolwright.dns.google.pointers import ProjectPointers, pointer_target
from poolwright.dns.google.records import (
    ADDRESS_KINDS,
    Place,
    RecordSet,
    address_sets,
    addresses_in,
    kind_of,
    marks_in,
    same,
)
from poolwright.dns.google.service import CloudDNS, Unmet
from poolwright.dns.google.settings import Settings
from poolwright.dns.google.zones import Zone, refuse_unknown, zones_of
from poolwright.dns.names import Address, address_of, claimed_name, plain
from poolwright.domain.findings import Finding
from poolwright.domain.identities import OwnerMark


def open_dns_provider(settings: Mapping[str, Any], controller_id: str) -> "GoogleDNS":
    """Open the provider; nothing is asked of Google yet. Raises pydantic's ValidationError."""
    return GoogleDNS(Settings.model_validate(settings), controller_id)


class GoogleDNS:
    """The managed zones of one project. See `poolwright.dns.base`.

    Each write is one change, which Cloud DNS carries out as a whole or not at all: it repeats exactly what it replaces
    or removes, and what it adds must not exist. So the mark goes with its addresses, and whatever somebody did since
    our look stops the change.
    """

    def __init__(self, settings: Settings, controller_id: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds, for the pace of the project's calls."""
        self._settings = settings
        self._controller_id = controller_id
        self._service = CloudDNS(settings, clock)
        self._zones = zones_of(self._service, settings)
        self._pointers = ProjectPointers(self._service, self._zones)

    def check(self, base_domain: str) -> Sequence[Finding]:
        """See the protocol."""
        with self._service.operation():
            return findings(self._settings, self._service, base_domain)

    def upsert(self, mark: OwnerMark, record: AddressRecord) -> Changes:
        """See the protocol."""
        refuse_another_controllers(mark, record, self._controller_id)
        with self._service.operation():
            zone = self._zones.forward(record.fqdn)
            removed = self._write(zone, mark, record)
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
            return owned_records(claim for zone in zones for claim in self._claims(zone))

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

    def _release(self, zone: Zone, mark: OwnerMark, place: Place) -> tuple[str, Sequence[OwnerMark]]:
        """Remove addresses and mark. Returns what was removed, in words, and the marks of others if nothing was."""
        for _ in range(ATTEMPTS):
            if not place.bears(mark):
                return "", place.marks
            ours = place.sets(*ADDRESS_KINDS)
            try:
                self._service.change(zone, deletions=(*ours, *place.at_owner))
            except Unmet:
                place = self._service.place(zone, place.name)
            else:
                return " and ".join(one.kind for one in ours) or "owner mark", ()
        raise too_busy(place.name)

    def _write(self, zone: Zone, mark: OwnerMark, record: AddressRecord) -> tuple[str, ...]:
        """Write addresses and mark. Returns the PTR records that had to go first, in words."""
        wanted = address_sets(mark, record)
        problem: DNSError = too_busy(record.fqdn)
        removed: tuple[str, ...] = ()
        for attempt in range(ATTEMPTS):
            look = self._service.place if attempt else self._service.first_look
            place = look(zone, record.fqdn)
            ours = place.bears(mark)
            if not (place.is_free or ours) or place.sets("CNAME"):
                raise name_taken(record.fqdn, place.marks)
            removed += self._remove_outdated_pointers(mark, record, place)
            before = (*place.sets(*ADDRESS_KINDS), *place.at_owner)
            if same(before, wanted):
                return removed
            try:
                self._service.change(zone, deletions=before, additions=wanted)
            except Unmet as unmet:
                problem = unmet.error
                continue
            if not ours:
                self._withdraw_if_shared(zone, record.fqdn, wanted)
            return removed
        raise problem

    def _withdraw_if_shared(self, zone: Zone, fqdn: str, written: Sequence[RecordSet]) -> None:
        """Take back what was written to a free name if somebody else wrote there in the same moment.

        A change has no condition on records of kinds that it does not touch, so only a second look shows these.
        """
        kinds = {one.kind for one in written if one.name == fqdn}
        if all(one.kind in kinds for one in self._service.at(zone, fqdn)):
            return
        try:
            self._service.change(zone, deletions=written)
        except Unmet:
            raise too_busy(fqdn) from None
        raise name_taken(fqdn, [])

    def _remove_outdated_pointers(self, mark: OwnerMark, record: AddressRecord, place: Place) -> tuple[str, ...]:
        kept = record.addresses if record.ptr else ()
        outdated = set(addresses_in(place.at_name)).difference(kept)
        return self._pointers.remove(mark, record.fqdn, outdated)

    def _claims(self, zone: Zone) -> Iterator[tuple[OwnerMark, str, list[Address]]]:
        """What bears our mark in a zone: the mark, the name that `delete` takes, and the addresses."""
        sets = list(self._service.every_set(zone))
        by_name: dict[str, list[RecordSet]] = {}
        for one in sets:
            by_name.setdefault(one.name, []).append(one)
        for one in sets:
            name = claimed_name(one.name)
            if name is None:
                continue
            at_name = by_name.get(name, [])
            address = address_of(name)
            for mark in marks_in(one):
                if mark.controller_id != self._controller_id:
                    continue
                if address is None:
                    yield mark, name, addresses_in(at_name)
                else:
                    yield mark, pointer_target(at_name, self._zones) or name, [address]
