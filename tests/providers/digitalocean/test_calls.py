"""How many calls VMs cost, and what happens to those that come too fast."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from poolwright.providers.base import VMState
from poolwright.providers.errors import Throttled
from poolwright.vendors import digitalocean
from tests.conformance.specs import mark_of, spec_of
from tests.providers.digitalocean.account import Account
from tests.wire.digitalocean_droplets import DESTROY_SECONDS

pytestmark = pytest.mark.slow

VMS = 60
THREADS = 16


class TestCalls:
    def test_a_burst_costs_at_most_three_for_each_vm(self, account: Account) -> None:
        provider = account.open()
        servers = [f"server-{number}" for number in range(VMS)]

        def create(server: str) -> str:
            assert provider.find(mark_of(server)) is None
            return provider.create(spec_of(server)).reference

        with ThreadPoolExecutor(THREADS) as threads:
            references = list(threads.map(create, servers))
            for _ in range(3):
                account.cloud.now_seconds += 5
                states = {vm.state for vm in threads.map(partial(provider.get, waiting=True), references)}
            assert states == {VMState.RUNNING}
            marks = [mark_of(server) for server in servers]
            assert not any(threads.map(provider.delete, marks, references))
            account.cloud.now_seconds += DESTROY_SECONDS
            assert all(threads.map(provider.delete, marks, references))
        assert account.cloud.leftovers() == []
        assert account.server.count() / VMS <= 3

    def test_too_many_calls_slow_down_the_whole_account(self, account: Account) -> None:
        answer = account.refusal(429, "too_many_requests", "API rate limit exceeded.", {"retry-after": "40"})
        with account.server.fault(answer), pytest.raises(Throttled) as refusal:
            account.open().find(mark_of("a"))
        said_seconds = refusal.value.retry_after_seconds
        assert said_seconds
        assert said_seconds == pytest.approx(40, abs=5)
        with pytest.raises(Throttled) as refusal:
            account.open("controller-2").list_owned()
        assert account.server.count() == 1
        # What is left of the same wait, however long opening another one took here.
        assert refusal.value.retry_after_seconds
        assert refusal.value.retry_after_seconds < said_seconds

    def test_a_burst_beyond_the_accounts_pace_is_held_back_before_it_is_sent(
        self, account: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(digitalocean, "_MINUTE", (0.01, 10))
        provider = account.open()
        for _ in range(10):
            provider.list_owned()
        with pytest.raises(Throttled) as refusal:
            provider.list_owned()
        assert refusal.value.retry_after_seconds == pytest.approx(100, abs=5)
        assert account.server.count() == 10
