"""The DNS protocol by dynamic updates."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from dns.rdatatype import RdataType

from poolwright.dns.base import AddressRecord, Changes, OwnedRecord
from poolwright.dns.claims import left_alone, name_taken, owned_records, refuse_another_controllers, too_busy
from poolwright.dns.errors import InvalidSettings, PermissionDenied
from poolwright.dns.names import Address, owner_name, plain, suffixes
from poolwright.dns.rfc2136 import updates
from poolwright.dns.rfc2136.checks import findings
from poolwright.dns.rfc2136.pointers import ServerPointers
from poolwright.dns.rfc2136.reading import addresses_in, claims_of, marks_in, texts_beside
from poolwright.dns.rfc2136.servers import Servers
from poolwright.dns.rfc2136.settings import Settings
from poolwright.domain.findings import Finding
from poolwright.domain.identities import OwnerMark
from poolwright.domain.wording import listed

_ADDRESSES: Final = "A and AAAA"


def open_dns_provider(settings: Mapping[str, Any], controller_id: str) -> "RFC2136DNS":
    """Open the provider; nothing is asked of a server yet. Raises pydantic's ValidationError."""
    return RFC2136DNS(Settings.model_validate(settings), controller_id)


class RFC2136DNS:
    """The zones of one primary server, or of several that serve the same zones. See `poolwright.dns.base`."""

    def __init__(self, settings: Settings, controller_id: str) -> None:
        self._settings = settings
        self._controller_id = controller_id
        self._servers = Servers(settings)
        self._pointers = ServerPointers(self._servers, settings.reverse_zones)

    def check(self, base_domain: str) -> Sequence[Finding]:
        """See the protocol."""
        return findings(self._settings, self._servers, base_domain)

    def upsert(self, mark: OwnerMark, record: AddressRecord) -> Changes:
        """See the protocol."""
        refuse_another_controllers(mark, record, self._controller_id)
        zone = self._holding(record.fqdn, self._settings.zones)[0]
        removed: tuple[str, ...] = ()
        if not self._servers.update(updates.claim(zone, mark, record), f"asked to write {record.fqdn}"):
            removed = self._remove_outdated_pointers(mark, record)
            if not self._rewrite(zone, mark, record):
                raise name_taken(record.fqdn, self._marks(record.fqdn))
        pointed, notes = self._pointers.write(mark, record)
        written = (f"{record.fqdn} {updates.address_type(address).name} {address}" for address in record.addresses)
        return Changes(written=(*written, *pointed), removed=removed, notes=notes)

    def delete(self, mark: OwnerMark, fqdn: str, addresses: Iterable[Address] = ()) -> Changes:
        """See the protocol."""
        if mark.controller_id != self._controller_id:
            return Changes(notes=(f"{fqdn} was left alone: controller {mark.controller_id} owns it",))
        fqdn = plain(fqdn)
        zone, *others = self._holding(fqdn, (*self._settings.zones, *self._settings.reverse_zones))
        # PTR records go first: once the name is gone, nothing at it tells of its addresses any more.
        removed = self._pointers.remove(mark, fqdn, {*addresses, *self._addresses(fqdn)})
        around = [_ADDRESSES for other in others if self._is_released_around(other, mark, fqdn)]
        gone = self._release(zone, mark, fqdn)
        notes = left_alone(fqdn, self._marks(fqdn)) if gone != _ADDRESSES else ()
        kinds = dict.fromkeys(one for one in (gone, *around) if one)
        return Changes(removed=(*removed, *(f"{fqdn} {one}" for one in kinds)), notes=notes)

    def list_owned(self) -> Sequence[OwnedRecord]:
        """See the protocol."""
        zones = dict.fromkeys((*self._settings.zones, *self._settings.reverse_zones))
        contents = map(self._servers.transfer, zones)
        return owned_records(claims_of(contents, self._controller_id, self._settings.zones))

    def _is_released_around(self, zone: str, mark: OwnerMark, fqdn: str) -> bool:
        """Remove what bears this mark in a zone around the one that holds the name: it may be from before that one was
        made. No question would show it."""
        try:
            return self._servers.update(updates.release(zone, mark, fqdn), f"asked to remove {fqdn} from {zone}")
        except (InvalidSettings, PermissionDenied):
            # What takes no updates of this name from us has none of our records.
            return False

    def _holding(self, name: str, zones: Sequence[str]) -> Sequence[str]:
        """The zones that this name lies in, the longest first. Raises `InvalidSettings` when there is none."""
        found = suffixes(name, zones)
        if not found:
            raise InvalidSettings(
                f"{name} lies in none of the zones {listed(zones)}; "
                "add its zone to `zones`, or choose a base domain in one of them"
            )
        return found

    def _remove_outdated_pointers(self, mark: OwnerMark, record: AddressRecord) -> tuple[str, ...]:
        kept = record.addresses if record.ptr else ()
        return self._pointers.remove(mark, record.fqdn, set(self._addresses(record.fqdn)).difference(kept))

    def _addresses(self, fqdn: str) -> list[Address]:
        """The addresses that the name has, where PTR records may have to follow them."""
        if not self._pointers.wanted:
            return []
        return [
            address for kind in updates.ADDRESS_TYPES for address in addresses_in(self._servers.records(fqdn, kind))
        ]

    def _rewrite(self, zone: str, mark: OwnerMark, record: AddressRecord) -> bool:
        action = f"asked to rewrite {record.fqdn}"
        if self._servers.update(updates.rewrite(zone, mark, record), action):
            return True
        beside = texts_beside(self._servers.records(owner_name(record.fqdn), RdataType.TXT), mark)
        if not beside or marks_in(beside):
            return False
        return self._servers.update(updates.rewrite(zone, mark, record, beside), action)

    def _release(self, zone: str, mark: OwnerMark, fqdn: str) -> str:
        """Remove what bears this mark. Returns what that was: the addresses go with the last mark."""
        action = f"asked to remove {fqdn}"
        if self._servers.update(updates.release(zone, mark, fqdn), action):
            return _ADDRESSES
        beside = texts_beside(self._servers.records(owner_name(fqdn), RdataType.TXT), mark)
        if beside is None:
            return ""
        is_last = not marks_in(beside)
        remove = updates.release if is_last else updates.withdraw
        if not self._servers.update(remove(zone, mark, fqdn, beside), action):
            raise too_busy(fqdn)
        return _ADDRESSES if is_last else "owner mark"

    def _marks(self, name: str) -> Sequence[OwnerMark]:
        return marks_in(self._servers.records(owner_name(name), RdataType.TXT))
