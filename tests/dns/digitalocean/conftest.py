"""A stand-in for DigitalOcean for each file of this folder, and an account without records for each test."""

from collections.abc import Iterator

import pytest

from poolwright.dns.base import DNSProvider
from tests.dns.account import OURS
from tests.dns.digitalocean.account import DigitalOceanHarness, empty_account, serving
from tests.wire.clock import Clock
from tests.wire.digitalocean_domains import DigitalOceanDomains
from tests.wire.server import WireServer


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[WireServer, DigitalOceanDomains]]:
    with serving(tmp_path_factory.mktemp("tls")) as served:
        yield served


@pytest.fixture
def harness(served: tuple[WireServer, DigitalOceanDomains]) -> Iterator[DigitalOceanHarness]:
    with empty_account(served, Clock()) as harness:
        yield harness


@pytest.fixture
def provider(harness: DigitalOceanHarness) -> DNSProvider:
    return harness.open(OURS)
