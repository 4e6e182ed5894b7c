"""PTR records: the way back from an address to a name, each with an owner mark of its own in the reverse zone."""

from collections.abc import Iterable, Sequence

from poolwright.dns.base import AddressRecord
from poolwright.dns.claims import ATTEMPTS, too_busy
from poolwright.dns.google.records import Place, RecordSet, pointer_sets, same, without
from poolwright.dns.google.service import CloudDNS, Unmet
from poolwright.dns.google.zones import Zone
from poolwright.dns.names import Address, plain, reverse_name
from poolwright.dns.pointers import Pointers
from poolwright.dns.zones import Zones
from poolwright.domain.identities import OwnerMark


class ProjectPointers(Pointers[Zone]):
    """The PTR records in the reverse zones of the project."""

    def __init__(self, service: CloudDNS, zones: Zones[Zone]) -> None:
        super().__init__(zones)
        self._service = service

    def put(self, zone: Zone, mark: OwnerMark, record: AddressRecord, address: Address) -> Sequence[OwnerMark] | None:
        """See base class."""
        name, wanted = reverse_name(address), pointer_sets(mark, record, address)
        for attempt in range(ATTEMPTS):
            look = self._service.place if attempt else self._service.first_look
            place = look(zone, name)
            if not (place.is_free or _is_ours(place, mark.controller_id)) or place.sets("CNAME"):
                return place.marks
            before = (*place.sets("PTR"), *place.at_owner)
            if same(before, wanted):
                return None
            try:
                self._service.change(zone, deletions=before, additions=wanted)
            except Unmet:
                continue
            return None
        raise too_busy(name)

    def take_away(self, zone: Zone, mark: OwnerMark, fqdn: str, address: Address) -> bool:
        """See base class."""
        name = reverse_name(address)
        for _ in range(ATTEMPTS):
            place = self._service.place_if_marked(zone, name)
            if place is None or mark not in place.marks:
                return False
            if self._release(zone, place, mark, f"{fqdn}."):
                return True
        raise too_busy(name)

    def _release(self, zone: Zone, place: Place, mark: OwnerMark, target: str) -> bool:
        """Take away the mark, and of the PTR records the one to the target: another is somebody else's by now. The last
        mark takes it along."""
        pointing = () if place.strangers(mark) else place.sets("PTR")
        pointers = [one for one in pointing if target in map(str.lower, one.data)]
        kept = [rest for one in pointers if (rest := without(one, target)) is not None]
        marked, texts = place.without_mark(mark)
        try:
            self._service.change(zone, deletions=(*pointers, *marked), additions=(*kept, *texts))
        except Unmet:
            return False
        return True


def pointer_target(sets: Iterable[RecordSet], zones: Zones[Zone]) -> str | None:
    """The name that these PTR records lead to, if it is one in our zones."""
    targets = (plain(text) for one in sets if one.kind == "PTR" for text in one.data)
    return next((target for target in targets if zones.holds(target)), None)


def _is_ours(place: Place, controller_id: str) -> bool:
    """Whether the address was given to a server of this controller: the PTR record follows it to the next."""
    return (
        len(place.at_owner) == 1
        and len(place.at_owner[0].data) == 1
        and ([mark.controller_id for mark in place.marks] == [controller_id])
    )
