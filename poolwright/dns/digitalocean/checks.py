"""What a live check finds, without changing anything."""

from collections.abc import Iterator, Sequence

from poolwright.dns.digitalocean.records import Records
from poolwright.dns.digitalocean.settings import Settings
from poolwright.dns.errors import AuthenticationFailed, PermissionDenied, Transient
from poolwright.dns.names import NameProblem, domain_name, longest_suffix
from poolwright.domain.findings import Finding
from poolwright.domain.wording import listed

_SCOPES = "Make a token with the scopes domain:read and domain:update, and set `token` to it."


def findings(settings: Settings, records: Records, base_domain: str) -> Iterator[Finding]:
    """Everything that is wrong with these settings for records below this domain."""
    try:
        name: str | None = domain_name(base_domain)
    except NameProblem as problem:
        name = None
        remedy = "Write a domain name such as vdi.example.org."
        yield Finding(setting="base_domain", problem=str(problem), remedy=remedy)
    try:
        domains = records.domains()
    except (AuthenticationFailed, PermissionDenied) as problem:
        yield Finding(setting="token", problem=str(problem), remedy=_SCOPES)
        return
    except Transient as problem:
        remedy = "Let the worker reach the API over HTTPS, or correct `endpoint_url` and `ca_file`."
        yield Finding(setting="endpoint_url", problem=str(problem), remedy=remedy)
        return
    for missing in sorted(set(settings.domains).difference(domains)):
        yield Finding(
            setting="domains",
            problem=f"The account has no domain {missing}.",
            remedy="Add it to the account, or take it out of `domains`.",
        )
    if name is not None:
        yield from _writing(records, name, longest_suffix(name, domains), domains)


def _writing(records: Records, name: str, domain: str | None, domains: Sequence[str]) -> Iterator[Finding]:
    if domain is None:
        yield Finding(
            setting="base_domain",
            problem=f"{name} lies in none of the domains {listed(domains) or '(there are none)'}.",
            remedy="Add its domain to the account and to `domains`, or choose a base domain in one of them.",
        )
        return
    try:
        records.probe_writing(domain)
    except PermissionDenied as problem:
        yield Finding(setting="token", problem=str(problem), remedy=_SCOPES)
