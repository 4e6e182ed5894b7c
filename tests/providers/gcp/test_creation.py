"""Creations on Compute Engine: what their operations come to, and what a repeat makes of that."""

import pytest

from poolwright.providers.base import VMState
from poolwright.providers.errors import (
    CapacityUnavailable,
    Conflict,
    InvalidSettings,
    NotFound,
    QuotaExceeded,
    Transient,
)
from poolwright.providers.gcp.provider import GCPProvider
from tests.conformance.specs import SCRIPT, TOKEN_IN_SCRIPT, mark_of, spec_of
from tests.wire.gcp_answers import refusal
from tests.wire.gcp_compute import ZONES
from tests.wire.gcp_rig import Rig, is_insert
from tests.wire.server import Cut, Request

pytestmark = pytest.mark.slow

FULL = ("ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS", "The zone does not have enough resources available.")
ZONE = ZONES[0]


def request_ids(rig: Rig) -> list[str | None]:
    return [request.parameter("requestId") for request in rig.server.requests if is_insert(request)]


def is_about_operations(request: Request) -> bool:
    return "/operations" in request.path


class TestTrapOne:
    def test_nothing_is_polled_after_a_creation(self, rig: Rig, gcp: GCPProvider) -> None:
        # The SDK's own waiting would call the public address; `rig` asserts that nobody left this machine.
        gcp.create(spec_of("a"))
        gcp.delete(mark_of("a"), None)
        assert not rig.server.count(is_about_operations)


class TestFailedLater:
    """Google accepts a creation and finds out afterwards that it cannot be."""

    def test_no_room_is_a_broken_vm_that_says_why(self, rig: Rig, gcp: GCPProvider) -> None:
        rig.state.failures[ZONE], rig.state.failing_at_once = FULL, False
        vm = gcp.create(spec_of("a"))
        assert vm.state is VMState.PENDING
        assert gcp.get(vm.reference).state is VMState.PENDING
        rig.tick()
        broken = rig.open().get(vm.reference)
        assert (broken.state, broken.mark) == (VMState.BROKEN, mark_of("a"))
        assert broken.problem == f"its creation failed: {FULL[1]} ({FULL[0]})"

    def test_what_never_was_is_deleted_at_once(self, rig: Rig, gcp: GCPProvider) -> None:
        rig.state.failures[ZONE], rig.state.failing_at_once = FULL, False
        vm = gcp.create(spec_of("a"))
        assert gcp.delete(mark_of("a"), vm.reference) is False
        assert gcp.delete(mark_of("a"), None) is False
        rig.tick()
        assert gcp.delete(mark_of("a"), vm.reference) is True
        assert gcp.delete(mark_of("a"), None) is True

    def test_a_repeat_asks_again_with_the_next_request_id(self, rig: Rig, gcp: GCPProvider) -> None:
        rig.state.failures[ZONE], rig.state.failing_at_once = FULL, False
        failed = gcp.create(spec_of("a"))
        rig.tick()
        rig.state.failures.clear()
        vm = rig.open().create(spec_of("a"))
        assert vm.reference != failed.reference
        rig.tick(3)
        assert gcp.get(vm.reference).state is VMState.RUNNING
        first, again, following = request_ids(rig)
        assert first == again != following

    def test_a_repeat_that_fails_once_more_says_so(self, rig: Rig, gcp: GCPProvider) -> None:
        rig.state.failures[ZONE] = FULL
        for tries in range(1, 4):
            with pytest.raises(CapacityUnavailable, match="does not have enough resources"):
                rig.open().create(spec_of("a"))
            assert len(rig.state.requests) == tries

    def test_the_kind_is_told_by_the_code(self, rig: Rig, gcp: GCPProvider) -> None:
        for number, (code, kind) in enumerate(
            {
                "QUOTA_EXCEEDED": QuotaExceeded,
                "ZONE_RESOURCE_POOL_EXHAUSTED": CapacityUnavailable,
                "INVALID_FIELD_VALUE": InvalidSettings,
                "RESOURCE_NOT_FOUND": InvalidSettings,
                "CONDITION_NOT_MET": InvalidSettings,
                "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE": Conflict,
                "INTERNAL_ERROR": Transient,
                "NEVER_HEARD_OF": Transient,
            }.items()
        ):
            rig.state.failures[ZONE] = (code, "what Google says")
            with pytest.raises(kind, match=r"what Google says") as refusal_:
                gcp.create(spec_of(f"s{number}"))
            assert refusal_.type is kind


class TestUsedTokens:
    def test_a_token_whose_vm_died_makes_a_new_one(self, rig: Rig, gcp: GCPProvider) -> None:
        dead = gcp.create(spec_of("a"))
        rig.tick(3)
        while not gcp.delete(mark_of("a"), None):
            rig.tick()
        vm = gcp.create(spec_of("a"))
        assert vm.reference != dead.reference
        with pytest.raises(NotFound):
            gcp.get(dead.reference)
        assert gcp.get(vm.reference).state is VMState.PENDING

    def test_a_token_whose_vm_is_being_deleted_waits(self, rig: Rig, gcp: GCPProvider) -> None:
        one_zone = rig.open(zones=[ZONE])
        one_zone.create(spec_of("a"))
        rig.tick(3)
        one_zone.delete(mark_of("a"), None)
        for attempt in (1, 2):
            for provider in (gcp, one_zone):
                with pytest.raises(Conflict, match="still being deleted"):
                    provider.create(spec_of("a", attempt=attempt))

    def test_an_attempt_in_another_zone_adopts_what_an_earlier_one_made(self, rig: Rig, gcp: GCPProvider) -> None:
        first, second = gcp.places()[:2]
        vm = gcp.create(spec_of("a", place=first))
        assert gcp.create(spec_of("a", attempt=2, place=second)).reference == vm.reference
        assert len(rig.state.instances) == 1


class TestTakenNames:
    def test_a_disk_that_has_the_name_is_waited_for(self, rig: Rig, gcp: GCPProvider) -> None:
        rig.state.disks[ZONE, "pw-a"] = {"name": "pw-a", "zone": f"x/zones/{ZONE}", "status": "DELETING"}
        with pytest.raises(Conflict, match="already exists"):
            gcp.create(spec_of("a"))
        rig.tick()
        assert gcp.create(spec_of("a")).state is VMState.PENDING

    def test_a_vm_without_our_mark_is_never_adopted(self, rig: Rig, gcp: GCPProvider) -> None:
        vm = gcp.create(spec_of("a"))
        for label in ("poolwright_controller", "poolwright_server"):
            rig.state.instances[ZONE, "pw-a"].body["labels"].pop(label)
        with pytest.raises(Conflict, match="not ours"):
            rig.open(zones=[ZONE]).create(spec_of("a", attempt=2))
        with pytest.raises(NotFound):
            gcp.get(vm.reference)
        # Its disk still bears our mark, and is nothing to be taken from under it.
        with pytest.raises(Conflict, match="disk pw-a"):
            gcp.delete(mark_of("a"), vm.reference)
        assert (ZONE, "pw-a") in rig.state.instances

    def test_an_operation_that_finds_the_name_taken_adopts_our_own(self, rig: Rig, gcp: GCPProvider) -> None:
        vm = gcp.create(spec_of("a"))
        rig.state.failures[ZONE] = ("RESOURCE_ALREADY_EXISTS", "It exists.")
        key, instance = next(iter(rig.state.instances.items()))
        del rig.state.instances[key]
        provider = rig.open(zones=[ZONE])
        with pytest.raises(Conflict, match="It exists"):
            provider.create(spec_of("a", attempt=2))
        rig.state.instances[key] = instance
        assert provider.create(spec_of("a", attempt=3)).reference == vm.reference


class TestSecrets:
    def test_a_refusal_that_repeats_the_script_is_not_passed_on(self, rig: Rig, gcp: GCPProvider) -> None:
        message = f"Invalid value for field 'resource.metadata.items[0].value': '{SCRIPT}'. It is too large."
        with (
            rig.server.fault(refusal(400, "invalid", message), is_insert),
            pytest.raises(InvalidSettings, match=r"'resource.metadata.items\[0\].value'") as refused,
        ):
            gcp.create(spec_of("a"))
        assert TOKEN_IN_SCRIPT not in str(refused.value)
        assert refused.value.__cause__ is None


class TestLostAnswers:
    def test_a_creation_cut_before_its_effect_is_unknown_and_leaves_nothing(self, rig: Rig, gcp: GCPProvider) -> None:
        with rig.server.fault(Cut.BEFORE, is_insert), pytest.raises(Transient):
            gcp.create(spec_of("a"))
        assert rig.server.count(is_insert) == 1
        assert gcp.delete(mark_of("a"), None) is True

    def test_a_vm_that_no_list_shows_yet_is_deleted_by_its_mark(self, rig: Rig, gcp: GCPProvider) -> None:
        rig.state.hides_new_instances = True
        with rig.server.fault(Cut.AFTER, is_insert), pytest.raises(Transient):
            gcp.create(spec_of("a"))
        while not gcp.delete(mark_of("a"), None):
            rig.tick()
        assert rig.engine.leftovers() == []
