"""The managed zones of a project that records can be written to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from poolwright.dns.errors import InvalidSettings
from poolwright.dns.google.service import CloudDNS
from poolwright.dns.google.settings import Settings, Visibility
from poolwright.dns.names import plain
from poolwright.dns.zones import Zones, is_reverse
from poolwright.domain.wording import listed

# Zones that answer from somewhere else: they have no records of their own.
_ELSEWHERE: Final = ("forwardingConfig", "peeringConfig", "reverseLookupConfig", "serviceDirectoryConfig")


@dataclass(frozen=True, slots=True)
class Zone:
    """A managed zone that records can be written to."""

    name: str
    """Its DNS name, in our spelling."""
    resource: str
    """Its name in the project."""

    def __str__(self) -> str:
        return self.resource


def zones_of(service: CloudDNS, settings: Settings) -> Zones[Zone]:
    """The project's zones that the settings mean."""
    return Zones(
        lambda: usable_zones(service.managed_zones(), settings),
        description=f"the {settings.visibility} managed zones of {settings.project} that take records",
        way_out_of_two="name the right one in `zones`",
    )


def usable_zones(managed: Sequence[Mapping[str, Any]], settings: Settings) -> Sequence[Zone]:
    """The zones among these that take records and that the settings mean."""
    found = []
    for one in managed:
        zone = Zone(plain(str(one["dnsName"])), str(one["name"]))
        meant = settings.reverse_zones if is_reverse(zone) else settings.zones
        is_private = one.get("visibility") == Visibility.PRIVATE
        if is_private != (settings.visibility is Visibility.PRIVATE) or any(one.get(key) for key in _ELSEWHERE):
            continue
        if not meant or zone.resource in meant:
            found.append(zone)
    return found


def unknown(resources: Sequence[str], zones: Sequence[Zone]) -> list[str]:
    """Those of the named zones that are not among these."""
    return [resource for resource in resources if resource not in {zone.resource for zone in zones}]


def refuse_unknown(settings: Settings, zones: Sequence[Zone]) -> None:
    """Raise `InvalidSettings` when a zone that the settings name is not among these: what is in it, nobody sees."""
    missing = unknown((*settings.zones, *settings.reverse_zones), zones)
    if missing:
        raise InvalidSettings(
            f"the project {settings.project} has no {settings.visibility} managed zone {listed(missing)} that takes "
            "such records; correct `zones`, `reverse_zones` or `visibility`"
        )
