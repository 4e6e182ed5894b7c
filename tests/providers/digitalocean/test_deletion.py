"""Deleting droplets and what is attached to them, and when they may be called gone."""

import pytest

from poolwright.providers.base import VM, VMState
from poolwright.providers.digitalocean.provider import DigitalOceanProvider
from poolwright.providers.errors import Conflict, NotFound, PermissionDenied, Transient
from tests.conformance.specs import mark_of, spec_of
from tests.providers.digitalocean.account import Account
from tests.wire.digitalocean_droplets import BOOT_SECONDS, DESTROY_SECONDS
from tests.wire.server import Response, Which

pytestmark = pytest.mark.slow


def running(account: Account, provider: DigitalOceanProvider, server: str = "a") -> VM:
    vm = provider.create(spec_of(server))
    account.cloud.now_seconds += 60
    return vm


def until_gone(account: Account, provider: DigitalOceanProvider, vm: VM) -> None:
    for _ in range(10):
        if provider.delete(vm.mark, vm.reference):
            return
        account.cloud.now_seconds += DESTROY_SECONDS
    raise AssertionError("it is not gone")


class TestAttachedThings:
    def test_volumes_go_after_their_droplet(self, account: Account, provider: DigitalOceanProvider) -> None:
        vm = running(account, provider)
        account.cloud.add_volume("data", int(vm.reference))
        account.cloud.add_volume("somebody-elses")
        until_gone(account, provider, vm)
        assert account.cloud.leftovers() == ["volume somebody-elses"]

    def test_a_volume_is_found_again_by_its_mark_after_a_crash(
        self, account: Account, provider: DigitalOceanProvider
    ) -> None:
        vm = running(account, provider)
        account.cloud.add_volume("data", int(vm.reference))
        assert provider.delete(vm.mark, vm.reference) is False
        account.cloud.now_seconds += DESTROY_SECONDS
        another = account.open()
        assert another.delete(vm.mark, None) is False
        assert another.delete(vm.mark, None) is True
        assert not account.cloud.volumes

    def test_reserved_ips_go_before_their_droplet(self, account: Account, provider: DigitalOceanProvider) -> None:
        vm = running(account, provider)
        account.cloud.reserved_ips = {"198.51.100.1": int(vm.reference), "198.51.100.2": None}
        assert provider.delete(vm.mark, vm.reference) is False
        assert account.cloud.reserved_ips == {"198.51.100.2": None}
        assert account.cloud.droplets

    def test_stay_where_the_settings_say_so(self, account: Account) -> None:
        provider = account.open(delete_attached=False)
        vm = running(account, provider)
        account.cloud.add_volume("data", int(vm.reference))
        account.cloud.reserved_ips = {"198.51.100.1": int(vm.reference)}
        until_gone(account, provider, vm)
        assert account.cloud.leftovers() == ["volume data", "reserved IP 198.51.100.1"]
        assert account.count("GET", "/v2/volumes") == account.count("GET", "/v2/reserved_ips") == 0

    def test_keep_the_droplet_as_long_as_they_cannot_be_seen(
        self, account: Account, provider: DigitalOceanProvider
    ) -> None:
        vm = running(account, provider)
        forbidden = account.refusal(403, "Forbidden", "You are not authorized")
        unseen = account.server.fault(forbidden, _is("GET", "/v2/reserved_ips"))
        with unseen, pytest.raises(PermissionDenied, match="scope"):
            provider.delete(vm.mark, vm.reference)
        assert account.count("DELETE") == 0


class TestProof:
    def test_a_droplet_that_is_being_made_is_asked_again(
        self, account: Account, provider: DigitalOceanProvider
    ) -> None:
        vm = provider.create(spec_of("a"))
        assert provider.delete(vm.mark, vm.reference) is False
        assert provider.get(vm.reference).state is VMState.PENDING
        account.cloud.now_seconds += BOOT_SECONDS
        until_gone(account, provider, vm)
        assert account.cloud.leftovers() == []

    def test_a_destruction_that_came_to_nothing_is_asked_for_again(
        self, account: Account, provider: DigitalOceanProvider
    ) -> None:
        vm = running(account, provider)
        is_destruction = _is("DELETE", f"/v2/droplets/{vm.reference}")
        with account.server.fault(Response(204), is_destruction):
            assert provider.delete(vm.mark, vm.reference) is False
        account.cloud.now_seconds += 61
        until_gone(account, provider, vm)

    def test_a_droplet_that_no_list_shows_is_asked_for_by_number(
        self, account: Account, provider: DigitalOceanProvider
    ) -> None:
        vm = running(account, provider)
        account.cloud.hides_new = True
        account.cloud.droplets[int(vm.reference)].hidden = True
        another = account.open()
        assert another.delete(vm.mark, vm.reference) is False
        assert another.delete(vm.mark, vm.reference) is False
        account.cloud.now_seconds += DESTROY_SECONDS
        assert another.delete(vm.mark, vm.reference) is True

    def test_a_list_that_changed_while_it_was_read_proves_nothing(self, account: Account) -> None:
        provider = account.open(firewall_name=None, ssh_key_names=[])
        body = provider.preview(spec_of("x")).request
        others = [account.cloud.make({**body, "name": f"pw-x{number}"}) for number in range(200)]
        ours = account.cloud.make({**body, "name": "pw-a"})
        # The newest come first: this one is the last of all, and comes to the first page once others are gone.
        account.cloud.droplets = {ours.number: ours, **{one.number: one for one in others}}
        account.cloud.now_seconds += 60

        def somebody_deletes() -> None:
            account.cloud.after_page = None
            del account.cloud.droplets[others[-1].number]

        account.cloud.after_page = somebody_deletes
        assert provider.delete(mark_of("a"), None) is False
        assert ours.destroyed_at is not None

    @pytest.mark.parametrize(
        "answer",
        [
            Response(200, {}),
            Response(200, {"droplets": None}),
            Response(200, b"<html>Sign in</html>", {"content-type": "text/html"}),
            Response(200, b'{"droplets": [', {"content-type": "application/json"}),
            Response(404, {"id": "not_found", "message": "not found"}),
            Response(302, None, {"location": "https://127.0.0.1/"}),
        ],
        ids=["no list", "null", "a proxy's page", "cut off", "missing", "redirect"],
    )
    def test_a_strange_answer_proves_nothing(
        self, account: Account, provider: DigitalOceanProvider, answer: Response
    ) -> None:
        vm = running(account, provider)
        with account.server.fault(answer, _is("GET", "/v2/droplets")):
            for ask in (
                lambda: provider.delete(vm.mark, vm.reference),
                lambda: provider.delete(vm.mark, None),
                lambda: provider.find(vm.mark),
                lambda: provider.get(vm.reference),
                provider.list_owned,
            ):
                with pytest.raises(Transient):
                    ask()

    def test_trap_2_a_droplet_that_pydo_returns_a_404_for_is_not_found(
        self, account: Account, provider: DigitalOceanProvider
    ) -> None:
        with pytest.raises(NotFound):
            provider.get("3164444")
        assert account.count("GET", "/v2/droplets/3164444") == 1

    def test_a_reference_that_is_no_number_is_not_found(self, provider: DigitalOceanProvider) -> None:
        with pytest.raises(NotFound):
            provider.get("")
        assert provider.delete(mark_of("a"), "i-0abc") is True

    def test_an_account_that_has_no_such_tag_yet_has_no_droplets(self, account: Account) -> None:
        account.cloud.missing_tags_are_errors = True
        assert account.open().find(mark_of("a")) is None


class TestWhatOthersDid:
    def test_a_droplet_that_was_renamed_is_never_called_gone(
        self, account: Account, provider: DigitalOceanProvider
    ) -> None:
        vm = running(account, provider)
        account.cloud.droplets[int(vm.reference)].name = "keep-this"
        for ask in (lambda: provider.get(vm.reference), lambda: provider.delete(vm.mark, vm.reference)):
            with pytest.raises(Conflict, match="renamed to 'keep-this'"):
                ask()
        assert provider.list_owned() == []

    def test_a_droplet_whose_tag_was_removed_is_not_deleted_and_not_called_gone(
        self, account: Account, provider: DigitalOceanProvider
    ) -> None:
        vm = running(account, provider)
        account.cloud.droplets[int(vm.reference)].tags.clear()
        with pytest.raises(Conflict, match="give it the tag poolwright:controller-1"):
            provider.delete(vm.mark, vm.reference)
        assert account.count("DELETE") == 0

    def test_a_droplet_of_the_same_name_without_our_tag_is_nobodys_business(
        self, account: Account, provider: DigitalOceanProvider
    ) -> None:
        account.cloud.make({**provider.preview(spec_of("a")).request, "tags": ["vdi"], "ssh_keys": []})
        assert provider.find(mark_of("a")) is None
        assert provider.delete(mark_of("a"), None) is True
        assert len(account.cloud.droplets) == 1


def _is(method: str, path: str) -> Which:
    return lambda request: request.method == method and request.path == path
