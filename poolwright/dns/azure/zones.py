"""The DNS zones of a subscription that records can be written to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from poolwright.dns.azure.settings import Settings
from poolwright.dns.errors import InvalidSettings
from poolwright.dns.zones import Zones, is_reverse
from poolwright.domain.wording import listed


@dataclass(frozen=True, slots=True)
class Zone:
    """A public or private DNS zone."""

    name: str
    """Its DNS name, in our spelling, which is its name in the resource group too."""
    group: str
    """The resource group that has it."""
    resource_id: str
    record_sets: int = field(compare=False)
    """How many it had when it was listed."""

    def __str__(self) -> str:
        return f"{self.name} in resource group {self.group}"

    def relative(self, name: str) -> str:
        """The part of a name that is in front of the zone's."""
        return "@" if name == self.name else name.removesuffix(f".{self.name}")


def zones_of(read: Callable[[], Sequence[Zone]], settings: Settings) -> Zones[Zone]:
    """The zones that the settings mean, of those that `read` lists."""
    where = f"resource group {settings.resource_group}" if settings.resource_group else "the subscription"
    return Zones(
        lambda: meant(read(), settings),
        description=f"the {settings.visibility} zones of {where} that the settings name",
        way_out_of_two="name the right one's `resource_group`",
    )


def meant(zones: Sequence[Zone], settings: Settings) -> Sequence[Zone]:
    """Those of these zones that the settings mean."""
    return [
        zone
        for zone in zones
        if zone.name in ((settings.reverse_zones if is_reverse(zone) else settings.zones) or (zone.name,))
    ]


def unknown(names: Sequence[str], zones: Sequence[Zone]) -> list[str]:
    """Those of the named zones that are not among these."""
    return [name for name in names if name not in {zone.name for zone in zones}]


def refuse_unknown(settings: Settings, zones: Sequence[Zone]) -> None:
    """Raise `InvalidSettings` when a zone that the settings name is not among these: what is in it, nobody sees."""
    missing = unknown((*settings.zones, *settings.reverse_zones), zones)
    if missing:
        raise InvalidSettings(
            f"there is no {settings.visibility} zone {listed(missing)} in the resource group or subscription; correct "
            "`zones`, `reverse_zones`, `resource_group` or `visibility`"
        )
