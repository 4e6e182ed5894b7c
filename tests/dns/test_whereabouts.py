"""Which changes of settings hide records: what is said of them, and what a removal then does."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any

import pytest

from poolwright.dns import registry
from poolwright.dns.base import Changes
from poolwright.dns.registry import open_dns_provider
from poolwright.dns.whereabouts import hiding
from tests.dns.account import ADDRESS, OURS, mark_of, record_of
from tests.dns.azure_account import ZONE, AzureHarness, Rig, empty_subscription

NESTED_ZONE = f"agents.{ZONE}"
NAME = f"a.{NESTED_ZONE}"
AZURE: Mapping[str, Any] = {"subscription_id": "0001", "resource_group": "names"}
OCI: Mapping[str, Any] = {"region": "us-ashburn-1", "compartment_ocid": "ocid1.compartment.oc1..a"}
REVERSE_ZONE = "2.0.192.in-addr.arpa"


def hidden(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return list(hiding(kind, before, after, {NAME}, {ip_address(ADDRESS)}))


class TestHiding:
    @pytest.mark.parametrize(
        ("kind", "before", "change", "key"),
        [
            ("azure", AZURE, {"subscription_id": "0002"}, "subscription_id"),
            ("azure", AZURE, {"resource_group": "others"}, "resource_group"),
            ("azure", AZURE, {"visibility": "private"}, "visibility"),
            ("google", {"project": "names-1"}, {"project": "names-2"}, "project"),
            ("google", {"project": "names-1"}, {"visibility": "private"}, "visibility"),
            ("google", {"zones": ["vdi", "agents"]}, {"zones": ["vdi"]}, "zones"),
            ("google", {"reverse_zones": ["ten"]}, {"reverse_zones": ["eleven"]}, "reverse_zones"),
            ("oci", OCI, {"compartment_ocid": "ocid1.compartment.oc1..b"}, "compartment_ocid"),
            ("oci", OCI, {"region": "eu-frankfurt-1"}, "region"),
            ("oci", OCI, {"view_ocid": "ocid1.dnsview.oc1..a"}, "view_ocid"),
            ("route53", {}, {"private_zones": True}, "private_zones"),
            ("route53", {"hosted_zone_ids": ["Z1"]}, {"hosted_zone_ids": ["Z2"]}, "hosted_zone_ids"),
            ("digitalocean", {"domains": [ZONE, NESTED_ZONE]}, {"domains": [ZONE]}, "domains"),
            ("rfc2136", {"zones": [ZONE, NESTED_ZONE]}, {"zones": [ZONE]}, "zones"),
            ("rfc2136", {"zones": [ZONE], "reverse_zones": [REVERSE_ZONE]}, {"reverse_zones": []}, "reverse_zones"),
            ("oci", {"reverse_zones": [REVERSE_ZONE]}, {"reverse_zones": ["10.in-addr.arpa"]}, "reverse_zones"),
        ],
    )
    def test_names_the_setting(self, kind: str, before: Mapping[str, Any], change: dict[str, Any], key: str) -> None:
        assert hidden(kind, before, {**before, **change}) == [key]

    @pytest.mark.parametrize(
        ("kind", "before", "change"),
        [
            ("azure", AZURE, {"client_secret": "another", "ca_file": "/etc/ssl/ca.pem"}),
            ("azure", AZURE, {"resource_group": None}),
            ("azure", AZURE, {"resource_group": "Names", "visibility": "public"}),
            ("azure", {"zones": [NESTED_ZONE]}, {"zones": []}),
            ("azure", {"reverse_zones": [REVERSE_ZONE]}, {"reverse_zones": []}),
            ("digitalocean", {}, {"domains": [NESTED_ZONE], "token": "another"}),
            ("digitalocean", {"domains": [NESTED_ZONE]}, {"domains": [f"{NESTED_ZONE.upper()}.", ZONE]}),
            ("google", {"zones": ["vdi"]}, {"zones": ["vdi", "agents"]}),
            ("google", {"zones": ["vdi"]}, {"zones": []}),
            ("oci", {**OCI, "view_ocid": "ocid1.dnsview.oc1..a"}, {"view_ocid": None}),
            ("rfc2136", {"zones": [ZONE, "example.org"]}, {"zones": [ZONE], "servers": ["192.0.2.9"]}),
            ("rfc2136", {"reverse_zones": [REVERSE_ZONE, "10.in-addr.arpa"]}, {"reverse_zones": [REVERSE_ZONE]}),
            ("route53", {"hosted_zone_ids": ["Z1"]}, {"hosted_zone_ids": ["/hostedzone/Z1", "Z2"]}),
        ],
    )
    def test_says_nothing_of_changes_that_hide_nothing(
        self, kind: str, before: Mapping[str, Any], change: dict[str, Any]
    ) -> None:
        assert hidden(kind, before, {**before, **change}) == []

    def test_says_nothing_of_zones_that_no_server_has_a_name_in(self) -> None:
        before, after = {"zones": [ZONE, NESTED_ZONE]}, {"zones": [ZONE]}
        assert list(hiding("oci", before, after, {f"a.{ZONE}"}, set())) == []

    @pytest.mark.parametrize("kind", registry.kinds())
    def test_knows_every_kind(self, kind: str) -> None:
        assert hidden(kind, {}, {}) == []


@pytest.fixture
def harness(azure: Rig) -> Iterator[AzureHarness]:
    with empty_subscription(azure) as harness:
        yield harness


@pytest.mark.slow
class TestRemoval:
    def removed(self, harness: AzureHarness, before: Mapping[str, Any], after: Mapping[str, Any]) -> Changes:
        """What the removal of a name says that was written before the change."""
        open_dns_provider("azure", before, OURS).upsert(mark_of(), record_of(NAME, ptr=True))
        assert harness.seen()
        return open_dns_provider("azure", after, OURS).delete(mark_of(), NAME, [ip_address(ADDRESS)])

    @pytest.mark.parametrize(
        ("narrow", "change", "key"),
        [
            ({}, {"visibility": "private"}, "visibility"),
            ({}, {"resource_group": "others"}, "resource_group"),
            ({"zones": [ZONE, NESTED_ZONE]}, {"zones": [ZONE]}, "zones"),
            ({"reverse_zones": [REVERSE_ZONE]}, {"reverse_zones": ["10.in-addr.arpa"]}, "reverse_zones"),
        ],
    )
    def test_a_hidden_record_counts_as_gone_and_stays(
        self, harness: AzureHarness, narrow: dict[str, Any], change: dict[str, Any], key: str
    ) -> None:
        before = {**harness.settings(), **narrow}
        after = {**before, **change}
        assert not self.removed(harness, before, after).notes
        assert harness.seen()
        assert hidden("azure", before, after) == [key]

    @pytest.mark.parametrize("change", [{"resource_group": None}, {"zones": [NESTED_ZONE]}, {"zones": []}])
    def test_any_other_is_removed(self, harness: AzureHarness, change: dict[str, Any]) -> None:
        before = {**harness.settings(), "zones": [ZONE, NESTED_ZONE]}
        after = {**before, **change}
        assert self.removed(harness, before, after).removed
        assert harness.seen() == frozenset()
        assert hidden("azure", before, after) == []
