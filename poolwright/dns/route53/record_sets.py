"""Record sets as Route 53 has them: their order, what they say, and the changes that turn one state into another."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from poolwright.dns.names import Address, owner_name, plain, renewed_ttl
from poolwright.domain.identities import OwnerMark

if TYPE_CHECKING:
    from types_boto3_route53.type_defs import ChangeTypeDef, ResourceRecordSetOutputTypeDef

    RecordSet = ResourceRecordSetOutputTypeDef
    Change = ChangeTypeDef
else:
    RecordSet = Change = Mapping[str, Any]

_ESCAPED: Final = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Standing:
    """All record sets at one name and at that of its owner mark, at one moment."""

    name: str
    at_name: Sequence[RecordSet]
    at_owner: Sequence[RecordSet]

    @classmethod
    def of(cls, name: str, record_sets: Iterable[RecordSet]) -> "Standing":
        """What stands here, from record sets of any names."""
        found = list(record_sets)
        return cls(
            name,
            [one for one in found if name_of(one) == name],
            [one for one in found if name_of(one) == owner_name(name)],
        )

    @property
    def free(self) -> bool:
        """Whether nothing at all is at either name."""
        return not (self.at_name or self.at_owner)

    @property
    def marks(self) -> Sequence[OwnerMark]:
        """The owner marks, as a rule one."""
        texts = (value for one in self.at_owner if one["Type"] == "TXT" for value in values_of(one))
        return [mark for mark in map(OwnerMark.parse, texts) if mark is not None]

    @property
    def at_owner_texts(self) -> Sequence[RecordSet]:
        """The record set that holds the marks, if there is one."""
        return [one for one in self.at_owner if one["Type"] == "TXT"]

    def texts_with(self, mark: RecordSet, instead_of: OwnerMark) -> Sequence[RecordSet]:
        """The texts with this mark in place of that one, and with another TTL; what else stands beside it stays."""
        ours, ttl = values_of(mark), renewed_ttl(mark["TTL"], [one.get("TTL") for one in self.at_owner_texts])
        values = (*ours, *self._others(instead_of))
        return [{**mark, "TTL": ttl, "ResourceRecords": [{"Value": value} for value in values]}]

    def texts_without(self, mark: OwnerMark) -> Sequence[RecordSet]:
        """The texts but for this mark; nothing when it stood alone."""
        others = self._others(mark)
        return [{**one, "ResourceRecords": [{"Value": v} for v in others]} for one in self.at_owner_texts if others]

    def _others(self, mark: OwnerMark) -> Sequence[str]:
        values = (value for one in self.at_owner_texts for value in values_of(one))
        return [value for value in values if OwnerMark.parse(value) != mark]

    def of_kinds(self, kinds: Iterable[str]) -> Sequence[RecordSet]:
        """The record sets of these types at the name itself."""
        return [one for one in self.at_name if one["Type"] in kinds]

    def strangers(self, mark: OwnerMark) -> Sequence[OwnerMark]:
        """The other marks."""
        return [one for one in self.marks if one != mark]

    def held_by(self, mark: OwnerMark) -> bool:
        """Whether this mark is there, and no other."""
        return mark in self.marks and not self.strangers(mark)

    @property
    def is_alias(self) -> bool:
        """Whether a CNAME is there, beside which nothing else can be."""
        return bool(self.of_kinds(("CNAME",)))


def sort_key(name: str) -> str:
    """The order of Route 53's listings: by labels from the right, with a dot at the end.

    So all that lies below a name follows it at once: their keys begin with its key.
    """
    return ".".join(reversed(name.split("."))) + "."


def name_of(record_set: RecordSet) -> str:
    """The name in our spelling."""
    return plain(_ESCAPED.sub(lambda found: chr(int(found[1], 8)), record_set["Name"]))


def values_of(record_set: RecordSet) -> Sequence[str]:
    """The values as in a zone file; none for what Route 53 calls an alias."""
    return [record["Value"] for record in record_set.get("ResourceRecords", ())]


def addresses_of(record_sets: Iterable[RecordSet]) -> Sequence[Address]:
    """The addresses in address records."""
    return [ip_address(value) for one in record_sets if one["Type"] in ("A", "AAAA") for value in values_of(one)]


def record_set(name: str, kind: str, values: Iterable[str], ttl_seconds: int) -> RecordSet:
    """A plain record set: no alias, no routing policy."""
    records: Any = [{"Value": value} for value in values]
    return {"Name": f"{name}.", "Type": kind, "TTL": ttl_seconds, "ResourceRecords": records}  # type: ignore[typeddict-item]


def mark_set(name: str, mark: OwnerMark, ttl_seconds: int) -> RecordSet:
    """The record set that holds the owner mark of this name."""
    return record_set(owner_name(name), "TXT", [f'"{mark.text()}"'], ttl_seconds)


def changes(before: Iterable[RecordSet], after: Iterable[RecordSet]) -> list[Change]:
    """What turns these record sets into those: exact removals and creations, so that Route 53 refuses the whole batch
    unless all is still as it was seen."""
    removals: list[Change] = [{"Action": "DELETE", "ResourceRecordSet": one} for one in before]
    creations: list[Change] = [{"Action": "CREATE", "ResourceRecordSet": one} for one in after]
    return removals + creations


def same(one: Iterable[RecordSet], other: Iterable[RecordSet]) -> bool:
    """Whether these are the same record sets, in whatever order and spelling, whatever the TTL of texts."""
    return sorted(map(_comparable, one)) == sorted(map(_comparable, other))


def _comparable(one: RecordSet) -> tuple[str, str, str, Sequence[str], bool]:
    simple = set(one) <= {"Name", "Type", "TTL", "ResourceRecords"}
    ttl = "" if one["Type"] == "TXT" else str(one.get("TTL"))
    return name_of(one), one["Type"], ttl, sorted(values_of(one)), simple
