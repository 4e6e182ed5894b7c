"""A cluster per case, and providers on it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from poolwright.providers.proxmox.provider import ProxmoxProvider, open_provider
from poolwright.vendors import proxmox
from poolwright.vendors.pace import Pace
from tests.conformance.specs import OURS
from tests.wire.guard import only_this_machine
from tests.wire.proxmox import ProxmoxCluster

Open = Callable[..., ProxmoxProvider]


@pytest.fixture(autouse=True)
def here_only() -> Iterator[None]:
    with only_this_machine() as left:
        yield
    assert left == []


@pytest.fixture(autouse=True)
def unhurried() -> Iterator[None]:
    """Tests ask far more often than a worker does."""
    with patch.object(proxmox, "_pace_of", lambda *_: Pace(1e6, 1_000_000)):
        yield


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ProxmoxCluster]:
    cluster = ProxmoxCluster(tmp_path)
    cluster.serve()
    yield cluster
    cluster.close()


@pytest.fixture
def opened(cluster: ProxmoxCluster) -> Open:
    """A provider with other settings, as another worker would open it."""

    def opened(controller_id: str = OURS, **settings: Any) -> ProxmoxProvider:
        return open_provider({**cluster.settings(), **settings}, controller_id)

    return opened


@pytest.fixture
def provider(opened: Open) -> ProxmoxProvider:
    return opened()
