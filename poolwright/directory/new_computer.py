"""The record of a computer that is to join: its names, its attributes, and how it comes into the directory."""

from typing import Any, Final

from ldap3 import Connection
from ldap3.core.exceptions import LDAPUnwillingToPerformResult
from ldap3.utils.conv import escape_filter_chars
from pydantic import SecretStr

from poolwright.directory import changes
from poolwright.directory.join_password import as_unicode_pwd
from poolwright.directory.names import computer_name
from poolwright.domain.identities import OwnerMark

_CLASSES: Final = ("top", "person", "organizationalPerson", "user", "computer")
_WORKSTATION: Final = "4096"
_WORKSTATION_DISABLED: Final = "4098"


class NewComputer:
    """A record to be made. Raises `InvalidSettings` for a host name that no computer can have."""

    def __init__(self, mark: OwnerMark, hostname: str, ou_dn: str, dns_domain: str) -> None:
        self.mark = mark
        self.ou_dn = ou_dn
        self.name = computer_name(hostname)
        self.account_name = f"{self.name}$"
        # The name is of letters, digits and hyphens, so nothing in it needs escaping.
        self.dn = f"CN={self.name},{ou_dn}"
        self.full_name = f"{self.name}.{dns_domain}".lower()
        self.service_names = [
            f"{service}/{host}" for service in ("HOST", "RestrictedKrbHost") for host in (self.name, self.full_name)
        ]

    def add(self, connection: Connection, password: SecretStr) -> None:
        """Create the record, enabled and with this password."""
        try:
            # In one step, so that the account never exists without a password.
            changes.add(
                connection,
                self.dn,
                _CLASSES,
                self._attributes(_WORKSTATION) | {"unicodePwd": as_unicode_pwd(password)},
            )
        except LDAPUnwillingToPerformResult:
            # Some domain controllers take a password only for what exists: disabled, then, until it has one.
            changes.add(connection, self.dn, _CLASSES, self._attributes(_WORKSTATION_DISABLED))
            enable(connection, self.dn, password)

    def holder_condition(self) -> str:
        """Matches whatever holds one of the names."""
        services = "".join(f"(servicePrincipalName={escape_filter_chars(name)})" for name in self.service_names)
        return f"(|(sAMAccountName={escape_filter_chars(self.account_name)}){services})"

    def _attributes(self, account_control: str) -> dict[str, Any]:
        """All but the password. A domain controller that verifies each attribute of an addition lets a creator write
        just these, as long as both names are the computer's own."""
        return {
            "sAMAccountName": self.account_name,
            "userAccountControl": account_control,
            "dNSHostName": self.full_name,
            "servicePrincipalName": self.service_names,
            "description": self.mark.text(),
        }


def enable(connection: Connection, dn: str, password: SecretStr) -> None:
    """Give an existing record this password and enable it."""
    changes.replace(connection, dn, {"unicodePwd": as_unicode_pwd(password), "userAccountControl": _WORKSTATION})
