"""What the records at a name and at its owner mark's name say about whose it is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from poolwright.dns.digitalocean.records import Record
from poolwright.dns.names import Address, owner_name
from poolwright.domain.identities import OwnerMark

ADDRESS_TYPES: Final = ("A", "AAAA")


@dataclass(frozen=True)
class Standing:
    """The records at one name and at its owner mark's, in order of id.

    Nothing stops two controllers from writing their marks at once. The oldest mark has the name, which is the same for
    all who look; whoever wrote a later one takes it back.
    """

    fqdn: str
    records: Sequence[Record]

    @property
    def free(self) -> bool:
        """Whether nothing at all is at either name."""
        return not self.records

    @property
    def at_name(self) -> Sequence[Record]:
        """All records at the name itself."""
        return [one for one in self.records if one.name == self.fqdn]

    @property
    def addresses(self) -> Sequence[Record]:
        """The records that a mark claims."""
        return [one for one in self.at_name if one.kind in ADDRESS_TYPES]

    @property
    def marks(self) -> Sequence[tuple[Record, OwnerMark]]:
        """The marks, oldest first."""
        texts = (one for one in self.records if one.name == owner_name(self.fqdn) and one.kind == "TXT")
        return [(one, mark) for one in texts if (mark := OwnerMark.parse(one.data)) is not None]

    def marks_of(self, mark: OwnerMark) -> Sequence[Record]:
        """The records with this mark, oldest first."""
        return [record for record, found in self.marks if found == mark]

    def strangers(self, mark: OwnerMark) -> Sequence[OwnerMark]:
        """The other marks."""
        return [found for _, found in self.marks if found != mark]

    def held_by(self, mark: OwnerMark) -> bool:
        """Whether this mark is the oldest."""
        return bool(self.marks) and self.marks[0][1] == mark

    def writable_by(self, mark: OwnerMark) -> bool:
        """Whether addresses can be written here under this mark: beside an alias there can be none."""
        return self.held_by(mark) and not any(one.kind == "CNAME" for one in self.at_name)


def address_of(record: Record) -> Address | None:
    """The address in an address record; None in any other, or when it cannot be read."""
    try:
        return ip_address(record.data) if record.kind in ADDRESS_TYPES else None
    except ValueError:
        return None


def superfluous(records: Iterable[Record], wanted: Iterable[Address]) -> Sequence[Record]:
    """Of these address records in order of id, those that are to go: all but the oldest with each wanted address."""
    missing = set(wanted)
    extra = []
    for record in records:
        address = address_of(record)
        if address in missing:
            missing.discard(address)
        else:
            extra.append(record)
    return extra
