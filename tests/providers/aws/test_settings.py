"""Settings that contradict themselves are refused, each with its key."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from poolwright.providers.aws.settings import Settings
from tests.providers.aws.keys import PRIVATE_KEY, PUBLIC_KEY, new_private_key, pem

LEAST: dict[str, Any] = {"region": "us-east-1", "ami_id": "ami-0abc", "instance_types": ["t3.micro"]}
WINDOWS: dict[str, Any] = {"operating_system": "windows", "retrieve_windows_password": True}


class TestSettings:
    def test_need_little(self) -> None:
        settings = Settings.model_validate(LEAST)
        assert settings.access_key_id is None
        assert not settings.spot

    @pytest.mark.parametrize(
        ("more", "key"),
        [
            ({"access_key_id": "AKIA"}, "secret_access_key"),
            ({"secret_access_key": "s"}, "access_key_id"),
            ({"region": "Ireland!"}, "region"),
            ({"endpoint_url": "localhost:80"}, "endpoint_url"),
            ({"ami_id": "debian"}, "ami_id"),
            ({"instance_types": []}, "instance_types"),
            ({"tags": {"Name": "x"}}, "Name"),
            ({"tags": {"aws:x": "x"}}, "aws:x"),
            ({"tags": {"poolwright:server": "x"}}, "poolwright:server"),
            ({"tags": {"x": "y" * 257}}, "too long"),
            ({"tags": {f"tag-{number}": "" for number in range(41)}}, "tags"),
            ({"root_volume_size_gib": 80}, "root_device_name"),
            ({"spot_max_price_usd_per_hour": 1}, "spot"),
            ({"key_name": "mine", "ssh_public_key": PUBLIC_KEY}, "key_name"),
            ({"ssh_public_key": "no key"}, "ssh_public_key"),
            ({"ssh_private_key": "no key"}, "ssh_private_key"),
            ({"ssh_private_key": pem(Ed25519PrivateKey.generate())}, "RSA"),
            ({"ssh_public_key": PUBLIC_KEY, "ssh_private_key": pem(new_private_key())}, "two halves"),
            ({"retrieve_windows_password": True}, "operating_system"),
            (WINDOWS, "ssh_private_key"),
            (WINDOWS | {"ssh_private_key": pem(PRIVATE_KEY)}, "key_name"),
            ({"config_override": {"instance_config": []}}, "instance_config"),
            ({"config_override": {"instance_config": {}, "EbsOptimized": True}}, "instance_config"),
            ({"subnet_id": "subnet-1"}, "subnet_id"),
        ],
    )
    def test_that_cannot_work_name_their_key(self, more: dict[str, Any], key: str) -> None:
        with pytest.raises(ValidationError, match=key):
            Settings.model_validate(LEAST | more)

    @pytest.mark.parametrize("more", [{"key_name": "mine"}, {"ssh_public_key": PUBLIC_KEY}])
    def test_can_ask_for_passwords(self, more: dict[str, Any]) -> None:
        Settings.model_validate(LEAST | WINDOWS | more | {"ssh_private_key": pem(PRIVATE_KEY)})

    @pytest.mark.parametrize("more", [{"ssh_private_key": "never-shown"}, {"spot_max_price_usd_per_hour": 1}])
    def test_show_no_secret_when_they_are_refused(self, more: dict[str, Any]) -> None:
        keys = {"access_key_id": "never-shown", "secret_access_key": "never-shown"}
        with pytest.raises(ValidationError) as refused:
            Settings.model_validate(LEAST | more | keys)
        assert "never-shown" not in str(refused.value)

    def test_show_no_secret(self) -> None:
        secrets = {"access_key_id": "AKIAEXAMPLE", "secret_access_key": "wJalrX", "ssh_private_key": pem(PRIVATE_KEY)}
        shown = repr(Settings.model_validate(LEAST | secrets))
        assert not any(secret in shown for secret in secrets.values())
