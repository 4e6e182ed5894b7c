"""Google Cloud DNS under the suite: Google's login and our calls against a stand-in for the service."""

from collections.abc import Iterator

import pytest

from tests.dns.conformance import DNSConformance
from tests.dns.google_account import GoogleHarness, Rig, empty_project, serving
from tests.dns.harness import Fault, Feature
from tests.dns.ownership import Races
from tests.dns.writing import Listing, Writing

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with serving() as rig:
        yield rig


class TestGoogle(DNSConformance):
    abilities = frozenset({*Fault, *Feature})

    @pytest.fixture
    def harness(self, rig: Rig) -> Iterator[GoogleHarness]:
        with empty_project(rig) as harness:
            yield harness


class TestGooglePrivate(Writing, Listing, Races):
    """The same calls with other zones: enough to see that it is those."""

    abilities = frozenset({*Fault, *Feature})

    @pytest.fixture
    def harness(self, rig: Rig) -> Iterator[GoogleHarness]:
        with empty_project(rig, "private") as harness:
            yield harness
