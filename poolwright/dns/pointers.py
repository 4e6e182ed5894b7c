"""PTR records, the same for all services: which reverse zone holds an address, and what is said of it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Generic, Protocol, TypeVar

from poolwright.dns.base import AddressRecord
from poolwright.dns.claims import in_order, occupant
from poolwright.dns.names import Address, reverse_name
from poolwright.domain.identities import OwnerMark
from poolwright.domain.wording import listed

Zone = TypeVar("Zone")
Zone_co = TypeVar("Zone_co", covariant=True)


class ReverseZones(Protocol[Zone_co]):
    """The reverse zones that may be written to."""

    @property
    def reverse_names(self) -> Sequence[str]:
        """Their DNS names."""
        ...

    def reverse(self, name: str) -> Zone_co | None:
        """The zone that a reverse name's records are written to."""
        ...

    def reverse_holding(self, name: str) -> Sequence[Zone_co]:
        """Every zone that may have records of a reverse name, the longest first: an inner one may be younger than the
        records."""
        ...


class Pointers(ABC, Generic[Zone]):
    """The PTR records in the reverse zones of a service. What a subclass adds is how one of them is written."""

    def __init__(self, reverse_zones: ReverseZones[Zone]) -> None:
        self._reverse_zones = reverse_zones

    @property
    def wanted(self) -> bool:
        """Whether there is any reverse zone to write to."""
        return bool(self._reverse_zones.reverse_names)

    def write(self, mark: OwnerMark, record: AddressRecord) -> tuple[Sequence[str], tuple[str, ...]]:
        """Write the PTR records of all the record's addresses, if it wants any.

        Returns what was written, in words, and why others were not.
        """
        if not (record.ptr and self.wanted):
            return (), ()
        problems = {address: self._write(mark, record, address) for address in record.addresses}
        written = [f"{reverse_name(address)} PTR {record.fqdn}" for address, why in problems.items() if why is None]
        return written, tuple(why for why in problems.values() if why is not None)

    def remove(self, mark: OwnerMark, fqdn: str, addresses: Iterable[Address]) -> tuple[str, ...]:
        """Remove the PTR records from these addresses to this name that bear this mark. Returns them in words."""
        if not self.wanted:
            return ()
        return tuple(
            f"{reverse_name(address)} PTR {fqdn}"
            for address in sorted(addresses, key=in_order)
            if self._remove(mark, fqdn, address)
        )

    @abstractmethod
    def put(self, zone: Zone, mark: OwnerMark, record: AddressRecord, address: Address) -> Sequence[OwnerMark] | None:
        """Write the PTR record of this address with its mark, also over one of ours for another server.

        Returns None once it is there, or the marks of who else has the reverse name (none: it bears no mark).
        """

    @abstractmethod
    def take_away(self, zone: Zone, mark: OwnerMark, fqdn: str, address: Address) -> bool:
        """Remove the mark, and the PTR record to this name: one to another name stays, since somebody has put it there.

        Returns False where the reverse name does not bear this mark.
        """

    def take_away_around(self, zone: Zone, mark: OwnerMark, fqdn: str, address: Address) -> bool:
        """As `take_away`, in a zone around the one that holds the reverse name: from before that one was made."""
        return self.take_away(zone, mark, fqdn, address)

    def _write(self, mark: OwnerMark, record: AddressRecord, address: Address) -> str | None:
        name = reverse_name(address)
        zone = self._reverse_zones.reverse(name)
        if zone is None:
            names = listed(self._reverse_zones.reverse_names)
            return f"{address} has no PTR record: {name} lies in none of the reverse zones {names}"
        holders = self.put(zone, mark, record, address)
        if holders is None:
            return None
        return f"{address} has no PTR record of ours: {name} {occupant(holders)}"

    def _remove(self, mark: OwnerMark, fqdn: str, address: Address) -> bool:
        zones = self._reverse_zones.reverse_holding(reverse_name(address))
        gone = [self.take_away(zone, mark, fqdn, address) for zone in zones[:1]]
        gone += [self.take_away_around(zone, mark, fqdn, address) for zone in zones[1:]]
        return any(gone)
