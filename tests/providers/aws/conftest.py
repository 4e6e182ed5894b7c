"""An AWS account with EC2 for each test."""

from collections.abc import Iterator

import pytest

from poolwright.providers.aws.provider import AWSProvider
from tests.conformance.specs import OURS
from tests.wire.aws import AWSHarness, ec2_server
from tests.wire.ec2 import EC2
from tests.wire.guard import only_this_machine
from tests.wire.server import WireServer


@pytest.fixture(scope="package")
def rig() -> Iterator[tuple[EC2, WireServer]]:
    """Starting it takes seconds; each test empties it."""
    with ec2_server() as rig:
        yield rig


@pytest.fixture
def account(rig: tuple[EC2, WireServer]) -> Iterator[AWSHarness]:
    """An empty account, whose requests kept to EC2's rules in the end."""
    with only_this_machine() as left:
        harness = AWSHarness(*rig)
        yield harness
        harness.close()
    assert left == []


@pytest.fixture
def provider(account: AWSHarness) -> AWSProvider:
    """With the account's own settings."""
    return account.open(OURS)
