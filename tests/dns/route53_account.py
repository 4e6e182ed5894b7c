"""An account at Route 53 to test with: boto3 against moto behind the rules of the real service."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import count
from typing import Any
from unittest.mock import patch

from poolwright.dns.base import DNSProvider
from poolwright.dns.registry import open_dns_provider
from poolwright.dns.route53 import zones
from poolwright.vendors import aws
from poolwright.vendors.patience import Patience
from tests.dns.harness import Fault, Seen
from tests.wire import route53
from tests.wire.clock import Clock
from tests.wire.guard import only_this_machine
from tests.wire.route53 import Route53, is_change
from tests.wire.server import Cut, WireServer

ZONE = "pool.example"
NESTED_ZONE = "agents.pool.example"
REVERSE_ZONE = "2.0.192.in-addr.arpa"
REVERSE_ZONE_6 = "8.b.d.0.1.0.0.2.ip6.arpa"
_NUMBERS = count()


class Route53Harness:
    """An account with two zones for names and two for addresses, all empty, and a private zone of the same name."""

    base_domain = ZONE

    def __init__(self, server: WireServer, service: Route53, clock: Clock) -> None:
        self.server = server
        self.service = service
        self.clock = clock
        # Each case has a key, and so a pace, of its own.
        number = next(_NUMBERS)
        self._key, self._secret = f"AKIA{number:016}", f"wJalrXUtnFEMI/K7MDENG/{number:018}"
        service.clear()
        for zone in (ZONE, NESTED_ZONE, REVERSE_ZONE, REVERSE_ZONE_6):
            service.add_zone(zone)
        service.add_zone(ZONE, private=True)

    def open(self, controller_id: str) -> DNSProvider:
        return open_dns_provider("route53", self.settings(), controller_id)

    def open_misconfigured(self) -> tuple[DNSProvider, Sequence[str]]:
        settings = self.settings(hosted_zone_ids=["Z0000000000000000000"])
        return open_dns_provider("route53", settings, "controller-1"), ["hosted_zone_ids", "base_domain"]

    def provoke(self, fault: Fault) -> AbstractContextManager[None]:
        match fault:
            case Fault.AUTHENTICATION:
                message = "The security token included in the request is invalid."
                return self.server.fault(route53.error(403, "InvalidClientTokenId", message))
            case Fault.PERMISSION:
                return self.server.fault(route53.error(403, "AccessDenied", "User is not authorized to perform this."))
            case Fault.THROTTLED:
                return self._throttled()
            case Fault.LOST_RESPONSE:
                return self.server.fault(Cut.AFTER, is_change)
            case Fault.TRANSIENT:
                return self.server.fault(Cut.BEFORE)
        raise AssertionError(f"{fault} is not declared")

    def meanwhile(self, step: Callable[[], None]) -> None:
        self.service.before_next_change = step

    def write(self, name: str, kind: str, data: str) -> None:
        self.service.add(name, kind, data)

    def remove(self, name: str, kind: str) -> None:
        self.service.remove(name, kind)

    def seen(self) -> frozenset[Seen]:
        return frozenset(
            Seen(one.name.rstrip(".").replace(r"\052", "*"), one.type, value)
            for one in self.service.records()
            for value in one.records
        )

    def ttl_seconds(self, name: str, kind: str) -> int:
        (ttl,) = {int(one.ttl) for one in self.service.records() if (one.name, one.type) == (f"{name}.", kind)}
        return ttl

    def secrets(self) -> Sequence[str]:
        return self._key, self._secret

    def settings(self, **changes: Any) -> Mapping[str, Any]:
        """What the provider is opened with."""
        key = {"access_key_id": self._key, "secret_access_key": self._secret}
        return {**key, "endpoint_url": self.server.url, **changes}

    @contextmanager
    def _throttled(self) -> Iterator[None]:
        with self.server.fault(route53.error(400, "Throttling", "Rate exceeded")):
            yield
        self.clock.advance(60)


@contextmanager
def serving() -> Iterator[tuple[WireServer, Route53]]:
    """Route 53 on this machine until the block ends."""
    service = Route53()
    with route53.listed_as_route53_does(), WireServer(service) as server:
        yield server, service


@contextmanager
def empty_account(served: tuple[WireServer, Route53], clock: Clock) -> Iterator[Route53Harness]:
    """An account there. Whatever it was asked, ours is to have asked for nothing improper."""
    paced = patch.object(aws, "pace_of", partial(aws.pace_of, clock=clock))
    patient = patch.object(zones, "Patience", partial(Patience, sleep=clock.advance))
    with paced, patient, only_this_machine() as left:
        harness = Route53Harness(*served, clock)
        yield harness
    assert harness.service.complaints == []
    assert left == []
