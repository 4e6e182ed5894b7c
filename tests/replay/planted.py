"""An installation full of recognisable secrets, and a VM provider, a directory and a DNS account that tell them."""

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast
from unittest.mock import patch

from pydantic import SecretStr

from poolwright.directory.errors import Transient as DirectoryTransient
from poolwright.dns.errors import Transient as DNSTransient
from poolwright.domain.resources import VMProviderConfig
from poolwright.providers.base import VM, Provider, VMSpec
from poolwright.providers.errors import Transient
from poolwright.providers.registry import open_provider
from poolwright.store import documents
from poolwright.store.check_in_tokens import controller_id, signing_key
from poolwright.store.engine import Store
from tests.replay.beside import SETTINGS, AccountsBeside, Directory, Names, configure_beside, working_beside
from tests.workflows.scenes import Scene

API_TOKEN = "planted-api-token-3f9a"
PASSWORD = "planted-connection-password-8c1f"
KEY = "planted-private-key-77ab"
PASSPHRASE = "planted-passphrase-19de"
BIND_PASSWORD = "planted-bind-password-d0e2"
JOIN_PASSWORD = "planted-join-password-51c0"
DNS_KEY = base64.b64encode(b"planted-dns-key-6b3e").decode()
RING_KEY = base64.urlsafe_b64encode(b"planted-key-ring-key-9f21-of-32b").decode()
TOKEN_START = "eyJhbGciOi"
"""How every JSON web token begins that is signed with HS256."""

AUTOSCALE: Mapping[str, Any] = {
    **SETTINGS,
    "connection": {
        "type": "ssh",
        "username": "demo",
        "password": SecretStr(PASSWORD),
        "use_user_ssh_key": False,
        "private_key": SecretStr(f"-----BEGIN PRIVATE KEY-----\n{KEY}\n-----END PRIVATE KEY-----\n"),
        "private_key_passphrase": SecretStr(PASSPHRASE),
    },
}
SCRIPT = "#!/bin/sh\n# {checkin_jwt}\n# {connection_password} {ad_join_credential}\n"
HIDDEN = "**********"

_MANY = 1000


class Leaky:
    """A VM provider whose planned errors quote its secrets."""

    def __init__(self, provider: Provider, errors: Mapping[str, Exception]) -> None:
        self._provider, self._errors = provider, errors

    def __getattr__(self, call: str) -> Any:
        if error := self._errors.get(call):
            raise error
        return getattr(self._provider, call)

    def create(self, spec: VMSpec) -> VM:
        """See `Provider`."""
        error = self._errors.get("create")
        if isinstance(error, RuntimeError):
            raise error
        if error:
            raise Transient(f"{error}, with user data {spec.startup_script.get_secret_value()!r}")
        return self._provider.create(spec)


class Blurting:
    """What stands around the installation, and which of its calls fail until they are mended."""

    def __init__(self) -> None:
        self.directory, self.names = Directory(JOIN_PASSWORD), Names()
        self._errors: dict[str, Exception] = {}

    def provider_fails(self, call: str) -> None:
        """Let the provider fail as adapters do."""
        self._errors[call] = Transient(f"{call} failed, was sent {API_TOKEN}")

    def provider_has_a_bug(self, call: str) -> None:
        """Let the provider fail as no adapter should."""
        self._errors[call] = RuntimeError(f"{call} of {API_TOKEN!r} is not implemented")

    def directory_fails(self) -> None:
        """Let the directory fail."""
        self.directory.errors.extend([DirectoryTransient(f"{BIND_PASSWORD} was not understood", "wait")] * _MANY)

    def names_fail(self) -> None:
        """Let the DNS account fail."""
        self.names.errors.extend([DNSTransient(f"{DNS_KEY} was not understood")] * _MANY)

    def mend_provider(self) -> None:
        """Let the provider's calls succeed."""
        self._errors.clear()

    def mend(self) -> None:
        """Let everything succeed."""
        self.mend_provider()
        self.directory.errors.clear()
        self.names.errors.clear()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Workers that are started meanwhile work with all this."""
        errors = self._errors

        class Accounts(AccountsBeside):
            def provider(self, name: str) -> Provider:
                """See base class."""
                with self._store.read() as tx:
                    config, controller = documents.load(tx, "vm_provider", name), controller_id(tx)
                assert isinstance(config, VMProviderConfig)
                settings = {key: value for key, value in config.settings.items() if key != "api_token"}
                return cast("Provider", Leaky(open_provider("sim", settings, controller), errors))

        with working_beside(self.directory, self.names, Accounts):
            yield


@contextmanager
def planted_key_ring() -> Iterator[None]:
    """Stores that are made meanwhile seal with `RING_KEY`."""
    with patch("tests.installations.new_key", lambda: RING_KEY):
        yield


def plant(poolwright: Scene) -> None:
    """Plant what the settings of the autoscale config do not hold."""
    configure_beside(poolwright.store, bind_password=BIND_PASSWORD, key_secret=DNS_KEY)
    with poolwright.store.read() as tx:
        settings = documents.open_body(tx, documents.get_row(tx, "vm_provider", "sim"))["settings"]
    settings["api_token"] = SecretStr(API_TOKEN)
    poolwright.change("vm_provider", "sim", settings=settings, startup_script=SCRIPT)


def secrets_of(store: Store) -> dict[str, str]:
    """Everything that must not be seen, by what it is."""
    with store.read() as tx:
        made = signing_key(tx).get_secret_value()
    return {
        "a provider's setting": API_TOKEN,
        "the connection's password": PASSWORD,
        "the private key": KEY,
        "its passphrase": PASSPHRASE,
        "the directory's password": BIND_PASSWORD,
        "the DNS key": DNS_KEY,
        "a join password": JOIN_PASSWORD,
        "the key ring": RING_KEY,
        "the signing key": made,
        "a check-in token": TOKEN_START,
    }
