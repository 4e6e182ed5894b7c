"""Open VM providers, DNS providers and directories: one per config and revision, shared by this worker's activities."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

from poolwright.directory import open_directory
from poolwright.dns.base import DNSProvider
from poolwright.dns.registry import open_dns_provider
from poolwright.domain.resources import DNSProviderConfig, LDAPConfig, VMProviderConfig
from poolwright.providers.base import Provider
from poolwright.providers.registry import open_provider
from poolwright.store import documents
from poolwright.store.check_in_tokens import controller_id
from poolwright.store.documents import Document
from poolwright.store.engine import Store

if TYPE_CHECKING:
    from poolwright.directory.active_directory import ComputerDirectory

Account = TypeVar("Account")


class Accounts:
    """Accounts by config name. A changed config opens anew at its next use.

    Each method raises `UnknownDocument`, pydantic's ValidationError, or the errors of its adapter's tree.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._open: dict[tuple[str, str], tuple[int, object]] = {}

    def provider(self, name: str) -> Provider:
        """The VM provider of this config."""
        return self._account("vm_provider", name, _open_provider)

    def dns(self, name: str) -> DNSProvider:
        """The DNS provider of this config."""
        return self._account("dns_provider", name, _open_dns)

    def directory(self, name: str) -> "ComputerDirectory":
        """The directory of this LDAP config."""
        return self._account("ldap", name, _open_directory)

    def _account(self, kind: str, name: str, open_account: Callable[[Document, str], Account]) -> Account:
        with self._store.read() as tx:
            revision = documents.get_row(tx, kind, name).revision
            with self._lock:
                known = self._open.get((kind, name))
            if known is not None and known[0] == revision:
                return cast("Account", known[1])
            config, controller = documents.load(tx, kind, name), controller_id(tx)
        account = open_account(config, controller)
        with self._lock:
            self._open[kind, name] = (revision, account)
        return account


def _open_provider(config: Document, controller: str) -> Provider:
    assert isinstance(config, VMProviderConfig)
    return open_provider(config.provider, config.settings, controller)


def _open_dns(config: Document, controller: str) -> DNSProvider:
    assert isinstance(config, DNSProviderConfig)
    return open_dns_provider(config.provider, config.settings, controller)


def _open_directory(config: Document, controller: str) -> "ComputerDirectory":
    assert isinstance(config, LDAPConfig)
    return open_directory(config, controller)
