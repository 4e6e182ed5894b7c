"""Record sets as Cloud DNS has them, and what they say: addresses, targets and owner marks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

from poolwright.dns.base import AddressRecord
from poolwright.dns.names import Address, kind_of, owner_name, plain, renewed_ttl, reverse_name
from poolwright.domain.identities import OwnerMark

ADDRESS_KINDS: Final = ("A", "AAAA")
# What makes up a record set. An answer has more in it (`kind`, signatures), which a change must not send back.
_FIELDS: Final = ("name", "type", "ttl", "rrdatas", "routingPolicy")


@dataclass(frozen=True, slots=True)
class RecordSet:
    """All records of one kind at one name."""

    name: str
    """In our spelling: lower-case, without a dot at its end."""
    kind: str
    data: tuple[str, ...]
    native: Mapping[str, Any]
    """As the API has it. A deletion must repeat all of it, else nothing of its change is done."""


@dataclass(frozen=True, slots=True)
class Place:
    """Everything at a name and at the name of its owner mark."""

    name: str
    at_name: tuple[RecordSet, ...]
    at_owner: tuple[RecordSet, ...]

    @property
    def marks(self) -> Sequence[OwnerMark]:
        """The owner marks here."""
        return [mark for one in self.at_owner for mark in marks_in(one)]

    @property
    def is_free(self) -> bool:
        """Whether nothing at all is here."""
        return not self.at_name and not self.at_owner

    def bears(self, mark: OwnerMark) -> bool:
        """Whether this mark is here, and nothing else where it stands."""
        return [one.data for one in self.at_owner] == [(_quoted(mark),)]

    def strangers(self, mark: OwnerMark) -> Sequence[OwnerMark]:
        """The other marks."""
        return [one for one in self.marks if one != mark]

    def without_mark(self, mark: OwnerMark) -> tuple[list[RecordSet], list[RecordSet]]:
        """The record sets that hold this mark, and what stays of them without it."""
        marked = [one for one in self.at_owner if mark in marks_in(one)]
        texts = ((one, [text for text in one.data if OwnerMark.parse(text) != mark]) for one in marked)
        return marked, [_new(one.name, one.kind, int(one.native["ttl"]), kept) for one, kept in texts if kept]

    def sets(self, *kinds: str) -> tuple[RecordSet, ...]:
        """The record sets of these kinds at the name."""
        return tuple(one for one in self.at_name if one.kind in kinds)


def read(native: Mapping[str, Any]) -> RecordSet:
    """A record set of an answer."""
    kind = str(native["type"])
    data = tuple(str(text) for text in native.get("rrdatas") or ())
    if kind in ADDRESS_KINDS:
        data = tuple(str(ip_address(text)) for text in data)
    return RecordSet(
        name=plain(str(native["name"])),
        kind=kind,
        data=data,
        native={field: native[field] for field in _FIELDS if field in native},
    )


def address_sets(mark: OwnerMark, record: AddressRecord) -> list[RecordSet]:
    """The record sets that give the name its addresses and its mark."""
    texts: dict[str, list[str]] = {}
    for address in record.addresses:
        texts.setdefault(kind_of(address), []).append(str(address))
    return [
        *(_new(record.fqdn, kind, record.ttl_seconds, sorted(set(data))) for kind, data in texts.items()),
        _mark_set(record.fqdn, mark, record.ttl_seconds),
    ]


def pointer_sets(mark: OwnerMark, record: AddressRecord, address: Address) -> list[RecordSet]:
    """The record sets that lead back from the address to the name, and their mark."""
    name = reverse_name(address)
    pointer = _new(name, "PTR", record.ttl_seconds, [f"{record.fqdn}."])
    return [pointer, _mark_set(name, mark, record.ttl_seconds)]


def without(records: RecordSet, text: str) -> RecordSet | None:
    """The record set with this record taken out of it; None when nothing is left."""
    kept = [one for one in records.data if one.lower() != text]
    return _new(records.name, records.kind, int(records.native["ttl"]), kept) if kept else None


def addresses_in(sets: Iterable[RecordSet]) -> list[Address]:
    """The addresses in these record sets. One that is answered by a routing policy has none here."""
    return [ip_address(text) for one in sets if one.kind in ADDRESS_KINDS for text in one.data]


def marks_in(records: RecordSet) -> list[OwnerMark]:
    """The owner marks in this record set."""
    if records.kind != "TXT":
        return []
    return [mark for mark in map(OwnerMark.parse, records.data) if mark is not None]


def renewed(wanted: Iterable[RecordSet], before: Iterable[RecordSet]) -> list[RecordSet]:
    """The wanted record sets, but texts with another TTL than those before had."""
    ttls = [int(one.native.get("ttl", 0)) for one in before if one.kind == "TXT"]
    return [
        _new(one.name, one.kind, renewed_ttl(int(one.native["ttl"]), ttls), one.data) if one.kind == "TXT" else one
        for one in wanted
    ]


def same(left: Iterable[RecordSet], right: Iterable[RecordSet]) -> bool:
    """Whether both are the same record sets, whatever their order and the TTL of texts."""
    return sorted(map(_content, left)) == sorted(map(_content, right))


def _new(name: str, kind: str, ttl_seconds: int, data: Sequence[str]) -> RecordSet:
    native = {"name": f"{name}.", "type": kind, "ttl": ttl_seconds, "rrdatas": list(data)}
    return RecordSet(name, kind, tuple(data), native)


def _mark_set(name: str, mark: OwnerMark, ttl_seconds: int) -> RecordSet:
    return _new(owner_name(name), "TXT", ttl_seconds, [_quoted(mark)])


def _quoted(mark: OwnerMark) -> str:
    return f'"{mark.text()}"'


def _content(records: RecordSet) -> tuple[str, str, int, list[str]]:
    ttl = 0 if records.kind == "TXT" else int(records.native.get("ttl", 0))
    return records.name, records.kind, ttl, sorted(records.data)
