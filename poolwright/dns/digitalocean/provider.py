"""The DNS protocol on DigitalOcean's domains.

The service has no conditions and no transactions, so the order of the writes does their work. The mark is written
first, then looked at again, and only whoever has the oldest mark goes on to write addresses. It is removed last. So
whatever a crash leaves behind, its mark is still there for a repeat, a removal or a sweep to find.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from poolwright.dns.base import AddressRecord, Changes, OwnedRecord
from poolwright.dns.claims import (
    ATTEMPTS,
    left_alone,
    name_taken,
    owned_records,
    refuse_another_controllers,
    too_busy,
)
from poolwright.dns.digitalocean.checks import findings
from poolwright.dns.digitalocean.records import SHORTEST_TTL_SECONDS, Record, Records
from poolwright.dns.digitalocean.settings import Settings
from poolwright.dns.digitalocean.standing import Standing, address_of, superfluous
from poolwright.dns.errors import InvalidSettings, NameTaken, Transient
from poolwright.dns.names import Address, claimed_name, kind_of, owner_name, plain
from poolwright.domain.findings import Finding
from poolwright.domain.identities import OwnerMark


def open_dns_provider(settings: Mapping[str, Any], controller_id: str) -> "DigitalOceanDNS":
    """Open the provider; nothing is asked of DigitalOcean yet. Raises pydantic's ValidationError."""
    return DigitalOceanDNS(Settings.model_validate(settings), controller_id)


class DigitalOceanDNS:
    """The domains of one account. See `poolwright.dns.base`. It writes no PTR records: DigitalOcean does that itself,
    from the names of droplets."""

    def __init__(self, settings: Settings, controller_id: str) -> None:
        self._settings = settings
        self._controller_id = controller_id
        self._records = Records(settings)

    def check(self, base_domain: str) -> Sequence[Finding]:
        """See the protocol."""
        with self._records.operation():
            return list(findings(self._settings, self._records, base_domain))

    def upsert(self, mark: OwnerMark, record: AddressRecord) -> Changes:
        """See the protocol."""
        refuse_another_controllers(mark, record, self._controller_id)
        with self._records.operation():
            domain = self._records.domain_of(record.fqdn)
            standing = self._look(domain, record.fqdn)
            if standing.free:
                standing = self._claim(domain, mark, record)
            if not standing.writable_by(mark):
                raise name_taken(record.fqdn, standing.strangers(mark))
            removed = self._settle(domain, mark, record, standing)
        return Changes(
            written=tuple(f"{record.fqdn} {kind_of(address)} {address}" for address in record.addresses),
            removed=tuple(f"{one.name} {one.kind} {one.data}" for one in removed),
            notes=_ttl_notes(record),
        )

    def delete(self, mark: OwnerMark, fqdn: str, addresses: Iterable[Address] = ()) -> Changes:  # noqa: ARG002
        """See the protocol."""
        if mark.controller_id != self._controller_id:
            return Changes(notes=(f"{fqdn} was left alone: controller {mark.controller_id} owns it",))
        fqdn = plain(fqdn)
        with self._records.operation():
            cleared = [self._clear(domain, mark, fqdn) for domain in self._records.domains_of(fqdn)]
        return Changes(
            removed=tuple(f"{one.name} {one.kind} {one.data}" for removed, _ in cleared for one in removed),
            notes=tuple(note for _, strangers in cleared for note in left_alone(fqdn, strangers)),
        )

    def list_owned(self) -> Sequence[OwnedRecord]:
        """See the protocol."""
        with self._records.operation():
            return owned_records(claim for domain in self._records.domains() for claim in self._claims(domain))

    def _clear(self, domain: str, mark: OwnerMark, fqdn: str) -> tuple[Sequence[Record], Sequence[OwnerMark]]:
        """Remove what bears this mark. Returns what was removed, and the marks of others."""
        standing, gone = self._look(domain, fqdn), list[Record]()
        for _ in range(ATTEMPTS):
            if not standing.held_by(mark):
                break
            gone += [one for one in standing.addresses if self._records.delete(domain, one)]
            # Another worker's write for this server may end just now: without the mark nobody would find its addresses.
            standing = self._look(domain, fqdn)
            if not standing.addresses:
                break
        else:
            raise too_busy(fqdn)
        # The mark that has the name goes last of all.
        gone += [one for one in reversed(standing.marks_of(mark)) if self._records.delete(domain, one)]
        return gone, standing.strangers(mark)

    def _look(self, domain: str, fqdn: str) -> Standing:
        return Standing(fqdn, self._records.look(domain, fqdn))

    def _claim(self, domain: str, mark: OwnerMark, record: AddressRecord) -> Standing:
        """Write the mark at a name that was free a moment ago. Returns what is there now; a mark that came too late is
        gone again."""
        try:
            ours = self._records.create(domain, owner_name(record.fqdn), "TXT", mark.text(), _ttl_seconds(record))
        except InvalidSettings:
            self._raise_if_taken(domain, mark, record.fqdn)
            raise
        standing = self._look(domain, record.fqdn)
        # Addresses that are the very ones, or that came after our mark, are those of another worker that writes for
        # this server just now. Without the mark that it has found nobody would ever find them again.
        late = [one for one in standing.addresses if one.id > ours.id]
        foreign = [one for one in superfluous(standing.at_name, record.addresses) if one not in late]
        if standing.held_by(mark) and not foreign:
            return standing
        self._records.delete(domain, ours)
        if standing.held_by(mark) and ours != standing.marks_of(mark)[0]:
            return standing
        raise _lost(standing, mark, foreign)

    def _settle(self, domain: str, mark: OwnerMark, record: AddressRecord, standing: Standing) -> Sequence[Record]:
        """Let a name that is ours have exactly these addresses. Returns what was removed."""
        self._correct_ttl(domain, mark, record, standing)
        had = {address_of(one) for one in standing.addresses}
        missing = [address for address in dict.fromkeys(record.addresses) if address not in had]
        new = [self._add(domain, mark, record, address) for address in missing]
        if new:
            standing = self._look(domain, record.fqdn)
            if not standing.held_by(mark):
                # The mark has gone or come second: without it nobody would ever find the new addresses again.
                for one in (*new, *standing.marks_of(mark)):
                    self._records.delete(domain, one)
                raise _lost(standing, mark, standing.at_name)
        # Twins of a mark or an address come from a lost answer, or from another worker at the same moment.
        going = [*superfluous(standing.addresses, record.addresses), *standing.marks_of(mark)[1:]]
        return [one for one in going if self._records.delete(domain, one)]

    def _correct_ttl(self, domain: str, mark: OwnerMark, record: AddressRecord, standing: Standing) -> None:
        for one in (*standing.marks_of(mark)[:1], *standing.addresses):
            stays = one.kind == "TXT" or address_of(one) in record.addresses
            if stays and one.ttl_seconds != _ttl_seconds(record):
                self._records.change_ttl(domain, one, _ttl_seconds(record))

    def _add(self, domain: str, mark: OwnerMark, record: AddressRecord, address: Address) -> Record:
        try:
            return self._records.create(domain, record.fqdn, kind_of(address), str(address), _ttl_seconds(record))
        except InvalidSettings:
            self._raise_if_taken(domain, mark, record.fqdn)
            raise

    def _raise_if_taken(self, domain: str, mark: OwnerMark, fqdn: str) -> None:
        """Raise `NameTaken` if that is why a record was refused, and take back a mark with nothing under it."""
        standing = self._look(domain, fqdn)
        if standing.free or standing.writable_by(mark):
            return
        if not standing.addresses:
            for one in standing.marks_of(mark):
                self._records.delete(domain, one)
        raise name_taken(fqdn, standing.strangers(mark))

    def _claims(self, domain: str) -> Iterator[tuple[OwnerMark, str, Sequence[Address]]]:
        by_name: dict[str, list[Record]] = {}
        for one in self._records.all(domain):
            by_name.setdefault(claimed_name(one.name) or one.name, []).append(one)
        for fqdn, records in by_name.items():
            standing = Standing(fqdn, records)
            for mark in {found for _, found in standing.marks if found.controller_id == self._controller_id}:
                held = standing.addresses if standing.held_by(mark) else ()
                yield mark, fqdn, [address for one in held if (address := address_of(one)) is not None]


def _lost(standing: Standing, mark: OwnerMark, foreign: Sequence[Record]) -> NameTaken | Transient:
    """The error when a name was not ours any more on a second look."""
    strangers = standing.strangers(mark)
    return name_taken(standing.fqdn, strangers) if strangers or foreign else too_busy(standing.fqdn)


def _ttl_seconds(record: AddressRecord) -> int:
    return max(SHORTEST_TTL_SECONDS, record.ttl_seconds)


def _ttl_notes(record: AddressRecord) -> tuple[str, ...]:
    if record.ttl_seconds >= SHORTEST_TTL_SECONDS:
        return ()
    kept, asked = SHORTEST_TTL_SECONDS, record.ttl_seconds
    return (f"the TTL of {record.fqdn} is {kept} s instead of {asked} s: DigitalOcean has no shorter ones",)
