"""A subscription at a stand-in for Azure DNS, as the suite drives it."""

import itertools
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from poolwright.dns.azure.records import ADDRESS_KINDS, MARK_KEY
from poolwright.dns.base import DNSProvider
from poolwright.dns.names import address_of, claimed_name, longest_suffix, owner_name
from poolwright.dns.registry import open_dns_provider
from tests.dns.harness import Fault, Seen
from tests.wire.azure_dns import PRIVATE, PUBLIC, AzureDNSService, StoredSet, StoredZone, dns_error
from tests.wire.azure_login import CLIENT, SECRET, TENANT, arm_error
from tests.wire.guard import only_this_machine
from tests.wire.server import Answer, Cut, Request, WireServer

ZONE = "vdi.test"
GROUP = "names"
ZONES = (ZONE, f"agents.{ZONE}", "2.0.192.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa")
FAULTS: Mapping[Fault, Answer] = {
    Fault.AUTHENTICATION: arm_error(401, "InvalidAuthenticationToken", "The access token is invalid."),
    Fault.PERMISSION: arm_error(403, "AuthorizationFailed", "The client does not have authorization."),
    # What is not to be waited for in a test is a pause of no seconds.
    Fault.THROTTLED: dns_error(429, "TooManyRequests", "Slow down.", {"retry-after": "0"}),
    Fault.TRANSIENT: Cut.BEFORE,
}
MARKED = (*ADDRESS_KINDS, "PTR")
"""Kinds of record set that may bear a mark."""

_subscriptions = itertools.count(1)


class Rig(NamedTuple):
    """What all cases share."""

    service: AzureDNSService
    server: WireServer


class AzureHarness:
    """A subscription with zones in two resource groups.

    The suite speaks of marks as TXT records below their names. Here a mark is metadata of the record set itself, so
    that the harness shows and makes the one as the other: the TXT record of a name is the mark of the record sets at
    that name. A mark without records is a record set that somebody emptied, which Azure allows.
    """

    base_domain = ZONE

    def __init__(self, rig: Rig, zone_type: str) -> None:
        self.service, self.server = rig
        # Each case has a subscription of its own, and so a pace of its own.
        self.service.clear(str(uuid.UUID(int=next(_subscriptions))))
        self._zone_type = zone_type
        self._zones = {name: self.service.add_zone(zone_type, GROUP, name) for name in ZONES}
        self._others = [
            self.service.add_zone(PRIVATE if zone_type == PUBLIC else PUBLIC, GROUP, ZONE),
            self.service.add_zone(zone_type, "others", ZONE),
        ]

    def open(self, controller_id: str) -> DNSProvider:
        return open_dns_provider("azure", self.settings(), controller_id)

    def open_misconfigured(self) -> tuple[DNSProvider, Sequence[str]]:
        wrong = {"zones": [ZONE, "no-such-zone.test"], "reverse_zones": ["168.192.in-addr.arpa"]}
        return open_dns_provider("azure", {**self.settings(), **wrong}, "controller-1"), list(wrong)

    def provoke(self, fault: Fault) -> AbstractContextManager[None]:
        if fault is Fault.LOST_RESPONSE:
            return self.server.fault(Cut.AFTER, is_write)
        return self.server.fault(FAULTS[fault], lambda request: not self.service.login.knows(request))

    def meanwhile(self, step: Callable[[], None]) -> None:
        self.service.before_next_write = step

    def write(self, name: str, kind: str, data: str) -> None:
        claimed = claimed_name(name)
        if kind == "TXT" and claimed:
            self._mark(claimed, data.strip('"'))
            return
        zone, relative = self._place(name)
        if kind == "CNAME":
            # Nothing else may be at its name, so whoever writes it has removed what they emptied.
            for key in [key for key, one in zone.sets.items() if key[0] == relative and not one.lines]:
                del zone.sets[key]
        there = zone.sets.get((relative, kind), StoredSet([]))
        zone.sets[relative, kind] = StoredSet([*there.lines, data], there.ttl, there.metadata)

    def remove(self, name: str, kind: str) -> None:
        claimed = claimed_name(name)
        zone, relative = self._place(claimed or name)
        for key in [key for key in zone.sets if key[0] == relative]:
            there = zone.sets[key]
            if kind == "TXT" and claimed:
                left = StoredSet(there.lines, there.ttl, {})
            else:
                left = StoredSet([], there.ttl, there.metadata) if key[1] == kind else there
            if left.lines or left.metadata:
                zone.sets[key] = left
            else:
                del zone.sets[key]

    def seen(self) -> frozenset[Seen]:
        for other in self._others:
            assert {name for name, _ in other.sets} == {"@"}
        return frozenset(seen for zone in self._zones.values() for seen in _seen(zone))

    def ttl_seconds(self, name: str, kind: str) -> int:
        zone, relative = self._place(name)
        return zone.sets[relative, kind].ttl

    def secrets(self) -> Sequence[str]:
        return [SECRET]

    def stored(self, name: str, kind: str) -> StoredSet:
        """The record set as the service has it."""
        zone, relative = self._place(name)
        return zone.sets[relative, kind]

    def put(self, name: str, kind: str, stored: StoredSet) -> None:
        """Set a record set as somebody else does."""
        zone, relative = self._place(name)
        zone.sets[relative, kind] = stored

    def settings(self) -> dict[str, Any]:
        return {
            "subscription_id": self.service.subscription,
            "resource_group": GROUP,
            "tenant_id": TENANT,
            "client_id": CLIENT,
            "client_secret": SECRET,
            "endpoint_url": self.server.url,
            "authority_url": self.server.url,
            "ca_file": str(self.server.ca_file),
            "visibility": "private" if self._zone_type == PRIVATE else "public",
        }

    def _mark(self, name: str, text: str) -> None:
        zone, relative = self._place(name)
        marked = [key for key in zone.sets if key[0] == relative and key[1] in MARKED]
        for key in marked or [(relative, "PTR" if address_of(name) else "A")]:
            there = zone.sets.get(key, StoredSet([]))
            zone.sets[key] = StoredSet(there.lines, there.ttl, {MARK_KEY: text})

    def _place(self, name: str) -> tuple[StoredZone, str]:
        zone = longest_suffix(name, ZONES)
        assert zone is not None
        return self._zones[zone], name.removesuffix(zone).removesuffix(".") or "@"


def is_write(request: Request) -> bool:
    return request.method in ("PUT", "DELETE")


def _seen(zone: StoredZone) -> Iterator[Seen]:
    for (relative, kind), stored in zone.sets.items():
        name = zone.name if relative == "@" else f"{relative}.{zone.name}"
        if MARK_KEY in stored.metadata:
            yield Seen(owner_name(name), "TXT", f'"{stored.metadata[MARK_KEY]}"')
        if relative != "@" or kind not in ("SOA", "NS"):
            yield from (Seen(name, kind, line) for line in stored.lines)


@contextmanager
def serving(tls_directory: Path) -> Iterator[Rig]:
    """The service, until the block ends."""
    service = AzureDNSService()
    with WireServer(service, tls_directory=tls_directory) as server:
        service.login.base_url = service.base_url = server.url
        yield Rig(service, server)


@contextmanager
def empty_subscription(rig: Rig, zone_type: str = PUBLIC) -> Iterator[AzureHarness]:
    """A subscription with empty zones, which nothing may leave and nothing of what is asked may be against the API."""
    with only_this_machine() as left:
        yield AzureHarness(rig, zone_type)
    assert not left
    complaints, rig.service.complaints = rig.service.complaints, []
    assert not complaints
