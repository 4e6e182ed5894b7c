"""Two workers of ours that write for the same server at the same time, where a batch has no condition on records of
kinds that it does not touch."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from poolwright.dns.base import DNSProvider
from poolwright.dns.errors import Transient
from poolwright.dns.google.service import CloudDNS
from poolwright.dns.route53.zones import HostedZones
from tests.dns import google_account, route53_account
from tests.dns.account import ADDRESS, ADDRESS_6, OTHER_ADDRESS, OURS, forward, mark_of, record_of
from tests.dns.harness import Harness
from tests.wire.clock import Clock

pytestmark = pytest.mark.slow

Step = Callable[[], object]
WRITTEN = pytest.mark.parametrize("addresses", [(ADDRESS, ADDRESS_6), (ADDRESS_6,), (OTHER_ADDRESS,)], ids=" ".join)


@pytest.fixture(scope="module", params=[HostedZones, CloudDNS], ids=["route53", "google"])
def service(request: pytest.FixtureRequest) -> type[Any]:
    """What makes the changes."""
    found: type[Any] = request.param
    return found


@pytest.fixture
def harness(service: type[Any]) -> Iterator[Harness]:
    if service is CloudDNS:
        with google_account.serving() as rig, google_account.empty_project(rig) as project:
            yield project
    else:
        with (
            route53_account.serving() as served,
            route53_account.empty_account(served, Clock(each_look_seconds=1)) as account,
        ):
            yield account


@pytest.fixture
def provider(harness: Harness) -> DNSProvider:
    return harness.open(OURS)


@pytest.fixture
def around_next_change(service: type[Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def arrange(*, before: Step | None = None, after: Step | None = None) -> None:
        change, steps = service.change, [(before, after)]

        def change_with_steps(*args: Any, **changes: Any) -> Any:
            first, last = steps.pop() if steps else (None, None)
            if first:
                first()
            outcome = change(*args, **changes)
            if last:
                last()
            return outcome

        monkeypatch.setattr(service, "change", change_with_steps)

    return arrange


class TestTwoWorkers:
    @WRITTEN
    def test_addresses_that_the_other_writes_during_a_removal_go_too(
        self,
        harness: Harness,
        provider: DNSProvider,
        around_next_change: Callable[..., None],
        addresses: tuple[str, ...],
    ) -> None:
        name = f"a.{harness.base_domain}"
        provider.upsert(mark_of(), record_of(name))
        around_next_change(before=lambda: provider.upsert(mark_of(), record_of(name, *addresses)))
        provider.delete(mark_of(), name)
        assert not harness.seen()

    @WRITTEN
    def test_addresses_that_the_other_writes_right_after_ours_keep_their_mark(
        self,
        harness: Harness,
        provider: DNSProvider,
        around_next_change: Callable[..., None],
        addresses: tuple[str, ...],
    ) -> None:
        name = f"a.{harness.base_domain}"
        around_next_change(after=lambda: provider.upsert(mark_of(), record_of(name, *addresses)))
        with suppress(Transient):
            provider.upsert(mark_of(), record_of(name))
        assert harness.seen() == forward(name, *addresses)
        provider.upsert(mark_of(), record_of(name))
        assert harness.seen() == forward(name)
