"""Cases on creating: one VM for what was asked, whatever is lost on the way."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr

from poolwright.domain.identities import OwnerMark
from poolwright.providers.base import VM, Provider, VMState
from poolwright.providers.errors import CapacityUnavailable, InvalidSettings, ProviderError, Transient
from tests.conformance.base import Account, until, until_found, until_gone, until_running
from tests.conformance.harness import Fault, Feature, Harness, needs
from tests.conformance.specs import OURS, SCRIPT, THEIRS, mark_of, spec_of

SOON_SECONDS = 30.0
"""More than any call takes on a busy machine, less than any VM takes to boot."""
SCRIPTS = {
    "empty": "",
    "one line without an end": "exit 0",
    "quotes": """#!/bin/bash\n# 'single' "double" `back` \\ back\\slash $dollar ${brace} $(call)\n""",
    "braces": "#!/bin/bash\n# {single} {{double}} {{{triple}}} %percent% %s <angle> &amp; #{hash}\n",
    "unicode": "#!/bin/bash\n# Grüße, 日本語, Ελλάδα, emoji 🖥️, combining e\u0301\n",
    "line ends": "#!/bin/bash\r\n# carriage returns stay\r\n\r\n\n# tab\there, trailing blanks   \n",
    "10 kB": "#!/bin/bash\n" + "".join(f"# line {number} of a long script\n" for number in range(350)),
}


class Creation(Account):
    """Creating a VM."""

    def test_create_answers_at_once_with_the_vm_and_its_mark(self, provider: Provider) -> None:
        asked_at = time.monotonic()
        vm = provider.create(spec_of("a"))
        assert time.monotonic() - asked_at < SOON_SECONDS
        assert vm.mark == mark_of("a")
        assert vm.reference
        assert vm.state in (VMState.PENDING, VMState.RUNNING)

    def test_a_created_vm_comes_to_run_and_has_an_address(self, harness: Harness, provider: Provider) -> None:
        vm = until_running(harness, provider, provider.create(spec_of("a")))
        assert vm.mark == mark_of("a")
        assert vm.problem is None

    @needs(Feature.LATE_ADDRESS)
    def test_an_address_may_come_later_than_running(self, harness: Harness, provider: Provider) -> None:
        vm = provider.create(spec_of("a"))
        until(harness, lambda: provider.get(vm.reference).state is VMState.RUNNING)
        assert provider.get(vm.reference).address is None
        assert until_running(harness, provider, vm).address

    def test_a_preview_shows_whose_vm_it_would_be_and_makes_none(self, harness: Harness, provider: Provider) -> None:
        shown = provider.preview(spec_of("a")).model_dump_json()
        assert mark_of("a").server_id in shown
        assert not any(secret in shown for secret in harness.secrets())
        assert harness.leftovers() == []

    def test_a_repeat_gives_the_same_vm(self, harness: Harness, provider: Provider) -> None:
        first = provider.create(spec_of("a"))
        assert provider.create(spec_of("a")).reference == first.reference
        assert _references(harness, provider, mark_of("a")) == {first.reference}

    def test_a_repeat_whose_token_suffices_gives_the_same_vm(self, harness: Harness, provider: Provider) -> None:
        first = provider.create(spec_of("a", token_suffices=True))
        repeats = [opened.create(spec_of("a", token_suffices=True)) for opened in (provider, harness.open(OURS))]
        assert {vm.reference for vm in repeats} == {first.reference}
        assert _references(harness, provider, mark_of("a")) == {first.reference}

    def test_a_repeat_by_another_worker_gives_the_same_vm(self, harness: Harness, provider: Provider) -> None:
        first = provider.create(spec_of("a"))
        another = harness.open(OURS)
        assert another.create(spec_of("a")).reference == first.reference
        assert _references(harness, another, mark_of("a")) == {first.reference}

    def test_a_repeat_once_the_vm_runs_gives_the_same_vm(self, harness: Harness, provider: Provider) -> None:
        first = until_running(harness, provider, provider.create(spec_of("a")))
        assert provider.create(spec_of("a")) == first

    def test_a_new_token_for_a_mark_that_has_a_vm_adopts_it(self, harness: Harness, provider: Provider) -> None:
        first = provider.create(spec_of("a"))
        until_found(harness, provider, mark_of("a"))
        assert provider.create(spec_of("a", attempt=2)).reference == first.reference
        assert _references(harness, provider, mark_of("a")) == {first.reference}

    def test_concurrent_creates_with_one_token_make_one_vm(self, harness: Harness, provider: Provider) -> None:
        def create(_: int) -> VM | ProviderError:
            try:
                return harness.open(OURS).create(spec_of("a"))
            except ProviderError as error:
                return error

        with ThreadPoolExecutor(6) as threads:
            answers = list(threads.map(create, range(6)))
        assert all(isinstance(answer, VM) or answer.retryable for answer in answers)
        references = {answer.reference for answer in answers if isinstance(answer, VM)}
        assert _references(harness, provider, mark_of("a")) == references

    def test_two_servers_get_two_vms_with_two_addresses(self, harness: Harness, provider: Provider) -> None:
        made = [provider.create(spec_of(server)) for server in ("a", "b")]
        running = [until_running(harness, provider, vm) for vm in made]
        assert len({vm.reference for vm in running}) == 2
        assert len({vm.address for vm in running}) == 2

    def test_a_mark_of_another_controller_is_refused(self, harness: Harness, provider: Provider) -> None:
        with pytest.raises(InvalidSettings):
            provider.create(spec_of("a", controller_id=THEIRS))
        assert not harness.leftovers()


class LostResponses(Account):
    """Creations whose answers did not arrive."""

    @needs(Fault.LOST_RESPONSE)
    def test_a_vm_whose_response_was_lost_is_found_by_its_mark(self, harness: Harness, provider: Provider) -> None:
        _create_and_lose_the_response(harness, provider)
        assert until_found(harness, provider, mark_of("a")).mark == mark_of("a")

    @needs(Fault.LOST_RESPONSE)
    def test_a_repeat_after_a_lost_response_adopts_the_vm(self, harness: Harness, provider: Provider) -> None:
        _create_and_lose_the_response(harness, provider)
        vm = harness.open(OURS).create(spec_of("a"))
        assert _references(harness, provider, mark_of("a")) == {vm.reference}
        until_running(harness, provider, vm)

    @needs(Fault.LOST_RESPONSE)
    def test_a_token_that_suffices_adopts_the_vm_after_a_lost_response(
        self, harness: Harness, provider: Provider
    ) -> None:
        spec = spec_of("a", token_suffices=True)
        with harness.provoke(Fault.LOST_RESPONSE), pytest.raises(Transient):
            provider.create(spec)
        vm = harness.open(OURS).create(spec)
        assert _references(harness, provider, mark_of("a")) == {vm.reference}

    @needs(Fault.LOST_RESPONSE)
    def test_a_vm_whose_response_was_lost_is_deleted_by_its_mark(self, harness: Harness, provider: Provider) -> None:
        _create_and_lose_the_response(harness, provider)
        until_found(harness, provider, mark_of("a"))
        until_gone(harness, provider, mark_of("a"))
        assert not harness.leftovers()

    @needs(Fault.STALE_LIST)
    def test_a_repeat_makes_no_second_vm_while_lists_lag_behind(self, harness: Harness, provider: Provider) -> None:
        with harness.provoke(Fault.STALE_LIST):
            first = provider.create(spec_of("a"))
            assert provider.find(mark_of("a")) is None
            assert provider.list_owned() == []
            assert provider.create(spec_of("a")).reference == first.reference
        assert _references(harness, provider, mark_of("a")) == {first.reference}

    @needs(Fault.STALE_LIST)
    def test_a_token_that_suffices_makes_no_second_vm_while_lists_lag_behind(
        self, harness: Harness, provider: Provider
    ) -> None:
        spec = spec_of("a", token_suffices=True)
        with harness.provoke(Fault.STALE_LIST):
            first = provider.create(spec)
            assert provider.create(spec).reference == first.reference
        assert _references(harness, provider, mark_of("a")) == {first.reference}

    @needs(Fault.STALE_LIST)
    def test_a_vm_that_lists_do_not_show_is_deleted_by_reference(self, harness: Harness, provider: Provider) -> None:
        with harness.provoke(Fault.STALE_LIST):
            vm = provider.create(spec_of("a"))
            until_gone(harness, provider, mark_of("a"), vm.reference)
        assert not harness.leftovers()


class StartupScripts(Account):
    """How the startup script gets to the VM."""

    @needs(Feature.SCRIPT_READ_BACK)
    @pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
    def test_the_startup_script_arrives_whole(self, harness: Harness, provider: Provider, script: str) -> None:
        vm = until_running(harness, provider, provider.create(spec_of("a", script=script)))
        if provider.capabilities().runs_script_in_guest:
            until(harness, lambda: provider.run_startup_script(vm.reference, SecretStr(script)).finished)
        assert harness.received_script(vm) == script.encode()

    @needs(Feature.SCRIPT_LIMIT)
    def test_a_startup_script_of_the_largest_size_is_taken(self, harness: Harness, provider: Provider) -> None:
        limit = provider.capabilities().startup_script_limit_bytes
        assert limit
        until_running(harness, provider, provider.create(spec_of("a", script=_script_of_bytes(limit))))

    @needs(Feature.SCRIPT_LIMIT)
    def test_a_startup_script_that_is_too_large_is_refused(self, harness: Harness, provider: Provider) -> None:
        limit = provider.capabilities().startup_script_limit_bytes
        assert limit
        with pytest.raises(InvalidSettings):
            provider.create(spec_of("a", script=_script_of_bytes(limit + 1)))
        assert not harness.leftovers()

    @needs(Feature.SCRIPT_IN_GUEST)
    def test_a_script_runs_in_the_guest_once(self, harness: Harness, provider: Provider) -> None:
        vm = until_running(harness, provider, provider.create(spec_of("a")))
        until(harness, lambda: provider.run_startup_script(vm.reference, SecretStr(SCRIPT)).finished)
        first = provider.run_startup_script(vm.reference, SecretStr(SCRIPT))
        assert first.exit_code == 0
        assert provider.run_startup_script(vm.reference, SecretStr("exit 3\n")) == first


class Places(Account):
    """Creating in one place and in another."""

    @needs(Feature.PLACES)
    def test_a_vm_is_made_in_its_place(self, harness: Harness, provider: Provider) -> None:
        places = provider.places()
        assert len(set(places)) == len(places) >= 2
        for number, place in enumerate(places):
            vm = provider.create(spec_of(f"server-{number}", place=place))
            assert until_running(harness, provider, vm).place == place

    @needs(Feature.PLACES)
    def test_a_place_that_does_not_exist_is_refused(self, harness: Harness, provider: Provider) -> None:
        with pytest.raises(InvalidSettings):
            provider.create(spec_of("a", place="no-such-place"))
        assert not harness.leftovers()

    @needs(Feature.PLACES, Fault.CAPACITY)
    def test_another_place_has_room_when_the_first_has_none(self, harness: Harness, provider: Provider) -> None:
        first, second = provider.places()[:2]
        with harness.provoke(Fault.CAPACITY):
            with pytest.raises(CapacityUnavailable):
                provider.create(spec_of("a", place=first))
            vm = provider.create(spec_of("a", place=second))
            assert until_running(harness, provider, vm).place == second
        assert _references(harness, provider, mark_of("a")) == {vm.reference}


def _create_and_lose_the_response(harness: Harness, provider: Provider) -> None:
    with harness.provoke(Fault.LOST_RESPONSE), pytest.raises(Transient):
        provider.create(spec_of("a"))


def _references(harness: Harness, provider: Provider, mark: OwnerMark) -> set[str]:
    until_found(harness, provider, mark)
    return {vm.reference for vm in provider.list_owned() if vm.mark == mark}


def _script_of_bytes(size: int) -> str:
    start, end = "#!/bin/bash\n#", "\nexit 0\n"
    return start + "x" * (size - len(start) - len(end)) + end
