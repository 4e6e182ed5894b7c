"""The DigitalOcean provider under the suite: pydo against a stand-in that keeps to the vendor's API description."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import count
from typing import Any

import pytest

from poolwright.dns.base import DNSProvider
from poolwright.dns.registry import open_dns_provider
from poolwright.vendors import digitalocean
from poolwright.vendors.pace import Pace
from tests.dns.conformance import DNSConformance
from tests.dns.harness import Fault, Feature, Harness, Seen
from tests.wire.clock import Clock
from tests.wire.digitalocean_domains import DigitalOceanDomains
from tests.wire.guard import only_this_machine
from tests.wire.server import Cut, Request, Response, WireServer

DOMAIN = "pool.example"
NESTED_DOMAIN = "agents.pool.example"
SCOPES = frozenset({"domain:read", "domain:update"})
_NUMBERS = count()


class DigitalOceanHarness:
    """An account with two empty domains."""

    base_domain = DOMAIN

    def __init__(self, server: WireServer, account: DigitalOceanDomains, clock: Clock) -> None:
        self._server = server
        self._account = account
        self._clock = clock
        # Each case has a token, and so a pace, of its own.
        self._token = f"dop_v1_{next(_NUMBERS):064x}"
        account.tokens = {self._token: SCOPES}
        account.domains = {DOMAIN: {}, NESTED_DOMAIN: {}}

    def open(self, controller_id: str) -> DNSProvider:
        return open_dns_provider("digitalocean", self.settings(), controller_id)

    def open_misconfigured(self) -> tuple[DNSProvider, Sequence[str]]:
        settings = self.settings(domains=["no-such-domain.example"])
        return open_dns_provider("digitalocean", settings, "controller-1"), ["domains", "base_domain"]

    def provoke(self, fault: Fault) -> AbstractContextManager[None]:
        match fault:
            case Fault.AUTHENTICATION:
                return self._server.fault(
                    Response(401, {"id": "unauthorized", "message": "Unable to authenticate you"})
                )
            case Fault.PERMISSION:
                return self._server.fault(Response(403, {"id": "forbidden", "message": "You are not authorized"}))
            case Fault.THROTTLED:
                return self._throttled()
            case Fault.LOST_RESPONSE:
                return self._server.fault(Cut.AFTER, changes_addresses)
            case Fault.TRANSIENT:
                return self._server.fault(Cut.BEFORE)
        raise AssertionError(f"{fault} is not declared")

    def meanwhile(self, step: Callable[[], None]) -> None:
        self._account.before_next_write = step

    def write(self, name: str, kind: str, data: str) -> None:
        domain = NESTED_DOMAIN if name.endswith(f".{NESTED_DOMAIN}") else DOMAIN
        self._account.add(domain, name.removesuffix(f".{domain}"), kind, data.strip('"'))

    def remove(self, name: str, kind: str) -> None:
        for domain, records in self._account.domains.items():
            for record in list(records.values()):
                if (f"{record['name']}.{domain}", record["type"]) == (name, kind):
                    del records[record["id"]]

    def seen(self) -> frozenset[Seen]:
        found = [
            Seen(f"{record['name']}.{domain}", record["type"], _as_in_a_zone_file(record))
            for domain, records in self._account.domains.items()
            for record in records.values()
        ]
        assert len(found) == len(set(found)), "a record is there twice"
        return frozenset(found)

    def ttl_seconds(self, name: str, kind: str) -> int:
        (ttl,) = {
            int(record["ttl"])
            for domain, records in self._account.domains.items()
            for record in records.values()
            if (f"{record['name']}.{domain}", record["type"]) == (name, kind)
        }
        return ttl

    def secrets(self) -> Sequence[str]:
        return (self._token,)

    def settings(self, **changes: Any) -> Mapping[str, Any]:
        """What the provider is opened with."""
        ca_file = str(self._server.ca_file)
        return {"token": self._token, "endpoint_url": self._server.url, "ca_file": ca_file, **changes}

    @contextmanager
    def _throttled(self) -> Iterator[None]:
        with self._server.fault(Response(429, {"id": "too_many_requests", "message": "API rate limit exceeded."})):
            yield
        self._clock.advance(60)


def changes_addresses(request: Request) -> bool:
    """Whether the request adds an address, the last thing that is written, or removes anything."""
    return request.method == "DELETE" or (request.method == "POST" and request.json["type"] in ("A", "AAAA"))


def _as_in_a_zone_file(record: Mapping[str, Any]) -> str:
    return f'"{record["data"]}"' if record["type"] == "TXT" else str(record["data"])


@pytest.fixture(scope="module")
def account() -> DigitalOceanDomains:
    return DigitalOceanDomains()


@pytest.fixture(scope="module")
def server(account: DigitalOceanDomains, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WireServer]:
    with WireServer(account, tls_directory=tmp_path_factory.mktemp("tls")) as server:
        yield server


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(digitalocean, "Pace", partial(Pace, clock=clock))
    return clock


@pytest.fixture(autouse=True)
def nothing_leaves() -> Iterator[None]:
    with only_this_machine() as left:
        yield
    assert left == []


class TestDigitalOcean(DNSConformance):
    # No MEANWHILE: the service has no conditions, so that what comes between a look and a write can be seen
    # afterwards only. tests/dns/test_digitalocean.py has what is promised instead.
    abilities = frozenset({*Fault, Feature.NESTED_ZONE, Feature.WILDCARDS})

    @pytest.fixture
    def harness(self, server: WireServer, account: DigitalOceanDomains, clock: Clock) -> Iterator[Harness]:
        yield DigitalOceanHarness(server, account, clock)
        assert account.complaints == []
