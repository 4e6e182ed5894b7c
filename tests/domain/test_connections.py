"""How a person opens an assigned session."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from poolwright.domain.autoscale import Connection, ConnectionType, CredentialType
from poolwright.domain.connections import LocalAccount, UserSecrets, connection_details, sso_username
from poolwright.domain.resources import PoolType
from poolwright.domain.servers import ConnectionDetails, Server
from poolwright.domain.states import ServerState

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
KEY = SecretStr("-----BEGIN OPENSSH PRIVATE KEY-----")
OTHER_KEY = SecretStr("-----BEGIN RSA PRIVATE KEY-----")


def server(**changes: Any) -> Server:
    facts: dict[str, Any] = {
        "id": "s1",
        "hostname": "desk-0001",
        "pool": "desk",
        "pool_type": PoolType.SERVER,
        "zone": "eu",
        "autoscale": "desk",
        "vm_provider": "aws",
        "provider": "aws",
        "state": ServerState.RUNNING,
        "state_since": NOW,
        "created_at": NOW,
        "address": "192.0.2.7",
    }
    return Server(**(facts | changes))


def secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value else None


class TestAddressAndPort:
    @pytest.mark.parametrize(
        ("connection_type", "port"),
        [
            (ConnectionType.RDP, 3389),
            (ConnectionType.SSH, 22),
            (ConnectionType.VNC, 5901),
            (ConnectionType.KASMVNC, 6901),
        ],
    )
    def test_each_type_has_its_own_port(self, connection_type: ConnectionType, port: int) -> None:
        assert connection_details(Connection(type=connection_type), server(), "john").port == port

    def test_a_port_of_the_config_wins(self) -> None:
        assert connection_details(Connection(port=8443), server(), "john").port == 8443

    def test_the_public_address_comes_before_the_private_one(self) -> None:
        both = server(private_address="10.0.0.7")
        assert connection_details(Connection(), both, "john").address == "192.0.2.7"
        assert connection_details(Connection(), server(address=None, private_address="10.0.0.7"), "john").address == (
            "10.0.0.7"
        )

    def test_without_an_address_it_says_so(self) -> None:
        with pytest.raises(ValueError, match="'desk-0001' has no address yet"):
            connection_details(Connection(), server(address=None), "john")

    def test_the_dns_name_stands_in_for_the_host_name(self) -> None:
        assert connection_details(Connection(), server(), "john").hostname == "desk-0001"
        assert connection_details(Connection(), server(fqdn="s1.desks.example.com"), "john").hostname == (
            "s1.desks.example.com"
        )

    def test_further_parameters_are_handed_through(self) -> None:
        info = {"guac": {"settings": {"disable-copy": "true"}}}
        assert connection_details(Connection(info=info), server(), "john").info == info


class TestStaticCredentials:
    def test_both_are_the_configs(self) -> None:
        connection = Connection(username="kiosk", password=SecretStr("correct horse"))
        details = connection_details(connection, server(), "john")
        assert (details.username, secret(details.password), details.ask_for) == ("kiosk", "correct horse", ())

    @pytest.mark.parametrize(
        ("username", "password", "asked"),
        [
            (None, None, ("username", "password")),
            ("kiosk", None, ("password",)),
            ("kiosk", "", ("password",)),
            ("", "correct horse", ("username",)),
        ],
    )
    def test_blank_ones_are_asked_for(self, username: str | None, password: str | None, asked: tuple[str, ...]) -> None:
        given = None if password is None else SecretStr(password)
        connection = Connection(type=ConnectionType.RDP, username=username, password=given)
        assert connection_details(connection, server(), "john").ask_for == asked

    def test_vnc_asks_for_no_name(self) -> None:
        assert connection_details(Connection(type=ConnectionType.VNC), server(), "john").ask_for == ("password",)

    def test_a_password_that_the_provider_knows_fills_a_blank_one_only(self) -> None:
        from_provider = SecretStr("from the provider")
        blank = Connection(type=ConnectionType.RDP, username="Administrator")
        filled = connection_details(blank, server(), "john", server_password=from_provider)
        assert (secret(filled.password), filled.ask_for) == ("from the provider", ())
        own = blank.model_copy(update={"password": SecretStr("own")})
        assert secret(connection_details(own, server(), "john", server_password=from_provider).password) == "own"


class TestSSHKeys:
    def test_the_persons_own_key_comes_first(self) -> None:
        connection = Connection(type=ConnectionType.SSH, username="dev", private_key=OTHER_KEY)
        details = connection_details(connection, server(), "john", secrets=UserSecrets(private_key=KEY))
        assert (details.private_key, details.private_key_passphrase, details.ask_for) == (KEY, None, ())

    def test_the_configs_key_serves_who_has_none(self) -> None:
        connection = Connection(
            type=ConnectionType.SSH, username="dev", private_key=OTHER_KEY, private_key_passphrase=SecretStr("open")
        )
        details = connection_details(connection, server(), "john")
        assert (details.private_key, secret(details.private_key_passphrase), details.ask_for) == (OTHER_KEY, "open", ())

    def test_the_persons_key_is_left_alone_if_the_config_says_so(self) -> None:
        connection = Connection(type=ConnectionType.SSH, username="dev", use_user_ssh_key=False)
        details = connection_details(connection, server(), "john", secrets=UserSecrets(private_key=KEY))
        assert (details.private_key, details.ask_for) == (None, ("password",))

    def test_other_types_know_no_keys(self) -> None:
        connection = Connection(type=ConnectionType.RDP, username="dev", private_key=OTHER_KEY)
        details = connection_details(connection, server(), "john", secrets=UserSecrets(private_key=KEY))
        assert details.private_key is None


class TestDynamicAccounts:
    def test_name_and_password_are_those_of_the_account(self) -> None:
        account = LocalAccount(username="john-7f3a", password=SecretStr("generated"))
        connection = Connection(type=ConnectionType.RDP, credential_type=CredentialType.DYNAMIC)
        details = connection_details(connection, server(), "john", account=account)
        assert (details.username, secret(details.password), details.ask_for) == ("john-7f3a", "generated", ())

    def test_without_an_account_it_says_so(self) -> None:
        connection = Connection(type=ConnectionType.RDP, credential_type=CredentialType.DYNAMIC)
        with pytest.raises(ValueError, match="no local account was made on 'desk-0001' for 'john'"):
            connection_details(connection, server(), "john")


class TestSSO:
    @pytest.mark.parametrize(
        ("user", "domain", "expected"),
        [
            ("john", None, "john"),
            ("john@example.com", None, "john@example.com"),
            ("EXAMPLE\\john", "", "EXAMPLE\\john"),
            ("john", "localhost", "john"),
            ("john@example.com", "localhost", "john"),
            ("EXAMPLE\\john", "localhost", "john"),
            ("john@example.com", "LocalHost", "john"),
            ("john", "corp.example", "john@corp.example"),
            ("john@example.com", "corp.example", "john@corp.example"),
            ("EXAMPLE\\john", "corp.example", "john@corp.example"),
            ("john", "CORP", "CORP\\john"),
            ("john@example.com", "CORP", "CORP\\john"),
            ("EXAMPLE\\john", "CORP", "CORP\\john"),
        ],
    )
    def test_domain_rule(self, user: str, domain: str | None, expected: str) -> None:
        assert sso_username(user, domain) == expected

    @pytest.mark.parametrize("user", ["@example.com", "EXAMPLE\\", " "])
    def test_a_domain_alone_is_no_name(self, user: str) -> None:
        with pytest.raises(ValueError, match="nothing but a domain"):
            sso_username(user, "localhost")

    def details(self, connection_type: ConnectionType, secrets: UserSecrets | None = None) -> ConnectionDetails:
        connection = Connection(type=connection_type, credential_type=CredentialType.SSO, sso_domain="localhost")
        return connection_details(connection, server(), "john@example.com", secrets=secrets)

    def test_a_password_that_is_not_known_is_asked_for(self) -> None:
        details = self.details(ConnectionType.RDP)
        assert (details.username, details.ask_for) == ("john", ("password",))

    def test_a_known_password_is_passed_on(self) -> None:
        details = self.details(ConnectionType.RDP, UserSecrets(password=SecretStr("own")))
        assert (secret(details.password), details.ask_for) == ("own", ())

    def test_ssh_uses_the_persons_own_key(self) -> None:
        details = self.details(ConnectionType.SSH, UserSecrets(private_key=KEY))
        assert (details.username, details.private_key, details.ask_for) == ("john", KEY, ())


class TestSmartCard:
    def test_the_card_brings_all(self) -> None:
        connection = Connection(type=ConnectionType.RDP, credential_type=CredentialType.SMARTCARD)
        details = connection_details(connection, server(), "john")
        assert (details.username, details.password, details.ask_for) == (None, None, ())
