"""The DigitalOcean provider under the suite: pydo against a stand-in that keeps to the vendor's API description."""

from collections.abc import Iterator

import pytest

from tests.dns.conformance import DNSConformance
from tests.dns.digitalocean.account import empty_account
from tests.dns.harness import Fault, Feature, Harness
from tests.wire.clock import Clock
from tests.wire.digitalocean_domains import DigitalOceanDomains
from tests.wire.server import WireServer

pytestmark = pytest.mark.slow


class TestDigitalOcean(DNSConformance):
    # No MEANWHILE: the service has no conditions, so that what comes between a look and a write can be seen
    # afterwards only. test_provider.py has what is promised instead.
    abilities = frozenset({*Fault, Feature.NESTED_ZONE, Feature.WILDCARDS, Feature.SEVERAL_MARKS})

    @pytest.fixture
    def harness(self, served: tuple[WireServer, DigitalOceanDomains]) -> Iterator[Harness]:
        with empty_account(served, Clock()) as harness:
            yield harness
