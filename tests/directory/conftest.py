"""One domain for all tests of computer records: an OU, and a service account with the rights that the docs name."""

import itertools
import secrets
from collections.abc import Callable
from typing import NamedTuple

import pytest
from dns.resolver import Resolver
from pydantic import SecretStr

from poolwright.directory.active_directory import ComputerDirectory
from poolwright.domain.identities import OwnerMark
from poolwright.domain.resources import LDAPConfig
from tests.directory.administrator import Administrator
from tests.servers.samba import BASE_DN, DomainController

CONTROLLER = "c0ffee00c0ffee00"
# A comma, quotes, angle brackets, a leading number sign: all that has to be escaped in a distinguished name.
DIFFICULT_OU = f'OU=\\#1 Sales\\, \\"East\\" \\<\\+ \\;west\\>\\\\ \u00e9t\u00e9,{BASE_DN}'


class Site(NamedTuple):
    """The domain as the tests find it."""

    domain_controller: DomainController
    administrator: Administrator
    ou: str
    """Delegated to the service account."""
    difficult_ou: str
    """Delegated as well; nearly every character of its name has to be escaped."""
    other_ou: str
    """Not delegated."""
    account_sid: str
    config: LDAPConfig

    def changed(self, **changes: object) -> LDAPConfig:
        """The LDAP config with other values."""
        return LDAPConfig.model_validate({**self.config.model_dump(), **changes})

    def open(self, controller_id: str = CONTROLLER, **changes: object) -> ComputerDirectory:
        """The directory, on behalf of the service account; small pages, and the domain's own DNS."""
        return ComputerDirectory(self.changed(**changes), controller_id, page_size=3, resolver=self.resolver())

    def resolver(self) -> Resolver:
        """Asks the domain's DNS server."""
        resolver = Resolver(configure=False)
        resolver.nameservers = [self.domain_controller.address]
        return resolver


@pytest.fixture(scope="session")
def site(domain_controller: DomainController) -> Site:
    """The domain, with two delegated OUs."""
    administrator = Administrator(domain_controller)
    password = f"Svc-{secrets.token_hex(12)}"
    sid = administrator.add_account("svc-poolwright", password)
    site = Site(
        domain_controller=domain_controller,
        administrator=administrator,
        ou=administrator.add_ou(f"OU=Desktops,{BASE_DN}"),
        difficult_ou=administrator.add_ou(DIFFICULT_OU),
        other_ou=administrator.add_ou(f"OU=Elsewhere,{BASE_DN}"),
        account_sid=sid,
        config=LDAPConfig(
            name="corp",
            urls=(domain_controller.url,),
            search_base=BASE_DN,
            service_account_dn=f"CN=svc-poolwright,CN=Users,{BASE_DN}",
            service_account_password=SecretStr(password),
            ca_file=str(domain_controller.ca_file),
            connection_timeout_seconds=5,
        ),
    )
    administrator.delegate(site.ou, sid)
    administrator.delegate(site.difficult_ou, sid)
    return site


@pytest.fixture
def directory(site: Site) -> ComputerDirectory:
    """The directory as production opens it."""
    return site.open()


_numbers = itertools.count(1)


@pytest.fixture
def new_mark() -> Callable[[], OwnerMark]:
    """Marks of servers that no other test has."""
    return lambda: OwnerMark(controller_id=CONTROLLER, server_id=f"s{next(_numbers):011}")


@pytest.fixture
def mark(new_mark: Callable[[], OwnerMark]) -> OwnerMark:
    """The mark of a server that no other test has."""
    return new_mark()


@pytest.fixture
def hostname() -> str:
    """A host name that no other test has."""
    return f"vm-{next(_numbers):04}"
