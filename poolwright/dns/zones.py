"""Which of an account's zones holds a name, for services that can be asked what zones they have."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, Protocol, TypeVar

from poolwright.dns.errors import InvalidSettings
from poolwright.dns.names import longest_suffix
from poolwright.domain.wording import listed

REMEMBERED_SECONDS: Final = 60.0
"""How long a list of zones is believed. A name that none of them holds asks for a new one at once."""

_REVERSE_ENDS: Final = (".in-addr.arpa", ".ip6.arpa")


class NamedZone(Protocol):
    """A zone of some service. `str` of it says which one it is among others of its name."""

    @property
    def name(self) -> str:
        """Its DNS name, in our spelling."""
        ...


Zone = TypeVar("Zone", bound=NamedZone)


def is_reverse(zone: NamedZone) -> bool:
    """Whether a zone holds the ways back from addresses."""
    return f".{zone.name}".endswith(_REVERSE_ENDS)


class Zones(Generic[Zone]):
    """The zones that the settings let us write to, as the service listed them lately. Threads may share it."""

    def __init__(
        self,
        read: Callable[[], Sequence[Zone]],
        *,
        description: str,
        way_out_of_two: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`read` lists them. For messages: `description` ("the public zones of project x"), and what to do where two
        have the same name."""
        self._read, self._description, self._way_out_of_two = read, description, way_out_of_two
        self._clock = clock
        self._lock = threading.Lock()
        self._zones: tuple[Zone, ...] = ()
        self._read_at = float("-inf")

    def forward(self, name: str) -> Zone:
        """The zone that a name's records are written to. Raises `InvalidSettings` when there is none, or two."""
        candidates = self.holding(name)
        longest = [zone for zone in candidates if zone.name == candidates[0].name]
        if len(longest) > 1:
            raise InvalidSettings(
                f"{name} lies in {len(longest)} zones that are all named {longest[0].name}: "
                f"{listed(list(map(str, longest)))}; {self._way_out_of_two}"
            )
        return longest[0]

    def holding(self, name: str) -> Sequence[Zone]:
        """Every zone that may have records of a name, the longest first. Raises `InvalidSettings` if there is none.

        More than one: zones within zones, of which the inner one may be younger than the records.
        """
        found = zones_holding(name, self._recent()) or zones_holding(name, self.read())
        if not found:
            names = listed(sorted({zone.name for zone in self._zones})) or "there are none"
            raise InvalidSettings(
                f"{name} lies in none of {self._description} ({names}); create its zone, let `zones` name it, or "
                "choose a base domain in one of them"
            )
        return found

    def reverse(self, name: str) -> Zone | None:
        """The zone that a reverse name's records are written to."""
        return next(iter(self.reverse_holding(name)), None)

    def reverse_holding(self, name: str) -> Sequence[Zone]:
        """Every zone that may have records of a reverse name, the longest first."""
        return [zone for zone in zones_holding(name, self._recent()) if is_reverse(zone)]

    def holds(self, name: str) -> bool:
        """Whether a name lies in one of the zones that are no reverse zones."""
        return any(not is_reverse(zone) for zone in zones_holding(name, self._recent()))

    @property
    def reverse_names(self) -> Sequence[str]:
        """The DNS names of the reverse zones."""
        return sorted({zone.name for zone in self._recent() if is_reverse(zone)})

    def read(self) -> Sequence[Zone]:
        """All of them, listed anew."""
        asked_at = self._clock()
        zones = tuple(self._read())
        with self._lock:
            self._zones, self._read_at = zones, asked_at
        return zones

    def _recent(self) -> Sequence[Zone]:
        with self._lock:
            if self._clock() < self._read_at + REMEMBERED_SECONDS:
                return self._zones
        return self.read()


def zones_holding(name: str, zones: Iterable[Zone]) -> Sequence[Zone]:
    """The zones that hold this name, the longest first. Two may have the same name."""
    found = [zone for zone in zones if longest_suffix(name, [zone.name])]
    return sorted(found, key=lambda zone: len(zone.name), reverse=True)
