"""PTR records: the way back from an address to a name, each with an owner mark of its own in the reverse zone."""

from collections.abc import Iterable, Sequence

from poolwright.dns.base import AddressRecord
from poolwright.dns.claims import ATTEMPTS, too_busy
from poolwright.dns.errors import DNSError
from poolwright.dns.names import Address, plain, reverse_name
from poolwright.dns.oci.records import ALIAS_KINDS, Place, Record, claim, pointer_records, release, rewrite
from poolwright.dns.oci.service import OCIDNS, Unmet, Zone, again
from poolwright.dns.pointers import Pointers
from poolwright.dns.zones import Zones
from poolwright.domain.identities import OwnerMark


class CompartmentPointers(Pointers[Zone]):
    """The PTR records in the reverse zones of the compartment."""

    def __init__(self, service: OCIDNS, zones: Zones[Zone]) -> None:
        super().__init__(zones)
        self._service = service

    def put(self, zone: Zone, mark: OwnerMark, record: AddressRecord, address: Address) -> Sequence[OwnerMark] | None:
        """See base class."""
        name = reverse_name(address)
        wanted = pointer_records(mark, record, address)
        problem: DNSError = too_busy(name)
        for _ in range(ATTEMPTS):
            place = self._service.place(zone, name)
            if not (place.is_free or _is_ours(place, mark.controller_id)) or place.of(*ALIAS_KINDS):
                return place.marks
            operations = claim(name, wanted) if place.is_free else rewrite(place, ["PTR"], wanted)
            if not operations:
                return None
            try:
                self._service.change(zone, operations)
            except Unmet as unmet:
                problem = again(unmet, name)
            else:
                return None
        raise problem

    def take_away(self, zone: Zone, mark: OwnerMark, fqdn: str, address: Address) -> bool:
        """See base class."""
        name = reverse_name(address)
        problem: DNSError = too_busy(name)
        for _ in range(ATTEMPTS):
            place = self._service.place(zone, name)
            if mark not in place.marks:
                return False
            leaving = [one for one in place.of("PTR") if plain(one.data) == fqdn]
            try:
                self._service.change(zone, release(place, mark, leaving))
            except Unmet as unmet:
                problem = again(unmet, name)
            else:
                return True
        raise problem


def pointer_target(records: Iterable[Record], zones: Zones[Zone]) -> str | None:
    """The name that these PTR records lead to, if it is one in our zones."""
    targets = (plain(one.data) for one in records if one.kind == "PTR")
    return next((target for target in targets if zones.holds(target)), None)


def _is_ours(place: Place, controller_id: str) -> bool:
    """Whether the address was given to a server of this controller: the PTR record follows it to the next."""
    return len(place.at_owner) == 1 and [mark.controller_id for mark in place.marks] == [controller_id]
