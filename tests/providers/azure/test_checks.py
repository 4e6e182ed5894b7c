"""What `poolwright provider check` finds in an Azure account."""

from typing import Any

import pytest

from poolwright.providers.azure.checks import (
    NEEDED_ACTIONS,
    NETWORK_SECURITY_GROUP_ACTION,
    PUBLIC_ADDRESS_ACTIONS,
    RUN_COMMAND_ACTIONS,
    SUBNET_ACTION,
)
from poolwright.providers.errors import Throttled, Transient
from tests.providers.azure.conftest import Opened
from tests.wire.azure_cloud import IMAGE, Subscription
from tests.wire.azure_login import arm_error
from tests.wire.server import Cut, Request, Response, WireServer

pytestmark = pytest.mark.slow

JOIN_ACTIONS = (SUBNET_ACTION, NETWORK_SECURITY_GROUP_ACTION)
OTHER_IMAGE = {"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "no-such-sku"}


class TestFindings:
    @pytest.mark.parametrize(
        ("setting", "value"),
        [
            ("resource_group", "elsewhere"),
            ("subscription_id", "99999999-9999-9999-9999-999999999999"),
            ("region", "atlantis"),
            ("vm_sizes", ["Standard_D2s_v3", "Standard_A0"]),
            ("availability_zones", ["1", "7"]),
            ("image_reference", OTHER_IMAGE),
            ("subnet", "network/nowhere"),
            ("network_security_group", "nobody"),
        ],
    )
    def test_each_thing_that_is_named_is_asked_for(self, opened: Opened, setting: str, value: Any) -> None:
        findings = opened(**{setting: value}).check()
        assert setting in [finding.setting for finding in findings]
        assert all(finding.problem and finding.remedy for finding in findings)

    def test_an_override_that_makes_no_request_is_told_beside_the_rest(self, opened: Opened) -> None:
        provider = opened(config_override={"properties": {"networkProfile": "none"}}, subnet="network/nowhere")
        found = {finding.setting: finding.problem for finding in provider.check()}
        assert sorted(found) == ["config_override", "subnet"]
        assert "networkProfile" in found["config_override"]

    def test_images_by_id_and_by_version_are_asked_for(self, opened: Opened, subscription: Subscription) -> None:
        missing = {"id": subscription.id_of("Microsoft.Compute/images", "gone")}
        assert [finding.setting for finding in opened(image_reference=missing).check()] == ["image_reference"]
        gallery = {"id": subscription.id_of("Microsoft.Compute/galleries", "gone/images/desktop")}
        assert [finding.setting for finding in opened(image_reference=gallery).check()] == ["image_reference"]
        publisher, offer, sku = IMAGE
        exact = {"publisher": publisher, "offer": offer, "sku": sku, "version": "24.04.202611010"}
        assert opened(image_reference=exact).check() == []

    @pytest.mark.parametrize(
        ("image", "path"),
        [
            ({"shared_gallery_image_id": "/SharedGalleries/g/Images/i/Versions/latest"}, "/SharedGalleries/g/Images/i"),
            (
                {"community_gallery_image_id": "/CommunityGalleries/g/Images/i/Versions/1.0.0"},
                "/CommunityGalleries/g/Images/i/Versions/1.0.0",
            ),
        ],
    )
    def test_images_of_galleries_that_others_share_are_asked_for(
        self, server: WireServer, opened: Opened, image: Any, path: str
    ) -> None:
        provider = opened(image_reference=image)
        assert [finding.setting for finding in provider.check()] == ["image_reference"]
        with server.fault(Response(200, {"name": "i"}), lambda request: request.path.endswith(path)):
            assert provider.check() == []

    def test_sizes_on_later_pages_count(self, server: WireServer, opened: Opened) -> None:
        later = f"{server.url}/subscriptions/later/skus?api-version=2021-07-01"
        size = {"resourceType": "virtualMachines", "name": "Standard_D2s_v3", "restrictions": []}
        first = server.fault(Response(200, {"value": [], "nextLink": later}), _asks_for_sizes, times=1)
        rest = server.fault(Response(200, {"value": [size]}), lambda request: "/later/skus" in request.path)
        with rest, first:
            assert opened().check() == []

    def test_a_size_that_a_zone_does_not_have(self, server: WireServer, opened: Opened) -> None:
        sizes = [
            {"resourceType": "virtualMachines", "name": name, "locationInfo": [{"zones": zones}]}
            for name, zones in (("Standard_D2s_v3", ["1"]), ("Standard_D4s_v3", ["1", "2"]))
        ]
        with server.fault(Response(200, {"value": sizes}), _asks_for_sizes):
            (finding,) = opened(availability_zones=["1", "2"]).check()
        assert (finding.setting, finding.problem) == (
            "vm_sizes",
            "westeurope has Standard_D2s_v3, but not in zone 2",
        )

    @pytest.mark.parametrize(
        ("restriction", "said"),
        [
            ({"type": "Location"}, "may not use Standard_D2s_v3 in westeurope"),
            ({"type": "Zone", "restrictionInfo": {"zones": ["2"]}}, "in zone 2"),
            ({"type": "Zone", "restrictionInfo": {"zones": ["3"]}}, None),
        ],
    )
    def test_sizes_that_the_subscription_may_not_use(
        self, server: WireServer, opened: Opened, restriction: Any, said: str | None
    ) -> None:
        size = {
            "resourceType": "virtualMachines",
            "name": "Standard_D2s_v3",
            "locationInfo": [{"location": "westeurope", "zones": ["1", "2"]}],
            "restrictions": [restriction],
        }
        with server.fault(Response(200, {"value": [size]}), lambda request: "/skus" in request.path):
            findings = opened(availability_zones=["1", "2"]).check()
        assert [finding.setting for finding in findings] == (["vm_sizes"] if said else [])
        assert all(said in finding.problem for finding in findings if said)


def _asks_for_sizes(request: Request) -> bool:
    return "/skus" in request.path and "/later/" not in request.path


class TestPermissions:
    @pytest.mark.parametrize(
        ("changed", "needed"),
        [
            ({}, NEEDED_ACTIONS),
            ({"assign_public_ip": True}, NEEDED_ACTIONS + PUBLIC_ADDRESS_ACTIONS),
            ({"is_windows": True}, NEEDED_ACTIONS + RUN_COMMAND_ACTIONS),
        ],
    )
    def test_what_is_needed_is_enough_and_each_is_missed(
        self, opened: Opened, subscription: Subscription, changed: Any, needed: tuple[str, ...]
    ) -> None:
        subscription.actions = needed + JOIN_ACTIONS
        assert opened(**changed).check() == []
        subscription.actions = needed[1:] + JOIN_ACTIONS
        (finding,) = opened(**changed).check()
        assert (finding.setting, needed[0] in finding.problem) == ("resource_group", True)

    def test_wildcards_count(self, opened: Opened, subscription: Subscription) -> None:
        subscription.actions = ("Microsoft.Compute/*", "Microsoft.Network/networkInterfaces/*", *JOIN_ACTIONS)
        (finding,) = opened().check()
        assert "Microsoft.Network/publicIPAddresses/read" in finding.problem
        assert "Microsoft.Compute" not in finding.problem

    @pytest.mark.parametrize(
        ("action", "setting"),
        [(SUBNET_ACTION, "subnet"), (NETWORK_SECURITY_GROUP_ACTION, "network_security_group")],
    )
    def test_so_is_the_right_to_make_interfaces_in_what_is_named(
        self, opened: Opened, subscription: Subscription, action: str, setting: str
    ) -> None:
        subscription.actions = tuple(one for one in NEEDED_ACTIONS + JOIN_ACTIONS if one != action)
        (finding,) = opened().check()
        assert (finding.setting, action in finding.problem) == (setting, True)

    def test_what_the_identity_need_not_see_is_no_finding(self, server: WireServer, opened: Opened) -> None:
        refused = arm_error(403, "AuthorizationFailed", "The client may not read this.")
        with server.fault(refused, lambda request: "/skus" in request.path or "Authorization" in request.path):
            assert opened().check() == []


class TestNoAnswer:
    def test_an_account_that_cannot_be_asked_is_not_called_good(self, server: WireServer, opened: Opened) -> None:
        with server.fault(Cut.BEFORE), pytest.raises(Transient):
            opened().check()

    def test_nor_one_that_is_throttled(self, server: WireServer, opened: Opened) -> None:
        slow = arm_error(429, "TooManyRequests", "Slow down.", {"Retry-After": "9"})
        with server.fault(slow, lambda request: "/skus" in request.path), pytest.raises(Throttled) as throttled:
            opened().check()
        assert throttled.value.retry_after_seconds == 9
