"""What a live check finds, and that it makes nothing."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from poolwright.providers.errors import Transient
from tests.conformance.specs import OURS
from tests.providers.aws.keys import PUBLIC_KEY
from tests.wire.aws import AWSHarness
from tests.wire.ec2 import error, form_of
from tests.wire.server import Cut, Request, WireServer

pytestmark = pytest.mark.slow


def found(account: AWSHarness, **settings: Any) -> dict[str, str]:
    """Setting -> problem."""
    return {finding.setting: finding.problem for finding in account.open(OURS, **settings).check()}


def actions(*names: str) -> Any:
    """Requests for these, rehearsals included."""

    def which(request: Request) -> bool:
        return form_of(request)["Action"] in names

    return which


class TestGoodSettings:
    @pytest.mark.parametrize(
        "settings",
        [
            {},
            {"ssh_public_key": PUBLIC_KEY},
            {"root_device_name": "/dev/sda1", "root_volume_size_gib": 80},
            {"spot": True},
            {"subnet_ids": []},
            {"config_override": {"instance_config": {"EbsOptimized": True}}},
        ],
    )
    def test_have_no_findings_and_make_nothing(self, account: AWSHarness, settings: dict[str, Any]) -> None:
        assert found(account, **settings) == {}
        assert account.leftovers() == []
        assert len(account.ec2.backend.key_pairs) == 0

    def test_are_rehearsed_without_the_token_of_any_server(self, account: AWSHarness) -> None:
        account.open(OURS).check()
        assert account.ec2.answers == {}


class TestFindings:
    @pytest.mark.parametrize(
        ("settings", "setting", "said"),
        [
            ({"key_name": "mine"}, "key_name", "mine"),
            ({"operating_system": "windows"}, "operating_system", "linux"),
            ({"root_device_name": "/dev/xvda", "root_volume_size_gib": 80}, "root_device_name", "/dev/sda1"),
            ({"instance_types": ["t4g.micro"]}, "instance_types", "x86_64"),
            ({"instance_types": ["t99.colossal"]}, "instance_types", "t99.colossal"),
            ({"config_override": {"EbsOptimised": True}}, "config_override", "EbsOptimised"),
            ({"config_override": {"UserData": "mine"}}, "config_override", "UserData"),
            ({"instance_profile": "nobody"}, "instance_profile", "nobody"),
        ],
    )
    def test_name_the_setting_and_what_is_wrong(
        self, account: AWSHarness, settings: dict[str, Any], setting: str, said: str
    ) -> None:
        problems = found(account, **settings)
        assert list(problems) == [setting]
        assert said in problems[setting]

    def test_an_image_that_is_not_ready(self, account: AWSHarness) -> None:
        account.ec2.backend.amis[account.linux_image].state = "pending"
        assert "pending" in found(account)["ami_id"]

    def test_a_type_that_one_zone_does_not_offer(self, account: AWSHarness) -> None:
        last = account.ec2.subnets()["us-east-1e"]
        problems = found(account, subnet_ids=[*account.settings["subnet_ids"], last], instance_types=["t3.micro"])
        assert "t3.micro in us-east-1e" in problems["instance_types"]

    def test_a_security_group_of_another_network(self, account: AWSHarness) -> None:
        backend = account.ec2.backend
        network = backend.create_vpc("10.9.0.0/16")
        group = backend.create_security_group("strangers", "of another VPC", network.id)
        assert group.id in found(account, security_group_ids=[group.id])["security_group_ids"]

    def test_subnets_of_two_networks(self, account: AWSHarness) -> None:
        backend = account.ec2.backend
        network = backend.create_vpc("10.9.0.0/16")
        subnet = backend.create_subnet(network.id, "10.9.1.0/24", availability_zone="us-east-1a")
        assert network.id in found(account, subnet_ids=[*account.settings["subnet_ids"], subnet.id])["subnet_ids"]


class TestCredentials:
    def test_that_are_refused_are_the_only_finding(self, account: AWSHarness) -> None:
        with account.server.fault(error("AuthFailure", status=401)):
            assert list(found(account, ami_id="ami-00000000000000000")) == ["access_key_id"]

    @pytest.mark.parametrize(
        ("denied", "said"),
        [
            (["RunInstances"], ["run_instances"]),
            (["DescribeVolumes", "DescribeAddresses"], ["describe_volumes", "describe_addresses"]),
            (["DescribeImages", "DescribeSubnets"], ["describe_images", "describe_subnets"]),
        ],
    )
    def test_that_may_not_do_everything_are_told_together(
        self, account: AWSHarness, denied: Sequence[str], said: Sequence[str]
    ) -> None:
        with account.server.fault(error("UnauthorizedOperation", status=403), actions(*denied)):
            problems = found(account)
        assert list(problems) == ["access_key_id"]
        assert all(name in problems["access_key_id"] for name in said)

    def test_may_have_to_import_key_pairs(self, account: AWSHarness) -> None:
        with account.server.fault(error("UnauthorizedOperation", status=403), actions("ImportKeyPair")):
            assert "import_key_pair" in found(account, ssh_public_key=PUBLIC_KEY)["access_key_id"]


class TestReach:
    def test_a_server_that_does_not_answer_is_no_finding(self, account: AWSHarness) -> None:
        with account.server.fault(Cut.BEFORE), pytest.raises(Transient):
            account.open(OURS).check()

    def test_a_file_of_authorities_that_does_not_exist_is_named(self, account: AWSHarness, tmp_path: Path) -> None:
        with WireServer(account.ec2, tls_directory=tmp_path) as server:
            assert list(found(account, endpoint_url=server.url, ca_file=tmp_path / "none.pem")) == ["ca_file"]
            assert found(account, endpoint_url=server.url, ca_file=server.ca_file) == {}

    def test_a_region_that_does_not_exist_is_named(self, account: AWSHarness) -> None:
        provider = account.open(OURS, endpoint_url=None, region="us-esat-1")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("socket.getaddrinfo", _unknown_host)
            assert [finding.setting for finding in provider.check()] == ["region"]


def _unknown_host(*_: object, **__: object) -> None:
    raise OSError("there is no such host")
