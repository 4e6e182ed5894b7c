"""How many calls OCI gets: what those who wait and those who list share, and what a burst costs."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from unittest.mock import patch

import pytest

from poolwright.providers.base import VM, VMState
from poolwright.providers.errors import Throttled, Transient
from poolwright.providers.oci.provider import OCIProvider, open_provider
from poolwright.providers.oci.settings import Settings
from poolwright.vendors.pace import Pace
from poolwright.vendors.patience import Patience
from tests.conformance.specs import mark_of, spec_of
from tests.wire.clock import Clock
from tests.wire.oci_cloud import DOMAINS, SHAPE, OCICloud
from tests.wire.oci_requests import failed
from tests.wire.server import Request, Response, WireServer

Open = Callable[..., OCIProvider]


def lists_instances(request: Request) -> bool:
    return request.method == "GET" and request.path.endswith("/instances")


class TestThoseWhoWait:
    def test_share_one_list_in_two_seconds(
        self, cloud: OCICloud, server: WireServer, settings: Callable[..., Settings]
    ) -> None:
        clock = Clock()
        provider = OCIProvider(settings(endpoint_url=server.url), "controller-1", clock=clock)
        vms = [provider.create(spec_of(f"server-{number}", token_suffices=True)) for number in range(20)]
        server.requests.clear()
        for _ in range(3):
            clock.advance(3)
            assert {provider.get(vm.reference, waiting=True).state for vm in vms} == {VMState.PENDING}
        assert server.count() == server.count(lists_instances) == 3


class TestLists:
    def test_all_pages_are_read(self, cloud: OCICloud, open_oci: Open) -> None:
        cloud.page_size = 3
        provider = open_oci()
        for number in range(8):
            provider.create(spec_of(f"server-{number}"))
        cloud.now += 4
        listed = provider.list_owned()
        assert len(listed) == 8
        assert all(vm.address for vm in listed)
        assert provider.find(mark_of("server-7")) is not None

    def test_a_page_that_fails_fails_the_list(self, cloud: OCICloud, server: WireServer, open_oci: Open) -> None:
        cloud.page_size = 1
        provider = open_oci()
        for server_id in ("a", "b"):
            provider.create(spec_of(server_id))
        with server.fault(failed(500, "InternalError", "later"), lambda request: "page" in request.query):
            with pytest.raises(Transient):
                provider.list_owned()
            with pytest.raises(Transient):
                provider.delete(mark_of("b"), None)

    def test_a_vm_renamed_by_hand_is_still_found(self, cloud: OCICloud, open_oci: Open) -> None:
        provider = open_oci()
        vm = provider.create(spec_of("a"))
        cloud.instances[vm.reference].request["displayName"] = "somebody's favourite"
        found = provider.find(mark_of("a"))
        assert found is not None
        assert found.reference == vm.reference


class DistantServer(WireServer):
    """As far away as a cloud: while one call is on its way, others begin. Without that there is nothing to share."""

    def answer(self, request: Request) -> Response | None:
        time.sleep(0.05)
        return super().answer(request)


class TestCalls:
    def test_a_creation_waits_for_its_turn_where_a_search_is_refused(self, cloud: OCICloud, open_oci: Open) -> None:
        # Five calls at once, then one each 50 ms. Time passes only while a call waits.
        passed: list[float] = []
        with patch.multiple(
            "poolwright.vendors.oci",
            _BURST_SECONDS=0.25,
            Pace=partial(Pace, clock=lambda: sum(passed)),
            Patience=partial(Patience, sleep=passed.append),
        ):
            provider = open_oci(calls_per_second=20)

        def refusal() -> Throttled | None:
            try:
                provider.find(mark_of("a"))
            except Throttled as error:
                return error
            return None

        first = next(filter(None, (refusal() for _ in range(20))))
        assert first.retry_after_seconds
        assert provider.create(spec_of("a")).reference
        assert passed

    @pytest.mark.slow
    @pytest.mark.parametrize(("at_once", "calls_per_vm"), [(16, 4), (60, 3)])
    def test_a_burst_shares_all_calls_but_launch_and_termination(
        self, cloud: OCICloud, account: Mapping[str, Any], at_once: int, calls_per_vm: int
    ) -> None:
        how_many = 60
        with DistantServer(cloud) as server, ThreadPoolExecutor(at_once) as threads:
            provider = open_provider({**account, "endpoint_url": server.url}, "controller-1")

            def begin(number: int) -> VM:
                spec = spec_of(f"server-{number}", place=f"{DOMAINS[number % 2]}/{SHAPE}")
                return provider.find(spec.mark) or provider.create(spec)

            def delete(vm: VM) -> bool:
                return provider.delete(vm.mark, vm.reference)

            vms = list(threads.map(begin, range(how_many)))
            cloud.now += 4
            assert all(threads.map(lambda vm: provider.get(vm.reference).address, vms))
            assert not any(threads.map(delete, vms))
            cloud.now += 4
            assert all(threads.map(delete, vms))
        kinds = Counter((request.method, request.path.split("/")[2]) for request in server.requests)
        assert (kinds["POST", "instances"], kinds["DELETE", "instances"]) == (how_many, how_many)
        assert server.count() <= calls_per_vm * how_many, kinds

    @pytest.mark.slow
    def test_a_burst_of_new_servers_costs_little_more_than_three_for_each(
        self, cloud: OCICloud, settings: Callable[..., Settings]
    ) -> None:
        clock, how_many = Clock(), 60
        with DistantServer(cloud) as server, ThreadPoolExecutor(16) as threads:
            provider = OCIProvider(settings(endpoint_url=server.url), "controller-1", clock=clock)

            def address(vm: VM) -> str | None:
                return provider.get(vm.reference, waiting=True).address

            def delete(vm: VM) -> bool:
                return provider.delete(vm.mark, vm.reference)

            specs = [spec_of(f"server-{number}", token_suffices=True) for number in range(how_many)]
            vms = list(threads.map(provider.create, specs))
            assert not any(threads.map(address, vms))
            cloud.now += 4
            clock.advance(4)
            assert all(threads.map(address, vms))
            assert not any(threads.map(delete, vms))
            cloud.now += 4
            assert all(threads.map(delete, vms))
        kinds = Counter((request.method, request.path.split("/")[2]) for request in server.requests)
        assert server.count() <= 3.5 * how_many, kinds
