"""Which managed zone holds a name."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from poolwright.dns.errors import InvalidSettings
from poolwright.dns.google.service import CloudDNS
from poolwright.dns.google.settings import Settings, Visibility
from poolwright.dns.names import longest_suffix, plain
from poolwright.domain.wording import listed

REMEMBERED_SECONDS: Final = 60.0
"""How long a list of zones is believed. A name that none of them holds asks for a new one at once."""

_REVERSE_ENDS: Final = (".in-addr.arpa", ".ip6.arpa")
# Zones that answer from somewhere else: they have no records of their own.
_ELSEWHERE: Final = ("forwardingConfig", "peeringConfig", "reverseLookupConfig", "serviceDirectoryConfig")


@dataclass(frozen=True, slots=True)
class Zone:
    """A managed zone that records can be written to."""

    name: str
    """Its DNS name, in our spelling."""
    resource: str
    """Its name in the project."""

    @property
    def is_reverse(self) -> bool:
        """Whether it holds the ways back from addresses."""
        return self.name.endswith(_REVERSE_ENDS)


class Zones:
    """The project's zones that the settings let us write to, as Cloud DNS listed them lately."""

    def __init__(self, service: CloudDNS, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._service = service
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._zones: tuple[Zone, ...] = ()
        self._listed_at = float("-inf")

    def forward(self, name: str) -> Zone:
        """The zone that a name's records are written to. Raises `InvalidSettings` when there is none, or two."""
        candidates = self._found(name)
        longest = [zone for zone in candidates if zone.name == candidates[0].name]
        if len(longest) > 1:
            raise InvalidSettings(
                f"{name} lies in {len(longest)} managed zones that are all named {longest[0].name}: "
                f"{listed([zone.resource for zone in longest])}; name the right one in `zones`"
            )
        return longest[0]

    def holding(self, name: str) -> Sequence[Zone]:
        """Every zone that may have records of a name, the longest first. Raises `InvalidSettings` if there is none.

        More than one: zones within zones, of which the inner one may be younger than the records.
        """
        return self._found(name)

    def reverse(self, name: str) -> Zone | None:
        """The zone that a reverse name's records are written to."""
        return next((zone for zone in _holding(self._current(), name) if zone.is_reverse), None)

    def holds(self, name: str) -> bool:
        """Whether a name lies in one of the zones that are no reverse zones."""
        return any(not zone.is_reverse for zone in _holding(self._current(), name))

    @property
    def reverse_zones(self) -> Sequence[str]:
        """The DNS names of the reverse zones."""
        return sorted({zone.name for zone in self._current() if zone.is_reverse})

    def all(self) -> Sequence[Zone]:
        """Every zone, listed anew. Raises `InvalidSettings` when one that the settings name is not there."""
        zones = self._list()
        missing = unknown(self._settings.zones, zones) + unknown(self._settings.reverse_zones, zones)
        if missing:
            raise InvalidSettings(
                f"the project {self._service.project} has no {self._settings.visibility} managed zone "
                f"{listed(missing)} that takes records; correct `zones`, `reverse_zones` or `visibility`"
            )
        return zones

    def _found(self, name: str) -> Sequence[Zone]:
        found = _holding(self._current(), name) or _holding(self._list(), name)
        if not found:
            names = sorted({zone.name for zone in self._zones})
            raise InvalidSettings(
                f"{name} lies in none of the {self._settings.visibility} managed zones that records may be written to "
                f"({listed(names) or 'there are none'}); create its zone, name it in `zones`, or choose a base domain "
                "in one of them"
            )
        return found

    def _current(self) -> tuple[Zone, ...]:
        with self._lock:
            if self._clock() < self._listed_at + REMEMBERED_SECONDS:
                return self._zones
        return self._list()

    def _list(self) -> tuple[Zone, ...]:
        asked_at = self._clock()
        zones = usable_zones(self._service.managed_zones(), self._settings)
        with self._lock:
            self._zones, self._listed_at = zones, asked_at
        return zones


def usable_zones(managed: Sequence[Mapping[str, Any]], settings: Settings) -> tuple[Zone, ...]:
    """The zones among these that take records and that the settings mean."""
    found = []
    for one in managed:
        zone = Zone(plain(str(one["dnsName"])), str(one["name"]))
        meant = settings.reverse_zones if zone.is_reverse else settings.zones
        is_private = one.get("visibility") == Visibility.PRIVATE
        if is_private != (settings.visibility is Visibility.PRIVATE) or any(one.get(key) for key in _ELSEWHERE):
            continue
        if not meant or zone.resource in meant:
            found.append(zone)
    return tuple(found)


def unknown(resources: Sequence[str], zones: Sequence[Zone]) -> list[str]:
    """Those of the named zones that are not among these."""
    return [resource for resource in resources if resource not in {zone.resource for zone in zones}]


def _holding(zones: Sequence[Zone], name: str) -> list[Zone]:
    holding = [zone for zone in zones if longest_suffix(name, [zone.name])]
    return sorted(holding, key=lambda zone: len(zone.name), reverse=True)
