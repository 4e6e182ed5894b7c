"""Azure DNS under the suite: Microsoft's own SDKs and login against a stand-in for the service."""

from collections.abc import Iterator

import pytest

from tests.dns.azure_account import AzureHarness, Rig, empty_subscription
from tests.dns.conformance import DNSConformance
from tests.dns.harness import Fault, Feature
from tests.wire.azure_dns import PRIVATE, PUBLIC

pytestmark = pytest.mark.slow


class TestAzure(DNSConformance):
    abilities = frozenset({*Fault, *Feature} - {Feature.SEVERAL_MARKS})

    @pytest.fixture
    def harness(self, azure: Rig) -> Iterator[AzureHarness]:
        with empty_subscription(azure, PUBLIC) as harness:
            yield harness


class TestAzurePrivate(DNSConformance):
    """Another SDK with other names for the same things."""

    abilities = frozenset({*Fault, *Feature} - {Feature.SEVERAL_MARKS})

    @pytest.fixture
    def harness(self, azure: Rig) -> Iterator[AzureHarness]:
        with empty_subscription(azure, PRIVATE) as harness:
            yield harness
