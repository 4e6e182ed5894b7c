"""Cases on what is ours and what is not, and on reading and deleting it."""

from contextlib import suppress

import pytest

from poolwright.providers.base import Provider, VMState
from poolwright.providers.errors import Conflict, NotFound
from tests.conformance.base import Account, until, until_found, until_gone, until_running
from tests.conformance.harness import Feature, Harness, needs
from tests.conformance.specs import OURS, THEIRS, mark_of, spec_of


class Reading(Account):
    """Finding what exists."""

    def test_an_empty_account_has_nothing(self, harness: Harness, provider: Provider) -> None:
        assert list(provider.list_owned()) == []
        assert provider.find(mark_of("a")) is None
        assert not harness.leftovers()

    def test_get_find_and_list_tell_the_same(self, harness: Harness, provider: Provider) -> None:
        vm = until_running(harness, provider, provider.create(spec_of("a")))
        assert until_found(harness, provider, mark_of("a")) == vm
        assert list(provider.list_owned()) == [vm]

    def test_list_owned_has_every_vm(self, harness: Harness, provider: Provider) -> None:
        made = {provider.create(spec_of(f"server-{number}")).reference for number in range(4)}
        until(harness, lambda: {vm.reference for vm in provider.list_owned()} == made)

    def test_another_worker_sees_the_same(self, harness: Harness, provider: Provider) -> None:
        vm = until_running(harness, provider, provider.create(spec_of("a")))
        another = harness.open(OURS)
        assert another.get(vm.reference) == vm
        assert another.find(mark_of("a")) == vm

    def test_a_mark_whose_end_differs_is_another_mark(self, harness: Harness, provider: Provider) -> None:
        until_running(harness, provider, provider.create(spec_of("server-1")))
        assert provider.find(mark_of("server-11")) is None
        assert provider.find(mark_of("server-")) is None


class Ownership(Account):
    """Another controller's VMs in the same account."""

    def test_another_controllers_vm_is_not_listed(self, harness: Harness, provider: Provider) -> None:
        theirs = harness.open(THEIRS)
        until_running(harness, theirs, theirs.create(spec_of("theirs", controller_id=THEIRS)))
        ours = until_running(harness, provider, provider.create(spec_of("ours")))
        assert list(provider.list_owned()) == [ours]

    def test_another_controllers_vm_is_not_returned(self, harness: Harness, provider: Provider) -> None:
        theirs = harness.open(THEIRS)
        vm = until_running(harness, theirs, theirs.create(spec_of("a", controller_id=THEIRS)))
        assert provider.find(mark_of("a", THEIRS)) is None
        assert provider.find(mark_of("a")) is None
        with pytest.raises(NotFound):
            provider.get(vm.reference)

    def test_another_controllers_vm_is_not_adopted(self, harness: Harness, provider: Provider) -> None:
        theirs = harness.open(THEIRS)
        vm = until_running(harness, theirs, theirs.create(spec_of("a", controller_id=THEIRS)))
        with suppress(Conflict):
            assert provider.create(spec_of("a")).reference != vm.reference
        assert theirs.get(vm.reference) == vm

    @pytest.mark.parametrize("controller_id", [OURS, THEIRS])
    def test_another_controllers_vm_is_not_deleted(
        self, harness: Harness, provider: Provider, controller_id: str
    ) -> None:
        theirs = harness.open(THEIRS)
        vm = until_running(harness, theirs, theirs.create(spec_of("a", controller_id=THEIRS)))
        for reference in (vm.reference, None):
            with suppress(Conflict):
                provider.delete(mark_of("a", controller_id), reference)
        assert theirs.get(vm.reference) == vm

    def test_our_own_vm_is_not_meant_by_another_controllers_mark(self, harness: Harness, provider: Provider) -> None:
        vm = until_running(harness, provider, provider.create(spec_of("a")))
        assert provider.find(mark_of("a", THEIRS)) is None
        with suppress(Conflict):
            provider.delete(mark_of("a", THEIRS), vm.reference)
        assert provider.get(vm.reference) == vm

    def test_a_reference_to_a_vm_with_another_mark_is_not_deleted(self, harness: Harness, provider: Provider) -> None:
        kept = until_running(harness, provider, provider.create(spec_of("kept")))
        with suppress(Conflict):
            provider.delete(mark_of("other"), kept.reference)
        assert provider.get(kept.reference) == kept


class Deletion(Account):
    """Deleting until nothing is left."""

    def test_nothing_is_left_behind(self, harness: Harness, provider: Provider) -> None:
        vm = until_running(harness, provider, provider.create(spec_of("a")))
        until_gone(harness, provider, vm.mark, vm.reference)
        assert not harness.leftovers()

    def test_a_deleted_vm_is_not_found(self, harness: Harness, provider: Provider) -> None:
        vm = until_running(harness, provider, provider.create(spec_of("a")))
        until_gone(harness, provider, vm.mark, vm.reference)
        with pytest.raises(NotFound):
            provider.get(vm.reference)
        assert provider.find(vm.mark) is None
        assert list(provider.list_owned()) == []

    def test_deleting_twice_is_quiet(self, harness: Harness, provider: Provider) -> None:
        vm = until_running(harness, provider, provider.create(spec_of("a")))
        until_gone(harness, provider, vm.mark, vm.reference)
        assert provider.delete(vm.mark, vm.reference) is True
        assert provider.delete(vm.mark, None) is True

    def test_the_mark_alone_is_enough(self, harness: Harness, provider: Provider) -> None:
        until_running(harness, provider, provider.create(spec_of("a")))
        until_found(harness, provider, mark_of("a"))
        until_gone(harness, harness.open(OURS), mark_of("a"))
        assert not harness.leftovers()

    def test_what_never_existed_is_gone(self, provider: Provider) -> None:
        assert provider.delete(mark_of("never"), None) is True

    def test_a_vm_that_is_still_being_created_is_deleted(self, harness: Harness, provider: Provider) -> None:
        vm = provider.create(spec_of("a"))
        until_gone(harness, provider, vm.mark, vm.reference)
        assert not harness.leftovers()

    def test_its_neighbour_stays(self, harness: Harness, provider: Provider) -> None:
        leaving, staying = (until_running(harness, provider, provider.create(spec_of(server))) for server in ("a", "b"))
        until_gone(harness, provider, leaving.mark, leaving.reference)
        assert list(provider.list_owned()) == [staying]
        assert provider.get(staying.reference) == staying

    @needs(Feature.SLOW_DELETION)
    def test_a_vm_being_deleted_is_listed_and_says_so(self, harness: Harness, provider: Provider) -> None:
        vm = until_running(harness, provider, provider.create(spec_of("a")))
        assert provider.delete(vm.mark, vm.reference) is False
        assert [(seen.reference, seen.state) for seen in provider.list_owned()] == [(vm.reference, VMState.DELETING)]

    @needs(Feature.SLOW_DELETION)
    def test_a_vm_being_deleted_is_not_taken_for_a_new_one(self, harness: Harness, provider: Provider) -> None:
        vm = until_running(harness, provider, provider.create(spec_of("a")))
        assert provider.delete(vm.mark, vm.reference) is False
        with pytest.raises(Conflict):
            provider.create(spec_of("a"))

    def test_a_place_for_the_next_attempt_is_free_again(self, harness: Harness, provider: Provider) -> None:
        first = until_running(harness, provider, provider.create(spec_of("a")))
        until_gone(harness, provider, first.mark, first.reference)
        second = until_running(harness, provider, provider.create(spec_of("a", attempt=2)))
        assert [vm.reference for vm in provider.list_owned()] == [second.reference]
