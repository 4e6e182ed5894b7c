"""Records as OCI DNS has them, what they say, and the operations that a change of them is made of.

A change of a zone is a list of operations, carried out as a whole or not at all. Two of the four kinds change nothing:
`REQUIRE` and `PROHIBIT` are conditions on what is there at that moment. With these the service itself sees to it that
nobody steps in between a look and a write.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

from poolwright.dns.base import AddressRecord
from poolwright.dns.names import Address, kind_of, owner_name, plain, reverse_name
from poolwright.domain.identities import OwnerMark

ADDRESS_KINDS: Final = ("A", "AAAA")
ALIAS_KINDS: Final = ("CNAME", "ALIAS")
# A condition names a kind of record, so each kind takes one. Public and private zones both have these.
_KINDS: Final = (*ADDRESS_KINDS, "CAA", "CNAME", "DNAME", "MX", "NS", "PTR", "SRV", "TXT")
_OWNER_KINDS: Final = ("TXT", "CNAME")

Operation = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Record:
    """One record."""

    name: str
    """In our spelling: lower-case, without a dot at its end."""
    kind: str
    data: str
    """As in a zone file, addresses in their shortest form."""
    ttl_seconds: int

    @property
    def identity(self) -> tuple[str, str, str]:
        """What tells it from all other records."""
        return self.name, self.kind, self.data


@dataclass(frozen=True, slots=True)
class Place:
    """Everything at a name and at the name of its owner mark."""

    name: str
    at_name: tuple[Record, ...]
    at_owner: tuple[Record, ...]

    @property
    def marks(self) -> Sequence[OwnerMark]:
        """The owner marks here."""
        return marks_in(self.at_owner)

    @property
    def is_free(self) -> bool:
        """Whether nothing at all is here."""
        return not self.at_name and not self.at_owner

    def bears(self, mark: OwnerMark) -> bool:
        """Whether this mark is here, and nothing else where it stands."""
        return len(self.at_owner) == 1 and self.marks == [mark]

    def strangers(self, mark: OwnerMark) -> Sequence[OwnerMark]:
        """The other marks."""
        return [one for one in self.marks if one != mark]

    def of(self, *kinds: str) -> tuple[Record, ...]:
        """The records of these kinds at the name."""
        return tuple(one for one in self.at_name if one.kind in kinds)


def read(native: Any) -> Record:
    """A record of an answer."""
    kind, data = str(native.rtype).upper(), str(native.rdata)
    if kind in ADDRESS_KINDS:
        data = str(ip_address(data))
    return Record(plain(str(native.domain)), kind, data, int(native.ttl or 0))


def place_of(name: str, records: Iterable[Record]) -> Place:
    """What of these records is at a name."""
    kept = list(records)
    owner = owner_name(name)
    return Place(
        name,
        tuple(one for one in kept if one.name == name),
        tuple(one for one in kept if one.name == owner),
    )


def address_records(mark: OwnerMark, record: AddressRecord) -> Sequence[Record]:
    """Addresses and owner mark as they are to be."""
    ttl = record.ttl_seconds
    unique = dict.fromkeys(record.addresses)
    return [
        *(Record(record.fqdn, kind_of(address), str(address), ttl) for address in unique),
        _mark_record(record.fqdn, mark, ttl),
    ]


def pointer_records(mark: OwnerMark, record: AddressRecord, address: Address) -> Sequence[Record]:
    """The PTR record of this address and its owner mark as they are to be."""
    name = reverse_name(address)
    return [
        Record(name, "PTR", f"{record.fqdn}.", record.ttl_seconds),
        _mark_record(name, mark, record.ttl_seconds),
    ]


def claim(name: str, wanted: Sequence[Record]) -> list[Operation]:
    """Write these where nothing at all is."""
    return [
        *(_operation("PROHIBIT", name, kind) for kind in _KINDS),
        *(_operation("PROHIBIT", owner_name(name), kind) for kind in _OWNER_KINDS),
        *map(_add, wanted),
    ]


def rewrite(place: Place, kinds: Sequence[str], wanted: Sequence[Record]) -> list[Operation]:
    """Write these in place of the records of these kinds and of the mark, if the mark is still there.

    Empty when all is as wanted. No record is both removed and added, so that the order does not matter.
    """
    before = (*place.of(*kinds), *place.at_owner)
    if sorted(before, key=_in_order) == sorted(wanted, key=_in_order):
        return []
    kept = {one.identity for one in wanted}
    return [
        *map(_require, place.at_owner),
        _operation("PROHIBIT", place.name, "CNAME"),
        *(_remove(one) for one in before if one.identity not in kept),
        *map(_add, wanted),
        # A set of records has one TTL: this gives it to those of the set that stay.
        *(
            {**_operation("ADD", one.name, one.kind), "ttl": one.ttl_seconds}
            for one in wanted
            if any(two.identity == one.identity and two.ttl_seconds != one.ttl_seconds for two in before)
        ),
    ]


def release(place: Place, mark: OwnerMark, leaving: Iterable[Record], kinds: Iterable[str] = ()) -> list[Operation]:
    """Remove the mark, and if it is the last one these and all there is of these kinds by then, provided that all marks
    are still there. A text of somebody else beside them stays."""
    marked = [one for one in place.at_owner if marks_in([one])]
    ours = [one for one in marked if marks_in([one]) == [mark]]
    # Of two that leave at once, the second must see that it is the last.
    going = ours if place.strangers(mark) else [*leaving, *ours]
    wholly = [] if place.strangers(mark) else [_operation("REMOVE", place.name, kind) for kind in kinds]
    return [*map(_require, marked), *wholly, *map(_remove, going)]


def probe(name: str) -> list[Operation]:
    """What the service permits or refuses as it would the real thing, and what changes nothing."""
    return [_operation("PROHIBIT", name, "TXT"), _operation("REMOVE", name, "TXT")]


def addresses_in(records: Iterable[Record]) -> list[Address]:
    """The addresses in these records."""
    return [ip_address(one.data) for one in records if one.kind in ADDRESS_KINDS]


def marks_in(records: Iterable[Record]) -> list[OwnerMark]:
    """The owner marks in these records."""
    found = (OwnerMark.parse(one.data) for one in records if one.kind == "TXT")
    return [mark for mark in found if mark is not None]


def _mark_record(name: str, mark: OwnerMark, ttl_seconds: int) -> Record:
    return Record(owner_name(name), "TXT", f'"{mark.text()}"', ttl_seconds)


def _in_order(record: Record) -> tuple[str, str, str, int]:
    return (*record.identity, record.ttl_seconds)


def _add(record: Record) -> Operation:
    return {**_operation("ADD", record.name, record.kind), "rdata": record.data, "ttl": record.ttl_seconds}


def _remove(record: Record) -> Operation:
    return {**_operation("REMOVE", record.name, record.kind), "rdata": record.data}


def _require(record: Record) -> Operation:
    return {**_operation("REQUIRE", record.name, record.kind), "rdata": record.data}


def _operation(operation: str, name: str, kind: str) -> Operation:
    return {"domain": name, "rtype": kind, "operation": operation}
