"""How Compute Engine's instances show as VMs."""

from typing import Any

import pytest

from poolwright.providers.base import VM, VMState
from poolwright.providers.errors import NotFound
from poolwright.providers.gcp.provider import GCPProvider
from tests.conformance.specs import mark_of, spec_of
from tests.wire.gcp_compute import ZONES
from tests.wire.gcp_rig import Rig

pytestmark = pytest.mark.slow

ZONE = ZONES[0]


def seen(rig: Rig, gcp: GCPProvider, **changed: Any) -> VM:
    """The VM once these fields of its instance have changed."""
    if not rig.state.instances:
        gcp.create(spec_of("a"))
        rig.tick(3)
    rig.state.instances[ZONE, "pw-a"].body.update(changed)
    (vm,) = gcp.list_owned()
    assert gcp.get(vm.reference) == vm
    return vm


class TestStates:
    @pytest.mark.parametrize(
        ("status", "state"),
        [
            ("PROVISIONING", VMState.PENDING),
            ("STAGING", VMState.PENDING),
            ("REPAIRING", VMState.PENDING),
            ("A_NEW_WORD", VMState.PENDING),
            ("RUNNING", VMState.RUNNING),
            ("PENDING_STOP", VMState.RUNNING),
            ("STOPPING", VMState.DELETING),
            ("DEPROVISIONING", VMState.DELETING),
            ("SUSPENDED", VMState.STOPPED),
            ("TERMINATED", VMState.STOPPED),
        ],
    )
    def test_each_status_is_a_state(self, rig: Rig, gcp: GCPProvider, status: str, state: VMState) -> None:
        assert seen(rig, gcp, status=status).state is state

    def test_one_that_will_be_deleted_after_a_graceful_end_is_being_deleted(self, rig: Rig, gcp: GCPProvider) -> None:
        ending = {"shutdownDetails": {"targetState": "DELETED", "stopState": "PENDING_STOP"}}
        assert seen(rig, gcp, status="PENDING_STOP", resourceStatus=ending).state is VMState.DELETING


class TestAddresses:
    def test_without_a_public_one_the_private_is_the_address(self, rig: Rig, gcp: GCPProvider) -> None:
        vm = seen(rig, gcp)
        assert vm.address == vm.private_address
        assert vm.address is not None
        assert vm.address.startswith("10.")

    def test_a_public_one_that_is_still_to_come_is_waited_for(self, rig: Rig) -> None:
        public = rig.open(public_ip=True)
        vm = seen(rig, public)
        assert vm.address is not None
        assert vm.address.startswith("203.0.113.")
        rig.state.instances[ZONE, "pw-a"].body["networkInterfaces"][0]["accessConfigs"][0].pop("natIP")
        assert seen(rig, public).address is None

    def test_none_is_none(self, rig: Rig, gcp: GCPProvider) -> None:
        assert seen(rig, gcp, networkInterfaces=[]).address is None


class TestSpot:
    @pytest.fixture
    def spot(self, rig: Rig) -> GCPProvider:
        provider = rig.open(spot=True)
        seen(rig, provider)
        return provider

    @pytest.mark.parametrize(("status", "state"), [("PENDING_STOP", VMState.RUNNING), ("STOPPING", VMState.DELETING)])
    def test_one_that_is_taken_back_says_so(self, rig: Rig, spot: GCPProvider, status: str, state: VMState) -> None:
        rig.engine.stop_spot("pw-a", status)
        vm = seen(rig, spot)
        assert (vm.state, vm.interruption) == (state, "Google takes this spot VM back")

    def test_one_that_was_taken_back_and_kept_is_broken_and_deleted(self, rig: Rig, spot: GCPProvider) -> None:
        rig.engine.stop_spot("pw-a", "TERMINATED")
        vm = seen(rig, spot)
        assert vm.state is VMState.BROKEN
        assert "terminated" in (vm.problem or "")
        while not spot.delete(mark_of("a"), vm.reference):
            rig.tick()
        assert rig.engine.leftovers() == []

    def test_one_that_was_taken_back_and_deleted_is_gone_and_says_why(self, rig: Rig, spot: GCPProvider) -> None:
        vm = seen(rig, spot)
        rig.engine.stop_spot("pw-a", "STOPPING")
        rig.tick(2)
        with pytest.raises(NotFound, match="took this spot VM back"):
            spot.get(vm.reference)
        assert spot.delete(mark_of("a"), vm.reference) is True

    def test_an_undisturbed_one_says_nothing(self, rig: Rig, spot: GCPProvider) -> None:
        assert seen(rig, spot).interruption is None


class TestMaintenance:
    @pytest.mark.parametrize(
        ("policy", "status", "is_interrupted"),
        [("TERMINATE", "ONGOING", True), ("TERMINATE", "PENDING", False), ("MIGRATE", "ONGOING", False)],
    )
    def test_a_vm_that_cannot_move_away_is_interrupted(
        self, rig: Rig, gcp: GCPProvider, policy: str, status: str, is_interrupted: bool
    ) -> None:
        upcoming = {"upcomingMaintenance": {"maintenanceStatus": status}}
        vm = seen(rig, gcp, resourceStatus=upcoming, scheduling={"onHostMaintenance": policy})
        assert (vm.interruption is not None) == is_interrupted


class TestPlaces:
    def test_a_machine_type_of_an_override_counts_as_the_one_asked_for(self, rig: Rig) -> None:
        machine_type = f"zones/{ZONE}/machineTypes/n1-standard-4"
        overriding = rig.open(config_override={"machineType": machine_type})
        vm = overriding.create(spec_of("a"))
        assert vm.place == overriding.get(vm.reference).place == f"{ZONE}/e2-small"
