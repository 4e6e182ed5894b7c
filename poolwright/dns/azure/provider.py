"""The DNS protocol on Azure DNS."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from poolwright.dns.azure.addresses import OneName
from poolwright.dns.azure.checks import findings
from poolwright.dns.azure.pointers import SubscriptionPointers
from poolwright.dns.azure.records import ADDRESS_KINDS, RecordSet, addresses_in, kind_of, marks_in
from poolwright.dns.azure.service import AzureDNS as Service
from poolwright.dns.azure.settings import Settings
from poolwright.dns.azure.zones import Zone, refuse_unknown, zones_of
from poolwright.dns.base import AddressRecord, Changes, OwnedRecord
from poolwright.dns.claims import left_alone, owned_records, refuse_another_controllers
from poolwright.dns.names import Address, address_of, plain
from poolwright.domain.findings import Finding
from poolwright.domain.identities import OwnerMark


def open_dns_provider(settings: Mapping[str, Any], controller_id: str) -> "AzureDNS":
    """Open the provider; nothing is asked of Azure yet. Raises pydantic's ValidationError."""
    return AzureDNS(Settings.model_validate(settings), controller_id)


class AzureDNS:
    """The public or private zones of one subscription. See `poolwright.dns.base`.

    The owner mark is metadata of each A, AAAA and PTR record set, and not a TXT record: Azure has no transactions over
    several record sets, but one record set with its mark is one write. Each write says what it replaces, or that
    nothing must be there.
    """

    def __init__(self, settings: Settings, controller_id: str) -> None:
        self._settings = settings
        self._controller_id = controller_id
        self._service = Service(settings)
        self._zones = zones_of(self._service.zones, settings)
        self._pointers = SubscriptionPointers(self._service, self._zones)

    def check(self, base_domain: str) -> Sequence[Finding]:
        """See the protocol."""
        with self._service.operation():
            return findings(self._settings, self._service, base_domain)

    def upsert(self, mark: OwnerMark, record: AddressRecord) -> Changes:
        """See the protocol."""
        refuse_another_controllers(mark, record, self._controller_id)
        with self._service.operation():
            return self._upsert(mark, record)

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

    def _upsert(self, mark: OwnerMark, record: AddressRecord) -> Changes:
        zone = self._zones.forward(record.fqdn)
        kept = record.addresses if record.ptr else ()
        removed: list[str] = []

        def before_rewriting(ours: Iterable[RecordSet]) -> None:
            outdated = set(addresses_in(ours)).difference(kept)
            removed.extend(self._pointers.remove(mark, record.fqdn, outdated))

        OneName(self._service, zone, record.fqdn, mark).write(record, before_rewriting)
        pointed, notes = self._pointers.write(mark, record)
        written = (f"{record.fqdn} {kind_of(address)} {address}" for address in record.addresses)
        return Changes(written=(*written, *pointed), removed=tuple(removed), notes=notes)

    def _delete(self, mark: OwnerMark, fqdn: str, addresses: Iterable[Address]) -> Changes:
        found = [(zone, self._service.at(zone, fqdn, ADDRESS_KINDS)) for zone in self._zones.holding(fqdn)]
        here = {address for _, sets in found for address in addresses_in(sets)}
        # PTR records go first: once the name is gone, nothing at it tells of its addresses any more.
        removed = [*self._pointers.remove(mark, fqdn, here.union(addresses))]
        notes: list[str] = []
        for zone, sets in found:
            gone, rest = OneName(self._service, zone, fqdn, mark).remove(sets)
            removed += [f"{fqdn} {' and '.join(gone)}"] if gone else []
            notes += () if gone else left_alone(fqdn, marks_in(rest))
        return Changes(removed=tuple(removed), notes=tuple(notes))

    def _claims(self, zone: Zone) -> Iterator[tuple[OwnerMark, str, list[Address]]]:
        """What bears our mark in a zone: the mark, the name that `delete` takes, and the addresses."""
        for one in self._service.every_set(zone):
            if one.mark is None or one.mark.controller_id != self._controller_id:
                continue
            if one.kind in ADDRESS_KINDS:
                yield one.mark, one.name, addresses_in([one])
            address = address_of(one.name)
            if one.kind == "PTR" and address is not None:
                target = next((target for target in one.data if self._zones.holds(target)), one.name)
                yield one.mark, target, [address]
