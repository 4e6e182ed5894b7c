"""What a live check finds, without changing anything."""

from collections.abc import Iterator, Sequence
from typing import Final

from poolwright.dns.base_domain import badly_spelt, outside
from poolwright.dns.errors import AuthenticationFailed, DNSError, InvalidSettings
from poolwright.dns.names import owner_name
from poolwright.dns.oci.records import probe
from poolwright.dns.oci.service import OCIDNS, Unmet, Zone
from poolwright.dns.oci.settings import Settings
from poolwright.dns.zones import is_reverse
from poolwright.domain.findings import Finding
from poolwright.domain.wording import listed

_PROBE_LABEL: Final = "poolwright-check"
"""Name that the check speaks of and never makes."""


def findings(settings: Settings, service: OCIDNS, base_domain: str) -> Sequence[Finding]:
    """Everything that is wrong with these settings for records below this domain."""
    try:
        zones = service.usable_zones()
    except DNSError as problem:
        return [*badly_spelt(base_domain), _refused(settings, problem)]
    return [
        *_unknown_zones("zones", settings.zones, zones, settings),
        *_unknown_zones("reverse_zones", settings.reverse_zones, zones, settings),
        *(badly_spelt(base_domain) or outside(base_domain, zones, chosen_by="view_ocid")),
        *(finding for zone in zones for finding in _permissions(service, zone)),
    ]


def refuse_unknown(settings: Settings, zones: Sequence[Zone]) -> None:
    """Raise `InvalidSettings` when a zone that the settings name is not among these: what is in it, nobody sees."""
    missing = _unknown((*settings.zones, *settings.reverse_zones), zones)
    if missing:
        raise InvalidSettings(
            f"the compartment has no {settings.visibility} zone {listed(missing)} that takes records, so what is ours "
            "in it cannot be listed; correct `zones`, `reverse_zones` or `visibility`"
        )


def _unknown(names: Sequence[str], zones: Sequence[Zone]) -> list[str]:
    return [name for name in names if name not in {zone.name for zone in zones}]


def _refused(settings: Settings, problem: DNSError) -> Finding:
    if isinstance(problem, AuthenticationFailed):
        setting = "private_key"
        remedy = "Upload the public key to the user in the console, and copy its fingerprint, user and tenancy."
    elif isinstance(problem, InvalidSettings) and settings.ca_file is not None:
        setting, remedy = "ca_file", "Put the file there, or take the setting out."
    else:
        setting = "endpoint_url" if settings.endpoint_url and problem.retryable else "compartment_ocid"
        remedy = "Correct the compartment's OCID, or allow the user's group to manage dns in it."
    return Finding(setting=setting, problem=str(problem), remedy=remedy)


def _unknown_zones(setting: str, named: Sequence[str], zones: Sequence[Zone], settings: Settings) -> Iterator[Finding]:
    missing = _unknown(named, zones)
    if missing:
        yield Finding(
            setting=setting,
            problem=f"The compartment has no {settings.visibility} zone {listed(missing)} that takes records.",
            remedy="Create it as a primary zone, name another one, or see that `visibility` and `view_ocid` fit.",
        )


def _permissions(service: OCIDNS, zone: Zone) -> Iterator[Finding]:
    try:
        service.may_read(zone)
        service.change(zone, probe(owner_name(f"{_PROBE_LABEL}.{zone.name}")))
    except (DNSError, Unmet) as problem:
        yield Finding(
            setting="reverse_zones" if is_reverse(zone) else "zones",
            problem=f"Records of the zone {zone.name} cannot be read and written: {problem}",
            remedy="Allow the user's group to manage dns in the compartment, or name other zones.",
        )
