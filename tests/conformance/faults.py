"""Cases on what goes wrong: the right type, no half-made VM, and no secret told."""

import logging
import traceback
from collections.abc import Callable

import pytest

from poolwright.providers.base import Provider, VMState
from poolwright.providers.errors import (
    AuthenticationFailed,
    CapacityUnavailable,
    InvalidSettings,
    PermissionDenied,
    ProviderError,
    QuotaExceeded,
    Throttled,
    Transient,
)
from tests.conformance.base import Account, until_gone, until_running
from tests.conformance.harness import Fault, Feature, Harness, needs
from tests.conformance.specs import OURS, TOKEN_IN_SCRIPT, mark_of, spec_of


class RefusedCreations(Account):
    """Creations that make nothing, and whose cause can be removed."""

    @needs(Fault.AUTHENTICATION)
    def test_refused_credentials(self, harness: Harness, provider: Provider) -> None:
        _creation_is_refused(harness, provider, Fault.AUTHENTICATION, AuthenticationFailed)

    @needs(Fault.PERMISSION)
    def test_a_missing_permission(self, harness: Harness, provider: Provider) -> None:
        _creation_is_refused(harness, provider, Fault.PERMISSION, PermissionDenied)

    @needs(Fault.QUOTA)
    def test_an_exhausted_quota(self, harness: Harness, provider: Provider) -> None:
        _creation_is_refused(harness, provider, Fault.QUOTA, QuotaExceeded)

    @needs(Fault.CAPACITY)
    def test_no_room(self, harness: Harness, provider: Provider) -> None:
        _creation_is_refused(harness, provider, Fault.CAPACITY, CapacityUnavailable)

    @needs(Fault.INVALID)
    def test_settings_that_name_what_does_not_exist(self, harness: Harness, provider: Provider) -> None:
        _creation_is_refused(harness, provider, Fault.INVALID, InvalidSettings)

    @needs(Fault.THROTTLED)
    def test_too_many_calls(self, harness: Harness, provider: Provider) -> None:
        _creation_is_refused(harness, provider, Fault.THROTTLED, Throttled)

    @needs(Fault.TRANSIENT)
    def test_a_network_that_is_down(self, harness: Harness, provider: Provider) -> None:
        _creation_is_refused(harness, provider, Fault.TRANSIENT, Transient)


class UnknownIsNotGone(Account):
    """A call that failed says nothing about what exists."""

    @needs(Fault.AUTHENTICATION)
    def test_with_refused_credentials(self, harness: Harness, provider: Provider) -> None:
        _nothing_is_called_gone(harness, provider, Fault.AUTHENTICATION, AuthenticationFailed)

    @needs(Fault.THROTTLED)
    def test_with_too_many_calls(self, harness: Harness, provider: Provider) -> None:
        _nothing_is_called_gone(harness, provider, Fault.THROTTLED, Throttled)

    @needs(Fault.TRANSIENT)
    def test_with_a_network_that_is_down(self, harness: Harness, provider: Provider) -> None:
        _nothing_is_called_gone(harness, provider, Fault.TRANSIENT, Transient)


class Honesty(Account):
    """What a provider says of itself and of its settings."""

    def test_the_address_is_there_at_creation_where_it_is_promised(self, provider: Provider) -> None:
        promised = provider.capabilities().address_at_creation
        vm = provider.create(spec_of("a"))
        if promised:
            assert vm.state is VMState.RUNNING
            assert vm.address

    def test_capabilities_tell_what_the_harness_declares(self, provider: Provider) -> None:
        capabilities = provider.capabilities()
        declared = type(self).abilities
        assert capabilities.runs_script_in_guest == (Feature.SCRIPT_IN_GUEST in declared)
        assert (capabilities.startup_script_limit_bytes is not None) == (Feature.SCRIPT_LIMIT in declared)
        assert (len(provider.places()) >= 2) == (Feature.PLACES in declared)

    def test_good_settings_have_no_findings(self, harness: Harness, provider: Provider) -> None:
        assert list(provider.check()) == []
        assert not harness.leftovers()

    def test_all_wrong_settings_are_named_at_once(self, harness: Harness) -> None:
        provider, wrong = harness.open_misconfigured()
        findings = provider.check()
        assert sorted(finding.setting for finding in findings) == sorted(wrong)
        assert all(finding.problem and finding.remedy for finding in findings)

    def test_no_secret_shows(self, harness: Harness, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.DEBUG):
            provider = harness.open(OURS)
            spec = spec_of("a")
            vm = until_running(harness, provider, provider.create(spec))
            said = [repr(provider), repr(spec), repr(vm), repr(provider.check()), repr(provider.list_owned())]
            until_gone(harness, provider, vm.mark, vm.reference)
            misconfigured, _ = harness.open_misconfigured()
            said.append(repr(misconfigured.check()))
            try:
                misconfigured.create(spec)
            except ProviderError as error:
                said += traceback.format_exception(error)
        _assert_secret(harness, "\n".join([*said, caplog.text, *map(repr, map(vars, caplog.records))]))


def _creation_is_refused(harness: Harness, provider: Provider, fault: Fault, expected: type[ProviderError]) -> None:
    with harness.provoke(fault), pytest.raises(expected) as refusal:
        provider.create(spec_of("a"))
    assert refusal.type is expected
    assert str(refusal.value)
    _assert_secret(harness, "\n".join(traceback.format_exception(refusal.value)))
    assert provider.find(mark_of("a")) is None
    assert not harness.leftovers()
    until_running(harness, provider, provider.create(spec_of("a")))


def _nothing_is_called_gone(harness: Harness, provider: Provider, fault: Fault, expected: type[ProviderError]) -> None:
    vm = until_running(harness, provider, provider.create(spec_of("a")))
    calls: list[Callable[[], object]] = [
        lambda: provider.get(vm.reference),
        lambda: provider.find(vm.mark),
        provider.list_owned,
        lambda: provider.delete(vm.mark, vm.reference),
    ]
    with harness.provoke(fault):
        for call in calls:
            with pytest.raises(expected):
                call()
    assert provider.get(vm.reference).state is VMState.RUNNING


def _assert_secret(harness: Harness, said: str) -> None:
    for secret in (TOKEN_IN_SCRIPT, *harness.secrets()):
        assert secret not in said
