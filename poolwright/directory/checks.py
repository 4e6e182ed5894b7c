"""Whether an LDAP config and its OUs can work: all problems at once."""

import ssl
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from ldap3 import Connection
from ldap3.protocol.microsoft import security_descriptor_control

from poolwright.directory.access_rights import missing
from poolwright.directory.domain_controllers import DomainController, DomainControllers
from poolwright.directory.entries import entry_at, read_time
from poolwright.directory.errors import (
    AuthenticationFailed,
    CertificateRefused,
    DirectoryError,
    InvalidSettings,
)
from poolwright.directory.names import domain_of, require_domain, same_domain
from poolwright.domain.findings import Finding
from poolwright.domain.resources import LDAPConfig

if TYPE_CHECKING:
    from dns.resolver import Resolver

CLOCK_TOLERANCE: Final = timedelta(minutes=2)
"""Kerberos refuses from five minutes on; a clock that is off by this much is on its way there."""
CERTIFICATE_NOTICE: Final = timedelta(days=14)
"""A certificate that ends sooner than this is reported."""

_ACCESS_LIST_ONLY: Final = 4

_SETTINGS: Mapping[type[DirectoryError], str] = {
    AuthenticationFailed: "service_account_dn, service_account_password",
    CertificateRefused: "ca_file",
    InvalidSettings: "ca_file",
}


def check(
    config: LDAPConfig,
    controllers: DomainControllers,
    ou_dns: Sequence[str],
    now: datetime,
    resolver: "Resolver | None",
) -> Sequence[Finding]:
    """All that is wrong; see `ComputerDirectory.check`."""
    findings: list[Finding] = []
    ous_checked = False
    for controller in controllers.all:
        try:
            with controllers.connected_to(controller) as connection:
                findings.extend(_check_controller(config, controller, connection, now))
                if not ous_checked:
                    findings.extend(_check_ous(config, connection, ou_dns))
                    ous_checked = True
        except DirectoryError as error:
            findings.append(_as_finding(error, _SETTINGS.get(type(error), "urls")))
            if isinstance(error, AuthenticationFailed):
                # The others share the account's lock-out.
                break
    findings.extend(_check_dns(config.domain, resolver))
    return findings


def _as_finding(error: DirectoryError, setting: str) -> Finding:
    return Finding(setting=setting, problem=error.problem, remedy=error.remedy)


def _check_controller(
    config: LDAPConfig, controller: DomainController, connection: Connection, now: datetime
) -> Iterator[Finding]:
    yield from _check_certificate(controller, connection.socket, now)
    root = entry_at(connection, "", ("currentTime", "defaultNamingContext"))
    if root is None or not root.text("currentTime"):
        yield Finding(
            setting="urls",
            problem=f"{controller} is no domain controller of an Active Directory: it does not say what time it is",
            remedy="name domain controllers in urls",
        )
        return
    skew = abs(now - read_time(root.text("currentTime")))
    if skew > CLOCK_TOLERANCE:
        yield Finding(
            setting="urls",
            problem=f"the clocks of {controller} and of this computer differ by {skew.total_seconds():.0f} s, and no "
            "machine joins a domain whose clock is five minutes off its own",
            remedy="let both follow the same time servers",
        )
    served = root.text("defaultNamingContext")
    if not same_domain(served, domain_of(config.search_base, "search_base")):
        yield Finding(
            setting="search_base",
            problem=f"{controller} serves the domain {served}, and search_base is {config.search_base!r}",
            remedy="name domain controllers and search base of the same domain",
        )


def _check_certificate(controller: DomainController, connected: ssl.SSLSocket, now: datetime) -> Iterator[Finding]:
    certificate = connected.getpeercert() or {}
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    if until - now < CERTIFICATE_NOTICE:
        yield Finding(
            setting="urls",
            problem=f"the certificate of {controller} is only valid until {until:%Y-%m-%d %H:%M} UTC",
            remedy="renew it on the domain controller",
        )


def _check_ous(config: LDAPConfig, connection: Connection, ou_dns: Sequence[str]) -> Iterator[Finding]:
    root = entry_at(connection, "", ("tokenGroups",))
    sids = frozenset(root.attributes.get("tokenGroups", ())) if root else frozenset()
    for ou_dn in ou_dns:
        try:
            require_domain(ou_dn, "ou_dn", config)
        except InvalidSettings as error:
            yield _as_finding(error, "ou_dn")
            continue
        yield from _check_rights(config, connection, ou_dn, sids)


def _check_rights(config: LDAPConfig, connection: Connection, ou_dn: str, sids: frozenset[bytes]) -> Iterator[Finding]:
    ou = entry_at(
        connection,
        ou_dn,
        ("nTSecurityDescriptor",),
        controls=security_descriptor_control(sdflags=_ACCESS_LIST_ONLY),
    )
    if ou is None:
        yield Finding(
            setting="ou_dn",
            problem=f"there is no OU {ou_dn!r} that the service account can see",
            remedy="create it, or correct ou_dn of the computer record",
        )
        return
    try:
        lacking = missing(ou.first("nTSecurityDescriptor") or b"", sids)
    except ValueError as error:
        yield Finding(
            setting="ou_dn",
            problem=f"the rights on {ou_dn!r} cannot be read: {error}",
            remedy="let the service account read the OU's permissions",
        )
        return
    for needed in lacking:
        grant = needed.grant.format(account="DOMAIN\\ACCOUNT")
        yield Finding(
            setting="ou_dn",
            problem=f"the service account {config.service_account_dn!r} may not {needed.what} in {ou_dn!r}",
            remedy=f'as an administrator of the domain run: dsacls "{ou_dn}" {grant}',
        )


def _check_dns(domain: str, resolver: "Resolver | None") -> Iterator[Finding]:
    import dns.exception
    from dns.resolver import Resolver

    try:
        asked = resolver or Resolver()
        for name in (f"_ldap._tcp.dc._msdcs.{domain}", f"_kerberos._tcp.{domain}"):
            try:
                asked.resolve(name, "SRV")
            except dns.exception.DNSException as error:
                yield Finding(
                    setting="search_base",
                    problem=f"DNS gives no service record {name}, by which machines find a domain controller: {error}",
                    remedy="see that the domain's DNS servers answer here and on the network of the machines",
                )
    except dns.exception.DNSException as error:
        yield Finding(
            setting="search_base",
            problem=f"this computer has no usable DNS settings: {error}",
            remedy="give it the domain's DNS servers",
        )
