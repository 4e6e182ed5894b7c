"""The DNS protocol on OCI DNS."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from poolwright.dns.base import AddressRecord
from poolwright.dns.claims import (
    ATTEMPTS,
    name_taken,
    too_busy,
)
from poolwright.dns.errors import DNSError
from poolwright.dns.names import Address, address_of, claimed_name
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
    marks_in,
    release,
    rewrite,
)
from poolwright.dns.oci.service import OCIDNS, Unmet, Zone, again
from poolwright.dns.oci.settings import Settings
from poolwright.dns.zoned import Claim, ZonedDNS
from poolwright.domain.findings import Finding
from poolwright.domain.identities import OwnerMark


def open_dns_provider(settings: Mapping[str, Any], controller_id: str) -> "OCIDNSProvider":
    """Open the provider; nothing is asked of OCI yet. Raises pydantic's ValidationError."""
    return OCIDNSProvider(Settings.model_validate(settings), controller_id)


class OCIDNSProvider(ZonedDNS[Zone, Place]):
    """The zones of one compartment. See `poolwright.dns.base`.

    Each write is one change with its conditions in it: a name is claimed if nothing is there, and rewritten or released
    if our mark still is.
    """

    def __init__(self, settings: Settings, controller_id: str) -> None:
        self._settings = settings
        self._service = OCIDNS(settings)
        zones = self._service.zones()
        super().__init__(controller_id, zones, CompartmentPointers(self._service, zones), self._service.operation)

    def check(self, base_domain: str) -> Sequence[Finding]:
        """See the protocol."""
        with self._service.operation():
            return findings(self._settings, self._service, base_domain)

    def look(self, zone: Zone, fqdn: str) -> Place:
        """See base class."""
        return self._service.place(zone, fqdn)

    def addresses_there(self, there: Place) -> Iterable[Address]:
        """See base class."""
        return addresses_in(there.at_name)

    def refuse_unknown(self, zones: Sequence[Zone]) -> None:
        """See base class."""
        refuse_unknown(self._settings, zones)

    def write_name(self, zone: Zone, mark: OwnerMark, record: AddressRecord) -> tuple[str, ...]:
        """See base class."""
        wanted = address_records(mark, record)
        problem: DNSError = too_busy(record.fqdn)
        removed: tuple[str, ...] = ()
        for _ in range(ATTEMPTS):
            place = self._service.place(zone, record.fqdn)
            if not (place.is_free or place.bears(mark)) or place.of(*ALIAS_KINDS):
                raise name_taken(record.fqdn, place.marks)
            removed += self.remove_outdated_pointers(mark, record, addresses_in(place.at_name))
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

    def release(self, zone: Zone, mark: OwnerMark, fqdn: str, there: Place) -> tuple[str, Sequence[OwnerMark]]:
        """See base class."""
        place = there
        problem: DNSError = too_busy(fqdn)
        for _ in range(ATTEMPTS):
            strangers = place.strangers(mark)
            if mark not in place.marks:
                return "", strangers
            leaving = () if strangers else place.of(*ADDRESS_KINDS)
            try:
                # Another worker of ours may have written other addresses since our look.
                self._service.change(zone, release(place, mark, (), ADDRESS_KINDS))
            except Unmet as unmet:
                problem = again(unmet, fqdn)
                place = self._service.place(zone, fqdn)
            else:
                return " and ".join(sorted({one.kind for one in leaving})) or "owner mark", strangers
        raise problem

    def claims(self, zone: Zone) -> Iterator[Claim]:
        """See base class."""
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
