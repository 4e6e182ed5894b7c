"""The RFC 2136 provider under the suite, against BIND."""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from typing import Any, NamedTuple

import pytest

from poolwright.dns.base import DNSProvider
from poolwright.dns.registry import open_dns_provider
from tests.dns.conformance import DNSConformance
from tests.dns.harness import Fault, Feature, Harness, Seen
from tests.dns.relay import Relay
from tests.servers.bind9 import (
    NESTED_ZONE,
    REVERSE_ZONE,
    REVERSE_ZONE_6,
    ZONE,
    Access,
    Nameserver,
    Record,
    throw_away_nameserver,
)

pytestmark = pytest.mark.slow


class Stubborn(NamedTuple):
    """Servers that look like the one of the suite but do not let us in."""

    rekeyed: Nameserver
    """Has keys of the same names with other secrets."""
    locked: Nameserver
    """Has the very same keys but lets none of ours do anything."""


class BINDHarness:
    """The zones of one BIND, reached through a relay that can make trouble."""

    base_domain = ZONE

    def __init__(self, server: Nameserver, stubborn: Stubborn, relay: Relay) -> None:
        self._server = server
        self._stubborn = stubborn
        self._relay = relay

    def open(self, controller_id: str) -> DNSProvider:
        return open_dns_provider("rfc2136", self._settings(), controller_id)

    def open_misconfigured(self) -> tuple[DNSProvider, Sequence[str]]:
        wrong = {"zones": [ZONE, "no-such-zone.test"], "reverse_zones": ["168.192.in-addr.arpa"]}
        return open_dns_provider("rfc2136", {**self._settings(), **wrong}, "controller-1"), list(wrong)

    def provoke(self, fault: Fault) -> AbstractContextManager[None]:
        match fault:
            case Fault.AUTHENTICATION:
                return self._relay.redirected(self._stubborn.rekeyed.port)
            case Fault.PERMISSION:
                return self._relay.redirected(self._stubborn.locked.port)
            case Fault.LOST_RESPONSE:
                return self._relay.troubled(loses_answers_to_updates=True)
            case Fault.TRANSIENT:
                return self._relay.troubled(closes_at_once=True)
        raise AssertionError(f"{fault} is not declared")

    def meanwhile(self, step: Callable[[], None]) -> None:
        self._relay.before_next_update(step)

    def write(self, name: str, kind: str, data: str) -> None:
        self._server.add(Record(name, kind, data))

    def remove(self, name: str, kind: str) -> None:
        self._server.remove(name, kind=kind)

    def seen(self) -> frozenset[Seen]:
        return frozenset(Seen(record.name, record.kind, record.data) for record in self._server.records())

    def ttl_seconds(self, name: str, kind: str) -> int:
        (ttl,) = {record.ttl_seconds for record in self._server.records() if (record.name, record.kind) == (name, kind)}
        return ttl

    def secrets(self) -> Sequence[str]:
        secret = self._server.keys.updater.secret
        return secret, repr(base64.b64decode(secret))

    def _settings(self) -> Mapping[str, Any]:
        return {
            "servers": [f"127.0.0.1:{self._relay.port}"],
            "key": self._server.keys.updater._asdict(),
            "zones": [ZONE, NESTED_ZONE],
            "reverse_zones": [REVERSE_ZONE, REVERSE_ZONE_6],
        }


@pytest.fixture(scope="module")
def stubborn(bind9: Nameserver) -> Iterator[Stubborn]:
    with throw_away_nameserver() as rekeyed, throw_away_nameserver(bind9.keys, Access.ADMINISTRATOR) as locked:
        yield Stubborn(rekeyed, locked)


class TestRFC2136(DNSConformance):
    abilities = frozenset({*Fault, *Feature} - {Fault.THROTTLED})

    @pytest.fixture
    def harness(self, bind9: Nameserver, stubborn: Stubborn) -> Iterator[Harness]:
        with closing(Relay(bind9.port)) as relay:
            yield BINDHarness(bind9, stubborn, relay)
        bind9.clear()
