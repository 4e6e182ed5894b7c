"""PTR records: the way back from an address to a name, each with an owner mark of its own in the reverse zone."""

from collections.abc import Iterable, Sequence

from poolwright.dns.base import AddressRecord
from poolwright.dns.errors import PermissionDenied
from poolwright.dns.names import Address, plain, reverse_name
from poolwright.dns.pointers import Pointers
from poolwright.dns.route53.claims import Claim, Claims, Taken
from poolwright.dns.route53.record_sets import RecordSet, Standing, record_set, values_of
from poolwright.dns.route53.zones import HostedZone, HostedZones
from poolwright.domain.identities import OwnerMark

_KINDS = ("PTR",)


class AccountPointers(Pointers[HostedZone]):
    """The PTR records in the account's reverse zones."""

    def __init__(self, zones: HostedZones, claims: Claims) -> None:
        super().__init__(zones)
        self._zones, self._claims = zones, claims

    def put(
        self, zone: HostedZone, mark: OwnerMark, record: AddressRecord, address: Address
    ) -> Sequence[OwnerMark] | None:
        """See base class."""
        name = reverse_name(address)
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
            return taken.marks
        return None

    def take_away(self, zone: HostedZone, mark: OwnerMark, fqdn: str, address: Address) -> bool:
        """See base class."""
        name = reverse_name(address)

        def to_this_name(standing: Standing) -> Iterable[RecordSet]:
            return [one for one in standing.of_kinds(_KINDS) if [plain(value) for value in values_of(one)] == [fqdn]]

        return mark in self._claims.remove(zone, name, mark, to_this_name).marks

    def take_away_around(self, zone: HostedZone, mark: OwnerMark, fqdn: str, address: Address) -> bool:
        """See base class."""
        try:
            there = self._zones.look(zone, reverse_name(address))
        except PermissionDenied:
            # Who may not even read a zone has written nothing there.
            return False
        return mark in there.marks and self.take_away(zone, mark, fqdn, address)
