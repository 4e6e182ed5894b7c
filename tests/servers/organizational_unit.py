"""An OU of one's own in the test domain, and an account that may keep computer records in it and nothing else."""

import secrets
from typing import Any, NamedTuple

from tests.directory.administrator import Administrator
from tests.servers.samba import BASE_DN, DomainController


class OrganizationalUnit(NamedTuple):
    """The OU as its administrator and as Poolwright see it."""

    administrator: Administrator
    dn: str
    password: str
    """Of the service account."""
    ldap: dict[str, Any]
    """An LDAP config, secrets in plain text, without kind and name."""

    def computers(self) -> set[str]:
        """First parts of the names of the computers in it."""
        return self.administrator.computers_below(self.dn)


def new_organizational_unit(domain_controller: DomainController) -> OrganizationalUnit:
    """An empty one, delegated as `docs/directory.md` says."""
    administrator = Administrator(domain_controller)
    tag = secrets.token_hex(4)
    name, password = f"svc-{tag}", f"Planted-{secrets.token_hex(12)}"
    dn = administrator.add_ou(f"OU=Desktops-{tag},{BASE_DN}")
    administrator.delegate(dn, administrator.add_account(name, password))
    ldap = {
        "urls": [domain_controller.url],
        "search_base": BASE_DN,
        "service_account_dn": f"CN={name},CN=Users,{BASE_DN}",
        "service_account_password": password,
        "ca_file": str(domain_controller.ca_file),
        "connection_timeout_seconds": 5,
    }
    return OrganizationalUnit(administrator, dn, password, ldap)
