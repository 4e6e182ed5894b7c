"""How the azure provider calls Azure: its login, its pace, and few calls for many VMs."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from poolwright.providers.azure.provider import AzureProvider
from poolwright.providers.azure.settings import Settings
from poolwright.providers.base import VM, VMState
from poolwright.providers.errors import AuthenticationFailed, InvalidSettings, Throttled, Transient
from poolwright.vendors.azure import Account, Kind, pacing
from poolwright.vendors.pace import TooFast
from tests.conformance.specs import OURS, mark_of, spec_of
from tests.providers.azure.account import settings_for
from tests.providers.azure.conftest import Opened
from tests.wire.azure_cloud import Subscription, is_arm, is_creation
from tests.wire.azure_login import CLIENT, SECRET, TENANT, arm_error
from tests.wire.clock import Clock
from tests.wire.server import Response, WireServer

pytestmark = pytest.mark.slow

ACCOUNT = ("subscription_id", "resource_group", "tenant_id", "client_id", "client_secret", "endpoint_url")


class TestLogin:
    def test_the_whole_login_runs_once_for_many_calls(self, server: WireServer, opened: Opened) -> None:
        provider = opened()
        provider.create(spec_of("a"))
        provider.list_owned()
        assert server.count(lambda request: request.path.endswith("/token")) == 1

    def test_a_wrong_secret_is_told_without_showing_it(self, opened: Opened) -> None:
        provider = opened(client_secret="not-the-secret")
        with pytest.raises(AuthenticationFailed, match="AADSTS7000215") as refused:
            provider.list_owned()
        assert "not-the-secret" not in str(refused.value)
        (finding,) = provider.check()
        assert finding.setting == "client_secret"

    def test_without_a_secret_the_workers_environment_logs_in(
        self, opened: Opened, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
        monkeypatch.setenv("AZURE_CLIENT_ID", CLIENT)
        monkeypatch.setenv("AZURE_CLIENT_SECRET", SECRET)
        provider = opened(tenant_id=None, client_id=None, client_secret=None)
        assert provider.create(spec_of("a")).mark == mark_of("a")

    def test_nothing_is_sent_before_the_first_call(self, server: WireServer, opened: Opened) -> None:
        opened().preview(spec_of("a"))
        assert server.requests == []


class TestThoseWhoWait:
    def test_share_one_list_in_two_seconds(self, server: WireServer, subscription: Subscription) -> None:
        subscription.creation_steps = 100
        clock = Clock()
        settings = Settings.model_validate(settings_for(server, subscription))
        provider = AzureProvider(settings, OURS, clock=clock)
        made = [provider.create(spec_of(f"server-{number}")) for number in range(10)]
        server.requests.clear()
        for _ in range(3):
            clock.advance(3)
            assert {provider.get(vm.reference, waiting=True).state for vm in made} == {VMState.PENDING}
        assert server.count(is_arm) == 3


class TestPace:
    def test_azure_is_not_asked_again_before_its_time(self, server: WireServer, opened: Opened) -> None:
        provider = opened()
        slow = arm_error(429, "OperationNotAllowed", "Too many requests.", {"Retry-After": "30"})
        with server.fault(slow, is_creation), pytest.raises(Throttled) as throttled:
            provider.create(spec_of("a"))
        assert throttled.value.retry_after_seconds == 30
        asked = len(server.requests)
        with pytest.raises(Throttled) as early:
            provider.create(spec_of("a"))
        assert 0 < (early.value.retry_after_seconds or 0) <= 30
        assert len(server.requests) == asked

    def test_a_step_of_several_calls_is_refused_at_its_first_or_ends(
        self, server: WireServer, subscription: Subscription, opened: Opened
    ) -> None:
        provider = opened()
        paces = pacing(Account.model_validate({name: settings_for(server, subscription)[name] for name in ACCOUNT}))

        def spend() -> None:
            while True:
                with paces.call(Kind.READ):
                    pass

        with pytest.raises(TooFast):
            spend()
        # From its turn on it ends; until then not even its first call is made.
        while True:
            with suppress(Throttled):
                assert provider.list_owned() == []
                break

    def test_one_call_is_made_for_each_try(self, server: WireServer, opened: Opened) -> None:
        with server.fault(Response(503), is_arm), pytest.raises(Transient):
            opened().create(spec_of("a"))
        assert server.count(is_arm) == 1

    def test_no_resource_provider_is_registered_unasked(self, server: WireServer, opened: Opened) -> None:
        said = "The subscription is not registered to use namespace 'Microsoft.Compute'."
        with (
            server.fault(arm_error(409, "MissingSubscriptionRegistration", said), is_arm),
            pytest.raises(InvalidSettings, match="not registered"),
        ):
            opened().create(spec_of("a"))
        with (
            server.fault(arm_error(409, "MissingSubscriptionRegistration", said), is_arm),
            pytest.raises(InvalidSettings, match="not registered"),
        ):
            opened().get("pw-a")
        assert server.count(lambda request: "/register" in request.path) == 0

    def test_a_burst_takes_less_than_three_calls_a_vm_from_create_to_gone(
        self, server: WireServer, opened: Opened, subscription: Subscription
    ) -> None:
        subscription.creation_steps = 2
        subscription.deletion_steps = 2
        provider = opened()
        servers = [f"burst-{number}" for number in range(100)]

        def create(server_id: str) -> VM:
            return provider.find(mark_of(server_id)) or provider.create(spec_of(server_id))

        with ThreadPoolExecutor(32) as threads:
            made = list(threads.map(create, servers))
            pending = list(threads.map(lambda vm: provider.get(vm.reference), made))
            subscription.pass_time()
            subscription.pass_time()
            running = list(threads.map(lambda vm: provider.get(vm.reference), made))
            gone = list(threads.map(lambda vm: provider.delete(vm.mark, vm.reference), running))
            subscription.pass_time()
            subscription.pass_time()
            gone = list(threads.map(lambda vm: provider.delete(vm.mark, vm.reference), running))
        assert {vm.state for vm in pending} == {VMState.PENDING}
        assert all(vm.state is VMState.RUNNING and vm.address for vm in running)
        assert all(gone)
        assert server.count(is_arm) / len(servers) <= 3
