"""A stand-in for Azure for all tests of this folder, and a subscription of its own for each."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from poolwright.providers.azure.provider import AzureProvider, open_provider
from tests.conformance.specs import OURS
from tests.providers.azure.account import settings_for
from tests.wire.azure_cloud import AzureCloud, Subscription
from tests.wire.azure_server import azure_server
from tests.wire.guard import only_this_machine
from tests.wire.server import WireServer

Opened = Callable[..., AzureProvider]


@pytest.fixture(scope="session")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[WireServer, AzureCloud]]:
    with azure_server(tmp_path_factory.mktemp("azure")) as served:
        yield served


@pytest.fixture
def server(azure: tuple[WireServer, AzureCloud]) -> Iterator[WireServer]:
    """The server; what its requests did wrong fails the test."""
    server, cloud = azure
    server.requests.clear()
    with only_this_machine() as left:
        yield server
    wrong, cloud.complaints = cloud.complaints, []
    assert wrong == []
    assert left == []


@pytest.fixture
def subscription(azure: tuple[WireServer, AzureCloud]) -> Subscription:
    return azure[1].subscription()


@pytest.fixture
def opened(server: WireServer, subscription: Subscription) -> Opened:
    """Opens the provider on the subscription, with some settings changed."""

    def open_with(*, controller_id: str = OURS, **changed: Any) -> AzureProvider:
        return open_provider({**settings_for(server, subscription), **changed}, controller_id)

    return open_with
