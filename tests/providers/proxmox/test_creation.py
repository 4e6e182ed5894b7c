"""From a template to a running VM, with the worker dying after each step."""

from typing import Any

import pytest

from poolwright.providers.base import VMState
from poolwright.providers.errors import (
    CapacityUnavailable,
    Conflict,
    InvalidSettings,
    NotFound,
    PermissionDenied,
    ProviderError,
    Transient,
)
from poolwright.providers.proxmox.provider import ProxmoxProvider
from tests.conformance.specs import THEIRS, mark_of, spec_of
from tests.providers.proxmox.conftest import Open
from tests.wire.proxmox import STORAGE, TOKEN_ID, ProxmoxCluster

pytestmark = pytest.mark.slow

SPEC = spec_of("a")
NUMBER = SPEC.number or 0
REFERENCE = str(NUMBER)
TAGS = {"pw-controller-controller-1", "pw-server-a", f"pw-vmid-{NUMBER}"}


def tags(cluster: ProxmoxCluster) -> set[str]:
    return set(cluster.vm(NUMBER).config["tags"].split(";"))


def copying(cluster: ProxmoxCluster) -> dict[str, Any]:
    """The VM as Proxmox VE shows it until its first disk is copied. Returns what it is to become."""
    vm = cluster.vm(NUMBER)
    finished = dict(vm.config)
    vm.config = {"description": " qmclone temporary file\n", "lock": "clone"}
    vm.name, vm.lock = f"VM {NUMBER}", "clone"
    cluster.tasklog[0].update(status="running", endtime=None)
    return finished


def copied(cluster: ProxmoxCluster, finished: dict[str, Any]) -> None:
    vm = cluster.vm(NUMBER)
    vm.config, vm.name, vm.lock = finished, finished["name"], None
    cluster.tasklog[0].update(status="stopped", endtime=cluster.tasklog[0]["starttime"])


def see_only_the_pool(cluster: ProxmoxCluster) -> None:
    """Where the pool alone grants VM.Audit, a clone cannot be seen until its disks are copied."""
    cluster.pools["desks"] = set()
    cluster.grant(TOKEN_ID, "/vms/100", "VM.Audit", "VM.Clone")
    cluster.grant(TOKEN_ID, "/storage", "Datastore.AllocateSpace")
    privileges = ["VM.Allocate", "VM.Audit", "VM.Config.Options", "VM.PowerMgmt", "VM.GuestAgent.Unrestricted"]
    cluster.grant(TOKEN_ID, "/pool/desks", *privileges)


def begin(provider: ProxmoxProvider) -> None:
    """All steps until the VM is started."""
    provider.create(SPEC)
    provider.get(REFERENCE)


class TestSteps:
    def test_the_clone_bears_the_mark_before_it_can_bear_tags(
        self, cluster: ProxmoxCluster, provider: ProxmoxProvider
    ) -> None:
        # Trap 11: a clone takes no tags.
        provider.create(SPEC)
        vm = cluster.vm(NUMBER)
        assert vm.name == "pw-a"
        assert vm.config["description"].startswith(f"poolwright/controller-1/a\nVMID {NUMBER}\n")
        assert vm.config["tags"] == "golden"
        found = provider.find(SPEC.mark)
        assert found is not None
        assert (found.reference, found.state) == (REFERENCE, VMState.PENDING)

    def test_looking_configures_and_starts_it(self, cluster: ProxmoxCluster, opened: Open) -> None:
        provider = opened(cores=3, memory_mib=6144, config_override={"onboot": True, "sockets": 2})
        provider.create(SPEC)
        assert provider.get(REFERENCE).state is VMState.PENDING
        vm = cluster.vm(NUMBER)
        assert tags(cluster) == TAGS
        assert [vm.config[name] for name in ("cores", "memory", "agent", "sockets", "onboot")] == [
            "3",
            "6144",
            "enabled=1",
            "2",
            "1",
        ]
        assert vm.status == "running"
        assert provider.get(REFERENCE).state is VMState.RUNNING

    @pytest.mark.parametrize("end", ["/clone", "/config", "/status/start"])
    def test_a_worker_that_dies_after_a_step_is_followed_by_another(
        self, cluster: ProxmoxCluster, opened: Open, end: str
    ) -> None:
        cluster.loses_answers_to = end
        with pytest.raises(Transient):
            begin(opened())
        cluster.loses_answers_to = ""
        another = opened()
        assert another.create(SPEC).reference == REFERENCE
        another.get(REFERENCE)
        assert another.get(REFERENCE).state is VMState.RUNNING
        assert [vm.vmid for vm in cluster.clones()] == [NUMBER]
        assert tags(cluster) == TAGS

    def test_a_start_that_was_never_asked_for_is_made_up_for(self, cluster: ProxmoxCluster, opened: Open) -> None:
        opened().create(SPEC)
        cluster.fail("POST", "/status/start", 500, "can't lock file - got timeout", times=1)
        with pytest.raises(Conflict):
            opened().get(REFERENCE)
        assert tags(cluster) == TAGS
        opened().get(REFERENCE)
        assert cluster.vm(NUMBER).status == "running"

    def test_a_start_that_failed_breaks_the_vm(self, cluster: ProxmoxCluster, provider: ProxmoxProvider) -> None:
        provider.create(SPEC)
        cluster.vm(NUMBER).start_error = "start failed: QEMU exited with code 1"
        assert provider.get(REFERENCE).state is VMState.PENDING
        seen = provider.get(REFERENCE)
        assert (seen.state, seen.problem) == (VMState.BROKEN, "start failed: QEMU exited with code 1")

    def test_a_guest_that_shut_itself_down_is_not_started_again(
        self, cluster: ProxmoxCluster, provider: ProxmoxProvider
    ) -> None:
        provider.create(SPEC)
        provider.get(REFERENCE)
        cluster.vm(NUMBER).status = "stopped"
        assert provider.get(REFERENCE).state is VMState.STOPPED
        assert cluster.count("POST", "/status/start") == 1

    @pytest.mark.parametrize(
        ("lock", "state"),
        [("suspended", VMState.STOPPED), ("backup", VMState.PENDING), ("suspending", VMState.PENDING)],
    )
    def test_one_that_is_off_and_locked_is_the_same_by_itself_and_in_the_list(
        self, cluster: ProxmoxCluster, provider: ProxmoxProvider, lock: str, state: VMState
    ) -> None:
        provider.create(SPEC)
        provider.get(REFERENCE)
        cluster.vm(NUMBER).status = "stopped"
        cluster.snapshot_lock(NUMBER, lock)
        assert [provider.get(REFERENCE).state, *(vm.state for vm in provider.list_owned())] == [state, state]

    def test_a_list_that_lags_behind_the_start_starts_nothing_twice(
        self, cluster: ProxmoxCluster, provider: ProxmoxProvider
    ) -> None:
        provider.create(SPEC)
        provider.get(REFERENCE)
        cluster.listed_as[NUMBER] = "stopped"
        assert provider.get(REFERENCE).state is VMState.RUNNING
        assert cluster.count("POST", "/status/start") == 1

    def test_a_vm_that_moved_to_another_node_is_followed(
        self, cluster: ProxmoxCluster, provider: ProxmoxProvider
    ) -> None:
        provider.create(SPEC)
        cluster.vm(NUMBER).node = "pve2"
        provider.get(REFERENCE)
        assert provider.get(REFERENCE).state is VMState.RUNNING


class TestWhileDisksAreCopied:
    def test_the_worker_that_asked_for_the_clone_knows_it(
        self, cluster: ProxmoxCluster, provider: ProxmoxProvider
    ) -> None:
        provider.create(SPEC)
        finished = copying(cluster)
        assert provider.get(REFERENCE).state is VMState.PENDING
        assert provider.create(SPEC).reference == REFERENCE
        copied(cluster, finished)
        provider.get(REFERENCE)
        assert provider.get(REFERENCE).state is VMState.RUNNING

    def test_another_worker_does_not_guess(self, cluster: ProxmoxCluster, opened: Open) -> None:
        opened().create(SPEC)
        finished = copying(cluster)
        another = opened()
        with pytest.raises(Transient):
            another.get(REFERENCE)
        with pytest.raises(Transient):
            another.create(SPEC)
        assert another.list_owned() == []
        copied(cluster, finished)
        assert another.create(SPEC).reference == REFERENCE

    @pytest.mark.parametrize("reference", [REFERENCE, None])
    def test_it_is_not_called_gone(self, cluster: ProxmoxCluster, opened: Open, reference: str | None) -> None:
        opened().create(SPEC)
        finished = copying(cluster)
        another = opened()
        assert another.delete(SPEC.mark, reference) is False
        copied(cluster, finished)
        while not another.delete(SPEC.mark, reference):
            pass
        assert not cluster.clones()
        assert not cluster.disks()

    def test_a_clone_that_still_waits_is_not_called_gone(self, cluster: ProxmoxCluster, opened: Open) -> None:
        opened().create(SPEC)
        vm, (task,) = cluster.vm(NUMBER), cluster.tasklog
        cluster.vms.remove(vm)
        end = task.pop("endtime")
        assert opened().delete(SPEC.mark, REFERENCE) is False
        assert opened().delete(SPEC.mark, None) is False
        task["endtime"] = end
        assert opened().delete(SPEC.mark, REFERENCE) is True

    def test_a_clone_that_is_not_in_its_pool_yet_is_waited_for(self, cluster: ProxmoxCluster, opened: Open) -> None:
        see_only_the_pool(cluster)
        provider, another = (opened(template="100", resource_pool="desks") for _ in range(2))
        provider.create(SPEC)
        cluster.pools["desks"].clear()
        end = cluster.tasklog[0].pop("endtime")
        cluster.tasklog[0]["status"] = "running"
        assert provider.get(REFERENCE).state is VMState.PENDING
        assert provider.create(SPEC).state is VMState.PENDING
        with pytest.raises(Transient):
            another.get(REFERENCE)
        with pytest.raises(Transient):
            another.delete(SPEC.mark, REFERENCE)
        assert another.delete(SPEC.mark, None) is False
        cluster.pools["desks"].add(NUMBER)
        cluster.tasklog[0].update(endtime=end, status="stopped")
        another.get(REFERENCE)
        assert another.get(REFERENCE).state is VMState.RUNNING

    def test_one_whose_answer_was_lost_and_that_is_not_in_its_pool_yet_is_not_made_twice(
        self, cluster: ProxmoxCluster, opened: Open
    ) -> None:
        see_only_the_pool(cluster)
        provider = opened(template="100", resource_pool="desks")
        cluster.loses_answers_to = "/clone"
        with pytest.raises(Transient):
            provider.create(SPEC)
        cluster.loses_answers_to = ""
        finished = copying(cluster)
        cluster.pools["desks"].clear()
        with pytest.raises(Transient, match=f"VMID {NUMBER} is taken, maybe by a clone of pw-a"):
            provider.create(SPEC)
        copied(cluster, finished)
        cluster.pools["desks"].add(NUMBER)
        assert provider.create(SPEC).reference == REFERENCE
        assert provider.create(SPEC.model_copy(update={"number": NUMBER + 1})).reference == REFERENCE
        assert [vm.vmid for vm in cluster.clones()] == [NUMBER]


class TestFailedClones:
    def test_no_room_is_told_at_once_and_leaves_nothing(
        self, cluster: ProxmoxCluster, provider: ProxmoxProvider
    ) -> None:
        cluster.storages[STORAGE]["avail"] = 1024
        with pytest.raises(CapacityUnavailable, match="No space left on device"):
            provider.create(SPEC)
        assert provider.find(SPEC.mark) is None
        assert not cluster.clones()
        assert not cluster.disks()

    def test_a_clone_that_fails_later_is_a_broken_vm_that_can_be_deleted(
        self, cluster: ProxmoxCluster, provider: ProxmoxProvider
    ) -> None:
        cluster.storages[STORAGE]["avail"] = 10 * 1024**3
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("poolwright.providers.proxmox.cluster.Cluster.end_of", lambda *_: None)
            provider.create(SPEC)
        cluster.vms.remove(cluster.vm(NUMBER))
        cluster.tasklog[0]["exitstatus"] = "clone failed: I/O error"
        seen = provider.get(REFERENCE)
        assert (seen.state, seen.problem) == (VMState.BROKEN, "clone failed: I/O error")
        # Its number may be another server's by now.
        with pytest.raises(NotFound):
            provider.get(REFERENCE)
        assert provider.delete(SPEC.mark, REFERENCE) is True

    def test_a_linked_clone_of_what_cannot_be_linked(self, cluster: ProxmoxCluster, opened: Open) -> None:
        cluster.vm(100).config["scsi0"] = f"{STORAGE}:vm-100-disk-0"
        with pytest.raises(InvalidSettings, match="Linked clone feature is not supported"):
            opened(full_clone=False, template_node="pve1").create(SPEC)


class TestTakenNumbers:
    def test_a_strangers_vm_is_a_conflict_that_names_the_way_out(
        self, cluster: ProxmoxCluster, provider: ProxmoxProvider
    ) -> None:
        cluster.add_vm(NUMBER, "mail")
        with pytest.raises(Conflict, match=rf"VMID {NUMBER} is taken by mail.*vmid_first and vmid_last"):
            provider.create(SPEC)
        assert cluster.count("POST") == 0

    def test_a_container_is_a_conflict(self, cluster: ProxmoxCluster, provider: ProxmoxProvider) -> None:
        cluster.add_ct(NUMBER, "dns")
        with pytest.raises(Conflict, match="taken"):
            provider.create(SPEC)

    def test_a_vm_that_may_not_be_seen_is_a_conflict(self, cluster: ProxmoxCluster, provider: ProxmoxProvider) -> None:
        cluster.add_vm(NUMBER, "secret")
        cluster.grant(TOKEN_ID, "/vms/100", "VM.Audit", "VM.Clone")
        cluster.grant(TOKEN_ID, f"/vms/{NUMBER}", "VM.Allocate")
        cluster.grant(TOKEN_ID, "/storage", "Datastore.AllocateSpace")
        with pytest.raises(Conflict, match=r"may not see; give it VM\.Audit"):
            provider.create(SPEC)
        with pytest.raises(PermissionDenied):
            provider.get(REFERENCE)

    def test_somebody_who_took_it_meanwhile_is_a_conflict(
        self, cluster: ProxmoxCluster, provider: ProxmoxProvider
    ) -> None:
        cluster.before_clones = lambda: cluster.add_vm(NUMBER, "mail")
        with pytest.raises(Conflict, match="taken by mail"):
            provider.create(SPEC)
        assert not cluster.disks()

    @pytest.mark.parametrize("number", [None, 999, 901_001])
    def test_a_number_out_of_the_range_is_refused(self, provider: ProxmoxProvider, number: int | None) -> None:
        with pytest.raises(InvalidSettings, match="vmid_first 1000 and vmid_last 901000"):
            provider.create(SPEC.model_copy(update={"number": number}))

    def test_the_range_is_told(self, provider: ProxmoxProvider) -> None:
        assert provider.capabilities().numbers == (1_000, 901_000)


class TestCopiesByHand:
    def test_a_copy_of_our_vm_is_not_ours(self, cluster: ProxmoxCluster, provider: ProxmoxProvider) -> None:
        provider.create(SPEC)
        provider.get(REFERENCE)
        ours = cluster.vm(NUMBER)
        cluster.add_vm(5_000, "pw-a", config=dict(ours.config))
        assert [vm.reference for vm in provider.list_owned()] == [REFERENCE]
        with pytest.raises(NotFound):
            provider.get("5000")
        while not provider.delete(SPEC.mark, None):
            pass
        assert [vm.vmid for vm in cluster.clones()] == [5_000]

    def test_a_vm_that_was_renamed_stays_ours(self, cluster: ProxmoxCluster, provider: ProxmoxProvider) -> None:
        provider.create(SPEC)
        vm = cluster.vm(NUMBER)
        vm.name = vm.config["name"] = "somebody-renamed-it"
        provider.get(REFERENCE)
        assert provider.get(REFERENCE).mark == SPEC.mark

    def test_a_template_made_of_our_vm_passes_its_tags_on_to_nobody(
        self, cluster: ProxmoxCluster, provider: ProxmoxProvider
    ) -> None:
        cluster.vm(100).config["tags"] = "pw-controller-controller-1;pw-server-old;pw-vmid-100"
        cluster.vm(101).config["tags"] = "pw-controller-controller-1;pw-server-old;pw-vmid-101"
        provider.create(SPEC)
        assert provider.find(mark_of("old")) is None
        assert [vm.mark for vm in provider.list_owned()] == [SPEC.mark]
        provider.get(REFERENCE)
        assert tags(cluster) == TAGS

    def test_another_controllers_clone_is_a_conflict(self, cluster: ProxmoxCluster, opened: Open) -> None:
        theirs = spec_of("a", controller_id=THEIRS).model_copy(update={"number": NUMBER})
        opened(THEIRS).create(theirs)
        with pytest.raises(Conflict, match="taken"):
            opened().create(SPEC)


class TestPlaces:
    def test_a_template_on_the_target_node_goes_first(self, cluster: ProxmoxCluster, opened: Open) -> None:
        provider = opened(target_nodes=["pve2", "pve1"], template_node="pve1")
        provider.create(SPEC)
        assert cluster.count("POST", "/nodes/pve2/qemu/101/clone") == 1
        assert cluster.vm(NUMBER).node == "pve2"

    def test_another_node_is_the_target_of_a_clone_on_shared_storage(
        self, cluster: ProxmoxCluster, opened: Open
    ) -> None:
        cluster.add_node("pve3")
        cluster.storages[STORAGE]["shared"] = 1
        provider = opened(target_nodes=["pve3"], template_node="pve1", storage=STORAGE, resource_pool="desks")
        cluster.pools["desks"] = set()
        provider.create(SPEC)
        vm = cluster.vm(NUMBER)
        assert (vm.node, vm.pool) == ("pve3", "desks")
        assert cluster.count("POST", "/nodes/pve1/qemu/100/clone") == 1

    def test_a_template_is_named_by_its_number_too(self, cluster: ProxmoxCluster, opened: Open) -> None:
        opened(template="101").create(SPEC)
        assert cluster.count("POST", "/nodes/pve2/qemu/101/clone") == 1

    @pytest.mark.parametrize(
        ("settings", "expected", "said"),
        [
            ({"target_nodes": ["pve9"]}, InvalidSettings, "no node pve9; it has pve1, pve2"),
            ({"template": "mail"}, InvalidSettings, "mail is not a template"),
            ({"template": "nothing"}, InvalidSettings, "no template nothing"),
            ({"storage": "nowhere"}, InvalidSettings, "nowhere"),
            ({"resource_pool": "nobodys"}, InvalidSettings, "nobodys"),
        ],
    )
    def test_what_does_not_exist_is_named(
        self,
        cluster: ProxmoxCluster,
        opened: Open,
        settings: dict[str, Any],
        expected: type[ProviderError],
        said: str,
    ) -> None:
        cluster.add_vm(500, "mail")
        with pytest.raises(expected, match=said):
            opened(**settings).create(SPEC)
        assert [vm.vmid for vm in cluster.clones()] == [500]
