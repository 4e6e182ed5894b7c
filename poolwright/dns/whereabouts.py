"""Changes of a DNS provider's settings after which its records would not be found any more, and be taken for gone.

A removal looks into the zones that the settings mean, and what is in none of these is not there. A name that no zone
holds any more is not among these cases: its removal fails, and is tried until somebody corrects the settings.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from poolwright.dns.names import Address, longest_suffix, plain, reverse_name
from poolwright.dns.registry import settings_model

_Values = Callable[[str], frozenset[str]]


class _Whereabouts(NamedTuple):
    """The settings of one kind that say where its records are."""

    account: tuple[str, ...] = ()
    """With another value, all zones are others."""
    part: tuple[str, ...] = ()
    """The same, but left out it means all there is."""
    chosen: tuple[str, ...] = ()
    """Zones by ids, which do not tell the names in them. Empty: all."""
    zones: str = ""
    """Zones by name. Empty: all."""
    reverse_zones: str = ""
    """The same of those for PTR records."""
    all_reverse_zones: bool = True
    """Whether no reverse zones means all of them."""


_OF_KIND: Final[Mapping[str, _Whereabouts]] = {
    "azure": _Whereabouts(
        account=("subscription_id", "visibility"),
        part=("resource_group",),
        zones="zones",
        reverse_zones="reverse_zones",
    ),
    "digitalocean": _Whereabouts(zones="domains"),
    "google": _Whereabouts(account=("project", "visibility"), chosen=("zones", "reverse_zones")),
    "oci": _Whereabouts(
        account=("region", "compartment_ocid", "visibility"),
        part=("view_ocid",),
        zones="zones",
        reverse_zones="reverse_zones",
    ),
    "rfc2136": _Whereabouts(zones="zones", reverse_zones="reverse_zones", all_reverse_zones=False),
    "route53": _Whereabouts(account=("private_zones",), chosen=("hosted_zone_ids",)),
}


def hiding(
    kind: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    names: Collection[str],
    addresses: Collection[Address],
) -> Iterator[str]:
    """The settings whose change would hide records of these names, or the PTR records of these addresses.

    A first choice among all zones is taken to hold the records: nothing here tells which zones there are.
    """
    where = _OF_KIND[kind]
    old, new = _values(kind, before), _values(kind, after)
    yield from (key for key in where.account if old(key) != new(key))
    yield from (key for key in where.part if new(key) and old(key) != new(key))
    yield from (key for key in where.chosen if new(key) and old(key) - new(key))
    if where.zones and _lose(names, old(where.zones), new(where.zones), unheld_is_gone=False):
        yield where.zones
    if where.reverse_zones and (new(where.reverse_zones) or not where.all_reverse_zones):
        pointers = [reverse_name(address) for address in addresses]
        if _lose(pointers, old(where.reverse_zones), new(where.reverse_zones), unheld_is_gone=True):
            yield where.reverse_zones


def _values(kind: str, settings: Mapping[str, Any]) -> _Values:
    """The values of a setting in one spelling; none where it is left out and has no default."""
    fields = settings_model(kind).model_fields

    def values(key: str) -> frozenset[str]:
        told = settings.get(key)
        value = fields[key].get_default() if told is None else told
        several = value if isinstance(value, list | tuple) else [value]
        return frozenset(plain(str(one)).removeprefix("/hostedzone/") for one in several if one is not None)

    return values


def _lose(names: Iterable[str], old: frozenset[str], new: frozenset[str], *, unheld_is_gone: bool) -> bool:
    """Whether the zone that had one of these names is left out. `unheld_is_gone`: also if no other zone holds it."""
    for name in names:
        zone = longest_suffix(name, old)
        if zone is not None and zone not in new and (unheld_is_gone or longest_suffix(name, new)):
            return True
    return False
