"""How DigitalOcean's API is called, what is made of its answers, and its traps."""

from pathlib import Path

import pytest

from poolwright.dns.base import DNSProvider
from poolwright.dns.errors import (
    AuthenticationFailed,
    DNSError,
    InvalidSettings,
    PermissionDenied,
    QuotaExceeded,
    Throttled,
    Transient,
)
from poolwright.dns.names import owner_name
from poolwright.dns.registry import open_dns_provider
from tests.dns.account import OURS, forward, mark_of, record_of
from tests.dns.digitalocean.account import DOMAIN, DigitalOceanHarness, writes
from tests.wire.server import Cut, Response

pytestmark = pytest.mark.slow

NAME = f"a.{DOMAIN}"


class TestTraps:
    """What pydo and the API do that one would not expect."""

    def test_a_404_that_pydo_hands_back_as_data_is_no_record(
        self, harness: DigitalOceanHarness, provider: DNSProvider
    ) -> None:
        provider.list_owned()
        kept, harness.account.domains = harness.account.domains, {}
        with pytest.raises(Transient):
            provider.upsert(mark_of(), record_of(NAME))
        with pytest.raises(InvalidSettings):
            provider.upsert(mark_of(), record_of(NAME))
        harness.account.domains = kept
        provider.upsert(mark_of(), record_of(NAME))
        assert harness.seen() == forward(NAME)

    def test_a_record_that_is_gone_before_we_remove_it_is_gone(
        self, harness: DigitalOceanHarness, provider: DNSProvider
    ) -> None:
        provider.upsert(mark_of(), record_of(NAME))
        harness.meanwhile(lambda: harness.remove(NAME, "A"))
        provider.delete(mark_of(), NAME)
        assert not harness.seen()

    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_no_write_is_sent_twice(self, harness: DigitalOceanHarness, provider: DNSProvider, status: int) -> None:
        failure = Response(status, {"id": "trouble", "message": "try again"}, {"retry-after": "3600"})
        with harness.server.fault(failure, writes), pytest.raises((Throttled, Transient)):
            provider.upsert(mark_of(), record_of(NAME))
        assert harness.server.requests[-1].method == "POST"
        assert harness.server.requests[-2].method == "GET"

    def test_a_ttl_below_the_least_is_raised_and_told(
        self, harness: DigitalOceanHarness, provider: DNSProvider
    ) -> None:
        for _ in range(2):
            changes = provider.upsert(mark_of(), record_of(NAME, ttl_seconds=5))
            assert "30 s instead of 5 s" in " ".join(changes.notes)
            assert harness.ttl_seconds(NAME, "A") == 30

    def test_a_domain_that_was_just_added_is_found(self, harness: DigitalOceanHarness, provider: DNSProvider) -> None:
        with pytest.raises(InvalidSettings):
            provider.upsert(mark_of(), record_of("a.new.example"))
        harness.account.domains["new.example"] = {}
        provider.upsert(mark_of(), record_of("a.new.example"))
        assert harness.seen()

    def test_records_are_found_outside_of_a_domain_that_is_younger(
        self, harness: DigitalOceanHarness, provider: DNSProvider
    ) -> None:
        name = f"a.young.{DOMAIN}"
        provider.upsert(mark_of(), record_of(name))
        harness.account.domains[f"young.{DOMAIN}"] = {}
        assert harness.open(OURS).delete(mark_of(), name).removed
        assert not harness.seen()

    def test_domains_are_asked_for_once(self, harness: DigitalOceanHarness, provider: DNSProvider) -> None:
        harness.server.requests.clear()
        for server_id in ("a", "b"):
            provider.upsert(mark_of(server_id), record_of(f"{server_id}.{DOMAIN}"))
        assert harness.server.count(lambda request: request.path == "/v2/domains") == 1


class TestCalls:
    def test_a_name_costs_the_calls_that_the_page_tells(
        self, harness: DigitalOceanHarness, provider: DNSProvider
    ) -> None:
        provider.list_owned()
        harness.server.requests.clear()
        provider.upsert(mark_of(), record_of(NAME))
        assert harness.server.count() == 5
        provider.delete(mark_of(), NAME)
        assert harness.server.count() == 5 + 4
        page = (Path(__file__).parents[3] / "docs" / "providers" / "dns-digitalocean.md").read_text()
        assert "five calls to write and four to remove" in page


class TestPace:
    """An account that is busy."""

    def test_an_operation_is_refused_at_its_first_call(
        self, harness: DigitalOceanHarness, provider: DNSProvider
    ) -> None:
        _exhaust(harness, provider)
        harness.server.requests.clear()
        with pytest.raises(Throttled) as refusal:
            provider.upsert(mark_of(), record_of(NAME))
        assert refusal.value.retry_after_seconds
        assert not harness.server.requests

    def test_once_begun_it_waits_for_its_turns(self, harness: DigitalOceanHarness, provider: DNSProvider) -> None:
        _exhaust(harness, provider)
        harness.clock.advance(0.4)
        provider.upsert(mark_of(), record_of(NAME))
        assert harness.seen() == forward(NAME)


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "message", "expected"),
        [
            (401, "Unable to authenticate you", AuthenticationFailed),
            (403, "You are not authorized to perform this operation", PermissionDenied),
            (422, "records exceed the limit of your account", QuotaExceeded),
            (422, "Data can't be blank", InvalidSettings),
            (429, "API rate limit exceeded.", Throttled),
            (500, "Server Error", Transient),
            (503, "", Transient),
        ],
    )
    def test_each_answer_has_its_type_and_a_way_out(
        self, harness: DigitalOceanHarness, provider: DNSProvider, status: int, message: str, expected: type[DNSError]
    ) -> None:
        provider.list_owned()
        failure = Response(status, {"id": "x", "message": message}, {"retry-after": "60"})
        with harness.server.fault(failure, writes), pytest.raises(expected) as refusal:
            provider.upsert(mark_of(), record_of(NAME))
        assert refusal.type is expected
        assert f"add the TXT record of {owner_name(NAME)}" in str(refusal.value)

    def test_an_answer_that_is_not_the_services_proves_nothing(
        self, harness: DigitalOceanHarness, provider: DNSProvider
    ) -> None:
        foreign = Response(200, {"signed": "out"})
        with harness.server.fault(foreign), pytest.raises(Transient, match="has no domains"):
            provider.list_owned()
        provider.upsert(mark_of(), record_of(NAME))
        with harness.server.fault(foreign), pytest.raises(Transient, match="has no domain_records"):
            provider.delete(mark_of(), NAME)
        made = Response(201, foreign.body)
        with harness.server.fault(made, writes), pytest.raises(Transient, match="has no domain_record"):
            provider.upsert(mark_of("b"), record_of(f"b.{DOMAIN}"))

    def test_no_token_at_all(self, harness: DigitalOceanHarness, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("DIGITALOCEAN_ACCESS_TOKEN", "DIGITALOCEAN_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        provider = open_dns_provider("digitalocean", {}, OURS)
        with pytest.raises(AuthenticationFailed, match="token"):
            provider.list_owned()
        assert [finding.setting for finding in provider.check(DOMAIN)] == ["token"]


class TestCheck:
    @pytest.mark.parametrize("scopes", [{"domain:read"}, {"domain:update"}, set()])
    def test_missing_scopes_are_found(
        self, harness: DigitalOceanHarness, provider: DNSProvider, scopes: set[str]
    ) -> None:
        harness.account.tokens = {harness.token: frozenset(scopes)}
        (finding,) = provider.check(DOMAIN)
        assert finding.setting == "token"
        assert "domain:update" in finding.remedy

    def test_an_api_out_of_reach_is_found(self, harness: DigitalOceanHarness, provider: DNSProvider) -> None:
        with harness.server.fault(Cut.BEFORE):
            assert [finding.setting for finding in provider.check(DOMAIN)] == ["endpoint_url"]

    def test_what_is_no_domain_is_found(self, provider: DNSProvider) -> None:
        assert [finding.setting for finding in provider.check("not_a_domain")] == ["base_domain"]


def _exhaust(harness: DigitalOceanHarness, provider: DNSProvider) -> None:
    """Spend the account's calls of this minute."""
    number = 0
    while True:
        number += 1
        try:
            provider.delete(mark_of("never"), f"never-{number}.{DOMAIN}")
        except Throttled:
            return
