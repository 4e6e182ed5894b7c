"""How a Google Cloud project is reached."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from poolwright.providers.gcp.provider import open_provider
from poolwright.vendors import gcp
from poolwright.vendors.faults import Fault
from tests.wire.gcp_compute import PROJECT, ZONES, ComputeEngine
from tests.wire.gcp_key import credentials_json, is_token
from tests.wire.guard import only_this_machine
from tests.wire.server import WireServer


def account(**changed: Any) -> gcp.Account:
    return gcp.Account.model_validate({"project": PROJECT, **changed})


class TestTrapTwelve:
    """REQUESTS_CA_BUNDLE goes before a session's own trust."""

    def test_the_accounts_authority_goes_before_that_of_the_environment(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
            monkeypatch.setenv(variable, str(Path(__file__)))
        with WireServer(ComputeEngine(), tls_directory=tmp_path) as server, only_this_machine() as left:
            settings = {
                "project": PROJECT,
                "credentials_json": credentials_json(),
                "endpoint_url": server.url,
                "ca_file": server.ca_file,
                "zones": [ZONES[0]],
                "machine_types": ["e2-small"],
                "image": "linux-1",
            }
            assert list(open_provider(settings, "controller-1").list_owned()) == []
        assert not left


class TestCredentials:
    def test_a_service_accounts_tokens_are_signed_here(self) -> None:
        with only_this_machine() as left:
            login = gcp.credentials(account(credentials_json=credentials_json()))
            headers: dict[str, str] = {}
            gcp.session(account(), login)
            login.before_request(None, "GET", "https://compute.googleapis.com/", headers)  # type: ignore[no-untyped-call]
        assert is_token(headers["authorization"])
        assert not left

    @pytest.mark.parametrize("given", [{}, {"credentials_json": SecretStr("")}])
    def test_a_file_of_the_environment_takes_the_place_of_a_key(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]
    ) -> None:
        file = tmp_path / "key.json"
        file.write_text(credentials_json())
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        login: Any = gcp.credentials(account(**given))
        assert login.service_account_email == json.loads(credentials_json())["client_email"]

    def test_a_file_that_is_not_there_is_a_login_that_fails(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
        with pytest.raises(gcp.errors()) as refused:
            gcp.credentials(account())
        assert gcp.trouble(refused.value).fault is Fault.AUTHENTICATION

    @pytest.mark.parametrize(
        "key",
        [
            "a-private-key",
            '["a-private-key"]',
            '{"type": "service_account", "private_key": "a-private-key", "client_email": "x", "token_uri": "y"}',
            '{"type": "authorized_user", "refresh_token": "a-private-key"}',
            '{"type": "external_account", "private_key": "a-private-key"}',
        ],
    )
    def test_a_key_that_is_none_is_not_repeated(self, key: str) -> None:
        with pytest.raises(gcp.UnusableCredentials) as refused:
            gcp.credentials(account(credentials_json=SecretStr(key)))
        assert "a-private-key" not in str(refused.value)
        assert refused.value.__cause__ is None
        assert gcp.trouble(refused.value).fault is Fault.AUTHENTICATION

    def test_a_users_own_login_is_taken(self) -> None:
        key = {"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c"}
        login: Any = gcp.credentials(account(credentials_json=json.dumps(key)))
        assert login.refresh_token == "c"


class TestAccount:
    @pytest.mark.parametrize("project", ["Upper-case", "1digit", "short", "x" * 31, "ends-", ""])
    def test_a_project_that_is_no_id_is_refused(self, project: str) -> None:
        with pytest.raises(ValueError, match="project"):
            account(project=project)

    def test_an_address_needs_its_scheme(self) -> None:
        with pytest.raises(ValueError, match="begin it with https://"):
            account(endpoint_url="compute.example")


class TestMessages:
    @pytest.mark.parametrize(
        ("message", "shown"),
        [
            ("Invalid value for field 'resource.name': 'X'. Must match.\nMore.", "'resource.name': 'X'. Must match."),
            ("Field 'resource.metadata.items[1].value': 'a\nsecret'. Bad.", "Field 'resource.metadata.items[1].value'"),
        ],
    )
    def test_they_are_one_line_and_repeat_no_metadata(self, message: str, shown: str) -> None:
        spoken = gcp.spoken(message)
        assert shown in spoken
        assert "\n" not in spoken
        assert "secret" not in spoken

    def test_they_end(self) -> None:
        assert len(gcp.spoken("x" * 10_000)) == 500
