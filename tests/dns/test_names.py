"""Names of records, zones and marks."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from poolwright.dns import names
from poolwright.dns.base import AddressRecord
from poolwright.dns.names import NameProblem

FEW = settings(max_examples=50)
LONG_DOMAIN = ".".join(["a" * 60] * 4)


class TestServerNames:
    def test_a_server_is_named_below_the_base_domain(self) -> None:
        assert names.server_fqdn("s0123456789a", "VDI.Example.org.") == "s0123456789a.vdi.example.org"

    @pytest.mark.parametrize(
        ("server_id", "base_domain"),
        [
            ("", "vdi.example"),
            ("a.b", "vdi.example"),
            ("a_b", "vdi.example"),
            ("-a", "vdi.example"),
            ("a" * 64, "vdi.example"),
            ("a", ""),
            ("a", "."),
            ("a", "vdi..example"),
            ("a", "*.example"),
            ("a", "vdi example"),
            ("a", "vdi\n.example"),
            ("a", "büro.example"),
            ("a", f"{LONG_DOMAIN}.example"),
        ],
    )
    def test_what_can_be_no_name_is_refused(self, server_id: str, base_domain: str) -> None:
        with pytest.raises(NameProblem):
            names.server_fqdn(server_id, base_domain)

    def test_the_longest_name_leaves_room_for_its_mark(self) -> None:
        longest = f"{LONG_DOMAIN[:-12]}"[: names.NAME_LIMIT - len(names.OWNER_LABEL) - 1]
        assert len(names.owner_name(names.record_name(longest))) <= names.NAME_LIMIT
        with pytest.raises(NameProblem, match="_poolwright"):
            names.record_name(LONG_DOMAIN)

    def test_the_message_names_the_label_and_the_way_out(self) -> None:
        with pytest.raises(NameProblem, match=r"'büro'.*xn--"):
            names.domain_name("büro.example")


class TestOwnerNames:
    def test_the_mark_is_one_label_below_its_name(self) -> None:
        assert names.owner_name("a.vdi.example") == "_poolwright.a.vdi.example"
        assert names.claimed_name("_poolwright.a.vdi.example") == "a.vdi.example"

    @pytest.mark.parametrize(
        "name", ["a.vdi.example", "_poolwright", "_poolwright2.a.example", "a._poolwright.example"]
    )
    def test_other_names_hold_no_mark(self, name: str) -> None:
        assert names.claimed_name(name) is None

    def test_no_host_can_have_that_name(self) -> None:
        with pytest.raises(NameProblem):
            names.domain_name(names.owner_name("a.vdi.example"))


class TestReverseNames:
    def test_both_families(self) -> None:
        assert names.reverse_name(ip_address("192.0.2.5")) == "5.2.0.192.in-addr.arpa"
        assert names.reverse_name(ip_address("2001:db8::5")) == f"5.{'0.' * 23}8.b.d.0.1.0.0.2.ip6.arpa"

    @FEW
    @given(st.ip_addresses())
    def test_there_and_back(self, address: IPv4Address | IPv6Address) -> None:
        assert names.address_of(names.reverse_name(address)) == address

    @pytest.mark.parametrize(
        "name",
        [
            "2.0.192.in-addr.arpa",
            "1.5.2.0.192.in-addr.arpa",
            "a.2.0.192.in-addr.arpa",
            "256.2.0.192.in-addr.arpa",
            "in-addr.arpa",
            "8.b.d.0.1.0.0.2.ip6.arpa",
            f"{'10.' * 32}ip6.arpa",
            f"{'g.' * 32}ip6.arpa",
            "5.2.0.192.example",
        ],
    )
    def test_what_is_the_name_of_no_address(self, name: str) -> None:
        assert names.address_of(name) is None

    @pytest.mark.parametrize(
        "zone", ["2.0.192.in-addr.arpa", "10.in-addr.arpa.", "8.B.D.0.1.0.0.2.ip6.arpa", "in-addr.arpa"]
    )
    def test_zones(self, zone: str) -> None:
        assert names.reverse_zone(zone) == zone.rstrip(".").lower()

    @pytest.mark.parametrize("zone", ["192.0.2", "vdi.example", "x.in-addr.arpa", "10.ip6.arpa", "notin-addr.arpa"])
    def test_what_is_no_zone_for_addresses_is_refused(self, zone: str) -> None:
        with pytest.raises(NameProblem, match=r"2\.0\.192\.in-addr\.arpa"):
            names.reverse_zone(zone)


class TestLongestSuffix:
    ZONES = ("example", "vdi.example", "other.test")

    @pytest.mark.parametrize(
        ("name", "zone"),
        [
            ("a.vdi.example", "vdi.example"),
            ("vdi.example", "vdi.example"),
            ("a.notvdi.example", "example"),
            ("a.example", "example"),
            ("a.another.test", None),
            ("test", None),
        ],
    )
    def test_the_longest_zone_that_holds_the_name(self, name: str, zone: str | None) -> None:
        assert names.longest_suffix(name, self.ZONES) == zone
        assert names.longest_suffix(name, self.ZONES[::-1]) == zone

    def test_all_that_hold_it_come_once_and_the_longest_first(self) -> None:
        assert names.suffixes("a.vdi.example", (*self.ZONES, "example")) == ["vdi.example", "example"]
        assert names.suffixes("test", self.ZONES) == []


class TestAddressRecords:
    def test_texts_become_addresses(self) -> None:
        record = AddressRecord.model_validate({"fqdn": "A.Example.", "addresses": ["192.0.2.5", "2001:DB8::5"]})
        assert record.fqdn == "a.example"
        assert record.addresses == (ip_address("192.0.2.5"), ip_address("2001:db8::5"))

    @pytest.mark.parametrize("address", ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "fe80::1%eth0", "host.example", ""])
    def test_what_can_be_no_machines_address_is_refused(self, address: str) -> None:
        with pytest.raises(ValidationError):
            AddressRecord.model_validate({"fqdn": "a.example", "addresses": [address]})

    @pytest.mark.parametrize("wrong", [{"addresses": []}, {"ttl_seconds": 0}, {"fqdn": "example"}, {"fqdn": "a_b.c"}])
    def test_other_nonsense_is_refused(self, wrong: dict[str, object]) -> None:
        with pytest.raises(ValidationError):
            AddressRecord.model_validate({"fqdn": "a.example", "addresses": ["192.0.2.5"], **wrong})
