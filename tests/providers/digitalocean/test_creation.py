"""Creating droplets where nothing tells two creations from one."""

import pytest

from poolwright.providers.base import VMState
from poolwright.providers.digitalocean.provider import DigitalOceanProvider
from poolwright.providers.errors import Conflict, InvalidSettings, Throttled, Transient
from tests.conformance.specs import mark_of, spec_of
from tests.providers.digitalocean.account import Account
from tests.wire.digitalocean_droplets import BOOT_SECONDS, DESTROY_SECONDS
from tests.wire.server import Cut, Request, Response

pytestmark = pytest.mark.slow

FIREWALL_TAG = "poolwright-firewall:pool_firewall"


def is_creation(request: Request) -> bool:
    return request.method == "POST" and request.path == "/v2/droplets"


class TestTwoWorkersRacing:
    def test_settle_on_the_older_droplet(self, account: Account, provider: DigitalOceanProvider) -> None:
        rival = account.open()

        def rival_is_faster() -> None:
            account.cloud.before_create = None
            account.cloud.make({**rival.preview(spec_of("a")).request, "ssh_keys": []})

        account.cloud.before_create = rival_is_faster
        kept = provider.create(spec_of("a"))
        assert kept.reference == str(min(account.cloud.droplets))
        assert rival.create(spec_of("a")).reference == kept.reference

    def test_leave_one_although_a_new_droplet_cannot_be_destroyed_at_once(
        self, account: Account, provider: DigitalOceanProvider
    ) -> None:
        body = {**provider.preview(spec_of("a")).request, "ssh_keys": []}

        def rival_is_faster() -> None:
            account.cloud.before_create = None
            account.cloud.make(body)

        account.cloud.before_create = rival_is_faster
        kept = provider.create(spec_of("a"))
        assert len(account.cloud.droplets) == 2
        account.cloud.now_seconds += BOOT_SECONDS
        provider.get(kept.reference)
        account.cloud.now_seconds += DESTROY_SECONDS
        provider.get(kept.reference)
        assert list(account.cloud.droplets) == [int(kept.reference)]

    def test_let_others_read_while_the_younger_cannot_be_destroyed(
        self, account: Account, provider: DigitalOceanProvider
    ) -> None:
        body = {**provider.preview(spec_of("a")).request, "ssh_keys": []}
        account.cloud.make(body)
        account.cloud.make(body)
        provider.create(spec_of("a"))
        forbidden = account.refusal(403, "Forbidden", "You are not authorized")
        with account.server.fault(forbidden, lambda request: request.method == "DELETE"):
            assert len(provider.list_owned()) == 2

    def test_settle_on_the_lower_number_within_one_second(
        self, account: Account, provider: DigitalOceanProvider
    ) -> None:
        body = {**provider.preview(spec_of("a")).request, "ssh_keys": []}
        first, _ = account.cloud.make(body), account.cloud.make(body)
        found = provider.find(mark_of("a"))
        assert found
        assert found.reference == provider.create(spec_of("a")).reference == str(first.number)

    def test_are_both_cleaned_up_by_the_mark_alone(self, account: Account, provider: DigitalOceanProvider) -> None:
        body = {**provider.preview(spec_of("a")).request, "ssh_keys": []}
        account.cloud.make(body)
        account.cloud.make(body)
        account.cloud.now_seconds += BOOT_SECONDS
        assert provider.delete(mark_of("a"), None) is False
        account.cloud.now_seconds += DESTROY_SECONDS
        assert provider.delete(mark_of("a"), None) is True
        assert account.cloud.leftovers() == []


class TestRepeats:
    def test_trap_3_a_creation_that_failed_is_not_sent_again_by_pydo(
        self, account: Account, provider: DigitalOceanProvider
    ) -> None:
        for status in (500, 502, 503, 504, 429):
            answer = account.refusal(status, "server_error", "Server was unable to give you a response.")
            with account.server.fault(answer, is_creation), pytest.raises((Transient, Throttled), match=str(status)):
                provider.create(spec_of("a"))
        assert account.server.count(is_creation) == 5

    def test_a_creation_whose_answer_was_lost_is_found_and_no_second_one_made(
        self, account: Account, provider: DigitalOceanProvider
    ) -> None:
        with account.server.fault(Cut.AFTER, is_creation), pytest.raises(Transient):
            provider.create(spec_of("a"))
        assert account.open().create(spec_of("a")).reference == str(*account.cloud.droplets)
        assert account.server.count(is_creation) == 1

    def test_an_answer_without_a_droplet_says_nothing(self, account: Account, provider: DigitalOceanProvider) -> None:
        with account.server.fault(Response(202, {"droplet": None}), is_creation), pytest.raises(Transient):
            provider.create(spec_of("a"))

    def test_a_droplet_that_something_is_being_done_to_is_not_adopted(self, account: Account) -> None:
        first = account.open().create(spec_of("a"))
        account.cloud.now_seconds += BOOT_SECONDS
        assert account.open().delete(mark_of("a"), first.reference) is False
        with pytest.raises(Conflict, match="being done"):
            account.open().create(spec_of("a"))

    def test_a_droplet_that_died_is_not_handed_back(self, account: Account, provider: DigitalOceanProvider) -> None:
        first = provider.create(spec_of("a"))
        account.cloud.droplets.clear()
        assert provider.create(spec_of("a")).reference != first.reference

    def test_a_list_that_lags_behind_is_not_believed_by_the_worker_that_created(self, account: Account) -> None:
        provider = account.open()
        account.cloud.hides_new = True
        first = provider.create(spec_of("a"))
        assert provider.create(spec_of("a")).reference == first.reference
        assert account.server.count(is_creation) == 1


class TestFirewall:
    def test_its_tag_is_made_before_it_is_tied_to_it(self, account: Account, provider: DigitalOceanProvider) -> None:
        provider.create(spec_of("a"))
        changes = [request.path for request in account.server.requests if request.method == "POST"]
        assert changes == ["/v2/tags", "/v2/firewalls/id-of-pool.firewall/tags", "/v2/droplets"]
        assert account.cloud.firewalls["pool.firewall"] == [FIREWALL_TAG]
        assert FIREWALL_TAG in next(iter(account.cloud.droplets.values())).tags

    def test_is_tied_once(self, account: Account, provider: DigitalOceanProvider) -> None:
        for server in ("a", "b"):
            provider.create(spec_of(server))
        account.open().create(spec_of("c"))
        assert account.count("POST", "/v2/firewalls") == 1

    def test_is_tied_again_when_somebody_untied_it(self, account: Account, provider: DigitalOceanProvider) -> None:
        provider.create(spec_of("a"))
        account.cloud.firewalls["pool.firewall"].clear()
        account.cloud.now_seconds += 300
        provider.create(spec_of("b"))
        assert account.cloud.firewalls["pool.firewall"] == [FIREWALL_TAG]

    def test_that_does_not_exist_lets_no_droplet_be_made(self, account: Account) -> None:
        with pytest.raises(InvalidSettings, match="no firewall 'none-such'"):
            account.open(firewall_name="none-such").create(spec_of("a"))
        assert account.cloud.leftovers() == []


class TestSSHKeys:
    def test_are_sent_by_number_in_their_order(self, account: Account) -> None:
        account.open(ssh_key_names=["audit", "ops"]).create(spec_of("a"))
        assert next(iter(account.cloud.droplets.values())).body["ssh_keys"] == [512190, 512189]

    def test_that_do_not_exist_let_no_droplet_be_made(self, account: Account) -> None:
        with pytest.raises(InvalidSettings, match="no SSH key nobody"):
            account.open(ssh_key_names=["ops", "nobody"]).create(spec_of("a"))
        assert account.cloud.leftovers() == []

    def test_are_looked_up_again_after_a_refusal(self, account: Account, provider: DigitalOceanProvider) -> None:
        provider.create(spec_of("a"))
        account.cloud.ssh_keys = {"ops": 7}
        with pytest.raises(InvalidSettings, match="SSH keys"):
            provider.create(spec_of("b"))
        provider.create(spec_of("b"))


class TestFind:
    def test_spares_create_one_search_and_no_more(self, account: Account, provider: DigitalOceanProvider) -> None:
        assert provider.find(mark_of("a")) is None
        before = account.count("GET", "/v2/droplets")
        first = provider.create(spec_of("a"))
        assert account.count("GET", "/v2/droplets") == before + 1
        assert provider.create(spec_of("a")).reference == first.reference

    def test_that_was_some_time_ago_spares_none(self, account: Account, provider: DigitalOceanProvider) -> None:
        assert provider.find(mark_of("a")) is None
        first = account.open().create(spec_of("a"))
        account.cloud.now_seconds += 3
        assert provider.create(spec_of("a")).reference == first.reference
        assert account.server.count(is_creation) == 1

    def test_that_missed_another_workers_droplet_makes_no_second_one_stay(
        self, account: Account, provider: DigitalOceanProvider
    ) -> None:
        assert provider.find(mark_of("a")) is None
        first = account.open().create(spec_of("a"))
        assert provider.create(spec_of("a")).reference == first.reference
        account.cloud.now_seconds += BOOT_SECONDS
        provider.list_owned()
        account.cloud.now_seconds += DESTROY_SECONDS
        assert [vm.reference for vm in provider.list_owned()] == [first.reference]


class TestAddresses:
    def test_are_public_and_private(self, account: Account, provider: DigitalOceanProvider) -> None:
        vm = provider.create(spec_of("a"))
        account.cloud.now_seconds += 60
        seen = provider.get(vm.reference)
        assert str(seen.address).startswith("203.0.")
        assert str(seen.private_address).startswith("10.20.")
        assert seen.place == "fra1/s-2vcpu-4gb"
        assert seen.state is VMState.RUNNING

    def test_are_the_private_one_where_there_is_no_public_network(self, account: Account) -> None:
        provider = account.open(public_address=False)
        vm = provider.create(spec_of("a"))
        account.cloud.now_seconds += 60
        seen = provider.get(vm.reference)
        assert seen.address == seen.private_address
        assert str(seen.address).startswith("10.20.")
