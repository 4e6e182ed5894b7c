"""Record sets as Azure has them. Each carries its owner mark itself, as metadata, so that no write parts the two."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any, Final

from poolwright.dns.base import AddressRecord
from poolwright.dns.names import Address, kind_of, plain
from poolwright.domain.identities import OwnerMark

MARK_KEY: Final = "poolwright"
"""The name of the metadata that holds the owner mark."""
ADDRESS_KINDS: Final = ("A", "AAAA")


@dataclass(frozen=True, slots=True)
class RecordSet:
    """All records of one kind at one name."""

    name: str
    """The whole name, in our spelling."""
    kind: str
    data: tuple[str, ...]
    """Addresses, or the targets of PTR records in our spelling. Nothing for any other kind, and for an alias to one of
    Azure's own resources."""
    ttl_seconds: int
    metadata: Mapping[str, str]
    etag: str
    """What its state is called; empty for one that is not written yet."""

    @property
    def mark(self) -> OwnerMark | None:
        """The owner mark on it."""
        return OwnerMark.parse(self.metadata.get(MARK_KEY, ""))

    def has_content_of(self, other: "RecordSet") -> bool:
        """Whether it says the same."""
        return (self.data, self.ttl_seconds, self.mark) == (other.data, other.ttl_seconds, other.mark)

    def keeping_metadata_of(self, other: "RecordSet | None") -> "RecordSet":
        """The same with what somebody else noted on the other."""
        return self if other is None else replace(self, metadata={**other.metadata, **self.metadata})


def read(native: Any, zone: str) -> RecordSet:
    """A record set of an answer. Those of public and of private zones have the same attributes."""
    kind = str(native.type).rpartition("/")[2].upper()
    relative = plain(str(native.name))
    texts = {
        "A": [str(ip_address(one.ipv4_address)) for one in native.a_records or ()],
        "AAAA": [str(ip_address(one.ipv6_address)) for one in native.aaaa_records or ()],
        "PTR": [plain(str(one.ptrdname)) for one in native.ptr_records or ()],
    }
    return RecordSet(
        name=zone if relative == "@" else f"{relative}.{zone}",
        kind=kind,
        data=tuple(sorted(texts.get(kind, ()))),
        ttl_seconds=int(native.ttl or 0),
        metadata=dict(native.metadata or {}),
        etag=str(native.etag or ""),
    )


def written(models: Any, records: RecordSet) -> Any:
    """The record set in the SDK's words. `models` are those for public or for private zones."""
    content: dict[str, Any] = {
        "A": lambda: {"a_records": [models.ARecord(ipv4_address=text) for text in records.data]},
        "AAAA": lambda: {"aaaa_records": [models.AaaaRecord(ipv6_address=text) for text in records.data]},
        "PTR": lambda: {"ptr_records": [models.PtrRecord(ptrdname=text) for text in records.data]},
    }[records.kind]()
    return models.RecordSet(ttl=records.ttl_seconds, metadata=dict(records.metadata), **content)


def address_sets(mark: OwnerMark, record: AddressRecord) -> Mapping[str, RecordSet]:
    """The record sets that give the name its addresses, by kind."""
    texts: dict[str, set[str]] = {}
    for address in record.addresses:
        texts.setdefault(kind_of(address), set()).add(str(address))
    return {kind: new(record.fqdn, kind, sorted(data), record.ttl_seconds, mark) for kind, data in texts.items()}


def new(name: str, kind: str, data: Sequence[str], ttl_seconds: int, mark: OwnerMark) -> RecordSet:
    """A record set that bears this mark."""
    return RecordSet(name, kind, tuple(data), ttl_seconds, {MARK_KEY: mark.text()}, etag="")


def addresses_in(sets: Iterable[RecordSet]) -> list[Address]:
    """The addresses in these record sets."""
    return [ip_address(text) for one in sets if one.kind in ADDRESS_KINDS for text in one.data]


def marks_in(sets: Iterable[RecordSet]) -> list[OwnerMark]:
    """The owner marks on these record sets, each once."""
    return list({one.mark.text(): one.mark for one in sets if one.mark is not None}.values())
