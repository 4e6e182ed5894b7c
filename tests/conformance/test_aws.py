"""The AWS provider under the suite: boto3 against moto, which has been taught what it lacks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.harness import Fault, Feature, Harness
from tests.conformance.suite import ProviderConformance
from tests.wire.aws import AWSHarness, ec2_server
from tests.wire.ec2 import EC2
from tests.wire.guard import only_this_machine
from tests.wire.server import WireServer

pytestmark = pytest.mark.slow

FEATURES = frozenset({Feature.SLOW_DELETION, Feature.SCRIPT_READ_BACK})


@pytest.fixture(scope="module")
def rig() -> Iterator[tuple[EC2, WireServer]]:
    with ec2_server() as rig:
        yield rig


class AWSConformance(ProviderConformance):
    """What both operating systems share."""

    @pytest.fixture(autouse=True)
    def _here(self, rig: tuple[EC2, WireServer]) -> Iterator[None]:
        self._rig = rig
        with only_this_machine() as left:
            yield
        assert left == []

    def _harness(self, **settings: Any) -> AWSHarness:
        return AWSHarness(*self._rig, **settings)


class TestAWS(AWSConformance):
    """Linux, in two subnets with two instance types."""

    abilities = frozenset(Fault) | FEATURES | {Feature.PLACES}

    def make_harness(self, directory: Path) -> Harness:
        return self._harness()


class TestAWSWindows(AWSConformance):
    """Windows on spot instances, where scripts are not compressed, and one place."""

    abilities = frozenset(Fault) | FEATURES | {Feature.SCRIPT_LIMIT}

    def make_harness(self, directory: Path) -> Harness:
        harness = self._harness(instance_types=("t3.micro",), operating_system="windows", spot=True)
        harness.settings["ami_id"] = harness.windows_image
        harness.settings["subnet_ids"] = harness.settings["subnet_ids"][:1]
        return harness
