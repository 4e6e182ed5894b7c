"""What a VM leaves behind is found by its mark and removed."""

import pytest

from poolwright.providers.aws.marks import mark_tags
from poolwright.providers.aws.provider import AWSProvider
from poolwright.providers.base import VMState
from poolwright.providers.errors import Conflict
from tests.conformance.base import until_gone, until_running
from tests.conformance.specs import THEIRS, mark_of, spec_of
from tests.wire.aws import AWSHarness
from tests.wire.ec2 import asks_for, error

pytestmark = pytest.mark.slow


class TestLeftovers:
    def test_of_a_lost_creation_are_removed_by_the_mark_alone(self, account: AWSHarness, provider: AWSProvider) -> None:
        backend = account.ec2.backend
        zone, subnet = next(iter(account.ec2.subnets().items()))
        volume = backend.create_volume(size=8, zone_name=zone)
        interface = backend.create_network_interface(backend.get_subnet(subnet), None)
        address = backend.allocate_address("vpc")
        for thing in (volume.id, interface.id, address.allocation_id):
            backend.create_tags([thing], mark_tags(mark_of("a")))
        assert provider.delete(mark_of("a"), None) is False
        assert provider.delete(mark_of("a"), None) is True
        assert account.leftovers() == []

    def test_of_another_controller_or_server_stay(self, account: AWSHarness, provider: AWSProvider) -> None:
        backend = account.ec2.backend
        zone = next(iter(account.ec2.subnets()))
        marks = (mark_of("a", THEIRS), mark_of("ab"), None)
        kept = [backend.create_volume(size=8, zone_name=zone).id for _ in marks]
        for volume_id, mark in zip(kept, marks, strict=True):
            backend.create_tags([volume_id], mark_tags(mark) if mark else {"team": "vdi"})
        assert provider.delete(mark_of("a"), None) is True
        assert account.leftovers() == kept

    def test_that_are_still_in_use_are_waited_for(self, account: AWSHarness, provider: AWSProvider) -> None:
        backend = account.ec2.backend
        stranger = until_running(account, provider, provider.create(spec_of("stranger")))
        zone = account.ec2.instance(stranger.reference).placement
        volume = backend.create_volume(size=8, zone_name=zone)
        backend.create_tags([volume.id], mark_tags(mark_of("a")))
        backend.attach_volume(volume.id, stranger.reference, "/dev/sdg")
        assert provider.delete(mark_of("a"), None) is False
        backend.detach_volume(volume.id, stranger.reference, "/dev/sdg")
        until_gone(account, provider, mark_of("a"))
        assert volume.id not in account.leftovers()

    def test_a_twin_of_the_named_vm_goes_with_it(self, account: AWSHarness, provider: AWSProvider) -> None:
        account.ec2.lists_lag = True
        first = provider.create(spec_of("a"))
        provider.create(spec_of("a", attempt=2))
        account.ec2.hidden_from_lists.clear()
        until_gone(account, provider, mark_of("a"), first.reference)
        assert account.leftovers() == []


class TestDeletion:
    def test_asks_once_for_the_end_and_then_only_looks(self, account: AWSHarness, provider: AWSProvider) -> None:
        vm = until_running(account, provider, provider.create(spec_of("a")))
        for _ in range(3):
            assert provider.delete(mark_of("a"), vm.reference) is False
        assert account.server.count(asks_for("TerminateInstances")) == 1
        assert provider.get(vm.reference).state is VMState.DELETING

    def test_of_something_that_went_meanwhile_is_quiet(self, account: AWSHarness, provider: AWSProvider) -> None:
        backend = account.ec2.backend
        volume = backend.create_volume(size=8, zone_name=next(iter(account.ec2.subnets())))
        backend.create_tags([volume.id], mark_tags(mark_of("a")))
        with account.server.fault(error("InvalidVolume.NotFound"), asks_for("DeleteVolume")):
            assert provider.delete(mark_of("a"), None) is False

    def test_in_the_name_of_another_controller_is_refused(self, provider: AWSProvider) -> None:
        with pytest.raises(Conflict):
            provider.delete(mark_of("a", THEIRS), None)
