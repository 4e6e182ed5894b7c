"""What the Google provider does beyond the suite: its one change, its zones, its login, its pace and its errors."""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

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
from poolwright.dns.google.provider import GoogleDNS
from poolwright.dns.google.settings import Settings
from poolwright.dns.names import owner_name
from poolwright.dns.registry import open_dns_provider
from tests.dns.account import ADDRESS, ADDRESS_6, OTHER_ADDRESS, OURS, REVERSE, forward, mark_of, marked, record_of
from tests.dns.google_account import ZONE, GoogleHarness, Rig, empty_project, is_change, serving
from tests.dns.harness import Seen
from tests.wire.clock import Clock
from tests.wire.google_dns import refusal
from tests.wire.server import Cut, Response

pytestmark = pytest.mark.slow

NAME = f"a.{ZONE}"
PAGE = (Path(__file__).parents[2] / "docs" / "providers" / "dns-google.md").read_text()
MINIMAL = {"project": "project-1"}


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with serving() as rig:
        yield rig


@pytest.fixture
def harness(rig: Rig) -> Iterator[GoogleHarness]:
    with empty_project(rig) as harness:
        yield harness


@pytest.fixture
def provider(harness: GoogleHarness) -> DNSProvider:
    return harness.open(OURS)


def changed(harness: GoogleHarness) -> list[Mapping[str, Any]]:
    """The bodies of all changes that were asked for."""
    return [request.json for request in harness.server.requests if is_change(request)]


def opened(harness: GoogleHarness, **settings: Any) -> DNSProvider:
    return open_dns_provider("google", {**harness.settings(), **settings}, OURS)


class TestOneChange:
    """What is written goes as a whole or not at all."""

    def test_addresses_and_mark_are_one_change(self, harness: GoogleHarness, provider: DNSProvider) -> None:
        harness.server.requests.clear()
        provider.upsert(mark_of(), record_of(NAME, ADDRESS, ADDRESS_6))
        (change,) = changed(harness)
        assert change["deletions"] == []
        assert [one["type"] for one in change["additions"]] == ["A", "AAAA", "TXT"]

    def test_a_rewrite_and_a_removal_repeat_what_they_replace(
        self, harness: GoogleHarness, provider: DNSProvider
    ) -> None:
        provider.upsert(mark_of(), record_of(NAME))
        harness.server.requests.clear()
        provider.upsert(mark_of(), record_of(NAME, OTHER_ADDRESS, ttl_seconds=30))
        provider.delete(mark_of(), NAME)
        first, second = changed(harness)
        assert [(one["type"], one["ttl"]) for one in first["deletions"]] == [("A", 60), ("TXT", 60)]
        assert second["deletions"] == first["additions"]
        assert second["additions"] == []

    def test_what_is_so_already_is_not_written(self, harness: GoogleHarness, provider: DNSProvider) -> None:
        provider.upsert(mark_of(), record_of(NAME, ADDRESS_6, ADDRESS))
        harness.server.requests.clear()
        provider.upsert(mark_of(), record_of(NAME, ADDRESS, ADDRESS_6))
        assert not changed(harness)

    def test_a_routing_policy_in_place_of_our_addresses_is_replaced(
        self, harness: GoogleHarness, provider: DNSProvider
    ) -> None:
        provider.upsert(mark_of(), record_of(NAME))
        policy = {"wrr": {"items": [{"weight": 1.0, "rrdatas": [OTHER_ADDRESS]}]}}
        harness.service.put("vdi-test", f"{NAME}.", "A", [], routingPolicy=policy)
        provider.upsert(mark_of(), record_of(NAME))
        assert harness.seen() == forward(NAME)
        harness.service.put("vdi-test", f"{NAME}.", "A", [], routingPolicy=policy)
        provider.delete(mark_of(), NAME)
        assert not harness.seen()

    def test_what_came_beside_it_in_the_same_moment_makes_it_go_again(
        self, harness: GoogleHarness, provider: DNSProvider
    ) -> None:
        harness.meanwhile(lambda: harness.write(NAME, "MX", "10 mail.example."))
        harness.server.requests.clear()
        with pytest.raises(NameTaken):
            provider.upsert(mark_of(), record_of(NAME))
        first, second = changed(harness)
        assert second["deletions"] == first["additions"]

    def test_a_lost_second_look_leaves_what_a_repeat_finds(self, harness: GoogleHarness, provider: DNSProvider) -> None:
        provider.list_owned()
        looks = iter([False, True])
        with (
            harness.server.fault(Cut.BEFORE, lambda request: request.method == "GET" and next(looks)),
            pytest.raises(Transient),
        ):
            provider.upsert(mark_of(), record_of(NAME))
        provider.upsert(mark_of(), record_of(NAME))
        assert harness.seen() == forward(NAME)

    def test_a_name_that_never_keeps_still_is_given_back(self, harness: GoogleHarness, provider: DNSProvider) -> None:
        provider.upsert(mark_of(), record_of(NAME))

        def change_again() -> None:
            records = harness.service.records["vdi-test"][f"{NAME}.", "A"]
            records["ttl"] = records["ttl"] + 1
            harness.meanwhile(change_again)

        harness.meanwhile(change_again)
        calls: list[Callable[[], object]] = [
            lambda: provider.upsert(mark_of(), record_of(NAME, OTHER_ADDRESS)),
            lambda: provider.delete(mark_of(), NAME),
        ]
        for call in calls:
            with pytest.raises(Transient, match=NAME):
                call()
        harness.service.before_next_change = None
        assert marked(NAME, mark_of()) in harness.seen()


class TestZones:
    def test_two_of_one_name_are_told_apart_by_the_settings(self, harness: GoogleHarness) -> None:
        harness.service.add_zone("vdi-test-again", ZONE)
        with pytest.raises(InvalidSettings, match="vdi-test and vdi-test-again"):
            opened(harness).upsert(mark_of(), record_of(NAME))
        assert [one.setting for one in opened(harness).check(ZONE)] == ["zones"]
        opened(harness, zones=["vdi-test"]).upsert(mark_of(), record_of(NAME))
        assert harness.seen() == forward(NAME)

    def test_one_that_answers_from_elsewhere_gets_nothing(self, harness: GoogleHarness, provider: DNSProvider) -> None:
        name = f"a.deeper.agents.{ZONE}"
        provider.upsert(mark_of(), record_of(name))
        assert (f"{name}.", "A") in harness.service.records["agents"]

    def test_one_that_was_just_made_is_found(self, harness: GoogleHarness, provider: DNSProvider) -> None:
        with pytest.raises(InvalidSettings):
            provider.upsert(mark_of(), record_of("a.new.test"))
        harness.service.add_zone("new", "new.test")
        provider.upsert(mark_of(), record_of("a.new.test"))
        assert ("a.new.test.", "A") in harness.service.records["new"]

    def test_records_are_found_outside_of_a_zone_that_is_younger(
        self, harness: GoogleHarness, provider: DNSProvider
    ) -> None:
        name = f"a.young.{ZONE}"
        provider.upsert(mark_of(), record_of(name))
        harness.service.add_zone("young", f"young.{ZONE}")
        harness.open(OURS).delete(mark_of(), name)
        assert not harness.seen()

    def test_pointers_are_found_outside_of_a_reverse_zone_that_is_younger(
        self, harness: GoogleHarness, provider: DNSProvider
    ) -> None:
        provider.upsert(mark_of(), record_of(NAME, ADDRESS_6, ptr=True))
        harness.service.add_zone("young", "0.0.8.b.d.0.1.0.0.2.ip6.arpa")
        assert len(harness.open(OURS).delete(mark_of(), NAME).removed) == 2
        assert not harness.seen()

    def test_one_that_is_named_and_gone_makes_no_short_list(self, harness: GoogleHarness) -> None:
        provider = opened(harness, zones=["vdi-test", "agents"])
        harness.service.zones.pop("agents")
        with pytest.raises(InvalidSettings, match="agents"):
            provider.list_owned()
        assert provider.delete(mark_of(), NAME).removed == ()

    def test_one_that_goes_while_it_is_known_is_told(self, harness: GoogleHarness, provider: DNSProvider) -> None:
        provider.delete(mark_of(), NAME)
        harness.service.zones.pop("vdi-test")
        with pytest.raises(InvalidSettings, match="vdi-test"):
            provider.upsert(mark_of(), record_of(NAME))


class TestCalls:
    """Few of them, at the project's pace."""

    def test_a_life_of_a_name_takes_seven(self, harness: GoogleHarness, provider: DNSProvider) -> None:
        provider.list_owned()
        harness.server.requests.clear()
        provider.upsert(mark_of(), record_of(NAME))
        assert harness.server.count() == 3
        provider.delete(mark_of(), NAME)
        # One of them asks for a PTR record, since there is a reverse zone.
        assert harness.server.count() == 7

    def test_many_at_once_take_no_more(self, harness: GoogleHarness) -> None:
        provider = paced(harness, Clock(each_look_seconds=0.2))
        provider.list_owned()
        harness.server.requests.clear()

        def life(number: int) -> None:
            server, name = mark_of(f"s{number}"), f"s{number}.{ZONE}"
            provider.upsert(server, record_of(name, f"192.0.2.{number}"))
            provider.delete(server, name)

        with ThreadPoolExecutor(16) as threads:
            list(threads.map(life, range(60)))
        assert not harness.seen()
        assert harness.server.count() == 7 * 60

    def test_an_operation_is_refused_at_its_first_call_and_waits_at_the_others(
        self, harness: GoogleHarness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = Clock(stands_still=True)
        provider = paced(harness, clock)
        waited: list[float] = []

        def wait(seconds: float) -> None:
            waited.append(seconds)
            clock.advance(seconds)

        monkeypatch.setattr("poolwright.vendors.patience.time.sleep", wait)
        with pytest.raises(Throttled) as refused:
            _exhaust(provider)
        assert refused.value.retry_after_seconds
        waited.clear()
        clock.advance(refused.value.retry_after_seconds)
        provider.upsert(mark_of(), record_of(NAME))
        assert waited
        assert harness.seen() == forward(NAME)

    def test_all_calls_pause_as_long_as_google_asks(self, harness: GoogleHarness, provider: DNSProvider) -> None:
        busy = refusal(429, "rateLimitExceeded", "Quota exceeded for quota metric.", {"retry-after": "17"})
        with harness.server.fault(busy, times=1), pytest.raises(Throttled) as refused:
            provider.list_owned()
        assert refused.value.retry_after_seconds == pytest.approx(17, abs=5)
        sent = harness.server.count()
        with pytest.raises(Throttled):
            harness.open(OURS).list_owned()
        assert harness.server.count() == sent


class TestLogin:
    def test_a_private_authority_goes_before_the_environment(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = tmp_path / "others.pem"
        other.write_text("")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
        with serving(tmp_path) as rig, empty_project(rig) as harness:
            harness.open(OURS).upsert(mark_of(), record_of(NAME))
            assert harness.seen() == forward(NAME)

    def test_without_a_key_the_workers_own_identity_is_taken(
        self, harness: GoogleHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "key.json"
        key = json.loads(harness.settings()["credentials_json"])
        file.write_text(json.dumps({**key, "token_uri": f"{harness.server.url}/token"}))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        harness.service.tokens.add("of-the-worker")
        given = Response(200, {"access_token": "of-the-worker", "expires_in": 3600, "token_type": "Bearer"})
        with harness.server.fault(given, lambda request: request.path == "/token"):
            assert not opened(harness, credentials_json=None).check(ZONE)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "nothing.json"))
        with pytest.raises(AuthenticationFailed):
            opened(harness, credentials_json=None).list_owned()

    def test_a_missing_file_of_authorities_is_told(self, harness: GoogleHarness, tmp_path: Path) -> None:
        nothing = str(tmp_path / "nothing.pem")
        with pytest.raises(InvalidSettings, match="ca_file"):
            opened(harness, ca_file=nothing, endpoint_url="https://127.0.0.1:9").list_owned()

    @pytest.mark.parametrize("key", ["no JSON: secret", '{"type": "service_account", "private_key": "secret"}'])
    def test_an_unusable_key_is_found_and_not_told(self, harness: GoogleHarness, key: str) -> None:
        provider = opened(harness, credentials_json=key)
        (finding,) = provider.check(ZONE)
        assert finding.setting == "credentials_json"
        with pytest.raises(AuthenticationFailed) as refused:
            provider.upsert(mark_of(), record_of(NAME))
        assert "secret" not in repr(finding) + str(refused.value)


class TestCheck:
    def test_missing_permissions_are_named(self, harness: GoogleHarness, provider: DNSProvider) -> None:
        harness.service.permissions -= {"dns.changes.create", "dns.resourceRecordSets.delete"}
        findings = provider.check(ZONE)
        assert {finding.setting for finding in findings} == {"zones", "reverse_zones"}
        assert len(findings) == 4
        assert all("dns.changes.create and dns.resourceRecordSets.delete" in one.problem for one in findings)
        assert all("roles/dns.admin" in one.remedy for one in findings)

    def test_a_wrong_project_is_told_with_all_else(self, harness: GoogleHarness) -> None:
        findings = opened(harness, project="somebody-elses").check("no domain")
        assert sorted(finding.setting for finding in findings) == ["base_domain", "project"]

    def test_an_endpoint_that_does_not_answer_is_told(self, harness: GoogleHarness, provider: DNSProvider) -> None:
        with harness.server.fault(Cut.BEFORE):
            (finding,) = provider.check(ZONE)
        assert finding.setting == "endpoint_url"


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "reason", "expected"),
        [
            (400, "invalid", InvalidSettings),
            (401, "authError", AuthenticationFailed),
            (403, "forbidden", PermissionDenied),
            (403, "accessNotConfigured", PermissionDenied),
            (403, "quotaExceeded", QuotaExceeded),
            (403, "rateLimitExceeded", Throttled),
            (403, "userRateLimitExceeded", Throttled),
            (404, "notFound", Transient),
            (429, "rateLimitExceeded", Throttled),
            (500, "backendError", Transient),
            (503, "backendError", Transient),
            (418, "somethingNew", Transient),
        ],
    )
    def test_each_answer_to_a_change_has_its_type_and_a_way_out(
        self, harness: GoogleHarness, provider: DNSProvider, status: int, reason: str, expected: type[DNSError]
    ) -> None:
        provider.list_owned()
        failure = refusal(status, reason, "What Google says of it.", {"retry-after": "90"})
        with harness.server.fault(failure, is_change), pytest.raises(expected) as refused:
            provider.upsert(mark_of(), record_of(NAME))
        assert refused.type is expected
        assert NAME in str(refused.value)
        assert not harness.seen()

    @pytest.mark.parametrize(
        "answer",
        [
            Response(200, b"<html>busy</html>"),
            Response(200, [1]),
            Response(200, {}),
            Response(502, b"<html>bad gateway</html>"),
            Response(502, [1]),
        ],
        ids=["no JSON", "no object", "an object of nobody's", "a gateway's page", "a gateway's JSON"],
    )
    def test_what_is_no_answer_of_googles_proves_nothing(
        self, harness: GoogleHarness, provider: DNSProvider, answer: Response
    ) -> None:
        calls: list[Callable[[], object]] = [provider.list_owned, lambda: provider.delete(mark_of(), NAME)]
        with harness.server.fault(answer):
            for call in calls:
                with pytest.raises(Transient):
                    call()

    def test_a_listing_that_breaks_off_is_none(self, harness: GoogleHarness, provider: DNSProvider) -> None:
        for server_id in "abc":
            provider.upsert(mark_of(server_id), record_of(f"{server_id}.{ZONE}"))
        broken = harness.server.fault(
            Cut.BEFORE, lambda request: request.path.endswith("/rrsets") and request.parameter("pageToken") == "3"
        )
        with broken, pytest.raises(Transient):
            provider.list_owned()
        assert len(provider.list_owned()) == 3

    def test_a_text_beside_our_marks_stays_and_what_is_ours_goes(
        self, harness: GoogleHarness, provider: DNSProvider
    ) -> None:
        provider.upsert(mark_of(), record_of(NAME, ptr=True))
        texts = {Seen(owner_name(name), "TXT", '"a text of somebody"') for name in (NAME, REVERSE)}
        for text in texts:
            harness.write(*text)
        changes = provider.delete(mark_of(), NAME)
        assert (len(changes.removed), changes.notes) == (2, ())
        assert harness.seen() == texts
        assert not provider.list_owned()

    def test_another_mark_beside_ours_keeps_the_addresses(self, harness: GoogleHarness, provider: DNSProvider) -> None:
        provider.upsert(mark_of(), record_of(NAME))
        text = Seen(*marked(NAME, mark_of("b")))
        harness.write(*text)
        with pytest.raises(NameTaken):
            provider.upsert(mark_of(), record_of(NAME, OTHER_ADDRESS))
        assert provider.delete(mark_of(), NAME).notes
        assert harness.seen() == forward(NAME, mark=mark_of("b"))


def _exhaust(provider: DNSProvider) -> None:
    while True:
        provider.delete(mark_of("b"), f"b.{ZONE}")


def paced(harness: GoogleHarness, clock: Clock) -> GoogleDNS:
    return GoogleDNS(Settings.model_validate(harness.settings()), OURS, clock=clock)
