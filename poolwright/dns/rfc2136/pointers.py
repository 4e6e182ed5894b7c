"""PTR records: the way back from an address to a name, each with an owner mark of its own in the reverse zone."""

from collections.abc import Sequence

from dns.rdatatype import RdataType

from poolwright.dns.base import AddressRecord
from poolwright.dns.claims import too_busy
from poolwright.dns.errors import InvalidSettings, PermissionDenied
from poolwright.dns.names import Address, longest_suffix, owner_name, reverse_name, suffixes
from poolwright.dns.pointers import Pointers
from poolwright.dns.rfc2136 import updates
from poolwright.dns.rfc2136.reading import marks_in, texts_beside
from poolwright.dns.rfc2136.servers import Servers
from poolwright.domain.identities import OwnerMark


class NamedZones:
    """The reverse zones that the settings name."""

    def __init__(self, names: Sequence[str]) -> None:
        self.reverse_names = names

    def reverse(self, name: str) -> str | None:
        """The zone with the longest name that holds this one."""
        return longest_suffix(name, self.reverse_names)

    def reverse_holding(self, name: str) -> Sequence[str]:
        """Every zone that holds this name, the longest first."""
        return suffixes(name, self.reverse_names)


class ServerPointers(Pointers[str]):
    """The PTR records in the configured reverse zones."""

    def __init__(self, servers: Servers, zones: Sequence[str]) -> None:
        super().__init__(NamedZones(zones))
        self._servers = servers

    def put(self, zone: str, mark: OwnerMark, record: AddressRecord, address: Address) -> Sequence[OwnerMark] | None:
        """See base class."""
        name = reverse_name(address)
        action = f"asked to write {name}"
        if self._servers.update(updates.claim_reverse(zone, mark, record, address), action):
            return None
        holders = marks_in(self._servers.records(owner_name(name), RdataType.TXT))
        if len(holders) == 1 and holders[0].controller_id == mark.controller_id:
            rewrite = updates.rewrite_reverse(zone, holders[0], mark, record, address)
            if self._servers.update(rewrite, action):
                return None
        return holders

    def take_away(self, zone: str, mark: OwnerMark, fqdn: str, address: Address) -> bool:
        """See base class."""
        name = reverse_name(address)
        action = f"asked to remove {name}"
        if self._servers.update(updates.release_reverse(zone, mark, fqdn, address), action):
            return True
        beside = texts_beside(self._servers.records(owner_name(name), RdataType.TXT), mark)
        if beside is None:
            return False
        last = updates.release_reverse(zone, mark, fqdn, address, beside)
        if not self._servers.update(updates.withdraw(zone, mark, name, beside) if marks_in(beside) else last, action):
            raise too_busy(name)
        return True

    def take_away_around(self, zone: str, mark: OwnerMark, fqdn: str, address: Address) -> bool:
        """See base class. No question would show what is there."""
        try:
            message = updates.release_reverse(zone, mark, fqdn, address)
            return self._servers.update(message, f"asked to remove {reverse_name(address)} from {zone}")
        except (InvalidSettings, PermissionDenied):
            # What takes no updates of this name from us has none of our records.
            return False
