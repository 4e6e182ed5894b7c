"""The Route 53 provider under the suite: boto3 against moto behind the rules of the real service."""

from collections.abc import Iterator

import pytest

from tests.dns.conformance import DNSConformance
from tests.dns.harness import Fault, Feature, Harness
from tests.dns.route53_account import empty_account, serving
from tests.wire.clock import Clock
from tests.wire.route53 import Route53
from tests.wire.server import WireServer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[WireServer, Route53]]:
    with serving() as served:
        yield served


class TestRoute53(DNSConformance):
    abilities = frozenset({*Fault, *Feature})

    @pytest.fixture
    def harness(self, served: tuple[WireServer, Route53]) -> Iterator[Harness]:
        with empty_account(served, Clock(each_look_seconds=1)) as harness:
            yield harness
