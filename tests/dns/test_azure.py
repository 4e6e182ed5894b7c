"""What the Azure provider does beyond the suite: marks as metadata, halves of a write, its looks, login and errors."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from poolwright.dns.azure.checks import is_allowed
from poolwright.dns.azure.records import MARK_KEY
from poolwright.dns.base import DNSProvider
from poolwright.dns.errors import (
    AuthenticationFailed,
    DNSError,
    InvalidSettings,
    NameTaken,
    PermissionDenied,
    QuotaExceeded,
    Throttled,
    Transient,
)
from poolwright.dns.registry import open_dns_provider
from tests.dns.account import ADDRESS, ADDRESS_6, OTHER_ADDRESS, OURS, REVERSE, forward, mark_of, record_of
from tests.dns.azure_account import ZONE, AzureHarness, Rig, empty_subscription, is_write
from tests.dns.harness import Seen
from tests.wire.azure_dns import PRIVATE, PUBLIC, StoredSet, dns_error
from tests.wire.azure_login import TENANT, arm_error
from tests.wire.server import Cut, Request, Response

pytestmark = pytest.mark.slow

NAME = f"a.{ZONE}"
SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"


@pytest.fixture
def harness(azure: Rig) -> Iterator[AzureHarness]:
    with empty_subscription(azure) as harness:
        yield harness


@pytest.fixture
def provider(harness: AzureHarness) -> DNSProvider:
    return harness.open(OURS)


def opened(harness: AzureHarness, **settings: Any) -> DNSProvider:
    return open_dns_provider("azure", {**harness.settings(), **settings}, OURS)


def writes(harness: AzureHarness) -> list[Request]:
    """All writes that were asked for."""
    return [request for request in harness.server.requests if is_write(request)]


def of_kind(kind: str) -> Callable[[Request], bool]:
    return lambda request: is_write(request) and f"/{kind}/" in request.path


class TestMarks:
    """The mark is on the record set itself."""

    def test_addresses_and_mark_are_one_write_that_creates_only(
        self, harness: AzureHarness, provider: DNSProvider
    ) -> None:
        harness.server.requests.clear()
        provider.upsert(mark_of(), record_of(NAME))
        (write,) = writes(harness)
        assert write.headers["if-none-match"] == "*"
        assert write.json["properties"] == {
            "TTL": 60,
            "ARecords": [{"ipv4Address": ADDRESS}],
            "metadata": {MARK_KEY: mark_of().text()},
        }

    def test_a_rewrite_and_a_removal_say_what_they_replace(self, harness: AzureHarness, provider: DNSProvider) -> None:
        provider.upsert(mark_of(), record_of(NAME))
        harness.server.requests.clear()
        provider.upsert(mark_of(), record_of(NAME, OTHER_ADDRESS))
        provider.delete(mark_of(), NAME)
        assert [request.method for request in writes(harness)] == ["PUT", "DELETE"]
        assert len({request.headers["if-match"] for request in writes(harness)}) == 2

    def test_what_is_so_already_is_not_written(self, harness: AzureHarness, provider: DNSProvider) -> None:
        provider.upsert(mark_of(), record_of(NAME, OTHER_ADDRESS, ADDRESS))
        harness.server.requests.clear()
        provider.upsert(mark_of(), record_of(NAME, ADDRESS, OTHER_ADDRESS))
        assert not writes(harness)

    def test_what_somebody_noted_on_it_stays(self, harness: AzureHarness, provider: DNSProvider) -> None:
        provider.upsert(mark_of(), record_of(NAME, ptr=True))
        noted = [harness.stored(NAME, "A"), harness.stored(REVERSE, "PTR")]
        for stored in noted:
            stored.metadata["team"] = "vdi"
        provider.upsert(mark_of(), record_of(NAME, OTHER_ADDRESS, ADDRESS, ttl_seconds=30, ptr=True))
        assert harness.stored(NAME, "A").metadata == {"team": "vdi", MARK_KEY: mark_of().text()}
        assert harness.stored(REVERSE, "PTR").metadata == {"team": "vdi", MARK_KEY: mark_of().text()}
        harness.stored(REVERSE, "PTR").lines = ["somewhere.example."]
        provider.delete(mark_of(), NAME)
        assert harness.stored(REVERSE, "PTR").metadata == {"team": "vdi"}

    def test_an_unmarked_address_of_the_other_family_beside_ours_stays(
        self, harness: AzureHarness, provider: DNSProvider
    ) -> None:
        provider.upsert(mark_of(), record_of(NAME))
        harness.put(NAME, "AAAA", StoredSet([ADDRESS_6]))
        for addresses in ([ADDRESS], [ADDRESS, ADDRESS_6]):
            with pytest.raises(NameTaken, match="without an owner mark"):
                provider.upsert(mark_of(), record_of(NAME, *addresses))
        provider.delete(mark_of(), NAME)
        assert harness.seen() == {Seen(NAME, "AAAA", ADDRESS_6)}

    def test_records_of_one_name_with_two_marks_are_listed_twice(
        self, harness: AzureHarness, provider: DNSProvider
    ) -> None:
        for kind, address, server_id in (("A", ADDRESS, "a"), ("AAAA", ADDRESS_6, "b")):
            harness.put(NAME, kind, StoredSet([address], metadata={MARK_KEY: mark_of(server_id).text()}))
        assert [one.mark.server_id for one in provider.list_owned()] == ["a", "b"]
        for one in provider.list_owned():
            provider.delete(one.mark, one.fqdn, one.addresses)
        assert not harness.seen()


class TestHalves:
    """Addresses of two families are two writes: whatever happens between them, a repeat or a removal mends."""

    @pytest.mark.parametrize("cut", Cut)
    def test_a_crash_between_them(self, harness: AzureHarness, provider: DNSProvider, cut: Cut) -> None:
        with harness.server.fault(cut, of_kind("AAAA")), pytest.raises(Transient):
            provider.upsert(mark_of(), record_of(NAME, ADDRESS, ADDRESS_6))
        assert forward(NAME) <= harness.seen()
        harness.open(OURS).upsert(mark_of(), record_of(NAME, ADDRESS, ADDRESS_6))
        assert harness.seen() == forward(NAME, ADDRESS, ADDRESS_6)

    def test_a_removal_after_a_crash_between_them(self, harness: AzureHarness, provider: DNSProvider) -> None:
        with harness.server.fault(Cut.AFTER, of_kind("AAAA")), pytest.raises(Transient):
            provider.upsert(mark_of(), record_of(NAME, ADDRESS, ADDRESS_6))
        harness.open(OURS).delete(mark_of(), NAME)
        assert not harness.seen()

    def test_a_crash_while_one_family_takes_the_others_place(
        self, harness: AzureHarness, provider: DNSProvider
    ) -> None:
        provider.upsert(mark_of(), record_of(NAME, ADDRESS))
        with harness.server.fault(Cut.BEFORE, of_kind("A")), pytest.raises(Transient):
            provider.upsert(mark_of(), record_of(NAME, ADDRESS_6))
        assert harness.seen() == forward(NAME, ADDRESS, ADDRESS_6)
        provider.upsert(mark_of(), record_of(NAME, ADDRESS_6))
        assert harness.seen() == forward(NAME, ADDRESS_6)

    def test_the_first_goes_again_when_the_second_is_somebody_elses(
        self, harness: AzureHarness, provider: DNSProvider
    ) -> None:
        def between() -> None:
            # The first write is under way; the next one finds this.
            harness.put(NAME, "AAAA", StoredSet(["2001:db8::99"]))

        harness.meanwhile(between)
        with pytest.raises(NameTaken):
            provider.upsert(mark_of(), record_of(NAME, ADDRESS, ADDRESS_6))
        assert harness.seen() == {Seen(NAME, "AAAA", "2001:db8::99")}

    def test_a_name_that_never_keeps_still_is_given_back(self, harness: AzureHarness, provider: DNSProvider) -> None:
        provider.upsert(mark_of(), record_of(NAME))

        def touch() -> None:
            stored = harness.stored(NAME, "A")
            harness.put(NAME, "A", StoredSet(stored.lines, stored.ttl, stored.metadata))
            harness.meanwhile(touch)

        harness.meanwhile(touch)
        calls: list[Callable[[], object]] = [
            lambda: provider.upsert(mark_of(), record_of(NAME, OTHER_ADDRESS)),
            lambda: provider.delete(mark_of(), NAME),
        ]
        for call in calls:
            with pytest.raises(Transient, match=NAME):
                call()
        harness.service.before_next_write = None
        assert harness.seen() == forward(NAME)


class TestZones:
    def test_all_resource_groups_are_searched_unless_one_is_named(self, harness: AzureHarness) -> None:
        harness.service.add_zone(PUBLIC, "others", "elsewhere.test")
        opened(harness, resource_group=None).upsert(mark_of(), record_of("a.elsewhere.test"))
        with pytest.raises(InvalidSettings):
            opened(harness).upsert(mark_of(), record_of("a.elsewhere.test"))

    def test_two_of_one_name_are_told_apart_by_their_group(self, harness: AzureHarness) -> None:
        provider = opened(harness, resource_group=None)
        with pytest.raises(InvalidSettings, match=r"resource group names and .* in resource group others"):
            provider.upsert(mark_of(), record_of(NAME))
        assert [one.setting for one in provider.check(ZONE)] == ["resource_group"]

    def test_one_that_was_just_made_is_found(self, harness: AzureHarness, provider: DNSProvider) -> None:
        with pytest.raises(InvalidSettings):
            provider.upsert(mark_of(), record_of("a.new.test"))
        zone = harness.service.add_zone(PUBLIC, "names", "new.test")
        provider.upsert(mark_of(), record_of("a.new.test"))
        assert ("a", "A") in zone.sets

    def test_records_are_found_outside_of_a_zone_that_is_younger(
        self, harness: AzureHarness, provider: DNSProvider
    ) -> None:
        name = f"a.young.{ZONE}"
        provider.upsert(mark_of(), record_of(name))
        harness.service.add_zone(PUBLIC, "names", f"young.{ZONE}")
        harness.open(OURS).delete(mark_of(), name)
        assert not harness.seen()

    def test_pointers_are_found_outside_of_a_reverse_zone_that_is_younger(
        self, harness: AzureHarness, provider: DNSProvider
    ) -> None:
        provider.upsert(mark_of(), record_of(NAME, ADDRESS_6, ptr=True))
        harness.service.add_zone(PUBLIC, "names", "0.0.8.b.d.0.1.0.0.2.ip6.arpa")
        assert len(harness.open(OURS).delete(mark_of(), NAME).removed) == 2
        assert not harness.seen()

    def test_one_that_is_named_and_gone_makes_no_short_list(self, harness: AzureHarness) -> None:
        provider = opened(harness, zones=[ZONE, "gone.test"])
        with pytest.raises(InvalidSettings, match=r"gone\.test"):
            provider.list_owned()

    def test_one_that_goes_while_it_is_known_is_told(self, harness: AzureHarness, provider: DNSProvider) -> None:
        provider.delete(mark_of(), NAME)
        harness.service.zones.clear()
        with pytest.raises(InvalidSettings, match=ZONE):
            provider.delete(mark_of(), NAME)


class TestCalls:
    """Few of them."""

    def test_a_small_zone_is_listed_and_a_large_one_asked_by_kind(
        self, harness: AzureHarness, provider: DNSProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        provider.list_owned()
        monkeypatch.setattr("poolwright.dns.azure.service.LISTED_UP_TO", 0)
        harness.server.requests.clear()
        harness.write(NAME, "CAA", '0 issue "ca.example"')
        with pytest.raises(NameTaken):
            provider.upsert(mark_of(), record_of(NAME))
        asked = [request.path.split("/")[-2] for request in harness.server.requests]
        assert asked == ["A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SRV", "TXT"]

    def test_many_at_once_share_their_looks(self, harness: AzureHarness, provider: DNSProvider) -> None:
        provider.list_owned()
        harness.server.requests.clear()

        def life(number: int) -> None:
            provider.upsert(mark_of(f"s{number}"), record_of(f"s{number}.{ZONE}", f"192.0.2.{number}"))

        with ThreadPoolExecutor(16) as threads:
            list(threads.map(life, range(60)))
        assert len(writes(harness)) == 60
        # Alone, each looks twice, and the zone has 62 record sets in the end.
        lists = harness.server.count(
            lambda request: request.path.endswith("/recordsets") and not request.parameter("$skipToken")
        )
        assert lists < 60
        assert len(provider.list_owned()) == 60

    def test_an_operation_is_refused_at_its_first_call_and_waits_at_the_others(
        self, harness: AzureHarness, provider: DNSProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        provider.delete(mark_of(), NAME)
        busy = dns_error(429, "TooManyRequests", "Slow down.", {"retry-after": "5"})
        waited: list[float] = []
        monkeypatch.setattr("poolwright.vendors.patience.time.sleep", waited.append)
        harness.server.requests.clear()
        with harness.server.fault(busy, of_kind("A")), pytest.raises(Throttled):
            provider.upsert(mark_of(), record_of(NAME))
        assert waited
        assert harness.server.count(of_kind("A")) == 1
        waited.clear()
        with pytest.raises(Throttled) as refused:
            provider.upsert(mark_of("b"), record_of(f"b.{ZONE}"))
        assert refused.value.retry_after_seconds


class TestLogin:
    def test_a_wrong_secret_is_found_and_not_told(self, harness: AzureHarness) -> None:
        provider = opened(harness, client_secret="not-the-secret")
        (finding,) = provider.check(ZONE)
        assert finding.setting == "client_secret"
        with pytest.raises(AuthenticationFailed) as refused:
            provider.upsert(mark_of(), record_of(NAME))
        assert "not-the-secret" not in str(refused.value) + repr(finding)

    def test_the_login_service_that_is_down_is_no_wrong_secret(self, harness: AzureHarness) -> None:
        down = harness.server.fault(Cut.BEFORE, lambda request: request.path.startswith(f"/{TENANT}/"))
        with down, pytest.raises(Transient):
            harness.open(OURS).list_owned()

    def test_a_missing_file_of_authorities_is_told(self, harness: AzureHarness, tmp_path: Path) -> None:
        with pytest.raises(InvalidSettings, match="ca_file"):
            opened(harness, ca_file=str(tmp_path / "nothing.pem")).list_owned()

    def test_another_authority_is_not_trusted(self, harness: AzureHarness) -> None:
        with pytest.raises(Transient):
            opened(harness, ca_file=None).list_owned()


class TestCheck:
    def test_missing_actions_are_named(self, harness: AzureHarness, provider: DNSProvider) -> None:
        harness.service.actions = ["*/read", "Microsoft.Network/dnsZones/A/*"]
        findings = provider.check(ZONE)
        assert sorted({finding.setting for finding in findings}) == ["reverse_zones", "zones"]
        assert "Microsoft.Network/dnsZones/AAAA/write and Microsoft.Network/dnsZones/AAAA/delete" in findings[0].problem
        assert "DNS Zone Contributor" in findings[0].remedy

    def test_a_wrong_subscription_is_told_with_all_else(self, harness: AzureHarness) -> None:
        findings = opened(harness, subscription_id=SUBSCRIPTION.replace("1", "f")).check("no domain")
        assert sorted(finding.setting for finding in findings) == ["base_domain", "subscription_id"]

    def test_a_service_that_does_not_answer_is_told(self, harness: AzureHarness, provider: DNSProvider) -> None:
        with harness.server.fault(Cut.BEFORE):
            (finding,) = provider.check(ZONE)
        assert finding.setting == "endpoint_url"

    @pytest.mark.parametrize(
        ("actions", "not_actions", "allowed"),
        [
            (["*"], [], True),
            (["microsoft.network/dnszones/*"], [], True),
            (["*"], ["Microsoft.Network/dnsZones/A/write"], False),
            (["*/read"], [], False),
            ([], [], False),
        ],
    )
    def test_a_roles_actions(self, actions: list[str], not_actions: list[str], allowed: bool) -> None:
        granted = [{"actions": actions, "notActions": not_actions}]
        assert is_allowed("Microsoft.Network/dnsZones/A/write", granted) is allowed


class TestErrors:
    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            (dns_error(400, "BadRequest", "The domain name is invalid."), InvalidSettings),
            (arm_error(401, "ExpiredAuthenticationToken", "The access token expiry."), AuthenticationFailed),
            (arm_error(403, "AuthorizationFailed", "No."), PermissionDenied),
            (arm_error(409, "ScopeLocked", "The zone has a lock."), PermissionDenied),
            (arm_error(404, "ResourceGroupNotFound", "No such group."), InvalidSettings),
            (arm_error(404, "ParentResourceNotFound", "No such zone."), InvalidSettings),
            (dns_error(409, "Conflict", "Something else is going on."), Transient),
            (dns_error(412, "PreconditionFailed", "It has changed."), Transient),
            (arm_error(400, "QuotaExceeded", "The zone is full."), QuotaExceeded),
            (arm_error(429, "TooManyRequests", "Slow down.", {"retry-after": "90"}), Throttled),
            (arm_error(500, "InternalServerError", "Oh."), Transient),
            (Response(502, b"<html>bad gateway</html>"), Transient),
            (Response(404, b"<html>some gateway's page</html>"), Transient),
        ],
        ids=lambda value: str(getattr(value, "status", "")),
    )
    def test_each_answer_to_a_write_has_its_type(
        self, harness: AzureHarness, provider: DNSProvider, answer: Response, expected: type[DNSError]
    ) -> None:
        provider.list_owned()
        with harness.server.fault(answer, is_write), pytest.raises(expected) as refused:
            provider.upsert(mark_of(), record_of(NAME))
        assert refused.type is expected
        assert NAME in str(refused.value)
        assert not harness.seen()

    def test_a_gateways_page_is_no_proof_that_nothing_is_there(
        self, harness: AzureHarness, provider: DNSProvider
    ) -> None:
        provider.upsert(mark_of(), record_of(NAME))
        with harness.server.fault(Response(404, b"<html></html>")), pytest.raises(Transient):
            provider.delete(mark_of(), NAME)
        assert harness.seen() == forward(NAME)

    @pytest.mark.parametrize("zone_type", [PUBLIC, PRIVATE])
    def test_an_object_of_nobodys_is_no_record_set(self, azure: Rig, zone_type: str) -> None:
        with empty_subscription(azure, zone_type) as harness:
            provider = harness.open(OURS)
            provider.upsert(mark_of(), record_of(NAME))
            with harness.server.fault(Response(200, {})), pytest.raises(Transient):
                provider.delete(mark_of(), NAME)
            assert harness.seen() == forward(NAME)

    @pytest.mark.parametrize("zone_type", [PUBLIC, PRIVATE])
    @pytest.mark.parametrize(
        "answer",
        [Response(200, b"<html>busy</html>"), Response(200, b"{"), Response(200)],
        ids=["HTML", "half", "empty"],
    )
    def test_what_is_no_answer_of_azures_proves_nothing(self, azure: Rig, zone_type: str, answer: Response) -> None:
        with empty_subscription(azure, zone_type) as harness:
            provider = harness.open(OURS)
            provider.upsert(mark_of(), record_of(NAME))
            calls: list[Callable[[], object]] = [
                provider.list_owned,
                lambda: provider.delete(mark_of(), NAME),
                lambda: provider.upsert(mark_of("b"), record_of(f"b.{ZONE}")),
            ]
            with harness.server.fault(answer):
                for call in calls:
                    with pytest.raises(Transient):
                        call()
                assert provider.check(ZONE)

    def test_a_listing_that_breaks_off_is_none(self, harness: AzureHarness, provider: DNSProvider) -> None:
        for server_id in "abc":
            provider.upsert(mark_of(server_id), record_of(f"{server_id}.{ZONE}"))
        broken = harness.server.fault(
            Cut.BEFORE, lambda request: "/recordsets" in request.path and request.parameter("$skipToken") == "3"
        )
        with broken, pytest.raises(Transient):
            provider.list_owned()
        assert len(provider.list_owned()) == 3
