"""Deleting on Compute Engine: everything, and nothing else."""

from collections.abc import Callable
from typing import Any

import pytest

from poolwright.providers.base import VMState
from poolwright.providers.errors import Conflict, InvalidSettings, NotFound, Transient
from poolwright.providers.gcp.provider import GCPProvider
from tests.conformance.specs import OURS, THEIRS, mark_of, spec_of
from tests.wire.gcp_answers import refusal
from tests.wire.gcp_compute import ZONES
from tests.wire.gcp_rig import Rig
from tests.wire.server import Request, Response

pytestmark = pytest.mark.slow

ZONE = ZONES[0]


def a_disk(name: str, zone: str, server_id: str, controller_id: str = OURS, **more: Any) -> dict[str, Any]:
    labels = {"poolwright_controller": controller_id, "poolwright_server": server_id}
    return {"name": name, "zone": f"https://x/zones/{zone}", "labels": labels, "status": "READY", **more}


def is_deletion(request: Request) -> bool:
    return request.method == "DELETE"


def is_list(request: Request) -> bool:
    return "/aggregated/" in request.path


class TestPagesThatAreNotGoogles:
    @pytest.mark.parametrize("page", [Response(200, []), Response(200, {"message": "Blocked"})])
    def test_prove_nothing(self, rig: Rig, gcp: GCPProvider, page: Response) -> None:
        made = gcp.create(spec_of("a"))
        calls: list[Callable[[], object]] = [
            gcp.list_owned,
            lambda: gcp.get(made.reference),
            lambda: gcp.find(mark_of("a")),
            lambda: gcp.delete(mark_of("a"), made.reference),
            lambda: gcp.delete(mark_of("a"), None),
        ]
        for call in calls:
            with rig.server.fault(page), pytest.raises(Transient):
                call()


class TestDisks:
    def test_those_that_were_left_are_found_by_the_mark(self, rig: Rig, gcp: GCPProvider) -> None:
        rig.state.disks[ZONES[2], "data"] = a_disk("data", ZONES[2], "a")
        rig.state.disks[ZONES[2], "others"] = a_disk("others", ZONES[2], "b")
        rig.state.disks[ZONES[2], "theirs"] = a_disk("theirs", ZONES[2], "a", THEIRS)
        assert gcp.delete(mark_of("a"), None) is False
        assert gcp.delete(mark_of("a"), None) is False
        rig.tick()
        assert gcp.delete(mark_of("a"), None) is True
        assert {name for _, name in rig.state.disks} == {"others", "theirs"}
        assert rig.server.count(is_deletion) == 1

    def test_one_that_outlives_its_vm_is_deleted_after_it(self, rig: Rig, gcp: GCPProvider) -> None:
        vm = gcp.create(spec_of("a"))
        rig.tick(3)
        rig.state.instances[ZONE, "pw-a"].body["disks"][0]["autoDelete"] = False
        while not gcp.delete(mark_of("a"), vm.reference):
            rig.tick()
        assert rig.engine.leftovers() == []

    def test_those_of_a_whole_region_are_deleted_too(self, rig: Rig, gcp: GCPProvider) -> None:
        disk = a_disk("data", ZONE, "a", region="https://x/regions/us-east4")
        rig.state.disks["us-east4", "data"] = {key: disk[key] for key in disk.keys() - {"zone"}}
        while not gcp.delete(mark_of("a"), None):
            rig.tick()
        assert rig.engine.leftovers() == []

    def test_one_that_something_else_uses_is_named(self, rig: Rig, gcp: GCPProvider) -> None:
        rig.state.disks[ZONE, "data"] = a_disk("data", ZONE, "a", users=["another VM"])
        with pytest.raises(Conflict, match=r"disk data .*already being used"):
            gcp.delete(mark_of("a"), None)


class TestInstances:
    def test_one_in_a_zone_that_the_settings_forgot_is_deleted(self, rig: Rig, gcp: GCPProvider) -> None:
        vm = rig.open(zones=[ZONES[2]]).create(spec_of("a"))
        elsewhere = rig.open(zones=[ZONE])
        assert elsewhere.find(mark_of("a")) is not None
        while not elsewhere.delete(mark_of("a"), vm.reference):
            rig.tick()
        assert rig.engine.leftovers() == []

    def test_it_is_asked_for_once(self, rig: Rig, gcp: GCPProvider) -> None:
        vm = gcp.create(spec_of("a"))
        rig.tick(3)
        while not gcp.delete(mark_of("a"), vm.reference):
            rig.tick()
        assert rig.server.count(is_deletion) == 1

    def test_one_that_only_stops_is_deleted_all_the_same(self, rig: Rig, gcp: GCPProvider) -> None:
        vm = gcp.create(spec_of("a"))
        rig.tick(3)
        body = rig.state.instances[ZONE, "pw-a"].body
        body["status"] = "TERMINATED"
        assert gcp.get(vm.reference).state is VMState.STOPPED
        body |= {"status": "STOPPING", "resourceStatus": {"shutdownDetails": {"targetState": "STOPPED"}}}
        assert gcp.get(vm.reference).state is VMState.STOPPED
        assert gcp.delete(mark_of("a"), vm.reference) is False
        assert rig.server.count(is_deletion) == 1

    def test_one_that_lost_the_label_of_its_request_is_still_ours(self, rig: Rig, gcp: GCPProvider) -> None:
        vm = gcp.create(spec_of("a"))
        rig.state.instances[ZONE, "pw-a"].body["labels"].pop("poolwright_request")
        assert gcp.get(vm.reference).mark == mark_of("a")
        while not gcp.delete(mark_of("a"), vm.reference):
            rig.tick()
        assert rig.engine.leftovers() == []

    def test_one_that_is_busy_is_asked_for_again(self, rig: Rig, gcp: GCPProvider) -> None:
        vm = gcp.create(spec_of("a"))
        busy = refusal(400, "resourceNotReady", "The resource 'pw-a' is not ready")
        with rig.server.fault(busy, is_deletion):
            assert gcp.delete(mark_of("a"), vm.reference) is False
        while not gcp.delete(mark_of("a"), vm.reference):
            rig.tick()
        assert rig.engine.leftovers() == []

    def test_one_that_is_protected_is_told_of(self, rig: Rig, gcp: GCPProvider) -> None:
        vm = gcp.create(spec_of("a"))
        rig.state.instances[ZONE, "pw-a"].body["deletionProtection"] = True
        with pytest.raises(InvalidSettings, match="protected against accidental deletion"):
            gcp.delete(mark_of("a"), vm.reference)


class TestProof:
    def test_a_list_that_is_not_whole_proves_nothing(self, rig: Rig, gcp: GCPProvider) -> None:
        vm = gcp.create(spec_of("a"))
        rig.state.unreachable_zone = ZONES[1]
        for call in (gcp.list_owned, lambda: gcp.find(mark_of("a")), lambda: gcp.delete(mark_of("a"), vm.reference)):
            with pytest.raises(Transient, match=f"did not reach zones/{ZONES[1]}"):
                call()

    def test_a_404_that_is_not_about_the_vm_proves_nothing(self, rig: Rig, gcp: GCPProvider) -> None:
        vm = gcp.create(spec_of("a"))
        for answer in (
            refusal(404, "notFound", "The resource 'projects/project-0' was not found"),
            refusal(404, "accessNotConfigured", "Not found"),
        ):
            with rig.server.fault(answer), pytest.raises(Transient):
                gcp.get(vm.reference)

    def test_nor_does_one_to_a_list(self, rig: Rig, gcp: GCPProvider) -> None:
        vm = gcp.create(spec_of("a"))
        calls: list[Callable[[], object]] = [
            gcp.list_owned,
            lambda: gcp.find(mark_of("a")),
            lambda: gcp.delete(mark_of("a"), vm.reference),
            lambda: gcp.delete(mark_of("a"), None),
        ]
        for call in calls:
            gone = refusal(404, "notFound", "The resource 'projects/project-0' was not found")
            with rig.server.fault(gone, is_list), pytest.raises(Transient, match="nothing is known"):
                call()

    def test_nor_one_to_the_list_of_what_was_asked_for(self, rig: Rig, gcp: GCPProvider) -> None:
        rig.state.hides_new_instances = True
        vm = gcp.create(spec_of("a"))
        del rig.state.instances[ZONE, "pw-a"]
        zone = refusal(404, "notFound", f"The resource 'projects/project-0/zones/{ZONE}' was not found")
        with rig.server.fault(zone, lambda request: request.path.endswith("/operations")):
            for call in (lambda: gcp.get(vm.reference), lambda: gcp.delete(mark_of("a"), vm.reference)):
                with pytest.raises(Transient, match="nothing is known"):
                    call()

    @pytest.mark.parametrize("reference", ["", "x", "a/b", "a//c", "us-east4-a/pw-a/another-request"])
    def test_a_reference_that_names_no_vm_of_ours_is_not_found(self, gcp: GCPProvider, reference: str) -> None:
        gcp.create(spec_of("a"))
        with pytest.raises(NotFound):
            gcp.get(reference)
