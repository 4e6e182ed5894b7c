"""Cases on what goes wrong: the right type, nothing half-written, nothing called gone, and no secret told."""

import logging
import traceback
from collections.abc import Callable

import pytest

from poolwright.dns.base import DNSProvider
from poolwright.dns.errors import AuthenticationFailed, DNSError, PermissionDenied, Throttled, Transient
from tests.dns.account import OURS, Account, forward, mark_of, record_of
from tests.dns.harness import Fault, Harness, needs


class Faults(Account):
    """A call that fails changes nothing and says nothing about what exists."""

    @needs(Fault.AUTHENTICATION)
    def test_refused_credentials(self, harness: Harness, provider: DNSProvider, name: str) -> None:
        _every_call_raises(harness, provider, name, Fault.AUTHENTICATION, AuthenticationFailed)

    @needs(Fault.PERMISSION)
    def test_a_missing_permission(self, harness: Harness, provider: DNSProvider, name: str) -> None:
        _every_call_raises(harness, provider, name, Fault.PERMISSION, PermissionDenied)

    @needs(Fault.THROTTLED)
    def test_too_many_calls(self, harness: Harness, provider: DNSProvider, name: str) -> None:
        _every_call_raises(harness, provider, name, Fault.THROTTLED, Throttled)

    @needs(Fault.TRANSIENT)
    def test_a_network_that_is_down(self, harness: Harness, provider: DNSProvider, name: str) -> None:
        _every_call_raises(harness, provider, name, Fault.TRANSIENT, Transient)


class Honesty(Account):
    """What a provider says of its settings, and what it keeps to itself."""

    def test_good_settings_have_no_findings(self, harness: Harness, provider: DNSProvider) -> None:
        assert list(provider.check(harness.base_domain)) == []
        assert list(provider.check(f"below.{harness.base_domain}")) == []
        assert not harness.seen()

    def test_a_base_domain_in_no_zone_is_found(self, provider: DNSProvider) -> None:
        findings = provider.check("no-zone-of-ours.example")
        assert [finding.setting for finding in findings] == ["base_domain"]
        assert "no-zone-of-ours.example" in findings[0].problem

    def test_all_wrong_settings_are_named_at_once(self, harness: Harness) -> None:
        provider, wrong = harness.open_misconfigured()
        findings = provider.check(harness.base_domain)
        assert sorted(finding.setting for finding in findings) == sorted(wrong)
        assert all(finding.problem and finding.remedy for finding in findings)

    @needs(Fault.AUTHENTICATION)
    def test_refused_credentials_are_found(self, harness: Harness, provider: DNSProvider) -> None:
        with harness.provoke(Fault.AUTHENTICATION):
            assert provider.check(harness.base_domain)

    def test_no_secret_shows(self, harness: Harness, name: str, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.DEBUG):
            provider = harness.open(OURS)
            said = [repr(provider), repr(provider.check(harness.base_domain))]
            said.append(repr(provider.upsert(mark_of(), record_of(name))))
            said.append(repr(provider.list_owned()))
            said.append(repr(provider.delete(mark_of(), name)))
            misconfigured, _ = harness.open_misconfigured()
            said.append(repr(misconfigured.check(harness.base_domain)))
            try:
                misconfigured.upsert(mark_of(), record_of(name))
            except DNSError as error:
                said += traceback.format_exception(error)
        _assert_secret(harness, "\n".join([*said, caplog.text, *map(repr, map(vars, caplog.records))]))


def _every_call_raises(
    harness: Harness, provider: DNSProvider, name: str, fault: Fault, expected: type[DNSError]
) -> None:
    provider.upsert(mark_of(), record_of(name))
    calls: list[Callable[[], object]] = [
        lambda: provider.upsert(mark_of("b"), record_of(f"b.{harness.base_domain}")),
        lambda: provider.delete(mark_of(), name),
        lambda: provider.delete(mark_of("never"), f"never.{harness.base_domain}"),
        provider.list_owned,
    ]
    with harness.provoke(fault):
        for call in calls:
            with pytest.raises(expected) as refusal:
                call()
            assert refusal.type is expected
            assert str(refusal.value)
            _assert_secret(harness, "\n".join(traceback.format_exception(refusal.value)))
    assert harness.seen() == forward(name)
    provider.delete(mark_of(), name)
    assert not harness.seen()


def _assert_secret(harness: Harness, said: str) -> None:
    for secret in harness.secrets():
        assert secret not in said
