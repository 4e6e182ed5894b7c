"""A project of the GCP provider's own for each test."""

from collections.abc import Iterator

import pytest

from poolwright.providers.gcp.provider import GCPProvider
from tests.wire.gcp_rig import Rig, running_rig


@pytest.fixture(scope="session")
def gcp_rig() -> Iterator[Rig]:
    with running_rig() as rig:
        yield rig


@pytest.fixture
def rig(gcp_rig: Rig) -> Iterator[Rig]:
    """An empty project."""
    with gcp_rig.case():
        yield gcp_rig


@pytest.fixture
def gcp(rig: Rig) -> GCPProvider:
    """A provider on it."""
    return rig.open()
