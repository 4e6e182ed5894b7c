"""What the Route 53 provider does beyond the suite: conditions, zones, long lists, the pace of the account."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import ValidationError

from poolwright.dns.base import Changes, DNSProvider
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
from poolwright.dns.names import owner_name
from poolwright.dns.registry import open_dns_provider
from poolwright.dns.route53.record_sets import RecordSet, Standing, changes, sort_key
from poolwright.dns.route53.settings import Settings
from tests.dns.account import ADDRESS, ADDRESS_6, OTHER_ADDRESS, OURS, THEIRS, forward, mark_of, marked, record_of
from tests.dns.harness import Seen
from tests.dns.route53_account import ZONE, Route53Harness, empty_account, serving
from tests.wire import route53
from tests.wire.clock import Clock
from tests.wire.route53 import Route53, is_change
from tests.wire.server import Cut, Request, Response, WireServer

pytestmark = pytest.mark.slow

NAME = f"a.{ZONE}"
ALLOWED = "is not authorized to perform this"


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[WireServer, Route53]]:
    with serving() as served:
        yield served


@pytest.fixture
def harness(served: tuple[WireServer, Route53]) -> Iterator[Route53Harness]:
    with empty_account(served, Clock(each_look_seconds=1)) as harness:
        yield harness


@pytest.fixture
def provider(harness: Route53Harness) -> DNSProvider:
    return harness.open(OURS)


def looks(request: Request) -> bool:
    return request.method == "GET" and "/rrset" in request.path


def lists_zones(request: Request) -> bool:
    return request.path.rstrip("/").endswith("/hostedzone")


class TestConditions:
    def test_a_name_costs_two_looks_and_one_batch(self, harness: Route53Harness, provider: DNSProvider) -> None:
        harness.server.requests.clear()
        provider.upsert(mark_of(), record_of(NAME))
        assert (harness.server.count(looks), harness.server.count(is_change)) == (2, 1)

    def test_a_repeat_writes_nothing(self, harness: Route53Harness, provider: DNSProvider) -> None:
        provider.upsert(mark_of(), record_of(NAME))
        harness.server.requests.clear()
        assert provider.upsert(mark_of(), record_of(NAME)).written
        # One at the name, and one at the address, whose PTR record is not wanted.
        assert (harness.server.count(looks), harness.server.count(is_change)) == (2, 0)

    def test_a_text_beside_our_mark_stays(self, harness: Route53Harness, provider: DNSProvider) -> None:
        text = Seen(owner_name(NAME), "TXT", '"a note of somebody"')
        provider.upsert(mark_of(), record_of(NAME))
        harness.write(*text)
        provider.upsert(mark_of(), record_of(NAME, OTHER_ADDRESS))
        assert harness.seen() == {*forward(NAME, OTHER_ADDRESS), text}
        provider.delete(mark_of(), NAME)
        assert harness.seen() == {text}

    def test_two_marks_mean_that_nobody_writes(self, harness: Route53Harness, provider: DNSProvider) -> None:
        theirs = mark_of(controller_id=THEIRS)
        provider.upsert(mark_of(), record_of(NAME))
        harness.write(*marked(NAME, theirs))
        with pytest.raises(NameTaken, match=THEIRS):
            provider.upsert(mark_of(), record_of(NAME, OTHER_ADDRESS))
        provider.delete(mark_of(), NAME)
        assert harness.seen() == forward(NAME, mark=theirs)

    def test_what_changes_meanwhile_is_looked_at_again(self, harness: Route53Harness, provider: DNSProvider) -> None:
        provider.upsert(mark_of(), record_of(NAME))
        harness.meanwhile(lambda: harness.remove(NAME, "A"))
        provider.upsert(mark_of(), record_of(NAME, OTHER_ADDRESS))
        assert harness.seen() == forward(NAME, OTHER_ADDRESS)

    def test_a_batch_that_is_refused_each_time_is_told_in_route_53s_words(
        self, harness: Route53Harness, provider: DNSProvider
    ) -> None:
        refusal = route53.error(400, "InvalidChangeBatch", "[RRSet of some other kind]")
        with harness.server.fault(refusal, is_change), pytest.raises(Transient, match="RRSet of some other kind"):
            provider.upsert(mark_of(), record_of(NAME))

    def test_what_aws_calls_an_alias_is_removed_as_it_was_listed(self) -> None:
        alias: RecordSet = {
            "Name": f"{NAME}.",
            "Type": "A",
            "AliasTarget": {"HostedZoneId": "Z2", "DNSName": "lb.example.", "EvaluateTargetHealth": False},
        }
        standing = Standing.of(NAME, [alias])
        assert changes(standing.of_kinds(("A",)), ()) == [{"Action": "DELETE", "ResourceRecordSet": alias}]
        assert not standing.marks


class TestZones:
    def test_private_zones_are_written_by_choice(self, harness: Route53Harness) -> None:
        provider = open_dns_provider("route53", harness.settings(private_zones=True), OURS)
        provider.upsert(mark_of(), record_of(NAME))
        assert harness.seen() == forward(NAME)
        assert [one.fqdn for one in provider.list_owned()] == [NAME]
        assert not harness.open(OURS).list_owned()

    def test_two_of_one_name_need_a_choice(self, harness: Route53Harness, provider: DNSProvider) -> None:
        twin = harness.service.add_zone(ZONE)
        with pytest.raises(InvalidSettings, match=rf"several.*{twin}.*hosted_zone_ids"):
            provider.upsert(mark_of(), record_of(NAME))
        chosen = open_dns_provider("route53", harness.settings(hosted_zone_ids=[f"/hostedzone/{twin}"]), OURS)
        chosen.upsert(mark_of(), record_of(NAME))
        assert harness.seen() == forward(NAME)
        assert [finding.setting for finding in provider.check(ZONE)] == ["base_domain"]

    def test_they_are_listed_once_for_many_names(self, harness: Route53Harness, provider: DNSProvider) -> None:
        harness.server.requests.clear()
        for server_id in ("a", "b", "c"):
            provider.upsert(mark_of(server_id), record_of(f"{server_id}.{ZONE}"))
        assert harness.server.count(lists_zones) == 1

    def test_a_new_one_is_found_at_once(self, harness: Route53Harness, provider: DNSProvider) -> None:
        with pytest.raises(InvalidSettings):
            provider.upsert(mark_of(), record_of("a.new.example"))
        harness.service.add_zone("new.example")
        provider.upsert(mark_of(), record_of("a.new.example"))
        assert harness.seen() == forward("a.new.example")

    def test_records_are_found_outside_of_a_zone_that_is_younger(
        self, harness: Route53Harness, provider: DNSProvider
    ) -> None:
        name = f"a.young.{ZONE}"
        provider.upsert(mark_of(), record_of(name))
        harness.service.add_zone(f"young.{ZONE}")
        harness.open(OURS).delete(mark_of(), name)
        assert not harness.seen()

    def test_pointers_are_found_outside_of_a_reverse_zone_that_is_younger(
        self, harness: Route53Harness, provider: DNSProvider
    ) -> None:
        provider.upsert(mark_of(), record_of(NAME, ADDRESS_6, ptr=True))
        harness.service.add_zone("0.0.8.b.d.0.1.0.0.2.ip6.arpa")
        assert len(harness.open(OURS).delete(mark_of(), NAME).removed) == 2
        assert not harness.seen()

    def test_a_zone_around_it_that_we_may_not_read_keeps_no_name(
        self, harness: Route53Harness, provider: DNSProvider
    ) -> None:
        name = f"a.young.{ZONE}"
        young = harness.service.add_zone(f"young.{ZONE}")
        provider.upsert(mark_of(), record_of(name))
        denied = route53.error(403, "AccessDenied", ALLOWED)
        elsewhere = harness.server.fault(
            denied, lambda request: request.parameter("name") == name and young not in request.path
        )
        with elsewhere:
            provider.delete(mark_of(), name)
        assert harness.server.count(lambda request: request.parameter("name") == name and young not in request.path)
        assert not harness.seen()

    def test_records_are_found_when_a_second_zone_has_the_name_of_theirs(
        self, harness: Route53Harness, provider: DNSProvider
    ) -> None:
        provider.upsert(mark_of(), record_of(NAME))
        harness.service.add_zone(ZONE)
        harness.open(OURS).delete(mark_of(), NAME)
        assert not harness.seen()

    def test_one_that_has_gone_is_not_believed_in_any_longer(
        self, harness: Route53Harness, provider: DNSProvider
    ) -> None:
        provider.upsert(mark_of(), record_of(NAME))
        harness.service.clear()
        with pytest.raises(Transient):
            provider.upsert(mark_of(), record_of(NAME))
        with pytest.raises(InvalidSettings):
            provider.upsert(mark_of(), record_of(NAME))

    def test_more_than_a_page_of_them(self, harness: Route53Harness, provider: DNSProvider) -> None:
        for number in range(120):
            harness.service.add_zone(f"zone-{number}.example")
        for number in (0, 119):
            provider.upsert(mark_of(f"s{number}"), record_of(f"a.zone-{number}.example"))
        assert len(harness.seen()) == 4


class TestLongLists:
    def test_all_pages_are_read(self, harness: Route53Harness, provider: DNSProvider) -> None:
        for number in range(400):
            for record in forward(f"s{number}.{ZONE}", mark=mark_of(f"s{number}")):
                harness.write(*record)
        harness.server.requests.clear()
        assert len(provider.list_owned()) == 400
        assert harness.server.count(looks) == 4 + 2

    def test_a_name_with_many_names_below_it(self, harness: Route53Harness, provider: DNSProvider) -> None:
        provider.upsert(mark_of(), record_of(NAME))
        for number in range(50):
            harness.write(f"{number}.{NAME}", "A", ADDRESS)
        assert any(NAME in one for one in provider.delete(mark_of(), NAME).removed)
        assert len(harness.seen()) == 50

    def test_names_sort_so_that_what_lies_below_one_follows_it(self) -> None:
        names = ["a.example", "a-a.example", "aa.example", "_poolwright.a.example", "b.a.example"]
        assert sorted(names, key=sort_key) == [
            "a-a.example",
            "a.example",
            "_poolwright.a.example",
            "b.a.example",
            "aa.example",
        ]


class TestPace:
    def test_many_at_once_share_their_looks_and_all_come_to_an_end(self, served: tuple[WireServer, Route53]) -> None:
        with empty_account(served, Clock()) as harness:
            provider = harness.open(OURS)

            def life(number: int) -> None:
                server, name = mark_of(f"s{number}"), f"s{number}.{ZONE}"
                tried(lambda: provider.upsert(server, record_of(name, f"198.51.100.{number}")))
                tried(lambda: provider.delete(server, name))

            def tried(call: Callable[[], Changes]) -> None:
                while True:
                    try:
                        call()
                    except Throttled as busy:
                        harness.clock.advance(busy.retry_after_seconds or 1)
                    else:
                        return

            harness.server.requests.clear()
            began = harness.clock()
            with ThreadPoolExecutor(16) as threads:
                list(threads.map(life, range(40)))
            seconds = harness.clock() - began
            assert not harness.seen()
            assert harness.server.count(is_change) == 2 * 40
            # Alone, each life looks four times: twice to write, and twice to remove where there are reverse zones.
            assert harness.server.count(looks) < 4 * 40
            assert harness.server.count() <= 5 * seconds + 5

    def test_a_busy_account_refuses_at_the_first_call(self, served: tuple[WireServer, Route53]) -> None:
        with empty_account(served, Clock()) as harness:
            provider = harness.open(OURS)
            with harness.server.fault(route53.error(400, "Throttling", "Rate exceeded"), times=1):
                for _ in range(2):
                    with pytest.raises(Throttled) as refusal:
                        provider.upsert(mark_of(), record_of(NAME))
                    assert refusal.value.retry_after_seconds
            harness.clock.advance(60)
            harness.server.requests.clear()
            with harness.server.fault(route53.error(400, "Throttling", "Rate exceeded"), is_change, times=2):
                provider.upsert(mark_of(), record_of(NAME))
            assert harness.seen() == forward(NAME)


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "code", "message", "expected"),
        [
            (
                403,
                "InvalidClientTokenId",
                "The security token included in the request is invalid",
                AuthenticationFailed,
            ),
            (403, "SignatureDoesNotMatch", "Signature expired", AuthenticationFailed),
            (403, "AccessDenied", ALLOWED, PermissionDenied),
            (400, "PriorRequestNotComplete", "The request was rejected", Throttled),
            (400, "Throttling", "Rate exceeded", Throttled),
            (400, "InvalidChangeBatch", "Number of records limit of 10000 exceeded.", QuotaExceeded),
            (400, "InvalidInput", "Invalid XML", InvalidSettings),
            (500, "InternalFailure", "An internal error", Transient),
            (503, "ServiceUnavailable", "Try later", Transient),
        ],
    )
    def test_each_code_has_its_type_and_a_way_out(
        self,
        harness: Route53Harness,
        provider: DNSProvider,
        status: int,
        code: str,
        message: str,
        expected: type[DNSError],
    ) -> None:
        provider.list_owned()
        failure = harness.server.fault(route53.error(status, code, message), is_change)
        with failure, pytest.raises(expected) as refusal:
            provider.upsert(mark_of(), record_of(NAME))
        assert refusal.type is expected
        assert NAME in str(refusal.value)

    def test_a_page_that_a_gateway_gives_instead_proves_nothing(
        self, harness: Route53Harness, provider: DNSProvider
    ) -> None:
        provider.upsert(mark_of(), record_of(NAME))
        page = Response(200, b"<html>sign in to the network</html>")
        for which in (lists_zones, looks, is_change):
            with harness.server.fault(page, which), pytest.raises(Transient, match="not one of its own"):
                harness.open(OURS).delete(mark_of(), NAME)
        assert harness.seen() == forward(NAME)

    def test_no_credentials_at_all(self, harness: Route53Harness, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        provider = open_dns_provider("route53", {"endpoint_url": harness.server.url}, OURS)
        with pytest.raises(AuthenticationFailed, match="access_key_id"):
            provider.list_owned()
        assert [finding.setting for finding in provider.check(ZONE)] == ["access_key_id"]


class TestCheck:
    @pytest.mark.parametrize(
        ("which", "action"),
        [
            (lists_zones, "route53:ListHostedZones"),
            (looks, "route53:ListResourceRecordSets"),
            (is_change, "route53:ChangeResourceRecordSets"),
        ],
    )
    def test_a_missing_permission_is_named(
        self, harness: Route53Harness, provider: DNSProvider, which: Callable[[Request], bool], action: str
    ) -> None:
        with harness.server.fault(route53.error(403, "AccessDenied", ALLOWED), which):
            (finding,) = provider.check(ZONE)
        assert action in finding.remedy

    def test_a_domain_whose_name_speaks_of_a_limit_is_like_any_other(
        self, harness: Route53Harness, provider: DNSProvider
    ) -> None:
        harness.service.add_zone("no-limit.example")
        assert not provider.check("no-limit.example")

    def test_the_service_out_of_reach_is_found(self, harness: Route53Harness, provider: DNSProvider) -> None:
        with harness.server.fault(Cut.BEFORE):
            assert [finding.setting for finding in provider.check(ZONE)] == ["endpoint_url"]


class TestSettings:
    def test_none_has_to_be_given(self) -> None:
        assert Settings().private_zones is False

    @pytest.mark.parametrize("wrong", [{"hosted_zone_ids": ["a zone"]}, {"region": "x"}, {"private_zones": "perhaps"}])
    def test_nonsense_is_refused_without_telling_the_key(self, wrong: dict[str, object]) -> None:
        with pytest.raises(ValidationError) as refusal:
            Settings.model_validate({"access_key_id": "AKIA1", "secret_access_key": "SECRET-HALF", **wrong})
        assert "SECRET-HALF" not in str(refusal.value)


class TestDocumentation:
    PAGE = (Path(__file__).parents[2] / "docs" / "providers" / "dns-route53.md").read_text()

    def test_the_policy_allows_what_is_called(self) -> None:
        policy = json.loads(self.PAGE.split("```json")[1].split("```")[0])
        assert {statement["Action"] for statement in policy["Statement"]} == {
            "route53:ListHostedZones",
            "route53:ListResourceRecordSets",
            "route53:ChangeResourceRecordSets",
        }
