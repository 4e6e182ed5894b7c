"""What the azure provider does at the wire, beyond the suite: failures found late, leftovers, long lists."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from poolwright.providers.azure.provider import AzureProvider
from poolwright.providers.base import VMState
from poolwright.providers.errors import (
    CapacityUnavailable,
    Conflict,
    InvalidSettings,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
    Transient,
)
from tests.conformance.specs import THEIRS, TOKEN_IN_SCRIPT, mark_of, spec_of
from tests.providers.azure.account import PASSWORD
from tests.providers.azure.conftest import Opened
from tests.wire.azure_cloud import ADDRESSES, DISKS, INTERFACES, SIZES, VMS, Subscription, is_arm, is_creation
from tests.wire.azure_login import arm_error
from tests.wire.server import Response, WireServer

pytestmark = pytest.mark.slow

NO_ROOM = ("AllocationFailed", "We do not have sufficient capacity for the requested VM size in this region.")


def calls(provider: AzureProvider) -> dict[str, Callable[[], object]]:
    """Everything that asks Azure, where there is the VM `a`."""
    return {
        "list_owned": provider.list_owned,
        "get": lambda: provider.get("pw-a"),
        "find": lambda: provider.find(mark_of("a")),
        "create": lambda: provider.create(spec_of("b")),
        "delete": lambda: provider.delete(mark_of("a"), None),
        "check": provider.check,
    }


class TestPagesThatAreNotAzures:
    @pytest.mark.parametrize("asked", ["list_owned", "get", "find", "create", "delete", "check"])
    def test_leave_what_happened_unknown(self, server: WireServer, opened: Opened, asked: str) -> None:
        provider = opened()
        provider.create(spec_of("a"))
        page = Response(200, b"<html><body>Blocked</body></html>", {"content-type": "text/html"})
        with server.fault(page, is_arm), pytest.raises(Transient, match="not JSON"):
            calls(provider)[asked]()

    @pytest.mark.parametrize("asked", ["list_owned", "get", "find", "create", "delete"])
    @pytest.mark.parametrize("said", [{"message": "Blocked"}, "Blocked", ["Blocked"], {"value": ["Blocked"]}], ids=str)
    def test_prove_nothing_in_json_either(self, server: WireServer, opened: Opened, asked: str, said: Any) -> None:
        provider = opened()
        provider.create(spec_of("a"))
        with server.fault(Response(200, said), is_arm), pytest.raises(Transient, match="not Azure's"):
            calls(provider)[asked]()


class TestTrap4QuotaLooksLikeAlreadyExists:
    def test_a_409_for_want_of_quota_is_a_quota(self, server: WireServer, opened: Opened) -> None:
        said = "Operation could not be completed as it results in exceeding approved Total Regional Cores quota."
        with server.fault(arm_error(409, "OperationNotAllowed", said), is_creation), pytest.raises(QuotaExceeded):
            opened().create(spec_of("a"))


class TestTrap5FailuresThatAreFoundLater:
    def test_get_find_and_list_tell_the_code_and_what_azure_says(
        self, opened: Opened, subscription: Subscription
    ) -> None:
        provider = _provider_without_room(opened, subscription)
        vm = provider.get("pw-a")
        assert (vm.state, vm.problem) == (VMState.BROKEN, f"{NO_ROOM[0]}: {NO_ROOM[1]}")
        assert provider.find(mark_of("a")) == vm
        assert list(provider.list_owned()) == [vm]

    def test_a_repeat_says_that_there_is_no_room_and_clears_the_name(
        self, opened: Opened, subscription: Subscription
    ) -> None:
        provider = _provider_without_room(opened, subscription)
        with pytest.raises(CapacityUnavailable, match="AllocationFailed"):
            provider.create(spec_of("a"))
        assert subscription.names() == []

    def test_another_place_waits_until_the_name_is_clear(self, opened: Opened, subscription: Subscription) -> None:
        provider = _provider_without_room(opened, subscription)
        subscription.failure = None
        with pytest.raises(Conflict, match="being cleared away"):
            provider.create(spec_of("a", place=SIZES[1]))
        provider.create(spec_of("a", place=SIZES[1]))
        assert provider.get("pw-a").place == SIZES[1]

    def test_another_failure_stays_for_people_to_see(self, opened: Opened, subscription: Subscription) -> None:
        subscription.failure = ("OSProvisioningTimedOut", "OS provisioning did not finish in the allotted time.")
        provider = opened()
        provider.create(spec_of("a"))
        assert provider.create(spec_of("a")).state is VMState.BROKEN
        assert provider.get("pw-a").state is VMState.BROKEN

    def test_a_vm_whose_extension_failed_runs(self, opened: Opened, subscription: Subscription) -> None:
        subscription.failure = ("VMExtensionProvisioningError", "An extension of somebody's failed.")
        provider = opened()
        provider.create(spec_of("a"))
        assert provider.get("pw-a").state is VMState.RUNNING


class TestStates:
    def test_a_stopped_vm_says_so_when_it_is_asked_for(self, opened: Opened, subscription: Subscription) -> None:
        provider = opened()
        provider.create(spec_of("a"))
        _vm(subscription)["_power"] = "deallocated"
        assert provider.get("pw-a").state is VMState.STOPPED

    def test_a_spot_vm_that_goes_is_an_interruption(self, opened: Opened, subscription: Subscription) -> None:
        subscription.deletion_steps = 1
        provider = opened(spot={})
        assert provider.capabilities().interruptible
        provider.create(spec_of("a"))
        assert provider.get("pw-a").interruption is None
        _vm(subscription)["properties"]["provisioningState"] = "Deleting"
        assert "takes this spot VM away" in (provider.list_owned()[0].interruption or "")

    def test_an_ordinary_vm_that_goes_is_none(self, opened: Opened, subscription: Subscription) -> None:
        subscription.deletion_steps = 1
        provider = opened()
        provider.create(spec_of("a"))
        provider.delete(mark_of("a"), None)
        (vm,) = provider.list_owned()
        assert (vm.state, vm.interruption) == (VMState.DELETING, None)

    def test_both_addresses_are_told(self, opened: Opened) -> None:
        provider = opened(assign_public_ip=True)
        provider.create(spec_of("a"))
        vm = provider.get("pw-a")
        assert vm.address
        assert vm.address.startswith("198.51.")
        assert vm.private_address
        assert vm.private_address.startswith("10.0.")


class TestOwnership:
    def test_a_vm_with_copied_tags_and_another_name_is_not_ours(
        self, opened: Opened, subscription: Subscription
    ) -> None:
        provider = opened()
        provider.create(spec_of("a"))
        copied = {**_vm(subscription), "name": "golden", "id": subscription.id_of(VMS, "golden")}
        subscription.resources[copied["id"].lower()] = copied
        assert [vm.reference for vm in provider.list_owned()] == ["pw-a"]
        with pytest.raises(NotFound):
            provider.get("golden")

    def test_the_name_may_be_taken_by_somebody(self, opened: Opened, subscription: Subscription) -> None:
        opened(controller_id=THEIRS).create(spec_of("a", controller_id=THEIRS))
        with pytest.raises(Conflict, match="not ours"):
            opened().create(spec_of("a"))


class TestLeftovers:
    def test_what_a_vm_leaves_behind_is_removed_in_its_order(
        self, server: WireServer, opened: Opened, subscription: Subscription
    ) -> None:
        subscription.takes_children_along = False
        provider = opened(assign_public_ip=True)
        provider.create(spec_of("a"))
        assert provider.delete(mark_of("a"), None) is False
        assert {one["type"] for one in subscription.resources.values()} == {INTERFACES, ADDRESSES, DISKS}
        answers = [provider.delete(mark_of("a"), None) for _ in range(3)]
        assert answers == [False, False, True]
        assert subscription.names() == []
        kinds = [request.path.split("/")[-2] for request in server.requests if request.method == "DELETE"]
        assert kinds == ["virtualMachines", "networkInterfaces", "disks", "publicIPAddresses"]

    def test_a_server_of_which_only_these_are_left_is_listed(self, opened: Opened, subscription: Subscription) -> None:
        subscription.takes_children_along = False
        provider = opened()
        provider.create(spec_of("a"))
        provider.delete(mark_of("a"), None)
        (vm,) = provider.list_owned()
        assert (vm.reference, vm.mark, vm.state) == ("pw-a", mark_of("a"), VMState.BROKEN)
        assert "-nic" in (vm.problem or "")
        assert opened(controller_id=THEIRS).list_owned() == []

    def test_they_are_known_by_their_names_when_their_tags_are_lost(
        self, opened: Opened, subscription: Subscription
    ) -> None:
        subscription.takes_children_along = False
        provider = opened(assign_public_ip=True)
        provider.create(spec_of("a"))
        provider.delete(mark_of("a"), None)
        for left in subscription.resources.values():
            left.pop("tags", None)
        assert opened(controller_id=THEIRS).delete(mark_of("a", THEIRS), None) is True
        assert len(subscription.names()) == 3
        while not provider.delete(mark_of("a"), None):
            pass
        assert subscription.names() == []

    def test_those_of_another_controller_stay(self, opened: Opened, subscription: Subscription) -> None:
        subscription.takes_children_along = False
        theirs = opened(controller_id=THEIRS, assign_public_ip=True)
        theirs.create(spec_of("a", controller_id=THEIRS))
        theirs.delete(mark_of("a", THEIRS), None)
        left = subscription.names()
        assert opened().delete(mark_of("a"), None) is True
        assert subscription.names() == left

    def test_one_that_cannot_go_does_not_keep_the_others(
        self, server: WireServer, opened: Opened, subscription: Subscription
    ) -> None:
        subscription.takes_children_along = False
        provider = opened()
        provider.create(spec_of("a"))
        provider.delete(mark_of("a"), None)
        locked = arm_error(409, "ScopeLocked", "The scope is locked.")
        with (
            server.fault(locked, lambda request: request.method == "DELETE" and "networkInterfaces" in request.path),
            pytest.raises(PermissionDenied),
        ):
            provider.delete(mark_of("a"), None)
        assert [one["type"] for one in subscription.resources.values()] == [INTERFACES]


class TestLongLists:
    def test_a_vm_that_was_made_between_two_lists_is_no_leftover(self, server: WireServer, opened: Opened) -> None:
        provider = opened()
        provider.create(spec_of("a"))
        with server.fault(Response(200, {"value": []}), lambda request: request.path.endswith("/virtualMachines")):
            (vm,) = provider.list_owned()
        assert vm == provider.get("pw-a")

    def test_a_list_that_lags_behind_a_creation_is_no_proof_that_it_is_gone(
        self, server: WireServer, opened: Opened, subscription: Subscription
    ) -> None:
        subscription.deletion_steps = 1
        provider = opened()
        marks = [mark_of(f"server-{number}") for number in range(8)]
        for mark in marks:
            provider.create(spec_of(mark.server_id))
        nothing = Response(200, {"value": []})
        with (
            server.fault(nothing, lambda request: request.method == "GET" and "/pw-" not in request.path),
            ThreadPoolExecutor(8) as threads,
        ):
            assert not any(threads.map(lambda mark: provider.delete(mark, None), marks))

    def test_all_pages_are_read(self, server: WireServer, opened: Opened, subscription: Subscription) -> None:
        provider = opened()
        provider.create(spec_of("a"))
        rest = {
            "value": [],
            "nextLink": f"{server.url}{subscription.id_of(VMS, '').rstrip('/')}?api-version=2024-07-01",
        }
        first = server.fault(Response(200, rest), lambda request: request.path.endswith("/virtualMachines"), times=1)
        with first:
            assert [vm.reference for vm in provider.list_owned()] == ["pw-a"]


class TestUnknownIsNotGone:
    def test_a_page_of_a_gateway(self, server: WireServer, opened: Opened) -> None:
        provider = opened()
        provider.create(spec_of("a"))
        page = Response(404, b"<html>not here</html>", {"content-type": "text/html"})
        with server.fault(page, is_arm):
            with pytest.raises(Transient):
                provider.get("pw-a")
            with pytest.raises(Transient):
                provider.delete(mark_of("a"), "pw-a")

    @pytest.mark.parametrize("kind", [INTERFACES, ADDRESSES, DISKS])
    @pytest.mark.parametrize("code", ["NotFound", "ResourceNotFound"])
    def test_a_list_that_is_not_there(self, server: WireServer, opened: Opened, kind: str, code: str) -> None:
        provider = opened()
        missing = arm_error(404, code, "It was not found.")
        for call in (provider.list_owned, lambda: provider.delete(mark_of("a"), None)):
            with (
                server.fault(missing, lambda request: request.path.endswith(kind)),
                pytest.raises(Transient, match="nothing is known"),
            ):
                call()

    def test_a_resource_group_that_is_not_there(self, opened: Opened) -> None:
        provider = opened(resource_group="elsewhere")
        with pytest.raises(InvalidSettings, match="elsewhere"):
            provider.get("pw-a")
        with pytest.raises(InvalidSettings, match="elsewhere"):
            provider.delete(mark_of("a"), None)


class TestPreview:
    def test_it_is_what_create_sends_but_for_secrets(self, server: WireServer, opened: Opened) -> None:
        provider = opened(config_override={"properties": {"licenseType": "RHEL_BYOS"}})
        shown = provider.preview(spec_of("a")).request
        provider.create(spec_of("a"))
        (creation,) = (request for request in server.requests if is_creation(request))
        sent, profile = creation.json, creation.json["properties"]["osProfile"]
        assert shown["properties"]["licenseType"] == "RHEL_BYOS"
        assert shown["properties"]["osProfile"] == {
            **profile,
            "adminPassword": "**********",
            "customData": spec_of("a").startup_script.get_secret_value(),
        }
        assert {**shown, "properties": None} == {**sent, "properties": None}
        assert PASSWORD not in json.dumps(shown)
        assert TOKEN_IN_SCRIPT in json.dumps(shown)

    def test_a_script_that_comes_later_is_shown_beside_it(self, opened: Opened) -> None:
        shown = opened(is_windows=True).preview(spec_of("a"))
        assert TOKEN_IN_SCRIPT not in json.dumps(shown.request)
        assert TOKEN_IN_SCRIPT in json.dumps(shown.also["run command poolwright-startup"])


def _provider_without_room(opened: Opened, subscription: Subscription) -> AzureProvider:
    """One whose first VM Azure has accepted and then not made."""
    subscription.failure = NO_ROOM
    provider = opened(vm_sizes=SIZES)
    assert provider.create(spec_of("a", place=SIZES[0])).state is VMState.PENDING
    return provider


def _vm(subscription: Subscription) -> Any:
    return subscription.get(VMS, "pw-a")
