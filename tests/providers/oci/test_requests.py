"""The launch request: what settings and spec become, sizes, places and what may not be overridden."""

import base64
import gzip
import random
import string
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from poolwright.providers.base import VMSpec
from poolwright.providers.errors import InvalidSettings
from poolwright.providers.oci.provider import OCIProvider
from poolwright.providers.oci.requests import launch_request, places, retry_token
from poolwright.providers.oci.settings import Settings
from tests.conformance.specs import spec_of
from tests.wire.oci_cloud import DOMAINS, FIXED_SHAPE, IMAGE, NSG, PUBLIC_SUBNET, SHAPE

Make = Callable[..., Settings]
TERMINATED = {"preemptionAction": {"type": "TERMINATE"}}


def request_of(settings: Settings, spec: VMSpec | None = None) -> dict[str, Any]:
    return launch_request(settings, spec or spec_of("a"), "retry-token")


class TestRequests:
    def test_every_setting_has_its_place(self, settings: Make) -> None:
        request = request_of(
            settings(
                shapes=[
                    {
                        "name": SHAPE,
                        "ocpus": 1.5,
                        "memory_gib": 12,
                        "baseline_ocpu_utilization": "BASELINE_1_2",
                    }
                ],
                fault_domain="FAULT-DOMAIN-2",
                boot_volume_gib=80,
                boot_volume_vpus_per_gib=20,
                nsg_ocids=[NSG],
                public_ip=False,
                ssh_public_key="ssh-ed25519 AAAA someone\n",
                freeform_tags={"team": "vdi"},
                defined_tags={"Finance": {"cost-centre": "42"}},
                spot=True,
            )
        )
        assert request["metadata"].pop("user_data")
        assert request == {
            "compartmentId": "ocid1.compartment.oc1..pools",
            "availabilityDomain": DOMAINS[0],
            "displayName": "pw-a",
            "shape": SHAPE,
            "shapeConfig": {"ocpus": 1.5, "memoryInGBs": 12.0, "baselineOcpuUtilization": "BASELINE_1_2"},
            "faultDomain": "FAULT-DOMAIN-2",
            "sourceDetails": {
                "sourceType": "image",
                "imageId": IMAGE,
                "bootVolumeSizeInGBs": 80,
                "bootVolumeVpusPerGB": 20,
            },
            "createVnicDetails": {"subnetId": PUBLIC_SUBNET, "nsgIds": [NSG], "assignPublicIp": False},
            "metadata": {"ssh_authorized_keys": "ssh-ed25519 AAAA someone"},
            "freeformTags": {
                "team": "vdi",
                "poolwright-controller": "controller-1",
                "poolwright-server": "a",
                "poolwright-attempt": "retry-token",
            },
            "definedTags": {"Finance": {"cost-centre": "42"}},
            "preemptibleInstanceConfig": {"preemptionAction": {"type": "TERMINATE", "preserveBootVolume": False}},
        }

    def test_an_empty_script_is_left_out(self, settings: Make) -> None:
        spec = spec_of("a").model_copy(update={"startup_script": SecretStr("")})
        assert request_of(settings(), spec)["metadata"] == {}

    def test_too_many_tags_are_refused(self, settings: Make) -> None:
        spec = spec_of("a").model_copy(update={"labels": {f"label-{number}": "x" for number in range(8)}})
        with pytest.raises(InvalidSettings, match="11 freeform tags, OCI allows 10"):
            request_of(settings(), spec)

    def test_a_preview_is_the_request_with_the_first_token(self, account: Mapping[str, Any], settings: Make) -> None:
        provider = OCIProvider(settings(), "controller-1")
        spec = spec_of("a")
        expected = launch_request(settings(), spec, retry_token(spec.token, 0))
        assert provider.preview(spec).request == expected
        assert account["private_key"].splitlines()[1] not in provider.preview(spec).model_dump_json()


class TestPlaces:
    def test_each_domain_comes_with_the_first_shape_before_any_with_the_second(self, settings: Make) -> None:
        both = settings(shapes=[{"name": SHAPE, "ocpus": 1}, {"name": FIXED_SHAPE}])
        first, second = DOMAINS
        assert [place.text for place in places(both)] == [
            f"{first}/{SHAPE}",
            f"{second}/{SHAPE}",
            f"{first}/{FIXED_SHAPE}",
            f"{second}/{FIXED_SHAPE}",
        ]
        request = request_of(both, spec_of("a", place=f"{second}/{FIXED_SHAPE}"))
        assert (request["availabilityDomain"], request["shape"]) == (second, FIXED_SHAPE)
        assert "shapeConfig" not in request

    def test_an_unknown_place_is_refused_with_those_that_there_are(self, settings: Make) -> None:
        with pytest.raises(InvalidSettings, match=f"'elsewhere'.*{DOMAINS[1]}/{SHAPE}"):
            request_of(settings(), spec_of("a", place="elsewhere"))


class TestScripts:
    def test_a_script_that_fits_is_sent_as_it_is(self, settings: Make) -> None:
        data = request_of(settings(), spec_of("a", script="#!/bin/bash\nexit 0\n"))["metadata"]["user_data"]
        assert base64.b64decode(data) == b"#!/bin/bash\nexit 0\n"

    def test_a_large_linux_script_is_compressed_the_same_way_each_time(self, settings: Make) -> None:
        script = "#!/bin/bash\n" + "# a comment that repeats itself\n" * 3000
        first, second = (request_of(settings(), spec_of("a", script=script)) for _ in range(2))
        assert first == second
        assert gzip.decompress(base64.b64decode(first["metadata"]["user_data"])).decode() == script

    def test_a_script_that_no_compression_helps_is_refused_with_size_and_limit(self, settings: Make) -> None:
        incompressible = "".join(random.Random(7).choices(string.printable, k=60_000))
        with pytest.raises(InvalidSettings, match=r"32000.*60000 bytes"):
            request_of(settings(), spec_of("a", script=incompressible))

    def test_an_override_of_the_metadata_counts_too(self, settings: Make) -> None:
        with pytest.raises(InvalidSettings, match="OCI allows 32000"):
            request_of(settings(config_override={"metadata": {"notes": "x" * 32_000}}))

    @pytest.mark.parametrize(
        ("script", "arrives"),
        [
            ("Write-Host hello\n", "#ps1_sysnative\nWrite-Host hello\n"),
            ("#ps1_sysnative\nWrite-Host hello\n", "#ps1_sysnative\nWrite-Host hello\n"),
            ("#ps1_x86\nWrite-Host hello\n", "#ps1_x86\nWrite-Host hello\n"),
            ("rem cmd\necho hello\n", "rem cmd\necho hello\n"),
            ("REM CMD\necho hello\n", "REM CMD\necho hello\n"),
            ("<powershell>\nhello\n</powershell>", "<powershell>\nhello\n</powershell>"),
            ("<#\n.SYNOPSIS\n#>\nWrite-Host hello\n", "#ps1_sysnative\n<#\n.SYNOPSIS\n#>\nWrite-Host hello\n"),
            ("\ufeffWrite-Host hello\n", "#ps1_sysnative\nWrite-Host hello\n"),
            ("\ufeff#ps1_sysnative\nWrite-Host hello\n", "#ps1_sysnative\nWrite-Host hello\n"),
        ],
    )
    def test_windows_is_told_what_runs_the_script(self, settings: Make, script: str, arrives: str) -> None:
        request = request_of(settings(operating_system="windows"), spec_of("a", script=script))
        assert base64.b64decode(request["metadata"]["user_data"]).decode() == arrives


class TestPreemptibleInstances:
    @pytest.mark.parametrize(
        ("changes", "are_made"),
        [
            ({}, False),
            ({"spot": True}, True),
            ({"config_override": {"preemptibleInstanceConfig": TERMINATED}}, True),
            ({"config_override": {"launch_instance_details": {"preemptible_instance_config": TERMINATED}}}, True),
            ({"config_override": {"preemptibleInstanceConfig": None}, "spot": True}, False),
        ],
    )
    def test_settings_and_request_agree(self, settings: Make, changes: dict[str, Any], are_made: bool) -> None:
        asked = settings(**changes)
        assert (request_of(asked).get("preemptibleInstanceConfig") is not None) is are_made
        assert OCIProvider(asked, "controller-1").capabilities().interruptible is are_made


class TestSettings:
    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"user_ocid": None}, "user_ocid missing beside the rest"),
            ({"private_key": None}, "private_key missing beside the rest"),
            ({"region": None}, "region missing beside the rest"),
            ({"shapes": [{"name": SHAPE}]}, "say how many ocpus"),
            ({"shapes": [{"name": FIXED_SHAPE, "ocpus": 2}]}, "has its own OCPUs"),
            ({"shapes": [{"name": FIXED_SHAPE}, {"name": FIXED_SHAPE}]}, "twice"),
            ({"boot_volume_vpus_per_gib": 15}, "multiple of 10"),
            ({"image_ocid": "ami-12345"}, "image_ocid"),
            ({"fingerprint": "5e:5e"}, "fingerprint"),
            ({"colour": "blue"}, "colour"),
            ({"region": "US Ashburn"}, "region"),
            ({"endpoint_url": "oci.example.com"}, "endpoint_url"),
        ],
    )
    def test_what_cannot_be_is_refused(self, account: Mapping[str, Any], changes: dict[str, Any], told: str) -> None:
        with pytest.raises(ValidationError, match=told) as refusal:
            Settings.model_validate({**account, **changes})
        assert account["private_key"].splitlines()[1] not in str(refusal.value)

    def test_without_a_key_the_workers_own_principal_is_meant(self, account: Mapping[str, Any]) -> None:
        key = ("user_ocid", "tenancy_ocid", "fingerprint", "private_key", "region")
        found = Settings.model_validate({name: value for name, value in account.items() if name not in key})
        assert found.private_key is None
