"""How many calls Compute Engine gets, and how fast."""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from poolwright.providers.base import VM, VMState
from poolwright.providers.errors import Throttled
from poolwright.providers.gcp.provider import GCPProvider
from poolwright.providers.gcp.settings import Settings
from poolwright.vendors import pace
from tests.conformance.specs import OURS, mark_of, spec_of
from tests.wire.clock import Clock
from tests.wire.gcp_answers import refusal
from tests.wire.gcp_rig import Rig, is_insert
from tests.wire.server import Request

pytestmark = pytest.mark.slow

VMS, THREADS = 60, 16
MOST_CALLS_PER_VM = 4


def is_deletion(request: Request) -> bool:
    return request.method == "DELETE"


class TestBurst:
    def test_many_vms_share_their_reads(self, rig: Rig, gcp: GCPProvider) -> None:
        specs = [spec_of(f"s{number}") for number in range(VMS)]
        with ThreadPoolExecutor(THREADS) as threads:

            def each(do: Callable[[VM], object], vms: list[VM]) -> list[object]:
                return list(threads.map(do, vms))

            made = list(threads.map(lambda spec: gcp.find(spec.mark) or gcp.create(spec), specs))
            rig.tick(3)
            assert {vm.state for vm in threads.map(lambda vm: gcp.get(vm.reference), made)} == {VMState.RUNNING}
            assert each(lambda vm: gcp.delete(vm.mark, vm.reference), made) == [False] * VMS
            rig.tick(2)
            assert each(lambda vm: gcp.delete(vm.mark, vm.reference), made) == [True] * VMS
        assert rig.engine.leftovers() == []
        assert rig.server.count(is_insert) == rig.server.count(is_deletion) == VMS
        assert len(rig.server.requests) / VMS < MOST_CALLS_PER_VM

    def test_creations_that_do_not_show_yet_are_read_together(self, rig: Rig, gcp: GCPProvider) -> None:
        rig.state.failures[rig.settings()["zones"][0]] = ("INTERNAL_ERROR", "later")
        rig.state.failing_at_once = False
        made = [gcp.create(spec_of(f"s{number}")) for number in range(12)]
        rig.server.requests.clear()
        found = gcp._reading._look_up_many(frozenset(vm.reference for vm in made))
        assert {vm.state for vm in found.values()} == {VMState.PENDING}
        assert len(found) == 12
        assert len(rig.server.requests) == 2

    def test_those_who_wait_share_one_list_in_two_seconds(self, rig: Rig) -> None:
        clock = Clock()
        gcp = GCPProvider(Settings.model_validate(rig.settings()), OURS, clock=clock)
        made = [gcp.create(spec_of(f"s{number}")) for number in range(20)]
        rig.server.requests.clear()
        for _ in range(3):
            rig.tick()
            clock.advance(3)
            states = {gcp.get(vm.reference, waiting=True).state for vm in made}
        assert states == {VMState.RUNNING}
        assert len(rig.server.requests) <= 6

    def test_long_lists_come_in_pages(self, rig: Rig, gcp: GCPProvider) -> None:
        rig.engine.page_size = 4
        try:
            made = {gcp.create(spec_of(f"s{number}")).reference for number in range(10)}
            assert {vm.reference for vm in gcp.list_owned()} == made
        finally:
            rig.engine.page_size = 25


class TestPace:
    rates = itertools.count(1)

    def test_a_call_that_comes_too_early_is_not_made(self, rig: Rig) -> None:
        slow = rig.open(calls_per_second=0.001)
        slow.list_owned()
        with pytest.raises(Throttled) as refused:
            slow.list_owned()
        assert len(rig.server.requests) == 1
        assert refused.value.retry_after_seconds

    def test_all_providers_of_a_project_share_it(self, rig: Rig) -> None:
        rig.open(calls_per_second=0.002).list_owned()
        with pytest.raises(Throttled):
            rig.open("another-controller", calls_per_second=0.002).list_owned()

    @pytest.mark.parametrize("status", [403, 429])
    def test_a_throttled_project_rests(self, rig: Rig, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pace, "_SHORTEST_PAUSE_SECONDS", 30.0)
        resting = rig.open(calls_per_second=50_000 + next(self.rates))
        with rig.server.fault(refusal(status, "rateLimitExceeded", "Rate Limit Exceeded"), times=1):
            with pytest.raises(Throttled) as refused:
                resting.create(spec_of("a"))
            assert refused.value.retry_after_seconds == pytest.approx(30)
            with pytest.raises(Throttled):
                resting.get("us-east4-a/pw-a/request")
        assert len(rig.server.requests) == 1

    def test_an_exhausted_quota_is_no_reason_to_rest(self, rig: Rig, gcp: GCPProvider) -> None:
        with rig.server.fault(refusal(403, "quotaExceeded", "no"), is_insert), pytest.raises(Exception, match="no"):
            gcp.create(spec_of("a"))
        assert gcp.find(mark_of("a")) is None
