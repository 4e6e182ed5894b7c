"""What a live check finds, without changing anything."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatch

from poolwright.dns.azure.service import AzureDNS
from poolwright.dns.azure.settings import Settings, Visibility
from poolwright.dns.azure.zones import Zone, meant, unknown
from poolwright.dns.base_domain import badly_spelt, outside
from poolwright.dns.errors import AuthenticationFailed, DNSError
from poolwright.dns.zones import is_reverse
from poolwright.domain.findings import Finding
from poolwright.domain.wording import listed


def findings(settings: Settings, service: AzureDNS, base_domain: str) -> Sequence[Finding]:
    """Everything that is wrong with these settings for records below this domain."""
    try:
        zones = meant(service.zones(), settings)
    except DNSError as problem:
        return [*badly_spelt(base_domain), _refused(settings, problem)]
    return [
        *_unknown_zones("zones", settings.zones, zones, settings),
        *_unknown_zones("reverse_zones", settings.reverse_zones, zones, settings),
        *(badly_spelt(base_domain) or outside(base_domain, zones, chosen_by="resource_group")),
        *(finding for zone in zones for finding in _permissions(settings, service, zone)),
    ]


def _refused(settings: Settings, problem: DNSError) -> Finding:
    if isinstance(problem, AuthenticationFailed):
        setting = "client_secret"
        remedy = "Make a new secret for the app registration, or leave it out where the worker has an identity."
    elif problem.retryable:
        setting = "endpoint_url"
        remedy = (
            f"Let the workers reach {settings.cloud.management_url} and {settings.cloud.login_url}, then ask again."
        )
    else:
        setting = "subscription_id"
        remedy = "Correct `subscription_id` and `resource_group`, and give the identity a role there."
    return Finding(setting=setting, problem=str(problem), remedy=remedy)


def _unknown_zones(setting: str, named: Sequence[str], zones: Sequence[Zone], settings: Settings) -> Iterator[Finding]:
    missing = unknown(named, zones)
    if missing:
        where = settings.resource_group or "any resource group that we may see"
        yield Finding(
            setting=setting,
            problem=f"There is no {settings.visibility} zone {listed(missing)} in {where}.",
            remedy="Name zones as the portal does, and see that `visibility` and `resource_group` fit.",
        )


def _permissions(settings: Settings, service: AzureDNS, zone: Zone) -> Iterator[Finding]:
    setting = "reverse_zones" if is_reverse(zone) else "zones"
    try:
        granted = service.permissions(zone)
    except DNSError as problem:
        yield Finding(setting=setting, problem=str(problem), remedy="Ask again once that is mended.")
        return
    kinds = ("PTR",) if is_reverse(zone) else ("A", "AAAA")
    needed = [f"{service.resource_type}/{kind}/{verb}" for kind in kinds for verb in ("read", "write", "delete")]
    missing = [action for action in needed if not is_allowed(action, granted)]
    if missing:
        role = "Private DNS Zone Contributor" if settings.visibility is Visibility.PRIVATE else "DNS Zone Contributor"
        yield Finding(
            setting=setting,
            problem=f"The actions {listed(missing)} are not allowed on the zone {zone.name}.",
            remedy=f"Give the identity the role {role} on the zone or its resource group.",
        )


def is_allowed(action: str, granted: Iterable[Mapping[str, Sequence[str]]]) -> bool:
    """Whether one of these permissions allows the action and does not take it out again."""
    return any(
        _matches(action, one.get("actions") or ()) and not _matches(action, one.get("notActions") or ())
        for one in granted
    )


def _matches(action: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch(action.lower(), pattern.lower()) for pattern in patterns)
