"""What a live check says of settings that are wrong in some way."""

from collections.abc import Callable
from typing import Any

import pytest

from poolwright.providers.errors import Throttled, Transient
from poolwright.providers.oci.provider import OCIProvider, open_provider
from tests.wire.oci_cloud import COMPARTMENT, DOMAINS, IMAGE, NSG, PRIVATE_SUBNET, SHAPE, WINDOWS_IMAGE, OCICloud
from tests.wire.oci_requests import Identity, failed, hidden
from tests.wire.server import Cut, Response, WireServer

Open = Callable[..., OCIProvider]


class TestChecks:
    @pytest.mark.parametrize(
        ("changes", "setting", "told"),
        [
            ({"availability_domains": ["Uocm:PHX-AD-1"]}, "availability_domains", "Uocm:PHX-AD-1"),
            ({"shapes": [{"name": "VM.Nothing1.1"}]}, "shapes", "no shape VM.Nothing1.1"),
            ({"shapes": [{"name": SHAPE, "ocpus": 99}]}, "shapes", "ocpus from 1 to 64, not 99"),
            ({"shapes": [{"name": SHAPE, "ocpus": 1, "memory_gib": 2000}]}, "shapes", "memory_gib from 1 to 1024"),
            ({"image_ocid": "ocid1.image.oc1.iad.none"}, "image_ocid", "does not exist"),
            ({"image_ocid": WINDOWS_IMAGE}, "operating_system", "holds Windows, not linux"),
            ({"subnet_ocid": "ocid1.subnet.oc1.iad.none"}, "subnet_ocid", "does not exist"),
            ({"subnet_ocid": PRIVATE_SUBNET, "public_ip": True}, "public_ip", "prohibits public addresses"),
            ({"nsg_ocids": [NSG, f"{NSG}-2"]}, "nsg_ocids", f"{NSG}-2"),
            ({"fault_domain": "FAULT-DOMAIN-9"}, "fault_domain", "FAULT-DOMAIN-9"),
            ({"config_override": {"shpae": "x"}}, "config_override", "shpae"),
            ({"compartment_ocid": "ocid1.compartment.oc1..none"}, "compartment_ocid", "does not exist"),
        ],
    )
    def test_a_wrong_setting_is_named(
        self, cloud: OCICloud, open_oci: Open, changes: dict[str, Any], setting: str, told: str
    ) -> None:
        (finding,) = open_oci(**changes).check()
        assert finding.setting == setting
        assert told in finding.problem
        assert finding.remedy

    def test_missing_permissions_are_named_together(self, cloud: OCICloud, server: WireServer, open_oci: Open) -> None:
        with server.fault(hidden(), lambda request: request.path.endswith(("/volumes", "/bootVolumes"))):
            (finding,) = open_oci().check()
        assert "list volumes and list boot volumes" in finding.problem

    def test_another_key_is_refused(self, cloud: OCICloud, open_oci: Open) -> None:
        (finding,) = open_oci(private_key=Identity().private_key).check()
        assert finding.setting == "private_key"
        assert "401 NotAuthenticated" in finding.problem

    def test_a_key_that_is_none_is_found(self, cloud: OCICloud, open_oci: Open) -> None:
        (finding,) = open_oci(private_key="no key at all").check()
        assert finding.setting == "private_key"
        assert "no key at all" not in finding.problem

    @pytest.mark.slow
    def test_a_worker_without_a_principal_is_found(self, cloud: OCICloud, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OCI_METADATA_BASE_URL", "http://127.0.0.1:9/opc/v2")
        settings = {
            "compartment_ocid": COMPARTMENT,
            "availability_domains": list(DOMAINS),
            "shapes": [{"name": SHAPE, "ocpus": 1}],
            "image_ocid": IMAGE,
            "subnet_ocid": PRIVATE_SUBNET,
        }
        provider = open_provider(settings, "controller-1")
        (finding,) = provider.check()
        assert finding.setting == "private_key"
        assert "instance principal cannot be had" in finding.problem
        with pytest.raises(Transient):
            provider.list_owned()

    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            (Cut.BEFORE, Transient),
            (failed(500, "InternalError", "later"), Transient),
            (Response(429, {"code": "TooManyRequests"}, {"retry-after": "0"}), Throttled),
        ],
    )
    def test_trouble_that_says_nothing_of_the_settings_is_no_finding(
        self, cloud: OCICloud, server: WireServer, open_oci: Open, answer: Any, expected: type[Exception]
    ) -> None:
        with server.fault(answer), pytest.raises(expected):
            open_oci().check()

    def test_every_availability_domain_is_looked_at(self, cloud: OCICloud, server: WireServer, open_oci: Open) -> None:
        assert open_oci().check() == []
        asked = [one.parameter("availabilityDomain") for one in server.requests if one.path.endswith("/shapes")]
        assert asked == list(DOMAINS)
