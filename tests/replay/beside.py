"""A directory and a DNS account in memory: enough to play a life that has a computer record and a DNS name."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import patch
from uuid import UUID

from pydantic import SecretStr

from activities.accounts import Accounts
from poolwright.directory.records import ComputerRecord, OwnedComputer
from poolwright.dns.base import AddressRecord, Changes, DNSProvider, OwnedRecord
from poolwright.dns.names import Address
from poolwright.domain.findings import Finding
from poolwright.domain.identities import OwnerMark
from poolwright.store.engine import Store
from tests.installations import save

if TYPE_CHECKING:
    from poolwright.directory.active_directory import ComputerDirectory

OU = "OU=Pool,DC=corp,DC=example"
SETTINGS: dict[str, Any] = {
    "computer_record": {"ldap": "corp", "ou_dn": OU},
    "dns": {"provider": "names", "base_domain": "pool.corp.example"},
}
"""Settings of an autoscale config whose servers get both."""


class Directory:
    """Computer records in memory."""

    def __init__(self, join_password: str = "one-time") -> None:
        self.errors: deque[Exception] = deque()
        """Raised by the next calls, one each."""
        self.records: dict[OwnerMark, OwnedComputer] = {}
        self._join_password = SecretStr(join_password)

    def create_or_reset(self, mark: OwnerMark, hostname: str, ou_dn: str) -> ComputerRecord:
        """See `ComputerDirectory`."""
        _fail(self.errors)
        name, guid = hostname.upper(), UUID(int=len(self.records))
        made = OwnedComputer(
            object_guid=guid, dn=f"CN={name},{ou_dn}", name=name, mark=mark, created_at=datetime.now(UTC)
        )
        made = self.records.setdefault(mark, made)
        return ComputerRecord(
            object_guid=made.object_guid,
            dn=made.dn,
            join_password=self._join_password,
            domain_controller="dc.corp.example",
        )

    def delete(self, mark: OwnerMark, object_guid: UUID | None, recursive: bool) -> bool:
        """See `ComputerDirectory`."""
        _fail(self.errors)
        return self.records.pop(mark, None) is not None

    def list_owned(self, ou_dns: Sequence[str]) -> Sequence[OwnedComputer]:
        """See `ComputerDirectory`."""
        _fail(self.errors)
        return list(self.records.values())


class Names:
    """DNS records in memory."""

    def __init__(self) -> None:
        self.errors: deque[Exception] = deque()
        """Raised by the next calls, one each."""
        self.records: dict[str, OwnedRecord] = {}

    def check(self, base_domain: str) -> Sequence[Finding]:
        """See `DNSProvider`."""
        return []

    def upsert(self, mark: OwnerMark, record: AddressRecord) -> Changes:
        """See `DNSProvider`."""
        _fail(self.errors)
        self.records[record.fqdn] = OwnedRecord(mark=mark, fqdn=record.fqdn, addresses=record.addresses)
        return Changes(written=(f"{record.fqdn} A {record.addresses[0]}",))

    def delete(self, mark: OwnerMark, fqdn: str, addresses: Iterable[Address] = ()) -> Changes:
        """See `DNSProvider`."""
        _fail(self.errors)
        return Changes(removed=(fqdn,) if self.records.pop(fqdn, None) else ())

    def list_owned(self) -> Sequence[OwnedRecord]:
        """See `DNSProvider`."""
        _fail(self.errors)
        return list(self.records.values())


class AccountsBeside(Accounts):
    """Accounts whose directory and DNS records are those in memory."""

    def __init__(self, store: Store, directory: Directory, names: Names) -> None:
        super().__init__(store)
        self._directory, self._names = directory, names

    def dns(self, name: str) -> DNSProvider:
        """See base class."""
        return self._names

    def directory(self, name: str) -> "ComputerDirectory":
        """See base class."""
        return cast("ComputerDirectory", self._directory)


@contextmanager
def working_beside(
    directory: Directory, names: Names, accounts: type[AccountsBeside] = AccountsBeside
) -> Iterator[None]:
    """Workers that are started meanwhile work with this directory and these names."""
    with patch("starter.workers.Accounts", lambda store: accounts(store, directory, names)):
        yield


def configure_beside(store: Store, *, bind_password: str = "bind", key_secret: str = "a2V5") -> None:
    """The documents that `SETTINGS` refer to."""
    ldap = {"urls": ["ldaps://dc.corp.example"], "search_base": "DC=corp,DC=example", "service_account_dn": "CN=pool"}
    save(store, "ldap", "corp", {**ldap, "service_account_password": SecretStr(bind_password)})
    key = {"name": "pool", "secret": SecretStr(key_secret)}
    settings = {"servers": ["192.0.2.53"], "zones": ["corp.example"], "key": key}
    save(store, "dns_provider", "names", {"provider": "rfc2136", "settings": settings})


def _fail(errors: deque[Exception]) -> None:
    if errors:
        raise errors.popleft()
