"""What EC2 is asked for: previews, places, tags, volumes, spot and overrides."""

from typing import Any

import pytest

from poolwright.providers.aws.provider import AWSProvider
from poolwright.providers.aws.requests import client_token
from poolwright.providers.base import VMState
from poolwright.providers.errors import InvalidSettings
from tests.conformance.specs import OURS, SCRIPT, mark_of, spec_of
from tests.wire.aws import AWSHarness
from tests.wire.ec2 import asks_for, form_of

pytestmark = pytest.mark.slow


def tags_of(request: Any) -> dict[str, dict[str, str]]:
    """Kind of thing -> its tags."""
    return {
        one["ResourceType"]: {tag["Key"]: tag["Value"] for tag in one["Tags"]} for one in request["TagSpecifications"]
    }


class TestThePlainRequest:
    def test_asks_for_one_vm_that_takes_all_that_is_its_own_with_it(
        self, account: AWSHarness, provider: AWSProvider
    ) -> None:
        request = provider.preview(spec_of("a")).request
        assert (request["MinCount"], request["MaxCount"]) == (1, 1)
        assert request["NetworkInterfaces"] == [
            {
                "DeviceIndex": 0,
                "DeleteOnTermination": True,
                "SubnetId": account.settings["subnet_ids"][0],
                "Groups": list(account.settings["security_group_ids"]),
            }
        ]

    def test_asks_for_tokens_from_the_metadata_service(self, provider: AWSProvider) -> None:
        assert provider.preview(spec_of("a")).request["MetadataOptions"]["HttpTokens"] == "required"

    def test_marks_instance_volumes_and_interfaces_from_the_first_moment(self, account: AWSHarness) -> None:
        spec = spec_of("a").model_copy(update={"labels": {"rack": "7"}})
        provider = account.open(OURS, tags={"team": "vdi"})
        tags = tags_of(provider.preview(spec).request)
        assert set(tags) == {"instance", "volume", "network-interface"}
        for given in tags.values():
            assert given == {
                "team": "vdi",
                "rack": "7",
                "Name": "pw-a",
                "poolwright:controller": OURS,
                "poolwright:server": "a",
            }

    def test_what_is_sent_is_what_the_preview_showed(self, account: AWSHarness, provider: AWSProvider) -> None:
        shown = provider.preview(spec_of("a")).request
        provider.create(spec_of("a"))
        sent = form_of(next(request for request in account.server.requests if asks_for("RunInstances")(request)))
        assert sent["ClientToken"] == shown["ClientToken"]
        assert sent["ImageId"] == shown["ImageId"]
        assert sent["NetworkInterface.1.SubnetId"] == shown["NetworkInterfaces"][0]["SubnetId"]
        assert sent["MetadataOptions.HttpTokens"] == "required"
        assert shown["UserData"] == SCRIPT

    def test_a_token_has_64_characters_and_is_another_for_another_controller(self) -> None:
        tokens = {client_token(spec_of("a", controller_id=name), 0) for name in ("one", "two")}
        assert len(tokens) == 2
        assert all(len(token) == 64 and token.isascii() for token in tokens)


class TestPlaces:
    def test_try_the_first_type_in_each_subnet_before_the_second(
        self, account: AWSHarness, provider: AWSProvider
    ) -> None:
        first, second = account.settings["subnet_ids"]
        assert provider.places() == [
            f"{first}/t3.micro",
            f"{second}/t3.micro",
            f"{first}/t3.small",
            f"{second}/t3.small",
        ]

    def test_are_none_where_there_is_no_choice(self, account: AWSHarness) -> None:
        provider = account.open(OURS, instance_types=["t3.micro"], subnet_ids=[])
        assert list(provider.places()) == []
        account.ec2.pass_time()
        vm = provider.create(spec_of("a"))
        assert (vm.state, vm.place) == (VMState.PENDING, None)

    def test_are_named_by_type_alone_in_the_default_vpc(self, account: AWSHarness) -> None:
        provider = account.open(OURS, subnet_ids=[])
        assert provider.places() == ["t3.micro", "t3.small"]
        assert provider.create(spec_of("a", place="t3.small")).place == "t3.small"


class TestSettings:
    def test_change_the_root_volume(self, account: AWSHarness) -> None:
        provider = account.open(
            OURS,
            root_device_name="/dev/sda1",
            root_volume_size_gib=80,
            root_volume_type="gp3",
            root_volume_iops=4000,
            root_volume_throughput_mib_per_second=250,
            root_volume_encrypted=True,
        )
        assert provider.preview(spec_of("a")).request["BlockDeviceMappings"] == [
            {
                "DeviceName": "/dev/sda1",
                "Ebs": {
                    "DeleteOnTermination": True,
                    "VolumeSize": 80,
                    "VolumeType": "gp3",
                    "Iops": 4000,
                    "Throughput": 250,
                    "Encrypted": True,
                },
            }
        ]
        vm = provider.create(spec_of("a"))
        (volume,) = account.ec2.backend.volumes.values()
        assert (int(volume.size), volume.encrypted) == (80, True)
        assert volume.attachment.instance.id == vm.reference

    def test_ask_for_one_time_spot_instances(self, account: AWSHarness) -> None:
        request = account.open(OURS, spot=True, spot_max_price_usd_per_hour=0.025).preview(spec_of("a")).request
        assert request["InstanceMarketOptions"] == {
            "MarketType": "spot",
            "SpotOptions": {
                "SpotInstanceType": "one-time",
                "InstanceInterruptionBehavior": "terminate",
                "MaxPrice": "0.025",
            },
        }
        assert "spot-instances-request" in tags_of(request)

    @pytest.mark.parametrize(
        ("profile", "expected"),
        [
            ("vdi", {"Name": "vdi"}),
            ("arn:aws:iam::1:instance-profile/vdi", {"Arn": "arn:aws:iam::1:instance-profile/vdi"}),
        ],
    )
    def test_name_an_instance_profile(self, account: AWSHarness, profile: str, expected: dict[str, str]) -> None:
        request = account.open(OURS, instance_profile=profile).preview(spec_of("a")).request
        assert request["IamInstanceProfile"] == expected

    def test_choose_a_public_address(self, account: AWSHarness) -> None:
        request = account.open(OURS, assign_public_ip=False).preview(spec_of("a")).request
        assert request["NetworkInterfaces"][0]["AssociatePublicIpAddress"] is False


class TestOverrides:
    @pytest.mark.parametrize("outer", [True, False])
    def test_are_merged_below_instance_config_or_bare(self, account: AWSHarness, outer: bool) -> None:
        patch: dict[str, Any] = {"CpuOptions": {"CoreCount": 1}, "MetadataOptions": {"HttpPutResponseHopLimit": 2}}
        provider = account.open(OURS, config_override={"instance_config": patch} if outer else patch)
        request = provider.preview(spec_of("a")).request
        assert request["CpuOptions"] == {"CoreCount": 1}
        assert request["MetadataOptions"] == {
            "HttpTokens": "required",
            "HttpEndpoint": "enabled",
            "HttpPutResponseHopLimit": 2,
        }

    @pytest.mark.parametrize(
        ("patch", "key"),
        [
            ({"TagSpecifications": []}, "TagSpecifications"),
            ({"UserData": "other"}, "UserData"),
            ({"UserData": None}, "UserData"),
            ({"ClientToken": "other"}, "ClientToken"),
            ({"MaxCount": 5}, "MaxCount"),
            ({"DryRun": True}, "DryRun"),
            ({"Instancetype": "t3.large"}, "Instancetype"),
            ({"EbsOptimized": "perhaps"}, "EbsOptimized"),
            ({"NetworkInterfaces": [{"DeviceIndex": 0, "DeleteOnTermination": False}]}, "DeleteOnTermination"),
            ({"NetworkInterfaces": "none"}, "NetworkInterfaces"),
            (
                {"InstanceMarketOptions": {"MarketType": "spot", "SpotOptions": {"SpotInstanceType": "persistent"}}},
                "SpotInstanceType",
            ),
            ({"DisableApiTermination": True}, "DisableApiTermination to True, with which EC2 refuses to terminate"),
            ({"DisableApiStop": True}, "DisableApiStop to True, with which EC2 refuses to terminate"),
        ],
    )
    def test_that_are_wrong_are_refused_by_name_before_anything_is_asked(
        self, account: AWSHarness, patch: dict[str, Any], key: str
    ) -> None:
        provider = account.open(OURS, config_override=patch)
        for call in (provider.preview, provider.create):
            with pytest.raises(InvalidSettings, match=key):
                call(spec_of("a"))
        assert account.server.requests == []

    def test_add_disks_that_go_with_the_vm(self, account: AWSHarness) -> None:
        disks = [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5}}]
        provider = account.open(OURS, config_override={"BlockDeviceMappings": disks})
        vm = provider.create(spec_of("a"))
        account.pass_time()
        assert provider.delete(mark_of("a"), vm.reference) is False
        account.pass_time()
        assert provider.delete(mark_of("a"), vm.reference) is True
        assert account.leftovers() == []
