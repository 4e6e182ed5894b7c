"""Azure DNS under the suite: Microsoft's own SDKs and login against a stand-in for the service."""

from collections.abc import Iterator

import pytest

from tests.dns.azure_account import AzureHarness, Rig, empty_subscription, serving
from tests.dns.conformance import DNSConformance
from tests.dns.harness import Fault, Feature
from tests.wire.azure_dns import PRIVATE, PUBLIC

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with serving(tmp_path_factory.mktemp("tls")) as rig:
        yield rig


class TestAzure(DNSConformance):
    abilities = frozenset({*Fault, *Feature} - {Feature.SEVERAL_MARKS})

    @pytest.fixture
    def harness(self, rig: Rig) -> Iterator[AzureHarness]:
        with empty_subscription(rig, PUBLIC) as harness:
            yield harness


class TestAzurePrivate(DNSConformance):
    """Another SDK with other names for the same things."""

    abilities = frozenset({*Fault, *Feature} - {Feature.SEVERAL_MARKS})

    @pytest.fixture
    def harness(self, rig: Rig) -> Iterator[AzureHarness]:
        with empty_subscription(rig, PRIVATE) as harness:
            yield harness
