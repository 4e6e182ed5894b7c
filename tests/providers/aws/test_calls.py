"""How many calls VMs cost when many threads ask at once."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from poolwright.providers.aws.provider import AWSProvider
from poolwright.providers.base import VMState
from poolwright.providers.errors import Throttled
from tests.conformance.specs import OURS, mark_of, spec_of
from tests.wire.aws import AWSHarness
from tests.wire.ec2 import asks_for, form_of

pytestmark = pytest.mark.slow

Thing = TypeVar("Thing", bound=Hashable)
Answer = TypeVar("Answer")
VMS, THREADS = 60, 16
MOST_CALLS_FOR_EACH = 3


class Crowd:
    """Sixteen threads that each do the next of many activities, and come back to what is not yet done."""

    def __init__(self, account: AWSHarness) -> None:
        self._account = account

    def each(self, ask: Callable[[Thing], Answer | None], things: Iterable[Thing]) -> dict[Thing, Answer]:
        """What each thing was answered in the end; time passes before it is asked about again."""
        answers: dict[Thing, Answer] = {}
        waiting = list(things)
        with ThreadPoolExecutor(THREADS) as threads:
            while waiting:
                answered = zip(waiting, threads.map(lambda thing: self._now(ask, thing), waiting), strict=True)
                answers |= {thing: answer for thing, answer in answered if answer}
                waiting = [thing for thing in waiting if thing not in answers]
                self._account.pass_time()
        return answers

    def _now(self, ask: Callable[[Thing], Answer | None], thing: Thing) -> Answer | None:
        try:
            return ask(thing)
        except Throttled:
            return None


class TestSixtyVmsAtOnce:
    def test_cost_three_calls_each_from_find_to_gone(self, account: AWSHarness) -> None:
        provider, crowd = account.open(OURS, run_instances_per_second=1000), Crowd(account)
        marks = [mark_of(f"server-{number}") for number in range(VMS)]
        vms = crowd.each(lambda mark: provider.find(mark) or provider.create(spec_of(mark.server_id)), marks)
        crowd.each(lambda mark: provider.get(vms[mark].reference).state is VMState.RUNNING, marks)
        crowd.each(lambda mark: provider.delete(mark, vms[mark].reference), marks)
        assert len({vm.reference for vm in vms.values()}) == VMS
        assert account.leftovers() == []
        calls = Counter(form_of(request)["Action"] for request in account.server.requests)
        assert calls["RunInstances"] == VMS
        assert calls.total() <= MOST_CALLS_FOR_EACH * VMS, calls


class TestThoseWhoWait:
    def test_share_one_call_in_two_seconds_however_many_they_are(self, account: AWSHarness) -> None:
        provider = account.open(OURS, run_instances_per_second=1000)
        vms = [provider.create(spec_of(f"server-{number}", token_suffices=True)) for number in range(VMS)]
        looks = asks_for("DescribeInstances")
        for _ in range(10):
            for vm in vms:
                assert provider.get(vm.reference, waiting=True).state is VMState.PENDING
            account.now += 1
        assert account.server.count(looks) == 4
        account.pass_time()
        account.pass_time()
        for vm in vms:
            assert provider.get(vm.reference, waiting=True).state is VMState.RUNNING
        assert account.server.count(looks) == 5

    def test_do_not_ask_on_for_what_runs(self, account: AWSHarness, provider: AWSProvider) -> None:
        vms = [provider.create(spec_of(one, token_suffices=True)) for one in "ab"]
        while provider.get(vms[0].reference, waiting=True).state is not VMState.RUNNING:
            account.pass_time()
        account.now += 3
        account.server.requests.clear()
        provider.get(vms[1].reference, waiting=True)
        assert vms[0].reference.encode() not in account.server.requests[0].body

    def test_whoever_does_not_wait_is_told_what_is_now(self, account: AWSHarness, provider: AWSProvider) -> None:
        vm = provider.create(spec_of("a", token_suffices=True))
        account.ec2.end(vm.reference, "Server.InternalError")
        assert provider.get(vm.reference, waiting=True).state is VMState.PENDING
        assert provider.get(vm.reference).state is VMState.BROKEN


class TestASearchBeforeACreation:
    def test_is_not_made_twice(self, account: AWSHarness, provider: AWSProvider) -> None:
        assert provider.find(mark_of("a")) is None
        provider.create(spec_of("a"))
        assert account.server.count(asks_for("DescribeInstances")) == 1

    def test_serves_one_creation_only(self, account: AWSHarness, provider: AWSProvider) -> None:
        assert provider.find(mark_of("a")) is None
        first = provider.create(spec_of("a"))
        assert provider.create(spec_of("a", attempt=2)).reference == first.reference

    def test_is_made_anew_after_five_seconds(self, account: AWSHarness, provider: AWSProvider) -> None:
        assert provider.find(mark_of("a")) is None
        first = account.open(OURS).create(spec_of("a"))
        account.now += 5
        assert provider.create(spec_of("a", attempt=2)).reference == first.reference

    def test_remembers_the_tokens_of_instances_that_have_ended(
        self, account: AWSHarness, provider: AWSProvider
    ) -> None:
        first = provider.create(spec_of("a"))
        account.ec2.end(first.reference)
        assert provider.find(mark_of("a")) is None
        assert provider.create(spec_of("a")).reference != first.reference


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
