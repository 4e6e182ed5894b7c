"""`config_override` in each of its spellings, and what is wrong with it."""

from collections.abc import Callable
from typing import Any

import pytest

from poolwright.providers.errors import InvalidSettings
from poolwright.providers.oci.requests import launch_request
from poolwright.providers.oci.settings import Settings
from tests.conformance.specs import spec_of

Make = Callable[..., Settings]


def overridden_request(make: Make, override: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return launch_request(make(config_override=override, **changes), spec_of("a"), "retry-token")


class TestSpellings:
    @pytest.mark.parametrize(
        "override",
        [
            {"instanceOptions": {"areLegacyImdsEndpointsDisabled": True}},
            {"instance_options": {"are_legacy_imds_endpoints_disabled": True}},
            {"launch_instance_details": {"instance_options": {"are_legacy_imds_endpoints_disabled": True}}},
            {
                "launch_instance_details": {
                    "OCI_MODEL_NAME": "LaunchInstanceDetails",
                    "instance_options": {
                        "OCI_MODEL_NAME": "InstanceOptions",
                        "are_legacy_imds_endpoints_disabled": True,
                    },
                }
            },
        ],
    )
    def test_all_mean_the_same(self, settings: Make, override: dict[str, Any]) -> None:
        request = overridden_request(settings, override)
        assert request["instanceOptions"] == {"areLegacyImdsEndpointsDisabled": True}
        assert "OCI_MODEL_NAME" not in str(request)

    def test_lists_of_models(self, settings: Make) -> None:
        plugin = {
            "OCI_MODEL_NAME": "InstanceAgentPluginConfigDetails",
            "name": "Bastion",
            "desired_state": "ENABLED",
        }
        agent = {"OCI_MODEL_NAME": "LaunchInstanceAgentConfigDetails", "plugins_config": [plugin]}
        request = overridden_request(settings, {"launch_instance_details": {"agent_config": agent}})
        assert request["agentConfig"] == {"pluginsConfig": [{"name": "Bastion", "desiredState": "ENABLED"}]}

    def test_a_model_name_tells_one_kind_from_another(self, settings: Make) -> None:
        platform = {"OCI_MODEL_NAME": "AmdVmLaunchInstancePlatformConfig", "is_secure_boot_enabled": True}
        request = overridden_request(settings, {"launch_instance_details": {"platform_config": platform}})
        assert request["platformConfig"] == {"type": "AMD_VM", "isSecureBootEnabled": True}

    def test_what_the_request_has_already_tells_the_kind(self, settings: Make) -> None:
        request = overridden_request(settings, {"source_details": {"kms_key_id": "ocid1.key.oc1..k"}})
        assert request["sourceDetails"]["kmsKeyId"] == "ocid1.key.oc1..k"
        assert request["sourceDetails"]["sourceType"] == "image"

    def test_null_removes(self, settings: Make) -> None:
        assert "faultDomain" not in overridden_request(settings, {"faultDomain": None}, fault_domain="FAULT-DOMAIN-1")


class TestMistakes:
    @pytest.mark.parametrize(
        ("override", "told"),
        [
            ({"instance_optoins": {}}, r"config_override\.instance_optoins is no attribute of LaunchInstanceDetails"),
            ({"shapeConfig": {"cpus": 4}}, r"config_override\.shapeConfig\.cpus is no attribute"),
            ({"shapeConfig": {"ocpus": "four"}}, r"config_override\.shapeConfig\.ocpus is str where OCI wants float"),
            ({"shapeConfig": [1]}, "is list where OCI wants an object"),
            ({"createVnicDetails": {"nsgIds": "one"}}, "where OCI wants a list"),
            ({"instance_options": {"OCI_MODEL_NAME": "Vnic"}}, "'Vnic', which cannot stand there"),
            ({"instance_options": {"OCI_MODEL_NAME": "Nonsense"}}, "'Nonsense', which cannot stand there"),
            ({"launch_instance_details": {}, "shape": "x"}, "keys beside launch_instance_details: shape"),
            ({"preemptibleInstanceConfig": {"preemptionAction": {"type": 1}}}, "type is int where OCI wants str"),
        ],
    )
    def test_they_are_named(self, settings: Make, override: dict[str, Any], told: str) -> None:
        with pytest.raises(InvalidSettings, match=told):
            overridden_request(settings, override)

    @pytest.mark.parametrize(
        "override",
        [
            {"displayName": "mine"},
            {"display_name": "mine"},
            {"compartmentId": "ocid1.compartment.oc1..elsewhere"},
            {"metadata": {"user_data": "AAAA"}},
            {"metadata": None},
            {"extendedMetadata": {"user_data": "AAAA"}},
            {"freeformTags": {"poolwright-server": "b"}},
            {"launch_instance_details": {"freeform_tags": None}},
        ],
    )
    def test_what_poolwright_knows_its_vms_by_stays(self, settings: Make, override: dict[str, Any]) -> None:
        with pytest.raises(InvalidSettings, match="config_override changes"):
            overridden_request(settings, override)
