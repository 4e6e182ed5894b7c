"""The request that makes a VM on Compute Engine."""

import json
import uuid
from typing import Any

import pytest
from pydantic import SecretStr

from poolwright.providers.errors import InvalidSettings
from tests.conformance.specs import OURS, mark_of, spec_of
from tests.wire.gcp_compute import PROJECT, ZONES
from tests.wire.gcp_key import credentials_json
from tests.wire.gcp_rig import Rig, is_insert

ZONE = ZONES[0]
KEY = "projects/p/locations/global/keyRings/r/cryptoKeys/k"


def sent(rig: Rig, server_id: str = "a", script: str = "exit 0\n", **settings: Any) -> dict[str, Any]:
    """The body that creating this VM sends, which the stand-in has found to be in order."""
    rig.open(**settings).create(spec_of(server_id, script=script))
    body: dict[str, Any] = next(request for request in reversed(rig.server.requests) if is_insert(request)).json
    return body


class TestBody:
    def test_it_bears_the_mark_from_the_start(self, rig: Rig) -> None:
        labels = sent(rig, labels={"team": "vdi"})["labels"]
        assert labels["poolwright_controller"] == OURS
        assert labels["poolwright_server"] == "a"
        assert labels["team"] == "vdi"
        assert uuid.UUID(labels["poolwright_request"])

    def test_its_request_id_follows_from_the_token(self, rig: Rig) -> None:
        for attempt in (1, 1, 2):
            rig.open(zones=[ZONE]).create(spec_of("a", attempt=attempt))
        ids = [request.parameter("requestId") for request in rig.server.requests if is_insert(request)]
        assert ids[0] == ids[1] != ids[2]

    def test_the_boot_disk_goes_with_the_vm_and_bears_the_mark(self, rig: Rig) -> None:
        (disk,) = sent(rig, disk_type="pd-ssd", disk_encryption_key=KEY, labels={"team": "vdi"})["disks"]
        assert disk == {
            "boot": True,
            "autoDelete": True,
            "initializeParams": {
                "sourceImage": f"projects/{PROJECT}/global/images/linux-1",
                "diskType": f"zones/{ZONE}/diskTypes/pd-ssd",
                "diskSizeGb": "20",
                "labels": {"team": "vdi", "poolwright_controller": OURS, "poolwright_server": "a"},
            },
            "diskEncryptionKey": {"kmsKeyName": KEY},
        }

    @pytest.mark.parametrize(
        ("image", "path"),
        [
            ("linux-1", f"projects/{PROJECT}/global/images/linux-1"),
            ("family/linux", f"projects/{PROJECT}/global/images/family/linux"),
            ("global/images/linux-1", f"projects/{PROJECT}/global/images/linux-1"),
            ("projects/other/global/images/family/linux", "projects/other/global/images/family/linux"),
            (
                "https://www.googleapis.com/compute/v1/projects/other/global/images/linux-1",
                "projects/other/global/images/linux-1",
            ),
        ],
    )
    def test_an_image_may_be_named_in_many_ways(self, rig: Rig, image: str, path: str) -> None:
        assert sent(rig, image=image)["disks"][0]["initializeParams"]["sourceImage"] == path

    def test_a_subnetwork_is_one_of_the_region(self, rig: Rig) -> None:
        (interface,) = sent(rig, network=None, subnetwork="desktops")["networkInterfaces"]
        assert interface == {"subnetwork": f"projects/{PROJECT}/regions/us-east4/subnetworks/desktops"}

    def test_a_public_address_is_given_only_when_asked_for(self, rig: Rig) -> None:
        assert "accessConfigs" not in sent(rig)["networkInterfaces"][0]
        access = sent(rig, "b", public_ip=True)["networkInterfaces"][0]["accessConfigs"]
        assert access == [{"name": "External NAT", "type": "ONE_TO_ONE_NAT"}]

    def test_tags_and_the_service_account_go_along(self, rig: Rig) -> None:
        account = {"email": "x@p.iam.gserviceaccount.com", "scopes": ["https://www.googleapis.com/auth/logging.write"]}
        body = sent(rig, network_tags=["https-server"], service_account=account)
        assert body["tags"] == {"items": ["https-server"]}
        assert body["serviceAccounts"] == [account]

    def test_labels_asked_for_become_ones_that_google_takes(self, rig: Rig) -> None:
        spec = spec_of("a").model_copy(update={"labels": {"Pool": "Desk tops"}})
        assert rig.open().preview(spec).request["labels"]["pool"] == "desk-tops"


class TestScheduling:
    def test_an_ordinary_vm_leaves_it_to_google(self, rig: Rig) -> None:
        assert "scheduling" not in sent(rig)

    def test_a_vm_with_gpus_is_ended_when_its_host_is_maintained(self, rig: Rig) -> None:
        gpus = [{"acceleratorType": "nvidia-tesla-t4", "acceleratorCount": 1}]
        body = sent(rig, machine_types=["n1-standard-4"], guest_accelerators=gpus)
        assert body["scheduling"] == {"onHostMaintenance": "TERMINATE"}
        assert body["guestAccelerators"] == [
            {
                "acceleratorType": f"projects/{PROJECT}/zones/{ZONE}/acceleratorTypes/nvidia-tesla-t4",
                "acceleratorCount": 1,
            }
        ]

    def test_so_is_one_whose_machine_type_brings_gpus(self, rig: Rig) -> None:
        assert sent(rig, machine_types=["g2-standard-4"])["scheduling"] == {"onHostMaintenance": "TERMINATE"}

    def test_a_spot_vm_is_deleted_when_it_is_taken_back(self, rig: Rig) -> None:
        assert sent(rig, spot=True)["scheduling"] == {
            "provisioningModel": "SPOT",
            "instanceTerminationAction": "DELETE",
            "onHostMaintenance": "TERMINATE",
            "automaticRestart": False,
        }

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ({}, False),
            ({"spot": True}, True),
            ({"config_override": {"scheduling": {"provisioningModel": "SPOT"}}}, True),
            ({"config_override": {"scheduling": {"provisioning_model": "SPOT"}}}, True),
            ({"config_override": {"scheduling": {"preemptible": True}}}, True),
            ({"spot": True, "config_override": {"scheduling": {"maxRunDuration": {"seconds": "60"}}}}, True),
            ({"spot": True, "config_override": {"scheduling": {"provisioningModel": "STANDARD"}}}, False),
            ({"spot": True, "config_override": {"scheduling": "often"}}, True),
        ],
    )
    def test_what_may_be_taken_back_is_known_from_the_override_too(
        self, rig: Rig, given: dict[str, Any], expected: bool
    ) -> None:
        assert rig.open(**given).capabilities().interruptible is expected


class TestStartupScript:
    @pytest.mark.parametrize(
        ("settings", "key"),
        [
            ({}, "startup-script"),
            ({"os_type": "windows"}, "windows-startup-script-ps1"),
            ({"os_type": "windows", "startup_script_type": "cmd"}, "windows-startup-script-cmd"),
            ({"os_type": "windows", "startup_script_type": "bat"}, "windows-startup-script-bat"),
        ],
    )
    def test_it_goes_under_the_key_that_the_guest_reads(self, rig: Rig, settings: dict[str, Any], key: str) -> None:
        items = sent(rig, metadata={"enable-oslogin": "TRUE"}, **settings)["metadata"]["items"]
        assert items == [{"key": "enable-oslogin", "value": "TRUE"}, {"key": key, "value": "exit 0\n"}]

    def test_no_script_is_no_metadata(self, rig: Rig) -> None:
        assert "metadata" not in sent(rig, script="")

    def test_the_size_is_counted_in_bytes(self, rig: Rig) -> None:
        script = "ü" * (128 * 1024) + "x"
        with pytest.raises(InvalidSettings, match="262145 bytes, 262144 are allowed"):
            rig.open().create(spec_of("a", script=script))
        assert not rig.server.count(is_insert)

    def test_all_metadata_together_have_a_limit(self, rig: Rig) -> None:
        metadata = {"one": "x" * 200_000, "two": "x" * 200_000}
        with pytest.raises(InvalidSettings, match="524288 are allowed"):
            rig.open(metadata=metadata).create(spec_of("a", script="x" * 200_000))


class TestOverride:
    def test_it_is_merged_over_the_request(self, rig: Rig) -> None:
        override = {"scheduling": {"onHostMaintenance": "TERMINATE"}, "minCpuPlatform": "Intel Cascade Lake"}
        body = sent(rig, config_override=override)
        assert body["scheduling"] == {"onHostMaintenance": "TERMINATE"}
        assert body["minCpuPlatform"] == "Intel Cascade Lake"

    def test_the_names_of_googles_python_client_are_taken_too(self, rig: Rig) -> None:
        body = sent(rig, config_override={"shielded_instance_config": {"enable_secure_boot": True}})
        assert body["shieldedInstanceConfig"] == {"enableSecureBoot": True}

    def test_null_takes_out(self, rig: Rig) -> None:
        assert "tags" not in sent(rig, network_tags=["a"], config_override={"tags": None})

    @pytest.mark.parametrize(
        ("override", "said"),
        [
            ({"instanceColour": "blue"}, r"config_override.instanceColour is no field of Instance"),
            ({"scheduling": {"often": True}}, r"config_override.scheduling.often is no field of Scheduling"),
            (
                {"disks": [{"boot": True, "colour": 1}]},
                r"disks\[0\].colour is no field of AttachedDisk",
            ),
            ({"scheduling": "TERMINATE"}, r"config_override.scheduling is str; make it an object"),
            ({"canIpForward": "perhaps"}, "canIpForward"),
            (
                {"disks": [{"initializeParams": {"labels": "mine"}}]},
                r"initializeParams.labels is str; make it an object",
            ),
            ({"disks": [{"initializeParams": {"labels": ["a"]}}]}, r"initializeParams.labels is list"),
            ({"name": "mine"}, "config_override changes name"),
            (
                {"deletionProtection": True},
                "sets deletionProtection to True, with which Google refuses",
            ),
            ({"deletion_protection": True}, "config_override sets deletionProtection to True"),
            ({"labels": {"poolwright_server": "b"}}, "config_override changes labels.poolwright_server"),
            ({"labels": None}, "config_override changes labels.poolwright_controller"),
            ({"metadata": {"items": [{"key": "startup-script", "value": "x"}]}}, "sets a startup script"),
            (
                {"disks": [{"boot": True, "autoDelete": False, "initializeParams": {"diskSizeGb": "10"}}]},
                r"config_override.disks\[0\].autoDelete keeps a disk",
            ),
        ],
    )
    def test_what_cannot_be_is_refused_by_name(self, rig: Rig, override: dict[str, Any], said: str) -> None:
        provider = rig.open(config_override=override)
        for call in (provider.create, provider.preview):
            with pytest.raises(InvalidSettings, match=said):
                call(spec_of("a"))
        assert not rig.server.count(is_insert)

    def test_the_script_stays_when_it_brings_metadata(self, rig: Rig) -> None:
        override = {"metadata": {"items": [{"key": "serial-port-enable", "value": "1"}]}}
        items = sent(rig, config_override=override)["metadata"]["items"]
        assert [item["key"] for item in items] == ["serial-port-enable", "startup-script"]

    def test_disks_that_it_brings_bear_the_mark_and_go_with_the_vm(self, rig: Rig) -> None:
        made = {"sourceImage": "projects/project-0/global/images/linux-1", "diskType": f"zones/{ZONE}/diskTypes/pd-ssd"}
        attached = {"source": f"zones/{ZONE}/disks/shared", "mode": "READ_ONLY"}
        override = {"disks": [{"boot": True, "initializeParams": made}, attached]}
        boot, kept = sent(rig, config_override=override)["disks"]
        assert boot["autoDelete"] is True
        assert boot["initializeParams"]["labels"] == {"poolwright_controller": OURS, "poolwright_server": "a"}
        assert kept == attached

    def test_a_disk_of_which_it_says_nothing_bears_the_mark_too(self, rig: Rig) -> None:
        override = {"disks": [{"boot": True, "initializeParams": None}]}
        (disk,) = rig.open(config_override=override).preview(spec_of("a")).request["disks"]
        assert disk["initializeParams"]["labels"] == {"poolwright_controller": OURS, "poolwright_server": "a"}

    @pytest.mark.parametrize("key", ["rawKey", "raw_key", "rsaEncryptedKey"])
    def test_encryption_keys_that_it_brings_are_sent_and_not_shown(self, rig: Rig, key: str) -> None:
        made = {"sourceImage": "projects/project-0/global/images/linux-1", "diskType": f"zones/{ZONE}/diskTypes/pd-ssd"}
        override = {"disks": [{"boot": True, "initializeParams": made, "disk_encryption_key": {key: "bmV2ZXI="}}]}
        (disk,) = rig.open(config_override=override).preview(spec_of("a")).request["disks"]
        assert list(disk["diskEncryptionKey"].values()) == ["**********"]
        (sent_disk,) = sent(rig, config_override=override)["disks"]
        assert list(sent_disk["diskEncryptionKey"].values()) == ["bmV2ZXI="]


class TestPreview:
    def test_it_is_what_is_sent(self, rig: Rig) -> None:
        settings: dict[str, Any] = {
            "zones": [ZONE],
            "spot": True,
            "public_ip": True,
            "metadata": {"a": "b"},
            "config_override": {"canIpForward": True},
        }
        preview = rig.open(**settings).preview(spec_of("a"))
        assert not rig.server.requests
        assert preview.request == sent(rig, script=spec_of("a").startup_script.get_secret_value(), **settings)
        (parameters,) = preview.also.values()
        assert parameters == {
            "project": PROJECT,
            "zone": ZONE,
            "requestId": next(filter(is_insert, rig.server.requests)).parameter("requestId"),
        }

    def test_it_shows_no_credentials(self, rig: Rig) -> None:
        shown = rig.open().preview(spec_of("a")).model_dump_json()
        assert json.loads(credentials_json())["private_key"].splitlines()[1] not in shown


class TestNames:
    @pytest.mark.parametrize("server_id", ["Upper", "under_score", "ends-", "x" * 61, ""])
    def test_a_server_whose_id_is_no_name_at_google_is_refused(self, rig: Rig, server_id: str) -> None:
        spec = spec_of("a").model_copy(update={"mark": mark_of(server_id), "startup_script": SecretStr("")})
        with pytest.raises(InvalidSettings, match="cannot be a VM's name"):
            rig.open().create(spec)
        assert not rig.server.requests
