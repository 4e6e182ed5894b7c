"""The DNS protocol on Azure DNS."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from poolwright.dns.azure.addresses import OneName
from poolwright.dns.azure.checks import findings
from poolwright.dns.azure.pointers import SubscriptionPointers
from poolwright.dns.azure.records import ADDRESS_KINDS, RecordSet, addresses_in, marks_in
from poolwright.dns.azure.service import AzureDNS as Service
from poolwright.dns.azure.settings import Settings
from poolwright.dns.azure.zones import Zone, refuse_unknown, zones_of
from poolwright.dns.base import AddressRecord
from poolwright.dns.names import Address, address_of
from poolwright.dns.zoned import Claim, ZonedDNS
from poolwright.domain.findings import Finding
from poolwright.domain.identities import OwnerMark


def open_dns_provider(settings: Mapping[str, Any], controller_id: str) -> "AzureDNS":
    """Open the provider; nothing is asked of Azure yet. Raises pydantic's ValidationError."""
    return AzureDNS(Settings.model_validate(settings), controller_id)


class AzureDNS(ZonedDNS[Zone, Sequence[RecordSet]]):
    """The public or private zones of one subscription. See `poolwright.dns.base`.

    The owner mark is metadata of each A, AAAA and PTR record set, and not a TXT record: Azure has no transactions over
    several record sets, but one record set with its mark is one write. Each write says what it replaces, or that
    nothing must be there.
    """

    def __init__(self, settings: Settings, controller_id: str) -> None:
        self._settings = settings
        self._service = Service(settings)
        zones = zones_of(self._service.zones, settings)
        super().__init__(controller_id, zones, SubscriptionPointers(self._service, zones), self._service.operation)

    def check(self, base_domain: str) -> Sequence[Finding]:
        """See the protocol."""
        with self._service.operation():
            return findings(self._settings, self._service, base_domain)

    def write_name(self, zone: Zone, mark: OwnerMark, record: AddressRecord) -> tuple[str, ...]:
        """See base class."""
        removed: list[str] = []

        def before_rewriting(ours: Iterable[RecordSet]) -> None:
            removed.extend(self.remove_outdated_pointers(mark, record, addresses_in(ours)))

        OneName(self._service, zone, record.fqdn, mark).write(record, before_rewriting)
        return tuple(removed)

    def look(self, zone: Zone, fqdn: str) -> Sequence[RecordSet]:
        """See base class."""
        return self._service.at(zone, fqdn, ADDRESS_KINDS)

    def addresses_there(self, there: Sequence[RecordSet]) -> Iterable[Address]:
        """See base class."""
        return addresses_in(there)

    def release(
        self, zone: Zone, mark: OwnerMark, fqdn: str, there: Sequence[RecordSet]
    ) -> tuple[str, Sequence[OwnerMark]]:
        """See base class."""
        gone, rest = OneName(self._service, zone, fqdn, mark).remove(there)
        return " and ".join(gone), () if gone else marks_in(rest)

    def refuse_unknown(self, zones: Sequence[Zone]) -> None:
        """See base class."""
        refuse_unknown(self._settings, zones)

    def claims(self, zone: Zone) -> Iterator[Claim]:
        """See base class."""
        for one in self._service.every_set(zone):
            if one.mark is None or one.mark.controller_id != self._controller_id:
                continue
            if one.kind in ADDRESS_KINDS:
                yield one.mark, one.name, addresses_in([one])
            address = address_of(one.name)
            if one.kind == "PTR" and address is not None:
                target = next((target for target in one.data if self._zones.holds(target)), one.name)
                yield one.mark, target, [address]
