"""An account at DigitalOcean to test with: pydo against a stand-in that keeps to the vendor's API description."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

from poolwright.dns.base import DNSProvider
from poolwright.dns.digitalocean import records
from poolwright.dns.registry import open_dns_provider
from poolwright.vendors import digitalocean
from poolwright.vendors.pace import Pace
from poolwright.vendors.patience import Patience
from tests.dns.harness import Fault, Seen
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
        self.server = server
        self.account = account
        self.clock = clock
        # Each case has a token, and so a pace, of its own.
        self.token = f"dop_v1_{next(_NUMBERS):064x}"
        account.tokens = {self.token: SCOPES}
        account.domains = {DOMAIN: {}, NESTED_DOMAIN: {}}

    def open(self, controller_id: str) -> DNSProvider:
        return open_dns_provider("digitalocean", self.settings(), controller_id)

    def open_misconfigured(self) -> tuple[DNSProvider, Sequence[str]]:
        settings = self.settings(domains=["no-such-domain.example"])
        return open_dns_provider("digitalocean", settings, "controller-1"), ["domains", "base_domain"]

    def provoke(self, fault: Fault) -> AbstractContextManager[None]:
        match fault:
            case Fault.AUTHENTICATION:
                return self.server.fault(Response(401, {"id": "unauthorized", "message": "Unable to authenticate you"}))
            case Fault.PERMISSION:
                return self.server.fault(Response(403, {"id": "forbidden", "message": "You are not authorized"}))
            case Fault.THROTTLED:
                return self._throttled()
            case Fault.LOST_RESPONSE:
                return self.server.fault(Cut.AFTER, changes_addresses)
            case Fault.TRANSIENT:
                return self.server.fault(Cut.BEFORE)
        raise AssertionError(f"{fault} is not declared")

    def meanwhile(self, step: Callable[[], None]) -> None:
        self.account.before_next_write = step

    def write(self, name: str, kind: str, data: str) -> None:
        domain = NESTED_DOMAIN if name.endswith(f".{NESTED_DOMAIN}") else DOMAIN
        self.account.add(domain, name.removesuffix(f".{domain}"), kind, data.strip('"'))

    def remove(self, name: str, kind: str) -> None:
        for domain, content in self.account.domains.items():
            for record in list(content.values()):
                if (f"{record['name']}.{domain}", record["type"]) == (name, kind):
                    del content[record["id"]]

    def seen(self) -> frozenset[Seen]:
        found = [
            Seen(f"{record['name']}.{domain}", record["type"], _as_in_a_zone_file(record))
            for domain, content in self.account.domains.items()
            for record in content.values()
        ]
        assert len(found) == len(set(found)), "a record is there twice"
        return frozenset(found)

    def ttl_seconds(self, name: str, kind: str) -> int:
        (ttl,) = {
            int(record["ttl"])
            for domain, content in self.account.domains.items()
            for record in content.values()
            if (f"{record['name']}.{domain}", record["type"]) == (name, kind)
        }
        return ttl

    def secrets(self) -> Sequence[str]:
        return (self.token,)

    def settings(self, **changes: Any) -> Mapping[str, Any]:
        """What the provider is opened with."""
        ca_file = str(self.server.ca_file)
        return {"token": self.token, "endpoint_url": self.server.url, "ca_file": ca_file, **changes}

    @contextmanager
    def _throttled(self) -> Iterator[None]:
        with self.server.fault(Response(429, {"id": "too_many_requests", "message": "API rate limit exceeded."})):
            yield
        self.clock.advance(60)


def changes_addresses(request: Request) -> bool:
    """Whether the request adds an address, the last thing that is written, or removes anything."""
    return request.method == "DELETE" or (request.method == "POST" and request.json["type"] in ("A", "AAAA"))


def _as_in_a_zone_file(record: Mapping[str, Any]) -> str:
    return f'"{record["data"]}"' if record["type"] == "TXT" else str(record["data"])


@contextmanager
def serving(tls_directory: Path) -> Iterator[tuple[WireServer, DigitalOceanDomains]]:
    """DigitalOcean on this machine until the block ends."""
    account = DigitalOceanDomains()
    with WireServer(account, tls_directory=tls_directory) as server:
        yield server, account


@contextmanager
def empty_account(served: tuple[WireServer, DigitalOceanDomains], clock: Clock) -> Iterator[DigitalOceanHarness]:
    """An account there. Whatever it was asked, ours is to have asked for nothing improper."""
    paced = patch.object(digitalocean, "Pace", partial(Pace, clock=clock))
    patient = patch.object(records, "Patience", partial(Patience, sleep=clock.advance))
    with paced, patient, only_this_machine() as left:
        harness = DigitalOceanHarness(*served, clock)
        yield harness
    assert harness.account.complaints == []
    assert left == []


def writes(request: Request) -> bool:
    return request.method != "GET"
