"""PTR records: the way back from an address to a name, each with its owner mark on it."""

from collections.abc import Sequence
from dataclasses import replace

from poolwright.dns.azure.records import MARK_KEY, RecordSet, new
from poolwright.dns.azure.service import AzureDNS, Unmet
from poolwright.dns.azure.zones import Zone
from poolwright.dns.base import AddressRecord
from poolwright.dns.claims import ATTEMPTS, too_busy
from poolwright.dns.names import Address, reverse_name
from poolwright.dns.pointers import Pointers
from poolwright.dns.zones import Zones
from poolwright.domain.identities import OwnerMark


class SubscriptionPointers(Pointers[Zone]):
    """The PTR records in the reverse zones of the subscription."""

    def __init__(self, service: AzureDNS, zones: Zones[Zone]) -> None:
        super().__init__(zones)
        self._service = service

    def put(self, zone: Zone, mark: OwnerMark, record: AddressRecord, address: Address) -> Sequence[OwnerMark] | None:
        """See base class."""
        name = reverse_name(address)
        wanted = new(name, "PTR", [record.fqdn], record.ttl_seconds, mark)
        for attempt in range(ATTEMPTS):
            before = self._pointer(zone, name)
            if before is None and attempt and self._service.at(zone, name, ["CNAME"]):
                return ()
            if before is not None and (before.mark is None or before.mark.controller_id != mark.controller_id):
                return (before.mark,) if before.mark else ()
            if before is not None and before.has_content_of(wanted):
                return None
            try:
                self._service.put(zone, wanted.keeping_metadata_of(before), before)
            except Unmet:
                continue
            return None
        raise too_busy(name)

    def take_away(self, zone: Zone, mark: OwnerMark, fqdn: str, address: Address) -> bool:
        """See base class."""
        name = reverse_name(address)
        for _ in range(ATTEMPTS):
            before = self._pointer(zone, name)
            if before is None or before.mark != mark:
                return False
            try:
                self._release(zone, before, fqdn)
            except Unmet:
                continue
            return True
        raise too_busy(name)

    def _release(self, zone: Zone, before: RecordSet, fqdn: str) -> None:
        """Take away the mark, and of the PTR records the one to this name: another is somebody else's by now."""
        kept = tuple(target for target in before.data if target != fqdn)
        if not kept:
            self._service.delete(zone, before)
            return
        others = {key: value for key, value in before.metadata.items() if key != MARK_KEY}
        self._service.put(zone, replace(before, data=kept, metadata=others), before)

    def _pointer(self, zone: Zone, name: str) -> RecordSet | None:
        return next(iter(self._service.at(zone, name, ["PTR"])), None)
