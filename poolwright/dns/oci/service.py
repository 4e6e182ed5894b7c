"""The three calls to OCI DNS: list zones, read records, change records under conditions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from poolwright.dns.errors import DNSError, Transient
from poolwright.dns.names import plain
from poolwright.dns.oci.errors import dns_error
from poolwright.dns.oci.records import Operation, Place, Record, place_of, read
from poolwright.dns.oci.settings import Settings, Visibility
from poolwright.dns.zones import Zones, is_reverse
from poolwright.vendors.faults import Fault
from poolwright.vendors.oci import CallFailed, Connection, every

# Oracle does not say how a condition that does not hold is answered. Whatever of these it is, a new look tells.
_UNMET: Final = (Fault.CONFLICT, Fault.INVALID, Fault.MISSING)
_USABLE: Final = ("ACTIVE", "UPDATING")
# Oracle does not say how many records one page may have; so many surely.
_PAGE_SIZE: Final = 100
_SCOPES: Final = {Visibility.PUBLIC: "GLOBAL", Visibility.PRIVATE: "PRIVATE"}


class Unmet(Exception):
    """A change was refused as a whole: what it takes for granted is not so, or not any more. Look again."""

    def __init__(self, error: DNSError) -> None:
        super().__init__(str(error))
        self.error = error
        """What to raise when looking again does not help."""


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone that records can be written to."""

    name: str
    """In our spelling."""
    ocid: str

    def __str__(self) -> str:
        return self.ocid


class OCIDNS:
    """The zones of one compartment. Threads may share it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connection = Connection(settings)
        self.operation = self._connection.operation
        """Around all calls of one operation of the protocol."""

    def zones(self) -> Zones[Zone]:
        """The zones that the settings mean."""
        return Zones(
            self.usable_zones,
            description=f"the {self._settings.visibility} zones of the compartment that take records",
            way_out_of_two="name its view in `view_ocid`",
        )

    def usable_zones(self) -> Sequence[Zone]:
        """The zones that take records and that the settings mean, listed now."""
        settings = self._settings
        options: dict[str, Any] = {"scope": _SCOPES[settings.visibility], "zone_type": "PRIMARY"}
        if settings.view_ocid is not None:
            options["view_id"] = settings.view_ocid
        found = []
        for one in self._every("list_zones", settings.compartment_ocid, **options):
            zone = Zone(plain(one.name), one.id)
            meant = settings.reverse_zones if is_reverse(zone) else settings.zones
            # Protected zones are Oracle's own, for the host names of a network.
            if one.lifecycle_state in _USABLE and not one.is_protected and (not meant or zone.name in meant):
                found.append(zone)
        return found

    def place(self, zone: Zone, name: str) -> Place:
        """What is at this name, and at the name of its owner mark, at one moment."""
        # The name of the mark contains the name that it claims: one search finds both.
        found = self._every("get_zone_records", zone.ocid, domain_contains=name)
        return place_of(name, map(read, found))

    def every_record(self, zone: Zone) -> Sequence[Record]:
        """All records of a zone."""
        return [read(one) for one in self._every("get_zone_records", zone.ocid)]

    def may_read(self, zone: Zone) -> None:
        """Read one record. Raises what reading raises."""
        try:
            self._connection.dns("get_zone_records", zone.ocid, limit=1)
        except CallFailed as failure:
            raise dns_error(failure) from None

    def change(self, zone: Zone, operations: Sequence[Operation]) -> None:
        """Carry out these operations as a whole. Raises `Unmet` when nothing was done because one could not be."""
        try:
            self._connection.dns("patch_zone_records", zone.ocid, {"items": [dict(one) for one in operations]})
        except CallFailed as failure:
            error = dns_error(failure)
            if failure.fault not in _UNMET:
                raise error from None
            raise Unmet(error) from None

    def _every(self, operation: str, *arguments: Any, **options: Any) -> Sequence[Any]:
        try:
            found: Sequence[Any] = every(self._connection.dns, operation, *arguments, page_size=_PAGE_SIZE, **options)
        except CallFailed as failure:
            raise dns_error(failure) from None
        return found


def again(unmet: Unmet, name: str) -> DNSError:
    """What to raise when each new look at a name was followed by a refusal."""
    if isinstance(unmet.error, Transient):
        return Transient(
            f"the records of {name} kept changing while they were written; nothing is half-done, ask again"
        )
    return unmet.error
