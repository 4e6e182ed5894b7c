"""Clusters in trouble: no quorum, nodes away, full storage, hanging agents, bad networks."""

import logging
from contextlib import suppress

import pytest

from poolwright.providers.base import VMState
from poolwright.providers.errors import (
    AuthenticationFailed,
    CapacityUnavailable,
    PermissionDenied,
    ProviderError,
    Transient,
)
from poolwright.providers.proxmox.provider import ProxmoxProvider
from tests.conformance.specs import mark_of, spec_of
from tests.providers.proxmox.conftest import Open
from tests.wire.proxmox import STORAGE, ProxmoxCluster

pytestmark = pytest.mark.slow

SPEC = spec_of("a")
NUMBER = SPEC.number or 0
REFERENCE = str(NUMBER)


class TestQuorum:
    def test_nothing_is_made_without_it_and_all_goes_on_with_it(
        self, cluster: ProxmoxCluster, provider: ProxmoxProvider
    ) -> None:
        cluster.lose_quorum()
        with pytest.raises(Transient, match="no quorum"):
            provider.create(SPEC)
        cluster.regain_quorum()
        provider.create(SPEC)
        cluster.lose_quorum()
        for call in (lambda: provider.get(REFERENCE), lambda: provider.delete(SPEC.mark, REFERENCE)):
            with pytest.raises(Transient, match="no quorum"):
                call()
        cluster.regain_quorum()
        provider.get(REFERENCE)
        assert provider.get(REFERENCE).state is VMState.RUNNING


class TestOfflineNode:
    @pytest.fixture
    def both(self, cluster: ProxmoxCluster, opened: Open) -> ProxmoxProvider:
        """A provider with one running VM on each node: a on pve1, b on pve2."""
        provider = opened(target_nodes=["pve1", "pve2"])
        for server, node in (("a", "pve1"), ("b", "pve2")):
            vm = provider.create(spec_of(server, place=node))
            provider.get(vm.reference)
            cluster.boot(int(vm.reference))
        return provider

    def test_it_stops_nothing_but_itself(self, cluster: ProxmoxCluster, both: ProxmoxProvider) -> None:
        cluster.set_node_offline("pve1")
        b = spec_of("b")
        assert both.get(str(b.number)).state is VMState.RUNNING
        assert both.create(spec_of("c", place="pve2")).place == "pve2"
        while not both.delete(b.mark, str(b.number)):
            pass
        with pytest.raises(CapacityUnavailable, match="pve1 is offline"):
            both.create(spec_of("d", place="pve1"))

    def test_its_vms_stay_listed_and_are_not_called_gone(self, cluster: ProxmoxCluster, both: ProxmoxProvider) -> None:
        cluster.set_node_offline("pve1")
        listed = {vm.mark.server_id: vm.state for vm in both.list_owned()}
        assert listed == {"a": VMState.PENDING, "b": VMState.RUNNING}
        found = both.find(mark_of("a"))
        assert found is not None
        assert found.reference == REFERENCE
        with pytest.raises(Transient, match="pve1 is offline"):
            both.get(REFERENCE)

    def test_a_half_made_vm_on_it_is_unknown_and_the_others_are_listed(
        self, cluster: ProxmoxCluster, both: ProxmoxProvider, caplog: pytest.LogCaptureFixture
    ) -> None:
        half = both.create(spec_of("half", place="pve1"))
        cluster.set_node_offline("pve1")
        with caplog.at_level(logging.WARNING):
            assert {vm.mark.server_id for vm in both.list_owned()} == {"a", "b"}
        assert f"VM {half.reference} cannot say whose it is" in caplog.text
        for call in (lambda: both.get(half.reference), lambda: both.delete(half.mark, None)):
            with pytest.raises(Transient):
                call()

    def test_a_template_whose_node_is_away_is_not_called_missing(self, cluster: ProxmoxCluster, opened: Open) -> None:
        cluster.set_node_offline("pve1")
        for settings in ({"template_node": "pve1"}, {"template": "name-lost-with-its-node"}):
            with pytest.raises(CapacityUnavailable, match="offline"):
                opened(**settings).create(SPEC)

    def test_a_node_that_goes_away_before_the_list_says_so(
        self, cluster: ProxmoxCluster, provider: ProxmoxProvider
    ) -> None:
        with (
            cluster.failing(595, "No route to host", ("POST", "/clone")),
            pytest.raises(CapacityUnavailable, match="cannot be reached"),
        ):
            provider.create(SPEC)


class TestStorage:
    def test_a_full_one_is_no_room_and_another_place_may_have_it(self, cluster: ProxmoxCluster, opened: Open) -> None:
        provider = opened(target_nodes=["pve1", "pve2"])
        cluster.fail("POST", "/nodes/pve1/qemu/100/clone", 500, "storage 'local-lvm' is full", times=1)
        with pytest.raises(CapacityUnavailable):
            provider.create(spec_of("a", place="pve1"))
        assert provider.create(spec_of("a", place="pve2")).place == "pve2"

    def test_one_that_went_away_breaks_the_start(self, cluster: ProxmoxCluster, opened: Open) -> None:
        cluster.add_ceph_storage("ceph")
        disk = {"content": "images", "format": "raw", "size": 1, "vmid": 100, "ctime": 1}
        cluster.storages["ceph"]["volumes"] = {"base-100-disk-0": disk}
        cluster.vm(100).config["scsi0"] = "ceph:base-100-disk-0,size=1G"
        provider = opened(template_node="pve1")
        provider.create(SPEC)
        cluster.ceph_down()
        provider.get(REFERENCE)
        seen = provider.get(REFERENCE)
        assert seen.state is VMState.BROKEN
        assert "couldn't connect to the cluster" in (seen.problem or "")
        cluster.ceph_recover()
        assert STORAGE in cluster.storages


class TestAgent:
    @pytest.fixture
    def running(self, provider: ProxmoxProvider) -> ProxmoxProvider:
        provider.create(SPEC)
        provider.get(REFERENCE)
        return provider

    def test_without_one_there_is_no_address_yet(self, running: ProxmoxProvider) -> None:
        seen = running.get(REFERENCE)
        assert (seen.state, seen.address) == (VMState.RUNNING, None)

    def test_one_that_hangs_is_no_error(self, cluster: ProxmoxCluster, running: ProxmoxProvider) -> None:
        cluster.boot(NUMBER)
        cluster.vm(NUMBER).agent_hangs = True
        assert running.get(REFERENCE).address is None
        cluster.vm(NUMBER).agent_hangs = False
        assert running.get(REFERENCE).address is not None

    def test_one_that_may_not_be_asked_is(self, cluster: ProxmoxCluster, running: ProxmoxProvider) -> None:
        cluster.boot(NUMBER)
        message = f"Permission check failed (/vms/{NUMBER}, VM.GuestAgent.Audit|VM.GuestAgent.Unrestricted)"
        refused = cluster.failing(403, message, ("GET", "/network-get-interfaces"))
        with refused, pytest.raises(PermissionDenied, match=r"VM\.GuestAgent\.Audit"):
            running.get(REFERENCE)


class TestNetwork:
    def test_one_vm_comes_and_goes_whatever_is_lost(self, cluster: ProxmoxCluster, provider: ProxmoxProvider) -> None:
        cluster.flaky_network(drop_rate=0.3, seed=1)
        cluster._random.seed(1)
        running = False
        for _ in range(100):
            with suppress(ProviderError):
                provider.create(SPEC)
                running = provider.get(REFERENCE).state is VMState.RUNNING
            if running:
                break
        assert running
        assert [vm.vmid for vm in cluster.clones()] == [NUMBER]
        gone = False
        for _ in range(100):
            with suppress(Transient):
                gone = provider.delete(SPEC.mark, REFERENCE)
            if gone:
                break
        assert gone
        assert not cluster.clones()
        assert not cluster.disks()

    def test_a_proxys_page_is_no_answer(self, cluster: ProxmoxCluster, provider: ProxmoxProvider) -> None:
        for status in (200, 502):
            cluster.fail("GET", "/cluster/resources", status, "<html>Back soon</html>", html=True, times=1)
            with pytest.raises(Transient):
                provider.list_owned()


class TestLogin:
    def test_a_ticket_that_was_revoked_is_fetched_anew(self, cluster: ProxmoxCluster, opened: Open) -> None:
        with_password = {"token_name": None, "token_value": None, "username": "root@pam", "password": "secret"}
        provider = opened(**with_password)
        provider.create(SPEC)
        cluster.revoke_tickets()
        provider.get(REFERENCE)
        assert provider.get(REFERENCE).state is VMState.RUNNING

    def test_a_wrong_password_is_refused_once(self, cluster: ProxmoxCluster, opened: Open) -> None:
        wrong = {"token_name": None, "token_value": None, "username": "root@pam", "password": "not-it"}
        with pytest.raises(AuthenticationFailed, match="root@pam") as refusal:
            opened(**wrong).list_owned()
        assert "not-it" not in str(refusal.value)
        assert cluster.count("POST", "/access/ticket") == 1
