"""OCI DNS under the suite: Oracle's SDK against a stand-in that checks signatures and bodies."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import pytest

from poolwright.dns.base import DNSProvider
from poolwright.dns.names import longest_suffix, owner_name
from poolwright.dns.registry import open_dns_provider
from tests.dns.account import ADDRESS_6, OURS, REVERSE, forward, mark_of, marked, record_of
from tests.dns.conformance import DNSConformance
from tests.dns.harness import Fault, Feature, Seen
from tests.dns.ownership import Races
from tests.dns.writing import Listing, Writing
from tests.wire.guard import only_this_machine
from tests.wire.oci_dns import COMPARTMENT, OCIDNSService, StoredZone
from tests.wire.oci_requests import Identity, failed, hidden
from tests.wire.server import Answer, Cut, Request, Response, WireServer

pytestmark = pytest.mark.slow

ZONE = "vdi.test"
NAMES = (ZONE, f"agents.{ZONE}", "2.0.192.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa")
VIEW = "ocid1.dnsview.oc1.iad.office"
OTHER_VIEW = "ocid1.dnsview.oc1.iad.lab"
FAULTS: Mapping[Fault, Answer] = {
    Fault.AUTHENTICATION: failed(401, "NotAuthenticated", "The required information is missing."),
    Fault.PERMISSION: hidden(),
    # What is not to be waited for in a test is a pause of no seconds.
    Fault.THROTTLED: Response(429, {"code": "TooManyRequests", "message": "slow down"}, {"retry-after": "0"}),
    Fault.TRANSIENT: Cut.BEFORE,
}


class Rig(NamedTuple):
    """What all cases share."""

    service: OCIDNSService
    server: WireServer
    identity: Identity


class OCIDNSHarness:
    """A compartment with zones of every sort, of which primary ones of one scope and view are meant."""

    base_domain = ZONE

    def __init__(self, rig: Rig, *, is_private: bool) -> None:
        self.service, self.server, self._identity = rig
        self._is_private = is_private
        self.service.clear()
        self.server.requests.clear()
        meant: dict[str, Any] = {"scope": "PRIVATE", "view": VIEW} if is_private else {"scope": "GLOBAL"}
        other: dict[str, Any] = {"scope": "GLOBAL"} if is_private else {"scope": "PRIVATE", "view": VIEW}
        self._zones: dict[str, StoredZone] = {}
        self._untouched: list[StoredZone] = []
        for name in NAMES:
            self._zones[name] = self.service.add_zone(name, **meant)
            self._untouched += [
                self.service.add_zone(name, **other),
                self.service.add_zone(name, scope="PRIVATE", view=OTHER_VIEW),
            ]
        deeper = f"deeper.agents.{ZONE}"
        self._untouched += [
            self.service.add_zone(deeper, **meant, zone_type="SECONDARY"),
            self.service.add_zone(deeper, **meant, is_protected=True),
            self.service.add_zone(deeper, **meant, state="DELETING"),
        ]

    def open(self, controller_id: str) -> DNSProvider:
        return open_dns_provider("oci", self.settings(), controller_id)

    def open_misconfigured(self) -> tuple[DNSProvider, Sequence[str]]:
        wrong = {"zones": [ZONE, "no-such-zone.test"], "reverse_zones": ["168.192.in-addr.arpa"]}
        return open_dns_provider("oci", {**self.settings(), **wrong}, OURS), list(wrong)

    def provoke(self, fault: Fault) -> AbstractContextManager[None]:
        if fault is Fault.LOST_RESPONSE:
            return self.server.fault(Cut.AFTER, is_change)
        return self.server.fault(FAULTS[fault])

    def meanwhile(self, step: Callable[[], None]) -> None:
        self.service.before_next_change = step

    def write(self, name: str, kind: str, data: str) -> None:
        self._zone(name).put(name, kind, data)

    def remove(self, name: str, kind: str) -> None:
        zone = self._zone(name)
        zone.records = {key: ttl for key, ttl in zone.records.items() if key[:2] != (name, kind)}

    def seen(self) -> frozenset[Seen]:
        for zone in self._untouched:
            assert {kind for _, kind, _ in zone.records} == {"SOA", "NS"}
        return frozenset(
            Seen(name, kind, data)
            for zone in self._zones.values()
            for name, kind, data in zone.records
            if not (name == zone.name and kind in ("SOA", "NS"))
        )

    def ttl_seconds(self, name: str, kind: str) -> int:
        (ttl,) = {ttl for key, ttl in self._zone(name).records.items() if key[:2] == (name, kind)}
        return ttl

    def secrets(self) -> Sequence[str]:
        return self._identity.private_key, self._identity.private_key.splitlines()[1]

    def settings(self) -> dict[str, Any]:
        private = {"visibility": "private", "view_ocid": VIEW} if self._is_private else {}
        return {**self._identity.settings(self.server.url, COMPARTMENT), **private}

    def _zone(self, name: str) -> StoredZone:
        found = longest_suffix(name, self._zones)
        assert found is not None
        return self._zones[found]


def is_change(request: Request) -> bool:
    return request.method == "PATCH"


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    identity = Identity()
    service = OCIDNSService(identity)
    with WireServer(service) as server:
        yield Rig(service, server, identity)


@pytest.fixture
def is_private() -> bool:
    return False


@pytest.fixture
def harness(rig: Rig, is_private: bool) -> Iterator[OCIDNSHarness]:
    with only_this_machine() as left:
        yield OCIDNSHarness(rig, is_private=is_private)
    assert not left
    assert rig.service.complaints == []


class TestOCI(DNSConformance):
    abilities = frozenset({*Fault, *Feature})


class TestOCIPrivate(Writing, Listing):
    """The same calls with the zones of one view: enough to see that it is those."""

    abilities = frozenset({*Fault, *Feature})

    @pytest.fixture
    def is_private(self) -> bool:
        return True


class AnsweredOtherwise(Races):
    """Whatever the answer to a condition that does not hold may be."""


class TestOCIWithPreconditionsAnswered412(AnsweredOtherwise):
    abilities = frozenset({*Fault, *Feature})

    @pytest.fixture(autouse=True)
    def _answer(self, harness: OCIDNSHarness) -> None:
        harness.service.unmet = failed(412, "NoEtagMatch", "A precondition does not hold.")


class TestOCIWithPreconditionsAnswered400(AnsweredOtherwise):
    abilities = frozenset({*Fault, *Feature})

    @pytest.fixture(autouse=True)
    def _answer(self, harness: OCIDNSHarness) -> None:
        harness.service.unmet = failed(400, "InvalidParameter", "A precondition does not hold.")


class TestTextsBesideTheMark:
    def test_they_stay_and_what_is_ours_goes(self, harness: OCIDNSHarness) -> None:
        name, provider = f"a.{ZONE}", harness.open(OURS)
        provider.upsert(mark_of(), record_of(name, ptr=True))
        texts = {Seen(owner_name(one), "TXT", '"a text of somebody"') for one in (name, REVERSE)}
        for text in texts:
            harness.write(*text)
        changes = provider.delete(mark_of(), name)
        assert (len(changes.removed), changes.notes) == (2, ())
        assert harness.seen() == texts
        assert not provider.list_owned()

    def test_another_mark_beside_ours_keeps_the_addresses(self, harness: OCIDNSHarness) -> None:
        name, provider = f"a.{ZONE}", harness.open(OURS)
        provider.upsert(mark_of(), record_of(name))
        harness.write(*marked(name, mark_of("b")))
        assert provider.delete(mark_of(), name).notes
        assert harness.seen() == forward(name, mark=mark_of("b"))


class TestTwoWorkers:
    def test_addresses_that_were_written_during_the_removal_go_with_the_mark(self, harness: OCIDNSHarness) -> None:
        name, provider = f"a.{ZONE}", harness.open(OURS)
        provider.upsert(mark_of(), record_of(name))

        def write_others() -> None:
            harness.write(name, "A", "192.0.2.9")
            harness.write(name, "AAAA", ADDRESS_6)

        harness.meanwhile(write_others)
        provider.delete(mark_of(), name)
        assert not harness.seen()


class TestCalls:
    def test_a_name_takes_one_look_and_one_change(self, harness: OCIDNSHarness) -> None:
        provider = harness.open(OURS)
        provider.upsert(mark_of(), record_of(f"a.{ZONE}"))
        assert [request.method for request in harness.server.requests] == ["GET", "GET", "PATCH"]
        provider.delete(mark_of(), f"a.{ZONE}")
        provider.upsert(mark_of("b"), record_of(f"b.{ZONE}"))
        # The list of zones is asked for once; the address's reverse zone is looked at before the name goes.
        assert harness.server.count() == 3 + 3 + 2

    def test_what_is_as_wanted_is_not_written(self, harness: OCIDNSHarness) -> None:
        for _ in range(2):
            harness.open(OURS).upsert(mark_of(), record_of(f"a.{ZONE}"))
        assert harness.server.count(is_change) == 1

    def test_all_pages_are_read(self, harness: OCIDNSHarness) -> None:
        harness.service.page_size = 2
        for server_id in "abc":
            harness.open(OURS).upsert(mark_of(server_id), record_of(f"{server_id}.{ZONE}"))
        assert [one.mark.server_id for one in harness.open(OURS).list_owned()] == list("abc")

    def test_a_change_carries_its_conditions(self, harness: OCIDNSHarness) -> None:
        name = f"a.{ZONE}"
        provider = harness.open(OURS)
        provider.upsert(mark_of(), record_of(name))
        provider.delete(mark_of(), name)
        claim, release = (request.json["items"] for request in harness.server.requests if is_change(request))
        prohibited = {(one["domain"], one["rtype"]) for one in claim if one["operation"] == "PROHIBIT"}
        assert {(name, "A"), (name, "CNAME"), (name, "MX"), (owner_name(name), "TXT")} <= prohibited
        (required,) = (one for one in release if one["operation"] == "REQUIRE")
        assert Seen(required["domain"], required["rtype"], required["rdata"]) == marked(name, mark_of())


class TestZones:
    def test_pointers_are_found_outside_of_a_reverse_zone_that_is_younger(self, harness: OCIDNSHarness) -> None:
        name = f"a.{ZONE}"
        harness.open(OURS).upsert(mark_of(), record_of(name, ADDRESS_6, ptr=True))
        harness.service.add_zone(f"0.0.{NAMES[3]}", scope="GLOBAL")
        assert len(harness.open(OURS).delete(mark_of(), name).removed) == 2
        assert not harness.seen()


class TestChecks:
    def test_two_zones_of_one_name_need_a_view(self, harness: OCIDNSHarness) -> None:
        settings = {**harness.settings(), "visibility": "private"}
        (finding,) = open_dns_provider("oci", settings, OURS).check(ZONE)
        assert finding.setting == "view_ocid"

    def test_a_zone_that_may_only_be_read_is_found(self, harness: OCIDNSHarness) -> None:
        settings = {**harness.settings(), "zones": [ZONE], "reverse_zones": [NAMES[2]]}
        with harness.server.fault(hidden(), is_change):
            findings = open_dns_provider("oci", settings, OURS).check(ZONE)
        assert [finding.setting for finding in findings] == ["zones", "reverse_zones"]

    def test_a_ca_file_that_is_not_there_is_found(self, harness: OCIDNSHarness) -> None:
        (finding,) = open_dns_provider("oci", {**harness.settings(), "ca_file": "/nowhere/ca.pem"}, OURS).check(ZONE)
        assert finding.setting == "ca_file"

    def test_a_check_changes_nothing(self, harness: OCIDNSHarness) -> None:
        assert harness.open(OURS).check(ZONE) == []
        assert harness.service.changes == 0
