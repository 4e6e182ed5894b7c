"""PTR records: the way back from an address to a name, each with an owner mark of its own in the reverse zone."""

from collections.abc import Iterable

from poolwright.dns.base import AddressRecord
from poolwright.dns.claims import ATTEMPTS, in_order, occupant, too_busy
from poolwright.dns.errors import DNSError
from poolwright.dns.names import Address, plain, reverse_name
from poolwright.dns.oci.records import ALIAS_KINDS, Place, Record, claim, pointer_records, release, rewrite
from poolwright.dns.oci.service import OCIDNS, Unmet, Zone, again
from poolwright.dns.zones import Zones
from poolwright.domain.identities import OwnerMark
from poolwright.domain.wording import listed


class Pointers:
    """The PTR records in the reverse zones of the compartment."""

    def __init__(self, service: OCIDNS, zones: Zones[Zone]) -> None:
        self._service = service
        self._zones = zones

    @property
    def wanted(self) -> bool:
        """Whether there is any reverse zone to write to."""
        return bool(self._zones.reverse_names)

    def write(self, mark: OwnerMark, record: AddressRecord, address: Address) -> str | None:
        """Write the PTR record of this address. Returns why it was not written, or None."""
        name = reverse_name(address)
        zone = self._zones.reverse(name)
        if zone is None:
            known = listed(self._zones.reverse_names)
            return f"{address} has no PTR record: {name} lies in none of the reverse zones {known}"
        wanted = pointer_records(mark, record, address)
        problem: DNSError = too_busy(name)
        for _ in range(ATTEMPTS):
            place = self._service.place(zone, name)
            if not (place.is_free or _is_ours(place, mark.controller_id)) or place.of(*ALIAS_KINDS):
                return f"{address} has no PTR record of ours: {name} {occupant(place.marks)}"
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

    def remove(self, mark: OwnerMark, fqdn: str, addresses: Iterable[Address]) -> tuple[str, ...]:
        """Remove the PTR records from these addresses to this name that bear this mark. Returns them in words."""
        if not self.wanted:
            return ()
        return tuple(
            f"{reverse_name(address)} PTR {fqdn}"
            for address in sorted(addresses, key=in_order)
            if self._remove(mark, fqdn, address)
        )

    def _remove(self, mark: OwnerMark, fqdn: str, address: Address) -> bool:
        name = reverse_name(address)
        zone = self._zones.reverse(name)
        if zone is None:
            return False
        problem: DNSError = too_busy(name)
        for _ in range(ATTEMPTS):
            place = self._service.place(zone, name)
            if not place.bears(mark):
                return False
            # A PTR record to another name stays: somebody has put it in our place.
            leaving = [one for one in place.of("PTR") if plain(one.data) == fqdn]
            try:
                self._service.change(zone, release(place, leaving))
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
