"""What a live check finds, without changing anything."""

from collections.abc import Iterator

from poolwright.dns.errors import AuthenticationFailed, DNSError, InvalidSettings, PermissionDenied, Transient
from poolwright.dns.names import NameProblem, domain_name
from poolwright.dns.route53.record_sets import changes, record_set
from poolwright.dns.route53.settings import Settings
from poolwright.dns.route53.zones import HostedZone, HostedZones
from poolwright.domain.findings import Finding

PROBE_LABEL = "poolwright-check"
"""Name that a check speaks of and never makes."""
_KEY_REMEDY = "Correct the key or the worker's role, and keep the worker's clock right."


def findings(settings: Settings, zones: HostedZones, base_domain: str) -> Iterator[Finding]:
    """Everything that is wrong with these settings for records below this domain."""
    try:
        found = zones.zones()
    except AuthenticationFailed as problem:
        yield Finding(setting="access_key_id", problem=str(problem), remedy=_KEY_REMEDY)
        return
    except PermissionDenied as problem:
        yield _forbidden("route53:ListHostedZones", problem)
        return
    except Transient as problem:
        remedy = "Let the worker reach Route 53 over HTTPS, or correct `endpoint_url` and `ca_file`."
        yield Finding(setting="endpoint_url", problem=str(problem), remedy=remedy)
        return
    for missing in sorted(set(settings.hosted_zone_ids).difference(zone.id for zone in found)):
        yield Finding(
            setting="hosted_zone_ids",
            problem=f"The account has no {'private' if settings.private_zones else 'public'} hosted zone {missing}.",
            remedy="Correct it, take it out, or correct `private_zones`.",
        )
    yield from _below(zones, base_domain)


def _below(zones: HostedZones, base_domain: str) -> Iterator[Finding]:
    try:
        name = domain_name(base_domain)
        zone = zones.zone_of(name)
    except (NameProblem, InvalidSettings) as problem:
        remedy = (
            "Choose a base domain in a hosted zone of the account that `hosted_zone_ids` and `private_zones` allow."
        )
        yield Finding(setting="base_domain", problem=str(problem), remedy=remedy)
        return
    try:
        zones.look(zone, f"{PROBE_LABEL}.{name}")
    except PermissionDenied as problem:
        yield _forbidden("route53:ListResourceRecordSets", problem)
    try:
        _probe_writing(zones, zone, name)
    except PermissionDenied as problem:
        yield _forbidden("route53:ChangeResourceRecordSets", problem)


def _probe_writing(zones: HostedZones, zone: HostedZone, domain: str) -> None:
    """Ask for a change that is permitted or denied as a real one, and that removes what never was: so none of it is
    done."""
    name = f"{PROBE_LABEL}.{domain}"
    never_there = record_set(name, "TXT", ['"never written"'], ttl_seconds=1)
    zones.change(zone, name, changes([never_there], [record_set(name, "A", ["192.0.2.1"], ttl_seconds=1)]))


def _forbidden(action: str, problem: DNSError) -> Finding:
    return Finding(
        setting="access_key_id",
        problem=str(problem),
        remedy=f"Allow {action} to the key or the worker's role, for this hosted zone and these record names.",
    )
