"""`check` asks Google for each thing that the settings name."""

from typing import Any

import pytest

from poolwright.providers.errors import Transient
from tests.wire.gcp_answers import refusal
from tests.wire.gcp_compute import ZONES
from tests.wire.gcp_rig import Rig
from tests.wire.server import Cut

pytestmark = pytest.mark.slow

GPUS = [{"accelerator_type": "nvidia-tesla-t4"}]


def found(rig: Rig, **settings: Any) -> dict[str, str]:
    """Setting -> problem."""
    findings = rig.open(**settings).check()
    assert all(finding.remedy for finding in findings)
    return {finding.setting: finding.problem for finding in findings}


class TestGoodSettings:
    @pytest.mark.parametrize(
        "settings",
        [
            {},
            {"image": "family/linux", "guest_accelerators": GPUS, "machine_types": ["n1-standard-4", "e2-small"]},
            {"image": "windows-1", "os_type": "windows", "boot_disk_gib": 50},
            {"network": None, "subnetwork": "desktops", "public_ip": True},
            {"boot_disk_gib": None},
        ],
    )
    def test_nothing_is_found(self, rig: Rig, settings: dict[str, Any]) -> None:
        assert found(rig, **settings) == {}


class TestNamedThings:
    @pytest.mark.parametrize(
        ("settings", "setting"),
        [
            ({"zones": ["us-east4-x"]}, "zones"),
            ({"machine_types": ["e9-huge"]}, "machine_types"),
            ({"disk_type": "pd-golden"}, "disk_type"),
            ({"guest_accelerators": [{"accelerator_type": "nvidia-none"}]}, "guest_accelerators"),
            ({"image": "family/none"}, "image"),
            ({"network": "none"}, "network"),
            ({"subnetwork": "none"}, "subnetwork"),
        ],
    )
    def test_what_does_not_exist_is_named(self, rig: Rig, settings: dict[str, Any], setting: str) -> None:
        problems = found(rig, **settings)
        assert set(problems) == {setting}
        assert "does not exist" in problems[setting]

    def test_an_override_that_makes_no_request_is_told_beside_the_rest(self, rig: Rig) -> None:
        problems = found(rig, config_override={"instanceColour": "blue"}, network="none")
        assert set(problems) == {"config_override", "network"}
        assert "instanceColour" in problems["config_override"]

    def test_each_zone_is_asked_for_each_machine_type(self, rig: Rig) -> None:
        findings = rig.open(machine_types=["e9-huge", "e2-small"]).check()
        assert [finding.problem for finding in findings] == [
            f"machine type e9-huge in {zone} does not exist" for zone in ZONES
        ]

    def test_a_subnetwork_of_another_region_is_named(self, rig: Rig) -> None:
        subnetwork = "projects/project-0/regions/us-west1/subnetworks/desktops"
        assert "is in us-west1" in found(rig, subnetwork=subnetwork)["subnetwork"]


class TestImage:
    def test_one_that_is_withdrawn_is_named(self, rig: Rig) -> None:
        assert found(rig, image="old-1") == {"image": "image old-1 is obsolete"}

    def test_one_for_another_system_is_named(self, rig: Rig) -> None:
        assert "is for windows" in found(rig, image="windows-1", boot_disk_gib=50)["os_type"]
        assert "is for linux" in found(rig, os_type="windows")["os_type"]

    def test_one_that_does_not_fit_on_the_disk_is_named(self, rig: Rig) -> None:
        assert found(rig, boot_disk_gib=5) == {"boot_disk_gib": "5 GiB is less than the 10 GiB of image linux-1"}


class TestPermissions:
    def test_those_that_a_subnetwork_needs_are_named(self, rig: Rig) -> None:
        rig.state.permissions = ("compute.subnetworks.use",)
        assert found(rig, subnetwork="desktops") == {}
        assert (
            "lacks compute.subnetworks.useExternalIp" in found(rig, subnetwork="desktops", public_ip=True)["subnetwork"]
        )

    @pytest.mark.parametrize("path", ["/aggregated/instances", "/aggregated/disks", "/operations"])
    def test_lists_that_may_not_be_read_are_named(self, rig: Rig, path: str) -> None:
        answer = refusal(403, "forbidden", "Required 'compute.x.list' permission")
        with rig.server.fault(answer, lambda request: request.path.endswith(path)):
            assert "compute.x.list" in found(rig)["credentials_json"]

    def test_a_forbidden_project_is_named_alone(self, rig: Rig) -> None:
        with rig.server.fault(refusal(403, "forbidden", "Required 'compute.projects.get' permission")):
            assert "compute.projects.get" in found(rig, image="none")["project"]

    def test_a_project_that_is_not_there_is_named(self, rig: Rig) -> None:
        assert found(rig, project="project-9") == {"project": "project project-9 does not exist"}


class TestCredentials:
    @pytest.mark.parametrize("key", ["no JSON", "[]", "{}", '{"type": "service_account", "private_key": "x"}'])
    def test_a_key_that_is_none_is_named_without_being_shown(self, rig: Rig, key: str) -> None:
        problems = found(rig, credentials_json=key)
        assert set(problems) == {"credentials_json"}
        assert not rig.server.requests

    def test_a_refused_key_is_named(self, rig: Rig) -> None:
        with rig.server.fault(refusal(401, "authError", "Request had invalid authentication credentials.")):
            assert set(found(rig)) == {"credentials_json"}

    def test_without_a_network_nothing_is_said_of_the_settings(self, rig: Rig) -> None:
        with rig.server.fault(Cut.BEFORE), pytest.raises(Transient):
            rig.open().check()
