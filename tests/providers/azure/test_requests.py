"""The request that makes a VM, and what may be changed in it."""

import base64
import gzip
import random
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from poolwright.providers.azure.marks import mark_of_part
from poolwright.providers.azure.provider import AzureProvider
from poolwright.providers.azure.requests import LARGEST_CUSTOM_DATA_BYTES, shown, vm_request
from poolwright.providers.azure.settings import Settings
from poolwright.providers.errors import InvalidSettings
from tests.conformance.specs import OURS, THEIRS, mark_of, spec_of
from tests.wire.azure_schema import complaints

GROUP_ID = "/subscriptions/33333333-3333-3333-3333-333333333333/resourceGroups/pools"


def settings(**changed: Any) -> Settings:
    return Settings.model_validate(
        {
            "subscription_id": "33333333-3333-3333-3333-333333333333",
            "resource_group": "pools",
            "region": "westeurope",
            "vm_sizes": ["Standard_D2s_v3"],
            "image_reference": {"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server"},
            "subnet": "network/desktops",
            "os_username": "keeper",
            "ssh_public_key": "ssh-ed25519 AAAA keeper",
            **changed,
        }
    )


def request_of(*, script: str = "#!/bin/bash\n", place: str | None = None, **changed: Any) -> Mapping[str, Any]:
    """The body, which Microsoft's description allows."""
    request = vm_request(spec_of("a", script=script, place=place), settings(**changed))
    assert list(complaints("virtualMachines", "Microsoft.Compute/virtualMachines", "pw-a", request)) == []
    return request


class TestShape:
    def test_everything_that_is_made_goes_with_the_vm_and_bears_its_mark(self) -> None:
        request = request_of(assign_public_ip=True, tags={"team": "vdi"})
        interface = request["properties"]["networkProfile"]["networkInterfaceConfigurations"][0]
        address = interface["properties"]["ipConfigurations"][0]["properties"]["publicIPAddressConfiguration"]
        disk = request["properties"]["storageProfile"]["osDisk"]
        assert [disk["deleteOption"], *(one["properties"]["deleteOption"] for one in (interface, address))] == [
            "Delete"
        ] * 3
        assert request["tags"] == interface["tags"] == address["tags"]
        assert request["tags"]["team"] == "vdi"
        assert request["tags"]["poolwright-owner"] == mark_of("a").text()
        for name in (disk["name"], f"{interface['name']}-0a1b", f"{address['name']}-0a1b"):
            assert mark_of_part({"name": name}, OURS) == mark_of("a")
            assert mark_of_part({"name": name}, THEIRS) is None

    def test_names_are_taken_from_the_resource_group_and_ids_as_they_are(self) -> None:
        elsewhere = "/subscriptions/x/resourceGroups/hub/providers/Microsoft.Network/virtualNetworks/n/subnets/s"
        by_id = request_of(subnet=elsewhere)
        by_name = request_of(network_security_group="desktops")
        interface = by_name["properties"]["networkProfile"]["networkInterfaceConfigurations"][0]["properties"]
        provider = f"{GROUP_ID}/providers/Microsoft.Network"
        assert interface["networkSecurityGroup"]["id"] == f"{provider}/networkSecurityGroups/desktops"
        assert _subnet(by_name) == f"{provider}/virtualNetworks/network/subnets/desktops"
        assert _subnet(by_id) == elsewhere

    def test_spot(self) -> None:
        inner = request_of(spot={})["properties"]
        assert (inner["priority"], inner["evictionPolicy"], inner["billingProfile"]) == (
            "Spot",
            "Delete",
            {"maxPrice": -1},
        )
        dear = request_of(spot={"max_price_us_dollars_per_hour": 0.05})["properties"]
        assert dear["billingProfile"] == {"maxPrice": 0.05}
        assert "priority" not in request_of()["properties"]

    def test_guarded_starts(self) -> None:
        trusted = request_of(security_type="TrustedLaunch", secure_boot=True, virtual_tpm=True)["properties"]
        assert trusted["securityProfile"] == {
            "securityType": "TrustedLaunch",
            "uefiSettings": {"secureBootEnabled": True, "vTpmEnabled": True},
        }
        confidential = request_of(security_type="ConfidentialVM")["properties"]
        assert confidential["securityProfile"]["uefiSettings"] == {"vTpmEnabled": True}
        disk = confidential["storageProfile"]["osDisk"]["managedDisk"]
        assert disk["securityProfile"] == {"securityEncryptionType": "VMGuestStateOnly"}

    def test_plan_image_disk_and_place(self) -> None:
        plan = {"name": "p", "product": "q", "publisher": "r"}
        image = {"id": f"{GROUP_ID}/providers/Microsoft.Compute/images/desktop"}
        request = request_of(
            plan=plan,
            image_reference=image,
            os_disk_type="StandardSSD_LRS",
            os_disk_size_gib=None,
            availability_zones=["2", "1"],
        )
        disk = request["properties"]["storageProfile"]["osDisk"]
        assert request["plan"] == plan
        assert request["properties"]["storageProfile"]["imageReference"] == image
        assert disk["managedDisk"] == {"storageAccountType": "StandardSSD_LRS"}
        assert "diskSizeGB" not in disk
        assert request["zones"] == ["2"]

    @pytest.mark.parametrize(("password", "off"), [(None, True), ("Password-1", False)])
    def test_linux_takes_passwords_only_when_there_is_one(self, password: str | None, off: bool) -> None:
        profile = request_of(os_password=password)["properties"]["osProfile"]
        assert profile["linuxConfiguration"]["disablePasswordAuthentication"] is off
        assert profile["linuxConfiguration"]["ssh"]["publicKeys"][0]["keyData"] == "ssh-ed25519 AAAA keeper"


class TestScripts:
    def test_a_script_is_packed_only_where_it_has_to_be(self) -> None:
        fits = "#" * LARGEST_CUSTOM_DATA_BYTES
        assert _custom_data(request_of(script=fits)) == fits.encode()
        packed = _custom_data(request_of(script=fits + "#"))
        assert gzip.decompress(packed) == (fits + "#").encode()

    def test_a_script_that_does_not_fit_when_packed_is_refused_with_its_size(self) -> None:
        noise = random.Random(1).randbytes(100_000).hex()
        with pytest.raises(InvalidSettings, match=r"has \d+ bytes when packed and may have 65535"):
            request_of(script=noise)

    def test_windows_gets_no_custom_data_which_it_would_not_run(self) -> None:
        profile = request_of(is_windows=True, os_password="Password-1")["properties"]["osProfile"]
        assert "customData" not in profile
        assert "linuxConfiguration" not in profile

    def test_host_names_that_windows_refuses_are_refused(self) -> None:
        windows = settings(is_windows=True, os_password="Password-1")
        for hostname in ("sixteen-letters-", "12345"):
            with pytest.raises(InvalidSettings, match="hostname_pattern"):
                vm_request(spec_of("a").model_copy(update={"hostname": hostname}), windows)


class TestOverride:
    def test_it_is_merged_over_the_request(self) -> None:
        inner = request_of(
            config_override={"properties": {"priority": "Spot", "evictionPolicy": "Deallocate"}, "identity": None}
        )["properties"]
        assert (inner["priority"], inner["evictionPolicy"]) == ("Spot", "Deallocate")

    @pytest.mark.parametrize(
        ("override", "named"),
        [
            ({"name": "mine"}, "name"),
            ({"tags": None}, "tags.poolwright-owner"),
            ({"tags": {"poolwright-place": "x"}}, "tags.poolwright-place"),
            ({"properties": {"osProfile": {"customData": "x"}}}, "osProfile.customData"),
            ({"properties": {"storageProfile": {"osDisk": {"name": "x"}}}}, "osDisk.name"),
        ],
    )
    def test_what_vms_are_known_by_is_protected(self, override: Any, named: str) -> None:
        with pytest.raises(InvalidSettings, match=named):
            request_of(config_override=override)

    def test_disks_and_interfaces_that_it_adds_are_ours_and_go_with_the_vm(self) -> None:
        interface = {
            "name": "own",
            "properties": {
                "primary": True,
                "deleteOption": "Detach",
                "ipConfigurations": [{"name": "i", "properties": {"subnet": {"id": "s"}}}],
            },
        }
        override = {
            "properties": {
                "networkProfile": {"networkInterfaceConfigurations": [interface]},
                "storageProfile": {"dataDisks": [{"lun": 3, "createOption": "Empty", "diskSizeGB": 8}]},
            }
        }
        inner = request_of(config_override=override)["properties"]
        made = inner["networkProfile"]["networkInterfaceConfigurations"][0]
        disk = inner["storageProfile"]["dataDisks"][0]
        assert made["tags"]["poolwright-owner"] == mark_of("a").text()
        assert made["properties"]["deleteOption"] == disk["deleteOption"] == "Delete"
        assert mark_of_part(disk, OURS) == mark_of("a")

    def test_what_is_no_object_is_named(self) -> None:
        with pytest.raises(InvalidSettings, match="networkProfile"):
            request_of(config_override={"properties": {"networkProfile": "none"}})

    @pytest.mark.parametrize("wrong", ["mine", ["mine"]])
    @pytest.mark.parametrize("key", ["tags", "properties"])
    def test_so_is_one_inside_a_list(self, key: str, wrong: Any) -> None:
        with pytest.raises(InvalidSettings, match=f"makes {key} something else than an object"):
            request_of(config_override=_with_interface({key: wrong}))
        address = {"properties": {"ipConfigurations": [{"properties": {"publicIPAddressConfiguration": {key: wrong}}}]}}
        with pytest.raises(InvalidSettings, match=f"makes {key} something else than an object"):
            request_of(config_override=_with_interface(address))

    def test_null_inside_a_list_is_nothing(self) -> None:
        address = {"name": "i", "properties": {"subnet": {"id": "s"}}}
        wanted = {"name": "own", "tags": None, "properties": {"ipConfigurations": [address]}}
        inner = request_of(config_override=_with_interface(wanted))["properties"]
        (interface,) = inner["networkProfile"]["networkInterfaceConfigurations"]
        assert interface["tags"]["poolwright-owner"] == mark_of("a").text()
        assert interface["properties"]["deleteOption"] == "Delete"


class TestSettings:
    def test_they_do_not_need_azures_sdk(self) -> None:
        looked = "import sys, poolwright.providers.azure.settings; print('azure.core' in sys.modules)"
        assert subprocess.check_output([sys.executable, "-c", looked], text=True).strip() == "False"

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ({}, False),
            ({"spot": {}}, True),
            ({"config_override": {"properties": {"priority": "Spot", "evictionPolicy": "Delete"}}}, True),
            ({"spot": {}, "config_override": {"properties": {"licenseType": "None"}}}, True),
            ({"spot": {}, "config_override": {"properties": {"priority": None}}}, False),
            ({"spot": {}, "config_override": {"properties": "none"}}, True),
        ],
    )
    def test_spot_vms_are_known_from_the_override_too(self, given: Any, expected: bool) -> None:
        assert AzureProvider(settings(**given), OURS).capabilities().interruptible is expected

    def test_secrets_of_an_override_are_sent_and_not_shown(self) -> None:
        answers = {"passName": "OobeSystem", "componentName": "Microsoft-Windows-Shell-Setup", "content": "never-shown"}
        profile = {
            "adminPassword": "never-shown",
            "windowsConfiguration": {"additionalUnattendContent": [{**answers, "settingName": "AutoLogon"}]},
        }
        changed = settings(config_override={"properties": {"osProfile": profile}})
        spec = spec_of("a", script="#!/bin/bash\n")
        request = vm_request(spec, changed)
        assert request["properties"]["osProfile"]["adminPassword"] == "never-shown"
        seen = shown(request, spec)
        assert "never-shown" not in f"{changed!r}{seen}"
        assert seen["properties"]["osProfile"]["customData"] == "#!/bin/bash\n"

    def test_they_show_no_secret_when_they_are_refused(self) -> None:
        with pytest.raises(ValidationError) as refused:
            settings(secure_boot=True, os_password="never-shown")
        assert "never-shown" not in str(refused.value)

    def test_places_are_sizes_by_zones_in_order(self) -> None:
        made = settings(vm_sizes=["big", "small"], availability_zones=["2", "1"])
        assert list(made.places) == ["big/zone-2", "big/zone-1", "small/zone-2", "small/zone-1"]

    @pytest.mark.parametrize(
        ("changed", "said"),
        [
            ({"ssh_public_key": None}, "Linux needs ssh_public_key or os_password"),
            ({"is_windows": True}, "Windows needs os_password"),
            ({"secure_boot": True}, "need security_type"),
            ({"image_reference": {"publisher": "p"}}, "publisher, offer and sku"),
            ({"image_reference": {}}, "exactly one way"),
            ({"image_reference": {"id": f"{GROUP_ID}/providers/x", "shared_gallery_image_id": "y"}}, "exactly one"),
            ({"vm_sizes": []}, "vm_sizes"),
            ({"subnet": "desktops"}, "subnet"),
            ({"availability_zones": ["a"]}, "availability_zones"),
            ({"subscription_id": "mine"}, "subscription_id"),
            ({"os_disk_gb": 5}, "os_disk_gb"),
        ],
    )
    def test_what_cannot_work_is_refused(self, changed: Any, said: str) -> None:
        with pytest.raises(ValidationError, match=said):
            settings(**changed)


def _with_interface(interface: Mapping[str, Any]) -> dict[str, Any]:
    return {"properties": {"networkProfile": {"networkInterfaceConfigurations": [interface]}}}


def _subnet(request: Mapping[str, Any]) -> str:
    interface = request["properties"]["networkProfile"]["networkInterfaceConfigurations"][0]["properties"]
    found: str = interface["ipConfigurations"][0]["properties"]["subnet"]["id"]
    return found


def _custom_data(request: Mapping[str, Any]) -> bytes:
    return base64.b64decode(request["properties"]["osProfile"]["customData"])
