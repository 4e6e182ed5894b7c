"""How many calls VMs cost when many threads ask at once."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from poolwright.providers.aws.provider import AWSProvider
from poolwright.providers.base import VM, VMState
from poolwright.providers.errors import Throttled
from tests.conformance.specs import OURS, mark_of, spec_of
from tests.wire.aws import AWSHarness
from tests.wire.ec2 import form_of

Answer = TypeVar("Answer")
VMS, THREADS = 60, 16
MOST_CALLS_FOR_EACH = 3


class Crowd:
    """Sixteen workers of one provider; each of them takes whole lives of VMs, as activities would live them."""

    def __init__(self, account: AWSHarness, provider: AWSProvider) -> None:
        self._account, self._provider, self._ticking = account, provider, threading.Lock()

    def live(self, number: int) -> str:
        spec = spec_of(f"server-{number}")
        provider = self._provider
        vm = self._done(lambda: provider.find(spec.mark) or provider.create(spec))
        self._done(lambda: self._is_up(vm))
        self._done(lambda: provider.delete(spec.mark, vm.reference))
        return vm.reference

    def _is_up(self, vm: VM) -> bool:
        return self._provider.get(vm.reference).state is VMState.RUNNING

    def _done(self, ask: Callable[[], Answer]) -> Answer:
        for _ in range(10_000):
            try:
                if answer := ask():
                    return answer
            except Throttled:
                pass
            with self._ticking:
                self._account.pass_time()
        raise AssertionError("this never ends")


class TestSixtyVmsAtOnce:
    def test_cost_three_calls_each_from_find_to_gone(self, account: AWSHarness) -> None:
        provider = account.open(OURS, run_instances_per_second=1000)
        with ThreadPoolExecutor(THREADS) as threads:
            references = set(threads.map(Crowd(account, provider).live, range(VMS)))
        assert len(references) == VMS
        assert account.leftovers() == []
        calls = Counter(form_of(request)["Action"] for request in account.server.requests)
        assert calls["RunInstances"] == VMS
        assert calls.total() <= MOST_CALLS_FOR_EACH * VMS, calls


class TestJoinedTerminations:
    def test_one_that_is_unknown_does_not_keep_the_others_alive(
        self, account: AWSHarness, provider: AWSProvider
    ) -> None:
        vms = [provider.create(spec_of(one)) for one in "abc"]
        provider._inventory._terminate_all(frozenset({vms[0].reference, "i-00000000000000000"}))
        for vm in vms:
            provider._inventory.terminate(vm.reference)
        provider._inventory.terminate("i-00000000000000000")
        account.pass_time()
        assert provider.list_owned() == []


class TestManyServers:
    def test_are_searched_for_in_portions_that_ec2_takes(self, account: AWSHarness, provider: AWSProvider) -> None:
        vm = provider.create(spec_of("server-7"))
        found = provider._inventory._instances_by_server(frozenset(f"server-{number}" for number in range(450)))
        assert [one["InstanceId"] for one in found["server-7"]] == [vm.reference]
        assert len(found) == 450

    def test_are_listed_over_all_pages(self, account: AWSHarness) -> None:
        provider = account.open(OURS, run_instances_per_second=1000)
        for number in range(4):
            provider.create(spec_of(f"server-{number}"))
        with account.pages_of(2):
            assert {vm.mark for vm in provider.list_owned()} == {mark_of(f"server-{number}") for number in range(4)}
