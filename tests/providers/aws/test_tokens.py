"""One VM for one token, also where EC2's memory or sight fails."""

import pytest

from poolwright.providers.aws.provider import AWSProvider
from poolwright.providers.base import VMState
from poolwright.providers.errors import Conflict, NotFound, Transient
from tests.conformance.base import until_gone, until_running
from tests.conformance.specs import OURS, SCRIPT, mark_of, spec_of
from tests.wire.aws import AWSHarness
from tests.wire.ec2 import asks_for
from tests.wire.server import Cut

pytestmark = pytest.mark.slow


class TestATokenWhoseInstanceHasEnded:
    def test_is_not_given_back_as_a_live_vm(self, account: AWSHarness, provider: AWSProvider) -> None:
        first = provider.create(spec_of("a"))
        account.ec2.end(first.reference, "Server.InternalError")
        second = until_running(account, provider, provider.create(spec_of("a")))
        assert second.reference != first.reference
        assert [vm.reference for vm in provider.list_owned()] == [second.reference]

    def test_moves_on_again_and_again(self, account: AWSHarness, provider: AWSProvider) -> None:
        seen = set()
        for _ in range(3):
            vm = provider.create(spec_of("a"))
            seen.add(vm.reference)
            account.ec2.end(vm.reference, "Server.SpotInstanceTermination")
        assert len(seen) == 3

    def test_costs_no_more_calls_while_ec2_shows_it(self, account: AWSHarness, provider: AWSProvider) -> None:
        account.ec2.end(provider.create(spec_of("a")).reference)
        account.server.requests.clear()
        provider.create(spec_of("a"))
        assert account.server.count(asks_for("RunInstances")) == 1

    def test_moves_on_when_only_the_creation_tells_that_it_ended(
        self, account: AWSHarness, provider: AWSProvider
    ) -> None:
        first = provider.create(spec_of("a"))
        account.ec2.end(first.reference)
        form, answer = next(iter(account.ec2.answers.values()))
        ended = answer.body.replace(b"pending", b"terminated")
        account.ec2.answers[form["ClientToken"]] = form, type(answer)(200, ended, answer.headers)
        account.ec2.purge(first.reference)
        assert provider.create(spec_of("a")).reference != first.reference


class TestATokenThatWasUsedForAnotherRequest:
    def test_is_a_conflict_until_the_instance_is_seen_and_then_adopts_it(
        self, account: AWSHarness, provider: AWSProvider
    ) -> None:
        account.ec2.lists_lag = True
        first = provider.create(spec_of("a"))
        with pytest.raises(Conflict):
            provider.create(spec_of("a", script=SCRIPT + "# changed\n"))
        account.ec2.hidden_from_lists.clear()
        assert provider.create(spec_of("a", script=SCRIPT + "# changed\n")).reference == first.reference


class TestATokenThatSuffices:
    def test_costs_no_search(self, account: AWSHarness, provider: AWSProvider) -> None:
        provider.create(spec_of("a", token_suffices=True))
        assert account.server.count() == account.server.count(asks_for("RunInstances")) == 1

    def test_costs_one_call_for_a_repeat(self, account: AWSHarness, provider: AWSProvider) -> None:
        first = provider.create(spec_of("a", token_suffices=True))
        assert account.open(OURS).create(spec_of("a", token_suffices=True)).reference == first.reference
        assert account.server.count() == 2

    def test_adopts_by_search_what_it_has_made_with_another_script(
        self, account: AWSHarness, provider: AWSProvider
    ) -> None:
        first = provider.create(spec_of("a", token_suffices=True))
        changed = spec_of("a", script=SCRIPT + "# changed\n", token_suffices=True)
        assert provider.create(changed).reference == first.reference

    def test_is_a_conflict_while_lists_do_not_show_what_it_has_made(
        self, account: AWSHarness, provider: AWSProvider
    ) -> None:
        account.ec2.lists_lag = True
        provider.create(spec_of("a", token_suffices=True))
        with pytest.raises(Conflict):
            provider.create(spec_of("a", script=SCRIPT + "# changed\n", token_suffices=True))
        assert len(account.ec2.instances()) == 1

    def test_moves_on_when_its_instance_has_ended(self, account: AWSHarness, provider: AWSProvider) -> None:
        first = provider.create(spec_of("a", token_suffices=True))
        account.ec2.end(first.reference)
        form, answer = next(iter(account.ec2.answers.values()))
        ended = answer.body.replace(b"pending", b"terminated")
        account.ec2.answers[form["ClientToken"]] = form, type(answer)(200, ended, answer.headers)
        assert provider.create(spec_of("a", token_suffices=True)).reference != first.reference


class TestAnInstanceThatEc2DoesNotShowYet:
    def test_is_not_found_and_not_gone(self, account: AWSHarness, provider: AWSProvider) -> None:
        vm = provider.create(spec_of("a"))
        account.ec2.hidden.add(vm.reference)
        with pytest.raises(NotFound):
            provider.get(vm.reference)
        assert provider.delete(mark_of("a"), vm.reference) is False
        account.ec2.hidden.clear()
        until_gone(account, provider, mark_of("a"), vm.reference)
        assert account.leftovers() == []

    def test_is_gone_after_a_minute_of_looks(self, account: AWSHarness, provider: AWSProvider) -> None:
        assert provider.delete(mark_of("a"), "i-00000000000000000") is False
        account.now += 61
        assert provider.delete(mark_of("a"), "i-00000000000000000") is True
        assert provider.delete(mark_of("a"), "i-00000000000000000") is True

    def test_one_that_was_purged_after_its_end_is_gone_too(self, account: AWSHarness, provider: AWSProvider) -> None:
        vm = provider.create(spec_of("a"))
        until_gone(account, provider, mark_of("a"), vm.reference)
        account.ec2.purge(vm.reference)
        assert provider.delete(mark_of("a"), None) is True
        until_gone(account, provider, mark_of("a"), vm.reference)


class TestACreationWithoutAnAnswer:
    def test_is_not_called_gone_while_ec2_may_still_hide_it(self, account: AWSHarness, provider: AWSProvider) -> None:
        account.ec2.lists_lag = True
        with account.server.fault(Cut.AFTER, asks_for("RunInstances")), pytest.raises(Transient):
            provider.create(spec_of("a"))
        assert provider.delete(mark_of("a"), None) is False
        account.ec2.hidden_from_lists.clear()
        until_gone(account, provider, mark_of("a"))
        assert account.leftovers() == []

    def test_that_made_nothing_is_gone_after_a_minute(self, account: AWSHarness, provider: AWSProvider) -> None:
        with account.server.fault(Cut.BEFORE, asks_for("RunInstances")), pytest.raises(Transient):
            provider.create(spec_of("a"))
        assert provider.delete(mark_of("a"), None) is False
        account.now += 60
        assert provider.delete(mark_of("a"), None) is True


class TestAnInstanceThatEndedByItself:
    @pytest.mark.parametrize(
        ("reason", "lacks_room"),
        [
            ("Server.InsufficientInstanceCapacity", True),
            ("Client.VolumeLimitExceeded", True),
            ("Server.InternalError", False),
            ("Client.InvalidSnapshot.NotFound", False),
        ],
    )
    def test_for_want_of_room_says_that_another_place_may_do(
        self, account: AWSHarness, provider: AWSProvider, reason: str, lacks_room: bool
    ) -> None:
        vm = provider.create(spec_of("a"))
        account.ec2.end(vm.reference, reason)
        assert provider.get(vm.reference).lacks_room is lacks_room

    def test_is_broken_and_says_why(self, account: AWSHarness, provider: AWSProvider) -> None:
        vm = provider.create(spec_of("a"))
        account.ec2.end(vm.reference, "Client.VolumeLimitExceeded")
        seen = provider.get(vm.reference)
        assert seen.state is VMState.BROKEN
        assert "Client.VolumeLimitExceeded" in (seen.problem or "")

    def test_is_neither_listed_nor_found(self, account: AWSHarness, provider: AWSProvider) -> None:
        account.ec2.end(provider.create(spec_of("a")).reference, "Server.InternalError")
        assert provider.list_owned() == []
        assert provider.find(mark_of("a")) is None

    def test_one_that_somebody_terminated_is_not_found(self, account: AWSHarness, provider: AWSProvider) -> None:
        vm = provider.create(spec_of("a"))
        account.ec2.end(vm.reference)
        with pytest.raises(NotFound):
            provider.get(vm.reference)

    def test_a_stopped_one_says_so(self, account: AWSHarness, provider: AWSProvider) -> None:
        vm = until_running(account, provider, account.open(OURS).create(spec_of("a")))
        account.ec2.instance(vm.reference).stop()
        assert provider.get(vm.reference).state is VMState.STOPPED
