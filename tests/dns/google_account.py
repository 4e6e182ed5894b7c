"""A project at a stand-in for Google Cloud DNS, as the suite drives it."""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from poolwright.dns.base import DNSProvider
from poolwright.dns.names import longest_suffix
from poolwright.dns.registry import open_dns_provider
from tests.dns.harness import Fault, Seen
from tests.wire.google_dns import GoogleDNSService, refusal
from tests.wire.guard import only_this_machine
from tests.wire.server import Answer, Cut, Request, WireServer

ZONE = "vdi.test"
ZONES = {
    "vdi-test": ZONE,
    "agents": f"agents.{ZONE}",
    "reverse-4": "2.0.192.in-addr.arpa",
    "reverse-6": "8.b.d.0.1.0.0.2.ip6.arpa",
}
FAULTS: Mapping[Fault, Answer] = {
    Fault.AUTHENTICATION: refusal(401, "authError", "Invalid Credentials"),
    Fault.PERMISSION: refusal(403, "forbidden", "Forbidden"),
    # What is not to be waited for in a test is a pause of no seconds.
    Fault.THROTTLED: refusal(403, "rateLimitExceeded", "Rate Limit Exceeded", {"retry-after": "0"}),
    Fault.TRANSIENT: Cut.BEFORE,
}

_projects = itertools.count(1)


class Rig(NamedTuple):
    """What all cases share."""

    service: GoogleDNSService
    server: WireServer
    key: str
    """The service account's key file."""


class GoogleHarness:
    """A project with zones of every sort, of which the public ones that have records of their own are meant."""

    base_domain = ZONE

    def __init__(self, rig: Rig, visibility: str) -> None:
        self.service, self.server, self._key = service, _, _ = rig
        self._visibility = visibility
        # Each case has a project of its own, and so a pace of its own.
        service.clear(f"project-{next(_projects)}")
        other = {"public": "private", "private": "public"}[visibility]
        for resource, name in ZONES.items():
            service.add_zone(resource, name, visibility)
            service.add_zone(f"{resource}-{other}", name, other)
        service.add_zone("forwarded", f"deeper.agents.{ZONE}", visibility, forwardingConfig={"targetNameServers": []})
        self._untouched = {name: dict(records) for name, records in service.records.items() if name not in ZONES}

    def open(self, controller_id: str) -> DNSProvider:
        return open_dns_provider("google", self.settings(), controller_id)

    def open_misconfigured(self) -> tuple[DNSProvider, Sequence[str]]:
        wrong = {"zones": ["vdi-test", "no-such-zone"], "reverse_zones": ["forwarded"]}
        return open_dns_provider("google", {**self.settings(), **wrong}, "controller-1"), list(wrong)

    def provoke(self, fault: Fault) -> AbstractContextManager[None]:
        if fault is Fault.LOST_RESPONSE:
            return self.server.fault(Cut.AFTER, is_change)
        return self.server.fault(FAULTS[fault])

    def meanwhile(self, step: Callable[[], None]) -> None:
        self.service.before_next_change = step

    def write(self, name: str, kind: str, data: str) -> None:
        zone = self._zone(name)
        there = self.service.records[zone].get((f"{name}.", kind), {})
        self.service.put(zone, f"{name}.", kind, [*there.get("rrdatas", []), data])

    def remove(self, name: str, kind: str) -> None:
        self.service.records[self._zone(name)].pop((f"{name}.", kind), None)

    def seen(self) -> frozenset[Seen]:
        for name, records in self._untouched.items():
            assert self.service.records[name] == records
        return frozenset(
            Seen(name.removesuffix("."), kind, data)
            for zone, dns_name in ZONES.items()
            for (name, kind), one in self.service.records[zone].items()
            if not (name == f"{dns_name}." and kind in ("SOA", "NS"))
            for data in one["rrdatas"]
        )

    def ttl_seconds(self, name: str, kind: str) -> int:
        return int(self.service.records[self._zone(name)][f"{name}.", kind]["ttl"])

    def secrets(self) -> Sequence[str]:
        lines = json.loads(self._key)["private_key"].split("\n")
        return [self._key, *(line for line in lines if line and "--" not in line)]

    def settings(self) -> dict[str, Any]:
        return {
            "project": self.service.project,
            "credentials_json": self._key,
            "endpoint_url": self.server.url,
            "ca_file": str(self.server.ca_file) if self.server.ca_file else None,
            "visibility": self._visibility,
        }

    def _zone(self, name: str) -> str:
        dns_name = longest_suffix(name, ZONES.values())
        return next(resource for resource, one in ZONES.items() if one == dns_name)


def is_change(request: Request) -> bool:
    return request.path.endswith("/changes")


@contextmanager
def serving(tls_directory: Path | None = None) -> Iterator[Rig]:
    """The service, until the block ends."""
    key, public_key = service_account()
    service = GoogleDNSService(public_key)
    with WireServer(service, tls_directory=tls_directory) as server:
        yield Rig(service, server, key)


@contextmanager
def empty_project(rig: Rig, visibility: str = "public") -> Iterator[GoogleHarness]:
    """A project with empty zones, which nothing may leave and nothing of what is asked may be against the API."""
    with only_this_machine() as left:
        yield GoogleHarness(rig, visibility)
    assert not left
    complaints, rig.service.complaints = rig.service.complaints, []
    assert not complaints


@cache
def service_account() -> tuple[str, rsa.RSAPublicKey]:
    """A service account's key file, and the public half of the key in it."""
    # A key of the usual length takes 80 ms to read, each time that a provider is opened.
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    told = {
        "type": "service_account",
        "project_id": "project-0",
        "private_key_id": "0123456789",
        "private_key": private.decode(),
        "client_email": "poolwright@project-0.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    return json.dumps(told), key.public_key()
