"""PTR records: the way back from an address to a name, each with an owner mark of its own in the reverse zone."""

from collections.abc import Iterable, Sequence

from poolwright.dns.base import AddressRecord
from poolwright.dns.claims import in_order, occupant
from poolwright.dns.names import Address, plain, reverse_name
from poolwright.dns.route53.claims import Claim, Claims, Taken
from poolwright.dns.route53.record_sets import RecordSet, Standing, record_set, values_of
from poolwright.dns.route53.zones import HostedZones, names_of
from poolwright.domain.identities import OwnerMark

_KINDS = ("PTR",)


class Pointers:
    """The PTR records in the account's reverse zones."""

    def __init__(self, zones: HostedZones, claims: Claims) -> None:
        self._zones = zones
        self._claims = claims

    @property
    def wanted(self) -> bool:
        """Whether there is any reverse zone to write to."""
        return bool(self._zones.reverse_zones())

    def write(self, mark: OwnerMark, record: AddressRecord) -> tuple[Sequence[str], tuple[str, ...]]:
        """Write the PTR records of all these addresses. Returns them in words, and why others were not written."""
        if not (record.ptr and self.wanted):
            return (), ()
        problems = {address: self._write(mark, record, address) for address in record.addresses}
        written = [f"{reverse_name(address)} PTR {record.fqdn}" for address, why in problems.items() if why is None]
        return written, tuple(why for why in problems.values() if why is not None)

    def remove(self, mark: OwnerMark, fqdn: str, addresses: Iterable[Address]) -> tuple[str, ...]:
        """Remove the PTR records from these addresses to this name that bear this mark. Returns them in words."""
        return tuple(
            f"{reverse_name(address)} PTR {fqdn}"
            for address in sorted(addresses, key=in_order)
            if self._remove(mark, fqdn, address)
        )

    def _write(self, mark: OwnerMark, record: AddressRecord, address: Address) -> str | None:
        name = reverse_name(address)
        zone = self._zones.reverse_zone_of(name)
        if zone is None:
            zones = names_of(self._zones.reverse_zones())
            return (
                f"{address} has no PTR record: {name} lies in none of the reverse zones {zones}, or in two of one name"
            )
        claim = Claim(
            zone=zone,
            name=name,
            mark=mark,
            kinds=_KINDS,
            wanted=[record_set(name, "PTR", [f"{record.fqdn}."], record.ttl_seconds)],
            ttl_seconds=record.ttl_seconds,
            # The address has moved on to another server of ours.
            may_replace=lambda other: other.controller_id == mark.controller_id,
        )
        try:
            self._claims.put(claim)
        except Taken as taken:
            return f"{address} has no PTR record of ours: {name} {occupant(taken.marks)}"
        return None

    def _remove(self, mark: OwnerMark, fqdn: str, address: Address) -> bool:
        name = reverse_name(address)
        zone = self._zones.reverse_zone_of(name)
        if zone is None:
            return False

        def to_this_name(standing: Standing) -> Iterable[RecordSet]:
            # One that leads to another name stays: somebody has put it in the place of ours.
            return [one for one in standing.of_kinds(_KINDS) if [plain(value) for value in values_of(one)] == [fqdn]]

        return mark in self._claims.remove(zone, name, mark, to_this_name).marks
