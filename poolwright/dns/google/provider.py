"""The DNS protocol on Google Cloud DNS."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from poolwright.dns.base import AddressRecord
from poolwright.dns.claims import (
    ATTEMPTS,
    name_taken,
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
    marks_in,
    renewed,
    same,
)
from poolwright.dns.google.service import CloudDNS, Unmet
from poolwright.dns.google.settings import Settings
from poolwright.dns.google.zones import Zone, refuse_unknown, zones_of
from poolwright.dns.names import Address, address_of, claimed_name
from poolwright.dns.zoned import Claim, ZonedDNS
from poolwright.domain.findings import Finding
from poolwright.domain.identities import OwnerMark


def open_dns_provider(settings: Mapping[str, Any], controller_id: str) -> "GoogleDNS":
    """Open the provider; nothing is asked of Google yet. Raises pydantic's ValidationError."""
    return GoogleDNS(Settings.model_validate(settings), controller_id)


class GoogleDNS(ZonedDNS[Zone, Place]):
    """The managed zones of one project. See `poolwright.dns.base`.

    Each write is one change, which Cloud DNS carries out as a whole or not at all: it repeats exactly what it replaces
    or removes, and what it adds must not exist. So the mark goes with its addresses, and whatever somebody did since
    our look stops the change.
    """

    def __init__(self, settings: Settings, controller_id: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds, for the pace of the project's calls."""
        self._settings = settings
        self._service = CloudDNS(settings, clock)
        zones = zones_of(self._service, settings)
        super().__init__(controller_id, zones, ProjectPointers(self._service, zones), self._service.operation)

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

    def release(self, zone: Zone, mark: OwnerMark, fqdn: str, there: Place) -> tuple[str, Sequence[OwnerMark]]:
        """See base class."""
        place = there
        for _ in range(ATTEMPTS):
            strangers = place.strangers(mark)
            if mark not in place.marks:
                return "", strangers
            ours = () if strangers else place.sets(*ADDRESS_KINDS)
            marked, kept = place.without_mark(mark)
            try:
                self._service.change(zone, deletions=(*ours, *marked), additions=kept)
            except Unmet:
                place = self._service.place(zone, fqdn)
            else:
                return " and ".join(one.kind for one in ours) or "owner mark", strangers
        raise too_busy(fqdn)

    def write_name(self, zone: Zone, mark: OwnerMark, record: AddressRecord) -> tuple[str, ...]:
        """See base class."""
        wanted = address_sets(mark, record)
        problem: DNSError = too_busy(record.fqdn)
        removed: tuple[str, ...] = ()
        for attempt in range(ATTEMPTS):
            look = self._service.place if attempt else self._service.first_look
            place = look(zone, record.fqdn)
            ours = place.bears(mark)
            if not (place.is_free or ours) or place.sets("CNAME"):
                raise name_taken(record.fqdn, place.marks)
            removed += self.remove_outdated_pointers(mark, record, addresses_in(place.at_name))
            before = (*place.sets(*ADDRESS_KINDS), *place.at_owner)
            if same(before, wanted):
                return removed
            try:
                self._service.change(zone, deletions=before, additions=renewed(wanted, before))
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

    def claims(self, zone: Zone) -> Iterator[Claim]:
        """See base class."""
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
