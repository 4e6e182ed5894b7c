"""Kinds of DNS provider and the settings of each."""

import subprocess
import sys
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from poolwright.dns import registry
from poolwright.dns.rfc2136.settings import Endpoint, Settings, endpoint
from poolwright.domain.resources import DNSProviderConfig

KEY = {"name": "poolwright", "secret": "c2VjcmV0LW9mLXRoZS1rZXk="}
SETTINGS: dict[str, Any] = {"servers": ["192.0.2.1"], "key": KEY, "zones": ["vdi.example"]}


def settings(**changes: Any) -> Settings:
    return Settings.model_validate({**SETTINGS, **changes})


class TestKinds:
    def test_each_is_one_that_a_configuration_can_name(self) -> None:
        for kind in registry.kinds():
            config = DNSProviderConfig(name="names", provider=kind)
            assert registry.settings_model(config.provider).model_fields

    def test_an_unknown_one_is_refused_with_those_that_exist(self) -> None:
        with pytest.raises(registry.UnknownDNSProvider, match=r"'bind'.*rfc2136"):
            registry.settings_model("bind")
        with pytest.raises(registry.UnknownDNSProvider):
            registry.open_dns_provider("bind", {}, "controller-1")

    def test_wrong_settings_are_refused(self) -> None:
        with pytest.raises(ValidationError, match="servers"):
            registry.open_dns_provider("rfc2136", {"zones": ["vdi.example"]}, "controller-1")

    @pytest.mark.slow
    def test_settings_are_checked_without_a_dns_library(self) -> None:
        program = (
            "import sys; from poolwright.dns import registry; registry.settings_model('rfc2136'); "
            "sys.exit('dns.message' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", program]).returncode == 0


class TestRFC2136Settings:
    def test_what_must_be_given_is_enough(self) -> None:
        found = settings()
        assert (found.transport, found.key and found.key.algorithm) == ("tcp", "hmac-sha256")
        assert registry.settings_model("rfc2136") is Settings

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("192.0.2.1", "192.0.2.1:53"),
            ("192.0.2.1:5353", "192.0.2.1:5353"),
            ("2001:db8::1", "[2001:db8::1]:53"),
            ("[2001:db8::1]:5353", "[2001:db8::1]:5353"),
        ],
    )
    def test_servers(self, text: str, found: str) -> None:
        assert isinstance(endpoint(text), Endpoint)
        assert str(endpoint(text)) == found

    @pytest.mark.parametrize(
        "text", ["", "ns.example", "ns.example:53", "192.0.2.1:0", "192.0.2.1:65536", "[192.0.2.1]:53", "192.0.2.1:x"]
    )
    def test_what_is_no_server_is_refused(self, text: str) -> None:
        with pytest.raises(ValidationError, match="a host name would need DNS"):
            settings(servers=[text])

    @pytest.mark.parametrize(
        "wrong",
        [
            {"servers": []},
            {"zones": []},
            {"zones": ["vdi_example"]},
            {"reverse_zones": ["192.0.2.0/24"]},
            {"transport": "tls"},
            {"timeout_seconds": 0},
            {"key": {**KEY, "algorithm": "hmac-md5"}},
            {"key": {"name": "poolwright"}},
            {"password": "unknown keys are refused"},
        ],
        ids=str,
    )
    def test_other_nonsense_is_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            settings(**wrong)

    @pytest.mark.parametrize("secret", ["", "no base64 at all", "c2VjcmV0LW9mLXRoZS1rZXk"])
    def test_a_secret_that_is_not_base64_is_refused_and_not_told(self, secret: str) -> None:
        for given in (secret, SecretStr(secret)):
            with pytest.raises(ValidationError, match=r"key\.secret\n.*base64") as refusal:
                settings(key={**KEY, "secret": given})
            assert not secret or secret not in str(refusal.value)

    def test_no_other_mistake_tells_the_secret(self) -> None:
        with pytest.raises(ValidationError) as refusal:
            settings(servers=["ns.example"], nonsense=1, key={**KEY, "algorithm": "hmac-md5"})
        assert KEY["secret"] not in str(refusal.value)

    def test_the_secret_does_not_show(self) -> None:
        assert KEY["secret"] not in repr(settings()) + str(settings().model_dump())
