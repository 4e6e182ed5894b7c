"""PTR records: the way back from an address to a name, each with an owner mark of its own in the reverse zone."""

from collections.abc import Iterable, Sequence

from dns.rdatatype import RdataType

from poolwright.dns.base import AddressRecord
from poolwright.dns.claims import in_order, occupant
from poolwright.dns.names import Address, longest_suffix, owner_name, reverse_name
from poolwright.dns.rfc2136 import updates
from poolwright.dns.rfc2136.reading import marks_in
from poolwright.dns.rfc2136.servers import Servers
from poolwright.domain.identities import OwnerMark
from poolwright.domain.wording import listed


class Pointers:
    """The PTR records in the configured reverse zones."""

    def __init__(self, servers: Servers, zones: Sequence[str]) -> None:
        self._servers = servers
        self._zones = zones

    @property
    def wanted(self) -> bool:
        """Whether there is any reverse zone to write to."""
        return bool(self._zones)

    def write(self, mark: OwnerMark, record: AddressRecord, address: Address) -> str | None:
        """Write the PTR record of this address. Returns why it was not written, or None."""
        name = reverse_name(address)
        zone = longest_suffix(name, self._zones)
        if zone is None:
            return f"{address} has no PTR record: {name} lies in none of the reverse zones {listed(self._zones)}"
        action = f"asked to write {name}"
        if self._servers.update(updates.claim_reverse(zone, mark, record, address), action):
            return None
        holders = marks_in(self._servers.records(owner_name(name), RdataType.TXT))
        if len(holders) == 1 and holders[0].controller_id == mark.controller_id:
            rewrite = updates.rewrite_reverse(zone, holders[0], mark, record, address)
            if self._servers.update(rewrite, action):
                return None
        return f"{address} has no PTR record of ours: {name} {occupant(holders)}"

    def remove(self, mark: OwnerMark, fqdn: str, addresses: Iterable[Address]) -> tuple[str, ...]:
        """Remove the PTR records from these addresses to this name that bear this mark. Returns them in words."""
        return tuple(
            f"{reverse_name(address)} PTR {fqdn}"
            for address in sorted(addresses, key=in_order)
            if self._remove(mark, fqdn, address)
        )

    def _remove(self, mark: OwnerMark, fqdn: str, address: Address) -> bool:
        name = reverse_name(address)
        zone = longest_suffix(name, self._zones)
        if zone is None:
            return False
        return self._servers.update(updates.release_reverse(zone, mark, fqdn, address), f"asked to remove {name}")
