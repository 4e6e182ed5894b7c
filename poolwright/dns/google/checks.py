"""What a live check finds, without changing anything."""

from collections.abc import Iterator, Sequence
from typing import Final

from poolwright.dns.base_domain import badly_spelt, outside
from poolwright.dns.errors import AuthenticationFailed, DNSError
from poolwright.dns.google.service import ENDPOINT, CloudDNS
from poolwright.dns.google.settings import Settings
from poolwright.dns.google.zones import Zone, unknown, usable_zones
from poolwright.dns.zones import is_reverse
from poolwright.domain.findings import Finding
from poolwright.domain.wording import listed

NEEDED: Final = (
    "dns.changes.create",
    "dns.resourceRecordSets.create",
    "dns.resourceRecordSets.delete",
    "dns.resourceRecordSets.list",
    "dns.resourceRecordSets.update",
)
"""The permissions that writing, removing and listing records take, besides `dns.managedZones.list`."""


def findings(settings: Settings, service: CloudDNS, base_domain: str) -> Sequence[Finding]:
    """Everything that is wrong with these settings for records below this domain."""
    try:
        zones = usable_zones(service.managed_zones(), settings)
    except DNSError as problem:
        return [*badly_spelt(base_domain), _refused(settings, problem)]
    return [
        *_unknown_zones("zones", settings.zones, zones, settings),
        *_unknown_zones("reverse_zones", settings.reverse_zones, zones, settings),
        *(badly_spelt(base_domain) or outside(base_domain, zones, chosen_by="zones")),
        *(finding for zone in zones for finding in _permissions(service, zone)),
    ]


def _refused(settings: Settings, problem: DNSError) -> Finding:
    if isinstance(problem, AuthenticationFailed):
        setting = "credentials_json"
        remedy = "Paste the whole key file of a service account, or leave it out where the worker has an identity."
    elif problem.retryable:
        setting = "endpoint_url"
        remedy = f"Let the workers reach {settings.endpoint_url or ENDPOINT}, then ask again."
    else:
        setting = "project"
        remedy = f"Make sure that {settings.project} is the project's id, and give roles/dns.admin on it."
    return Finding(setting=setting, problem=str(problem), remedy=remedy)


def _unknown_zones(setting: str, named: Sequence[str], zones: Sequence[Zone], settings: Settings) -> Iterator[Finding]:
    missing = unknown(named, zones)
    if missing:
        yield Finding(
            setting=setting,
            problem=f"The project {settings.project} has no {settings.visibility} managed zone {listed(missing)} that "
            "takes such records.",
            remedy="Name managed zones as `gcloud dns managed-zones list` does, and see that `visibility` fits.",
        )


def _permissions(service: CloudDNS, zone: Zone) -> Iterator[Finding]:
    setting = "reverse_zones" if is_reverse(zone) else "zones"
    try:
        missing = sorted(set(NEEDED).difference(service.permissions(zone, NEEDED)))
    except DNSError as problem:
        yield Finding(setting=setting, problem=str(problem), remedy="Ask again once that is mended.")
        return
    if missing:
        yield Finding(
            setting=setting,
            problem=f"The permissions {listed(missing)} are missing on the managed zone {zone.resource}.",
            remedy="Give the service account the role roles/dns.admin on the project or on this managed zone.",
        )
