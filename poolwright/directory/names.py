"""Computer names and distinguished names."""

import re
from typing import Final

from ldap3.core.exceptions import LDAPInvalidDnError
from ldap3.utils.dn import parse_dn

from poolwright.directory.errors import InvalidSettings
from poolwright.domain.hostnames import NETBIOS_LIMIT
from poolwright.domain.resources import LDAPConfig

_COMPUTER_NAME: Final = re.compile(r"(?=[A-Z0-9-]*[A-Z])[A-Z0-9]([A-Z0-9-]{0,13}[A-Z0-9])?")
_CONTROL_CHARACTER: Final = re.compile(r"[\x00-\x1f\x7f]")


def computer_name(hostname: str) -> str:
    """The host name in capitals. Raises `InvalidSettings` unless it can be a computer's."""
    name = hostname.upper()
    if not hostname.isascii() or not _COMPUTER_NAME.fullmatch(name):
        raise InvalidSettings(
            f"{hostname!r} cannot be the name of an Active Directory computer, which has 1 to {NETBIOS_LIMIT} letters, "
            "digits and inner hyphens, with at least one letter",
            "change hostname_pattern of the autoscale config",
        )
    return name


def domain_of(dn: str, setting: str) -> str:
    """`DC=corp,DC=example` for any name in that domain. Raises `InvalidSettings` naming the setting."""
    # The LDAP library passes a NUL through, and the server would cut the name there.
    if _CONTROL_CHARACTER.search(dn):
        raise InvalidSettings(f"{setting} {dn!r} has a control character", "write the name without it")
    try:
        parts = parse_dn(dn, strip=True)
    except LDAPInvalidDnError as error:
        raise InvalidSettings(
            f"{setting} {dn!r} is not a distinguished name: {error}",
            "write it as in OU=Desktops,DC=corp,DC=example, with a backslash before a comma inside a name",
        ) from error
    domain: list[str] = []
    for key, value, _ in reversed(parts):
        if key.lower() != "dc":
            break
        domain.insert(0, f"DC={value}")
    if not domain:
        raise InvalidSettings(
            f"{setting} {dn!r} names no domain", "end it with the domain's parts, as in DC=corp,DC=example"
        )
    return ",".join(domain)


def same_domain(one: str, other: str) -> bool:
    """Whether two results of `domain_of` name the same domain."""
    return one.lower() == other.lower()


def require_domain(dn: str, setting: str, config: LDAPConfig) -> None:
    """Raise `InvalidSettings` unless this name is in the domain of the LDAP config."""
    domain = domain_of(config.search_base, "search_base")
    if not same_domain(domain_of(dn, setting), domain):
        raise InvalidSettings(
            f"{setting} {dn!r} is not in the domain {domain} of LDAP config {config.name!r}",
            "name an OU of that domain, or an LDAP config of the OU's domain",
        )
