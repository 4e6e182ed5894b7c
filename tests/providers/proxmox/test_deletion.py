"""Deleting: only ours, all of it, and never called gone before it is."""

import pytest

from poolwright.providers.base import VMState
from poolwright.providers.errors import Conflict, PermissionDenied, Transient
from poolwright.providers.proxmox.provider import ProxmoxProvider
from poolwright.vendors.proxmox import API
from tests.conformance.specs import spec_of
from tests.providers.proxmox.conftest import Open
from tests.wire.proxmox import STORAGE, TOKEN_ID, ProxmoxCluster

pytestmark = pytest.mark.slow

SPEC = spec_of("a")
NUMBER = SPEC.number or 0
REFERENCE = str(NUMBER)


@pytest.fixture
def running(cluster: ProxmoxCluster, provider: ProxmoxProvider) -> ProxmoxProvider:
    """A provider whose only VM runs."""
    provider.create(SPEC)
    provider.get(REFERENCE)
    assert cluster.vm(NUMBER).status == "running"
    return provider


def delete(provider: ProxmoxProvider) -> bool:
    return provider.delete(SPEC.mark, REFERENCE)


class TestDeletion:
    def test_it_is_stopped_then_destroyed_with_every_disk_and_then_proven_gone(
        self, cluster: ProxmoxCluster, running: ProxmoxProvider
    ) -> None:
        cluster.storages[STORAGE]["volumes"][f"vm-{NUMBER}-disk-7"] = {
            "content": "images",
            "format": "raw",
            "size": 1,
            "vmid": NUMBER,
            "ctime": 1,
        }
        assert [delete(running) for _ in range(3)] == [False, False, True]
        assert not cluster.clones()
        assert not cluster.disks()

    def test_everybody_sees_that_it_is_to_go(self, opened: Open, running: ProxmoxProvider) -> None:
        delete(running)
        another = opened()
        assert another.get(REFERENCE).state is VMState.DELETING
        with pytest.raises(Conflict, match="being deleted"):
            another.create(SPEC)

    def test_looking_at_it_does_not_start_it_again(self, cluster: ProxmoxCluster, running: ProxmoxProvider) -> None:
        delete(running)
        running.get(REFERENCE)
        assert cluster.vm(NUMBER).status == "stopped"

    def test_one_of_high_availability_goes_too(self, cluster: ProxmoxCluster, running: ProxmoxProvider) -> None:
        cluster.vm(NUMBER).ha_state = "started"
        while not delete(running):
            pass
        assert not cluster.clones()

    def test_a_hibernated_one_goes_too(self, cluster: ProxmoxCluster, running: ProxmoxProvider) -> None:
        cluster.vm(NUMBER).status = "stopped"
        cluster.snapshot_lock(NUMBER, "suspended")
        assert [delete(running) for _ in range(2)] == [False, True]
        assert not cluster.clones()
        assert not cluster.disks()

    def test_a_half_made_one_goes_too(self, cluster: ProxmoxCluster, opened: Open) -> None:
        cluster.loses_answers_to = "/clone"
        with pytest.raises(Transient):
            opened().create(SPEC)
        cluster.loses_answers_to = ""
        another = opened()
        while not another.delete(SPEC.mark, None):
            pass
        assert not cluster.clones()
        assert not cluster.disks()

    def test_one_under_another_number_goes_too(self, cluster: ProxmoxCluster, opened: Open) -> None:
        opened().create(SPEC)
        while not opened().delete(SPEC.mark, str(NUMBER + 1)):
            pass
        assert not cluster.clones()


class TestNotYet:
    @pytest.mark.parametrize("lock", ["backup", "migrate", "snapshot"])
    def test_a_lock_is_waited_for_and_said_with_the_way_out(
        self, cluster: ProxmoxCluster, running: ProxmoxProvider, lock: str
    ) -> None:
        cluster.snapshot_lock(NUMBER, lock)
        for _ in range(3):
            with pytest.raises(Conflict, match=rf"VM {NUMBER} on node pve1 is locked \({lock}\).*`qm unlock {NUMBER}`"):
                delete(running)
        assert cluster.vm(NUMBER).status == "running"
        cluster.unlock(NUMBER)
        while not delete(running):
            pass

    def test_a_lock_that_comes_in_between_is_waited_for(
        self, cluster: ProxmoxCluster, running: ProxmoxProvider
    ) -> None:
        delete(running)
        locked = cluster.failing(500, "VM is locked (backup)", ("DELETE", f"/qemu/{NUMBER}"))
        with locked:
            assert delete(running) is False
        while not delete(running):
            pass

    def test_one_that_was_started_again_is_stopped_again(
        self, cluster: ProxmoxCluster, running: ProxmoxProvider
    ) -> None:
        delete(running)
        cluster.vm(NUMBER).status = "running"
        assert delete(running) is False
        assert cluster.vm(NUMBER).status == "stopped"
        while not delete(running):
            pass


class TestSomebodyHasToHelp:
    def test_a_protected_one(self, cluster: ProxmoxCluster, running: ProxmoxProvider) -> None:
        delete(running)
        cluster.vm(NUMBER).config["protection"] = 1
        with pytest.raises(Conflict, match="take the protection out of its options"):
            delete(running)

    def test_a_clone_that_died_with_its_node(self, cluster: ProxmoxCluster, opened: Open) -> None:
        opened().create(SPEC)
        cluster.snapshot_lock(NUMBER, "clone")
        with pytest.raises(Conflict, match=f"run `qm unlock {NUMBER}` there as root"):
            delete(opened())

    @pytest.mark.parametrize("reference", [REFERENCE, None])
    def test_a_clone_that_died_before_it_said_whose_it_is(
        self, cluster: ProxmoxCluster, opened: Open, reference: str | None
    ) -> None:
        opened().create(SPEC)
        vm = cluster.vm(NUMBER)
        vm.config, vm.name = {"description": " qmclone temporary file\n"}, f"VM {NUMBER}"
        cluster.snapshot_lock(NUMBER, "clone")
        with pytest.raises(Conflict, match=f"does not say yet whose it was.*`qm destroy {NUMBER} --skiplock 1"):
            opened().delete(SPEC.mark, reference)
        cluster.vms.remove(vm)
        assert opened().delete(SPEC.mark, reference) is True

    def test_a_destruction_that_failed_says_why_and_is_tried_again(
        self, cluster: ProxmoxCluster, running: ProxmoxProvider
    ) -> None:
        delete(running)
        cluster.fail("DELETE", f"/nodes/pve1/qemu/{NUMBER}", error="failed_remove_config_file", times=1)
        assert delete(running) is False
        with pytest.raises(Transient, match=r"destroying VM .* failed"):
            delete(running)
        while not delete(running):
            pass
        assert not cluster.clones()

    def test_a_destruction_that_names_no_task_is_tried_again(
        self, cluster: ProxmoxCluster, running: ProxmoxProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        delete(running)
        with monkeypatch.context() as odd:
            odd.setattr(API, "delete", lambda *_: None)
            with pytest.raises(Transient, match="does not say which task"):
                delete(running)
        while not delete(running):
            pass
        assert not cluster.clones()


class TestUnknownIsNotGone:
    def test_a_vm_that_may_not_be_seen_any_more(self, cluster: ProxmoxCluster, running: ProxmoxProvider) -> None:
        # Proxmox VE leaves out of its list, without a word, what one may not see.
        cluster.grant(TOKEN_ID, "/storage", "Datastore.AllocateSpace")
        assert running.list_owned() == []
        for call in (lambda: running.get(REFERENCE), lambda: delete(running)):
            with pytest.raises(PermissionDenied, match=r"VM\.Audit"):
                call()
        with pytest.raises(PermissionDenied, match=r"VM\.Audit"):
            running.delete(SPEC.mark, None)

    def test_a_vm_on_an_offline_node(self, cluster: ProxmoxCluster, running: ProxmoxProvider) -> None:
        cluster.set_node_offline("pve1")
        with pytest.raises(Transient, match="pve1, which is offline"):
            delete(running)
        cluster.set_node_offline("pve1", offline=False)
        while not delete(running):
            pass

    def test_a_strangers_vm_with_our_number_is_left_alone(
        self, cluster: ProxmoxCluster, provider: ProxmoxProvider
    ) -> None:
        cluster.add_vm(NUMBER, "mail", status="running")
        assert delete(provider) is True
        assert cluster.vm(NUMBER).status == "running"
