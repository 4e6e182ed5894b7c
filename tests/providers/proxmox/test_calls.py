"""How many requests VMs cost, and that threads share what can be shared."""

from concurrent.futures import ThreadPoolExecutor
from unittest.mock import patch

import pytest

from poolwright.providers.base import VMSpec, VMState
from poolwright.providers.errors import Throttled
from poolwright.providers.proxmox.provider import ProxmoxProvider
from poolwright.vendors import proxmox
from poolwright.vendors.pace import Pace
from tests.conformance.specs import spec_of
from tests.providers.proxmox.conftest import Open
from tests.wire.proxmox import ProxmoxCluster

pytestmark = pytest.mark.slow

VMS = 60
THREADS = 16
CHANGES_OF_ONE = 6
"""Its clone, its configuration, its start; the tag that says that it goes, its stop, its destruction."""
QUESTIONS_ABOUT_ONE = 4
"""How its clone ended, its description, its addresses, and whether its number is free."""
LOOKS_AT_ALL = 7
"""Before it is made twice, while it is made twice, and at each step of its deletion."""


def live(provider: ProxmoxProvider, cluster: ProxmoxCluster, spec: VMSpec) -> None:
    """From nothing to gone, as the activities go about it."""
    vm = provider.find(spec.mark) or provider.create(spec)
    while vm.state is not VMState.RUNNING:
        vm = provider.get(vm.reference)
    while not provider.delete(spec.mark, vm.reference):
        pass


class TestCalls:
    def test_lists_are_shared_and_each_vm_costs_few(self, cluster: ProxmoxCluster, opened: Open) -> None:
        specs = [spec_of(f"server-{number}") for number in range(VMS)]
        with patch.object(proxmox, "_pace_of", lambda *_: Pace(1e6, 1_000_000)):
            provider = opened()
        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(lambda spec: live(provider, cluster, spec), specs))
        assert not cluster.clones()
        lists = cluster.count("GET", "/cluster/resources")
        changes = cluster.count("POST") + cluster.count("PUT") + cluster.count("DELETE")
        assert lists < LOOKS_AT_ALL * VMS / 2
        assert changes == CHANGES_OF_ONE * VMS
        assert len(cluster.requests) - lists - changes == QUESTIONS_ABOUT_ONE * VMS

    def test_a_list_of_many_vms_is_one_call(self, cluster: ProxmoxCluster, opened: Open) -> None:
        provider = opened()
        for number in range(20):
            vm = provider.create(spec_of(f"server-{number}"))
            provider.get(vm.reference)
        before = len(cluster.requests)
        assert len(provider.list_owned()) == 20
        assert len(cluster.requests) == before + 1

    def test_a_search_does_not_read_every_clone_under_way(self, cluster: ProxmoxCluster, opened: Open) -> None:
        provider = opened()
        for number in range(20):
            provider.create(spec_of(f"server-{number}"))
        before = len(cluster.requests)
        assert provider.find(spec_of("another").mark) is None
        assert len(cluster.requests) == before + 1

    def test_a_burst_beyond_the_pace_is_told_to_come_later(self, cluster: ProxmoxCluster, opened: Open) -> None:
        with patch.object(proxmox, "_pace_of", lambda *_: Pace(0.001, 3)):
            provider = opened()
        for _ in range(3):
            provider.list_owned()
        for _ in range(2):
            with pytest.raises(Throttled) as refusal:
                provider.list_owned()
            assert refusal.value.retry_after_seconds
        assert cluster.count("GET", "/cluster/resources") == 3
