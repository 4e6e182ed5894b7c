"""Connections to the domain controllers of an LDAP config: encrypted, verified, with failover."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from ldap3 import NONE, Connection, Server, Tls
from ldap3.core import exceptions as ldap

from poolwright.directory.errors import (
    AuthenticationFailed,
    CertificateRefused,
    InvalidSettings,
    Transient,
    Unreachable,
)
from poolwright.directory.ldap_errors import bind_reason, translated, words_of
from poolwright.domain.resources import LDAPConfig

REST_SECONDS: Final = 60.0
"""A domain controller that failed is tried last for so long."""

_LDAPS_PORT: Final = 636


class DomainController(NamedTuple):
    """One address of a domain controller."""

    host: str
    port: int

    def __str__(self) -> str:
        """`dc1.corp.example`, with the port unless it is the usual one."""
        return self.host if self.port == _LDAPS_PORT else f"{self.host}:{self.port}"


class DomainControllers:
    """The domain controllers of one LDAP config. May be shared by threads; each connection is one caller's own."""

    def __init__(self, config: LDAPConfig, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Raises `InvalidSettings`. `monotonic` gives seconds on a clock that never goes back."""
        self.all: Final = _read_urls(config)
        if not config.service_account_password.get_secret_value():
            raise InvalidSettings(
                f"service_account_password of LDAP config {config.name!r} is empty",
                "set it: a logon without a password is an anonymous one",
            )
        self._config = config
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._resting_until: dict[DomainController, float] = {}

    @contextmanager
    def connected(self, doing: str) -> Iterator[tuple[Connection, DomainController]]:
        """A connection, logged on, to the first domain controller that works. Closed at the end.

        Raises the errors of the tree, also for what the LDAP library raises within; `doing` says what is tried. Each
        domain controller is tried once, so this takes at most a few connection timeouts for each of them.
        """
        connection, controller = self._first_that_works(doing)
        try:
            with translated(doing):
                yield connection, controller
        except Transient:
            self._rest(controller)
            raise
        finally:
            _close(connection)

    @contextmanager
    def connected_to(self, controller: DomainController) -> Iterator[Connection]:
        """A connection, logged on, to this one. Raises `AuthenticationFailed`, `CertificateRefused`, `Unreachable`."""
        connection = self._open(controller)
        try:
            with translated(f"asking {controller}"):
                yield connection
        finally:
            _close(connection)

    def _first_that_works(self, doing: str) -> tuple[Connection, DomainController]:
        failures: list[CertificateRefused | Unreachable] = []
        for controller in self._in_order():
            try:
                connection = self._open(controller)
            except (CertificateRefused, Unreachable) as failure:
                self._rest(controller)
                failures.append(failure)
            else:
                self._wake(controller)
                return connection, controller
        # One that is only away may come back, so that asking again can help.
        kind = Unreachable if any(isinstance(failure, Unreachable) for failure in failures) else CertificateRefused
        problem = "; ".join(failure.problem for failure in failures)
        remedies = dict.fromkeys(failure.remedy for failure in failures)
        raise kind(f"{doing} failed, no domain controller can be used: {problem}", "; ".join(remedies))

    def _in_order(self) -> Sequence[DomainController]:
        now = self._monotonic()
        with self._lock:
            return sorted(self.all, key=lambda controller: self._resting_until.get(controller, 0.0) > now)

    def _rest(self, controller: DomainController) -> None:
        with self._lock:
            self._resting_until[controller] = self._monotonic() + REST_SECONDS

    def _wake(self, controller: DomainController) -> None:
        with self._lock:
            self._resting_until.pop(controller, None)

    def _open(self, controller: DomainController) -> Connection:
        config = self._config
        tls = _VerifiedTls(_verifying_context(config), controller.host)
        connection = self._unopened(controller, tls)
        try:
            connection.bind()
        except (ldap.LDAPInvalidCredentialsResult, ldap.LDAPInappropriateAuthenticationResult) as error:
            _close(connection)
            raise AuthenticationFailed(
                f"{controller} refused the service account {config.service_account_dn!r}: {bind_reason(error)}",
                f"correct service_account_dn and service_account_password of LDAP config {config.name!r}, or mend the "
                "account",
            ) from error
        except (ldap.LDAPException, OSError) as error:
            _close(connection)
            if tls.refusal is not None:
                raise CertificateRefused(
                    f"{controller} showed a certificate that cannot be trusted: {tls.refusal.verify_message}",
                    f"see that {config.ca_file or 'the system'} has the certificate that signs it, and that it has the "
                    "name in urls",
                ) from error
            raise Unreachable(
                f"{controller} cannot be reached: {words_of(error)}", "see that it runs and answers there"
            ) from error
        return connection

    def _unopened(self, controller: DomainController, tls: Tls) -> Connection:
        timeout_seconds = self._config.connection_timeout_seconds
        server = Server(
            controller.host, controller.port, use_ssl=True, tls=tls, get_info=NONE, connect_timeout=timeout_seconds
        )
        return Connection(
            server,
            self._config.service_account_dn,
            self._config.service_account_password.get_secret_value(),
            receive_timeout=timeout_seconds,
            raise_exceptions=True,
            # Followed, a referral would carry the password to whatever host it names.
            auto_referrals=False,
            # The library refuses names that servers take, such as one with a space after a comma.
            check_names=False,
        )


class _VerifiedTls(Tls):
    """TLS in which OpenSSL itself verifies chain and name. The library's own name check knows no addresses on newer
    Pythons."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context = context
        self._host = host
        self.refusal: ssl.SSLCertVerificationError | None = None
        """Why the certificate was not trusted. What the library makes of it is hard to read."""

    def wrap_socket(self, connection: Connection, do_handshake: bool = False) -> None:
        try:
            connection.socket = self._context.wrap_socket(
                connection.socket, do_handshake_on_connect=do_handshake, server_hostname=self._host
            )
        except ssl.SSLCertVerificationError as error:
            self.refusal = error
            raise


def _read_urls(config: LDAPConfig) -> Sequence[DomainController]:
    problems: list[str] = []
    controllers: list[DomainController] = []
    for number, url in enumerate(config.urls, 1):
        # What holds an @ may hold a password before it.
        shown = f"number {number}" if "@" in url else repr(url)
        try:
            parts = urlsplit(url)
            port = parts.port or _LDAPS_PORT
        except ValueError:
            problems.append(f"{shown} is not a URL")
            continue
        if parts.scheme == "ldap":
            problems.append(f"{shown} is not encrypted")
        elif parts.scheme != "ldaps" or not parts.hostname or "@" in url or parts.path.strip("/") or parts.query:
            problems.append(f"{shown} is not of the form ldaps://host or ldaps://host:port")
        else:
            controllers.append(DomainController(parts.hostname, port))
    if problems:
        raise InvalidSettings(
            f"urls of LDAP config {config.name!r}: {', '.join(problems)}",
            "a password goes only over an encrypted connection: write each as ldaps://dc1.corp.example",
        )
    return tuple(dict.fromkeys(controllers))


def _verifying_context(config: LDAPConfig) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=config.ca_file)
    except OSError as error:
        raise InvalidSettings(
            f"ca_file {config.ca_file!r} of LDAP config {config.name!r} cannot be used: {error}",
            "name a readable PEM file with the certificate that signs the domain controllers' certificates",
        ) from error


def _close(connection: Connection) -> None:
    with suppress(ldap.LDAPException, OSError):
        connection.unbind()
    # What failed while it was opened is left open by the library.
    if connection.socket is not None:
        with suppress(OSError):
            connection.socket.close()
