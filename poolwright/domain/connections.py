"""What a client needs to open an assigned session: address, port, and credentials by the config's credential type."""

from collections.abc import Mapping
from typing import Final

from pydantic import SecretStr

from poolwright.domain.autoscale import Connection, ConnectionType, CredentialType
from poolwright.domain.base import Model
from poolwright.domain.servers import ConnectionDetails, Server

DEFAULT_PORTS: Final[Mapping[ConnectionType, int]] = {
    ConnectionType.RDP: 3389,
    ConnectionType.SSH: 22,
    ConnectionType.VNC: 5901,
    ConnectionType.KASMVNC: 6901,
}

_STRIP_DOMAIN: Final = "localhost"


class LocalAccount(Model):
    """An account on the server, made for one session."""

    username: str
    password: SecretStr


class UserSecrets(Model):
    """What is known of the person beside the name."""

    password: SecretStr | None = None
    private_key: SecretStr | None = None
    """The SSH key that is stored on the person."""


def connection_details(
    connection: Connection,
    server: Server,
    user: str,
    *,
    secrets: UserSecrets | None = None,
    account: LocalAccount | None = None,
    server_password: SecretStr | None = None,
) -> ConnectionDetails:
    """How `user` opens a session on `server`.

    `account` is needed with dynamic credentials. `server_password` is a password that the provider knows, used where a
    static one is left blank. What is still missing is named in `ask_for`. Raises ValueError if the server has no
    address yet, or if a dynamic account is missing.
    """
    address = server.address or server.private_address
    if address is None:
        raise ValueError(f"server {server.hostname!r} has no address yet: wait until it runs")
    credentials = _credentials(connection, server, user, secrets or UserSecrets(), account, server_password)
    return ConnectionDetails(
        type=connection.type,
        address=address,
        hostname=server.fqdn or server.hostname,
        port=connection.port or DEFAULT_PORTS[connection.type],
        credential_type=connection.credential_type,
        username=credentials.username,
        password=credentials.password,
        private_key=credentials.private_key,
        private_key_passphrase=credentials.private_key_passphrase,
        ask_for=_ask_for(connection, credentials),
        info=connection.info,
    )


def sso_username(user: str, domain: str | None) -> str:
    """The name to log in with, by the SSO domain rule. Understands `john`, `john@example.com` and `EXAMPLE\\john`.

    A blank domain leaves the name as it is; `localhost` strips any domain; another replaces it. A domain with a dot is
    a DNS name and goes behind an `@`, one without is a NetBIOS name and goes before a backslash. Raises ValueError if
    nothing is left of the name.
    """
    wanted = (domain or "").strip()
    if not wanted:
        return user
    name = user.rpartition("\\")[2].partition("@")[0].strip()
    if not name:
        raise ValueError(f"the user name {user!r} has nothing but a domain: give a name as in john@example.com")
    if wanted.lower() == _STRIP_DOMAIN:
        return name
    return f"{name}@{wanted}" if "." in wanted else f"{wanted}\\{name}"


class _Credentials(Model):
    username: str | None = None
    password: SecretStr | None = None
    private_key: SecretStr | None = None
    private_key_passphrase: SecretStr | None = None


def _credentials(
    connection: Connection,
    server: Server,
    user: str,
    secrets: UserSecrets,
    account: LocalAccount | None,
    server_password: SecretStr | None,
) -> _Credentials:
    if connection.credential_type is CredentialType.SMARTCARD:
        return _Credentials()
    if connection.credential_type is CredentialType.DYNAMIC:
        if account is None:
            raise ValueError(
                f"no local account was made on {server.hostname!r} for {user!r}: dynamic accounts need one"
            )
        return _Credentials(username=account.username, password=account.password)
    if connection.credential_type is CredentialType.SSO:
        key = secrets.private_key if _is_ssh_with_own_key(connection) else None
        username = sso_username(user, connection.sso_domain)
        return _Credentials(username=username, password=None if key else secrets.password, private_key=key)
    return _static(connection, secrets, server_password)


def _static(connection: Connection, secrets: UserSecrets, server_password: SecretStr | None) -> _Credentials:
    username = connection.username or None
    password = _given(connection.password) or _given(server_password)
    if _is_ssh_with_own_key(connection) and secrets.private_key:
        return _Credentials(username=username, password=password, private_key=secrets.private_key)
    if connection.type is ConnectionType.SSH and _given(connection.private_key):
        return _Credentials(
            username=username,
            password=password,
            private_key=connection.private_key,
            private_key_passphrase=_given(connection.private_key_passphrase),
        )
    return _Credentials(username=username, password=password)


def _ask_for(connection: Connection, credentials: _Credentials) -> tuple[str, ...]:
    """A smart card brings all of it, VNC knows no names, and a key stands in for a password."""
    if connection.credential_type is CredentialType.SMARTCARD:
        return ()
    missing = []
    if not credentials.username and connection.type is not ConnectionType.VNC:
        missing.append("username")
    if credentials.password is None and credentials.private_key is None:
        missing.append("password")
    return tuple(missing)


def _is_ssh_with_own_key(connection: Connection) -> bool:
    return connection.type is ConnectionType.SSH and connection.use_user_ssh_key


def _given(secret: SecretStr | None) -> SecretStr | None:
    return secret if secret and secret.get_secret_value() else None
