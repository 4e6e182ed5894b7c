"""Which zone holds a name, and how long a list of zones is believed."""

from dataclasses import dataclass

import pytest

from poolwright.dns.errors import InvalidSettings
from poolwright.dns.zones import REMEMBERED_SECONDS, Zones, is_reverse


@dataclass(frozen=True)
class Named:
    name: str
    resource: str = ""

    def __str__(self) -> str:
        return self.resource


class Service:
    """Counts how often its zones are listed, and keeps the time."""

    def __init__(self, *zones: Named) -> None:
        self.zones = list(zones)
        self.listings = 0
        self.seconds = 0.0

    def read(self) -> list[Named]:
        self.listings += 1
        return list(self.zones)


@pytest.fixture
def service() -> Service:
    return Service(
        Named("example.org"), Named("vdi.example.org"), Named("2.0.192.in-addr.arpa"), Named("0.192.in-addr.arpa")
    )


@pytest.fixture
def zones(service: Service) -> Zones[Named]:
    return Zones(
        service.read, description="the zones", way_out_of_two="name the right one", clock=lambda: service.seconds
    )


class TestHolding:
    def test_the_longest_name_comes_first(self, zones: Zones[Named]) -> None:
        assert zones.forward("a.vdi.example.org") == Named("vdi.example.org")
        assert [zone.name for zone in zones.holding("a.vdi.example.org")] == ["vdi.example.org", "example.org"]
        assert zones.reverse("5.2.0.192.in-addr.arpa") == Named("2.0.192.in-addr.arpa")
        assert zones.reverse("5.3.0.192.in-addr.arpa") == Named("0.192.in-addr.arpa")
        assert zones.reverse("5.3.1.192.in-addr.arpa") is None

    def test_a_name_that_only_ends_alike_lies_in_none(self, zones: Zones[Named]) -> None:
        with pytest.raises(InvalidSettings, match=r"a\.notexample\.org lies in none of the zones"):
            zones.forward("a.notexample.org")
        assert not zones.holds("a.notexample.org")
        assert not zones.holds("5.2.0.192.in-addr.arpa")

    def test_two_of_one_name_are_named_with_the_way_out(self, service: Service, zones: Zones[Named]) -> None:
        service.zones = [Named("example.org", "one"), Named("example.org", "other")]
        with pytest.raises(InvalidSettings, match="one and other; name the right one"):
            zones.forward("a.example.org")
        assert len(zones.holding("a.example.org")) == 2

    @pytest.mark.parametrize("name", ["in-addr.arpa", "ip6.arpa", "10.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"])
    def test_reverse_zones(self, name: str) -> None:
        assert is_reverse(Named(name))
        assert not is_reverse(Named(f"{name}.example.org"))


class TestMemory:
    def test_a_list_is_believed_for_a_while(self, service: Service, zones: Zones[Named]) -> None:
        for _ in range(3):
            zones.forward("a.example.org")
        assert service.listings == 1
        service.seconds += REMEMBERED_SECONDS
        zones.forward("a.example.org")
        assert service.listings == 2

    def test_a_name_in_none_asks_at_once(self, service: Service, zones: Zones[Named]) -> None:
        zones.forward("a.example.org")
        service.zones.append(Named("new.test"))
        assert zones.forward("a.new.test") == Named("new.test")
        assert service.listings == 2
