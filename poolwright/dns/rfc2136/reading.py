"""What records say: addresses, targets and owner marks; and what of whole zones is ours."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from ipaddress import ip_address

import dns.name
from dns.rdata import Rdata
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA
from dns.zone import Zone

from poolwright.dns.names import Address, address_of, claimed_name, longest_suffix
from poolwright.dns.rfc2136.updates import ADDRESS_TYPES, wire_name
from poolwright.domain.identities import OwnerMark


def marks_in(records: Iterable[Rdata]) -> Sequence[OwnerMark]:
    """The owner marks among these records."""
    texts = (b"".join(record.strings).decode(errors="replace") for record in records if isinstance(record, TXT))
    return [mark for mark in map(OwnerMark.parse, texts) if mark is not None]


def texts_beside(records: Iterable[Rdata], mark: OwnerMark) -> Sequence[Rdata] | None:
    """What stands beside this mark, other marks included; None where it is not among these records."""
    records = list(records)
    return [record for record in records if marks_in([record]) != [mark]] if mark in marks_in(records) else None


def addresses_in(records: Iterable[Rdata]) -> Sequence[Address]:
    """The addresses among these records."""
    return [ip_address(record.address) for record in records if isinstance(record, A | AAAA)]


def claims_of(
    contents: Iterable[Zone], controller_id: str, forward_zones: Collection[str]
) -> Iterator[tuple[OwnerMark, str, Sequence[Address]]]:
    """What bears this controller's mark in these zones: mark, name, addresses."""
    for content in contents:
        for mark, name in _claims(content):
            if mark.controller_id == controller_id:
                yield mark, *_described(content, name, forward_zones)


def _claims(content: Zone) -> Iterator[tuple[OwnerMark, str]]:
    for owner, records in content.iterate_rdatasets(RdataType.TXT):
        name = claimed_name(_name_text(owner))
        if name is not None:
            yield from ((mark, name) for mark in marks_in(records))


def _described(content: Zone, name: str, forward_zones: Collection[str]) -> tuple[str, Sequence[Address]]:
    """The name that `delete` takes for what stands here, and the addresses."""
    address = address_of(name)
    if address is None:
        return name, addresses_in(record for kind in ADDRESS_TYPES for record in _records(content, name, kind))
    targets = (
        _name_text(record.target) for record in _records(content, name, RdataType.PTR) if isinstance(record, PTR)
    )
    ours = (target for target in targets if longest_suffix(target, forward_zones))
    return next(ours, name), [address]


def _records(content: Zone, name: str, kind: RdataType) -> Iterable[Rdata]:
    return content.get_rdataset(wire_name(name), kind) or ()


def _name_text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()
