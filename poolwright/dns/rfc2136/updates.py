"""The update messages, each with the conditions under which the server may carry it out.

RFC 2136 lets a message name conditions that the server checks in the same transaction as the changes. So nobody can
step in between: either the conditions hold at that moment and everything is done, or nothing is.
"""

from collections.abc import Iterable
from typing import Final

import dns.name
from dns.rdata import Rdata
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.TXT import TXT
from dns.update import UpdateMessage

from poolwright.dns.base import AddressRecord
from poolwright.dns.names import Address, owner_name, reverse_name
from poolwright.domain.identities import OwnerMark

ADDRESS_TYPES: Final = (RdataType.A, RdataType.AAAA)
PROBE_LABEL: Final = "poolwright-check"
"""Name that `probe` speaks of and never makes."""


def wire_name(name: str) -> dns.name.Name:
    """The name as the DNS library wants it."""
    return dns.name.from_text(name, dns.name.root)


def address_type(address: Address) -> RdataType:
    """The type of the record that holds this address."""
    return RdataType.A if address.version == 4 else RdataType.AAAA  # the two versions there are


def claim(zone: str, mark: OwnerMark, record: AddressRecord) -> UpdateMessage:
    """Write the addresses and the mark, if nothing at all is at either name."""
    update = UpdateMessage(wire_name(zone))
    _require_unused(update, record.fqdn)
    _add_addresses(update, mark, record)
    return update


def rewrite(zone: str, mark: OwnerMark, record: AddressRecord, beside: Iterable[Rdata] = ()) -> UpdateMessage:
    """Write the addresses in place of earlier ones, if the name bears this mark and just these texts beside it."""
    update = UpdateMessage(wire_name(zone))
    _require_mark(update, record.fqdn, mark, beside)
    # A server drops an address beside a CNAME without a word.
    update.absent(wire_name(record.fqdn), RdataType.CNAME)
    for kind in ADDRESS_TYPES:
        update.delete(wire_name(record.fqdn), kind)
    _add_addresses(update, mark, record)
    return update


def release(zone: str, mark: OwnerMark, fqdn: str, beside: Iterable[Rdata] = ()) -> UpdateMessage:
    """Remove the addresses and the mark, if the name bears this mark and just these texts beside it, which stay."""
    update = UpdateMessage(wire_name(zone))
    _require_mark(update, fqdn, mark, beside)
    for kind in ADDRESS_TYPES:
        update.delete(wire_name(fqdn), kind)
    update.delete(wire_name(owner_name(fqdn)), _mark_text(mark))
    return update


def withdraw(zone: str, mark: OwnerMark, name: str, beside: Iterable[Rdata]) -> UpdateMessage:
    """Remove the mark alone, from a name or a reverse name, under the conditions of `release`."""
    update = UpdateMessage(wire_name(zone))
    _require_mark(update, name, mark, beside)
    update.delete(wire_name(owner_name(name)), _mark_text(mark))
    return update


def claim_reverse(zone: str, mark: OwnerMark, record: AddressRecord, address: Address) -> UpdateMessage:
    """Write the PTR record of this address and its mark, if nothing at all is at either name."""
    update = UpdateMessage(wire_name(zone))
    _require_unused(update, reverse_name(address))
    _add_pointer(update, mark, record, address)
    return update


def rewrite_reverse(
    zone: str, holder: OwnerMark, mark: OwnerMark, record: AddressRecord, address: Address
) -> UpdateMessage:
    """Write the PTR record of this address and its mark in place of the holder's, if the holder's is still there."""
    update = UpdateMessage(wire_name(zone))
    name = reverse_name(address)
    _require_mark(update, name, holder)
    update.absent(wire_name(name), RdataType.CNAME)
    update.delete(wire_name(name), RdataType.PTR)
    update.delete(wire_name(owner_name(name)), RdataType.TXT)
    _add_pointer(update, mark, record, address)
    return update


def release_reverse(
    zone: str, mark: OwnerMark, fqdn: str, address: Address, beside: Iterable[Rdata] = ()
) -> UpdateMessage:
    """Remove the PTR record from this address to this name, and its mark, under the conditions of `release`.

    A PTR record to another name stays: somebody has put it in our place.
    """
    update = UpdateMessage(wire_name(zone))
    name = reverse_name(address)
    _require_mark(update, name, mark, beside)
    update.delete(wire_name(name), RdataType.PTR, wire_name(fqdn).to_text())
    update.delete(wire_name(owner_name(name)), _mark_text(mark))
    return update


def probe(zone: str, domain: str) -> UpdateMessage:
    """What the server permits or refuses as it would the real thing below `domain`, and what changes nothing."""
    update = UpdateMessage(wire_name(zone))
    name = f"{PROBE_LABEL}.{domain}"
    _require_unused(update, name)
    for kind in (RdataType.PTR,) if zone.endswith(".arpa") else ADDRESS_TYPES:
        update.delete(wire_name(name), kind)
    update.delete(wire_name(owner_name(name)), RdataType.TXT)
    return update


def _require_unused(update: UpdateMessage, name: str) -> None:
    update.absent(wire_name(name))
    update.absent(wire_name(owner_name(name)))


def _require_mark(update: UpdateMessage, name: str, mark: OwnerMark, beside: Iterable[Rdata] = ()) -> None:
    # A server compares all texts of the name with all that are named here.
    update.present(wire_name(owner_name(name)), _mark_text(mark), *beside)


def _add_addresses(update: UpdateMessage, mark: OwnerMark, record: AddressRecord) -> None:
    for address in record.addresses:
        update.add(wire_name(record.fqdn), record.ttl_seconds, address_type(address), str(address))
    update.add(wire_name(owner_name(record.fqdn)), record.ttl_seconds, _mark_text(mark))


def _add_pointer(update: UpdateMessage, mark: OwnerMark, record: AddressRecord, address: Address) -> None:
    name, ttl = reverse_name(address), record.ttl_seconds
    update.add(wire_name(name), ttl, RdataType.PTR, wire_name(record.fqdn).to_text())
    update.add(wire_name(owner_name(name)), ttl, _mark_text(mark))


def _mark_text(mark: OwnerMark) -> TXT:
    return TXT(RdataClass.IN, RdataType.TXT, [mark.text()])
