"""The DNS protocol on Route 53's hosted zones.

A change batch is carried out as a whole or not at all, and says what is there now: so addresses and mark appear, change
and vanish together, and only while nobody else has touched them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from poolwright.dns.base import AddressRecord, Changes, OwnedRecord
from poolwright.dns.claims import left_alone, name_taken, owned_records, refuse_another_controllers
from poolwright.dns.errors import PermissionDenied
from poolwright.dns.names import Address, address_of, claimed_name, kind_of, longest_suffix, plain
from poolwright.dns.route53.checks import findings
from poolwright.dns.route53.claims import Claim, Claims, Taken
from poolwright.dns.route53.pointers import AccountPointers
from poolwright.dns.route53.record_sets import RecordSet, Standing, addresses_of, name_of, record_set, values_of
from poolwright.dns.route53.settings import Settings
from poolwright.dns.route53.zones import HostedZone, HostedZones, is_reverse
from poolwright.domain.findings import Finding
from poolwright.domain.identities import OwnerMark

ADDRESS_TYPES: Final = ("A", "AAAA")


def open_dns_provider(settings: Mapping[str, Any], controller_id: str) -> "Route53DNS":
    """Open the provider; nothing is asked of Route 53 yet. Raises pydantic's ValidationError."""
    return Route53DNS(Settings.model_validate(settings), controller_id)


class Route53DNS:
    """The hosted zones of one account. See `poolwright.dns.base`."""

    def __init__(self, settings: Settings, controller_id: str) -> None:
        self._settings = settings
        self._controller_id = controller_id
        self._zones = HostedZones(settings)
        self._claims = Claims(self._zones)
        self._pointers = AccountPointers(self._zones, self._claims)

    def check(self, base_domain: str) -> Sequence[Finding]:
        """See the protocol."""
        with self._zones.operation():
            return list(findings(self._settings, self._zones, base_domain))

    def upsert(self, mark: OwnerMark, record: AddressRecord) -> Changes:
        """See the protocol."""
        refuse_another_controllers(mark, record, self._controller_id)
        removed: list[str] = []

        def remove_outdated_pointers(standing: Standing) -> None:
            kept = record.addresses if record.ptr else ()
            removed.extend(self._pointers.remove(mark, record.fqdn, set(_addresses(standing)).difference(kept)))

        with self._zones.operation():
            zone = self._zones.zone_of(record.fqdn)
            try:
                self._claims.put(_claim(zone, mark, record), remove_outdated_pointers)
            except Taken as taken:
                raise name_taken(record.fqdn, taken.marks) from None
            pointed, notes = self._pointers.write(mark, record)
        written = (f"{record.fqdn} {kind_of(address)} {address}" for address in record.addresses)
        return Changes(written=(*written, *pointed), removed=tuple(removed), notes=notes)

    def delete(self, mark: OwnerMark, fqdn: str, addresses: Iterable[Address] = ()) -> Changes:
        """See the protocol."""
        if mark.controller_id != self._controller_id:
            return Changes(notes=(f"{fqdn} was left alone: controller {mark.controller_id} owns it",))
        fqdn = plain(fqdn)
        with self._zones.operation():
            zones = self._zones_to_clear(mark, fqdn)
            # PTR records go first: once the name is gone, nothing at it tells of its addresses any more.
            pointed = [address for zone in zones for address in self._pointed_addresses(zone, mark, fqdn)]
            removed = self._pointers.remove(mark, fqdn, {*addresses, *pointed})
            found = [
                self._claims.remove(zone, fqdn, mark, lambda there: there.of_kinds(ADDRESS_TYPES)) for zone in zones
            ]
        gone = [standing for standing in found if mark in standing.marks]
        kinds = dict.fromkeys("A and AAAA" if one.held_by(mark) else "owner mark" for one in gone)
        removed = (*removed, *(f"{fqdn} {kind}" for kind in kinds))
        notes = (note for standing in found for note in left_alone(fqdn, standing.strangers(mark)))
        return Changes(removed=removed, notes=tuple(notes))

    def list_owned(self) -> Sequence[OwnedRecord]:
        """See the protocol."""
        with self._zones.operation():
            zones = self._zones.zones()
            forward = [zone.name for zone in zones if not is_reverse(zone.name)]
            return owned_records(found for zone in zones for found in self._owned_in(zone, forward))

    def _zones_to_clear(self, mark: OwnerMark, fqdn: str) -> Sequence[HostedZone]:
        """The zone that holds the name, and those around it that have our mark there: from before it was made."""
        innermost, *others = self._zones.holding(fqdn)
        return [innermost, *(zone for zone in others if self._bears(zone, mark, fqdn))]

    def _bears(self, zone: HostedZone, mark: OwnerMark, fqdn: str) -> bool:
        try:
            return mark in self._zones.look(zone, fqdn).marks
        except PermissionDenied:
            # Who may not even read a zone has written nothing there.
            return False

    def _pointed_addresses(self, zone: HostedZone, mark: OwnerMark, fqdn: str) -> Sequence[Address]:
        if not self._pointers.wanted:
            return ()
        standing = self._zones.look(zone, fqdn)
        return _addresses(standing) if mark in standing.marks else ()

    def _owned_in(
        self, zone: HostedZone, forward_zones: Sequence[str]
    ) -> Iterator[tuple[OwnerMark, str, Iterable[Address]]]:
        by_name: dict[str, list[RecordSet]] = {}
        for one in self._zones.all(zone):
            by_name.setdefault(claimed_name(name_of(one)) or name_of(one), []).append(one)
        for name, record_sets in by_name.items():
            standing = Standing.of(name, record_sets)
            for mark in standing.marks:
                if mark.controller_id == self._controller_id:
                    yield mark, *_described(standing, forward_zones)


def _claim(zone: HostedZone, mark: OwnerMark, record: AddressRecord) -> Claim:
    by_kind: dict[str, list[str]] = {}
    for address in dict.fromkeys(record.addresses):
        by_kind.setdefault(kind_of(address), []).append(str(address))
    return Claim(
        zone=zone,
        name=record.fqdn,
        mark=mark,
        kinds=ADDRESS_TYPES,
        wanted=[record_set(record.fqdn, kind, values, record.ttl_seconds) for kind, values in by_kind.items()],
        ttl_seconds=record.ttl_seconds,
        may_replace=lambda _: False,
    )


def _described(standing: Standing, forward_zones: Sequence[str]) -> tuple[str, Sequence[Address]]:
    """The name that `delete` takes for what stands here, and the addresses."""
    address = address_of(standing.name)
    if address is None:
        return standing.name, _addresses(standing)
    targets = (plain(value) for one in standing.of_kinds(("PTR",)) for value in values_of(one))
    return next((target for target in targets if longest_suffix(target, forward_zones)), standing.name), [address]


def _addresses(standing: Standing) -> Sequence[Address]:
    return addresses_of(standing.of_kinds(ADDRESS_TYPES))
