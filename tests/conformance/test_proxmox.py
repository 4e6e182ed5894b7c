"""Proxmox VE under the suite: proxmoxer against fakepve over TLS."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from poolwright.providers.base import VM, Provider
from poolwright.providers.proxmox.provider import open_provider
from poolwright.vendors import pace
from tests.conformance.harness import Fault, Feature, Harness
from tests.conformance.suite import ProviderConformance
from tests.wire.guard import only_this_machine
from tests.wire.proxmox import TEMPLATE, TOKEN_ID, TOKEN_VALUE, ProxmoxCluster

pytestmark = pytest.mark.slow

AGENT_TICKS = 3


@pytest.fixture(autouse=True)
def here_only() -> Iterator[None]:
    with only_this_machine() as left:
        yield
    assert left == []


class ProxmoxHarness:
    """A cluster of two nodes whose guests need a little while to boot."""

    def __init__(self, directory: Path, **settings: Any) -> None:
        self._cluster = ProxmoxCluster(directory)
        self._cluster.serve()
        self._settings = {**self._cluster.settings(), **settings}
        self._running: Counter[Any] = Counter()
        """How much time has passed for each VM since it was started."""

    def open(self, controller_id: str) -> Provider:
        return open_provider(self._settings, controller_id)

    def open_misconfigured(self) -> tuple[Provider, Sequence[str]]:
        wrong = {"template": "lead", "storage": "nowhere", "resource_pool": "nobodys", "target_nodes": ["pve9"]}
        return open_provider({**self._settings, "full_clone": True, **wrong}, "controller-1"), list(wrong)

    def provoke(self, fault: Fault) -> AbstractContextManager[None]:
        pve, clone = self._cluster, ("POST", "/clone")
        match fault:
            case Fault.PERMISSION:
                return pve.failing(403, "Permission check failed (/vms/100, VM.Clone)", clone)
            case Fault.QUOTA:
                return pve.failing(500, "unable to create image: Disk quota exceeded", clone)
            case Fault.CAPACITY:
                first = ("POST", "/nodes/pve1/qemu/100/clone")
                return pve.failing(500, "unable to create image: No space left on device", first)
            case Fault.THROTTLED:
                return self._throttled()
            case Fault.AUTHENTICATION:
                return self._without_token()
            case Fault.INVALID:
                return self._without_template()
            case Fault.TRANSIENT:
                return self._without_network()
            case Fault.LOST_RESPONSE:
                return self._deaf()
        raise AssertionError(fault)

    def pass_time(self) -> None:
        time.sleep(0.002)
        for vm in self._cluster.clones():
            if vm.status == "running":
                self._running[vm] += 1
                if self._running[vm] == AGENT_TICKS:
                    self._cluster.boot(vm.vmid)

    def received_script(self, vm: VM) -> bytes:
        return (self._cluster.guest_directory(int(vm.reference)) / "poolwright-startup" / "startup.sh").read_bytes()

    def secrets(self) -> Sequence[str]:
        return (TOKEN_VALUE,)

    def leftovers(self) -> Sequence[str]:
        return [*(f"VM {vm.vmid}" for vm in self._cluster.clones()), *self._cluster.disks()]

    def close(self) -> None:
        self._cluster.close()

    @contextmanager
    def _throttled(self) -> Iterator[None]:
        # Proxmox VE never says for how long, so the pace would pause by itself.
        with patch.object(pace, "_SHORTEST_PAUSE_SECONDS", 0.0), self._cluster.failing(429, "Too Many Requests"):
            yield

    @contextmanager
    def _without_token(self) -> Iterator[None]:
        self._cluster.apitokens.clear()
        yield
        self._cluster.apitokens[TOKEN_ID] = TOKEN_VALUE

    @contextmanager
    def _without_template(self) -> Iterator[None]:
        for template in (100, 101):
            self._cluster.vm(template).name = "renamed"
        yield
        for template in (100, 101):
            self._cluster.vm(template).name = TEMPLATE

    @contextmanager
    def _without_network(self) -> Iterator[None]:
        self._cluster.flaky_network(drop_rate=1)
        yield
        self._cluster.flaky_network()

    @contextmanager
    def _deaf(self) -> Iterator[None]:
        self._cluster.loses_answers_to = "/clone"
        yield
        self._cluster.loses_answers_to = ""


FAULTS = frozenset(Fault) - {Fault.STALE_LIST}
FEATURES = frozenset({Feature.LATE_ADDRESS, Feature.SLOW_DELETION, Feature.SCRIPT_IN_GUEST, Feature.SCRIPT_READ_BACK})


class TestProxmox(ProviderConformance):
    abilities = FAULTS | FEATURES | {Feature.PLACES}

    def make_harness(self, directory: Path) -> Harness:
        return ProxmoxHarness(directory, target_nodes=["pve1", "pve2"], cores=2, memory_mib=4096)


class TestProxmoxWithLinkedClones(ProviderConformance):
    abilities = FAULTS | FEATURES

    def make_harness(self, directory: Path) -> Harness:
        return ProxmoxHarness(directory, full_clone=False, template_node="pve1")
