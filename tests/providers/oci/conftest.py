"""One stand-in for OCI per module, emptied for each test."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from poolwright.providers.oci.provider import OCIProvider, open_provider
from poolwright.providers.oci.settings import Settings
from tests.wire.guard import only_this_machine
from tests.wire.oci_cloud import COMPARTMENT, DOMAINS, IMAGE, PUBLIC_SUBNET, SHAPE, OCICloud
from tests.wire.oci_requests import Identity
from tests.wire.server import WireServer

Open = Callable[..., OCIProvider]


@pytest.fixture(scope="module")
def identity() -> Identity:
    return Identity()


@pytest.fixture(scope="module")
def running_cloud(identity: Identity) -> Iterator[tuple[OCICloud, WireServer]]:
    cloud = OCICloud(identity)
    with WireServer(cloud) as server:
        yield cloud, server


@pytest.fixture
def cloud(running_cloud: tuple[OCICloud, WireServer]) -> Iterator[OCICloud]:
    cloud, server = running_cloud
    cloud.clear()
    server.requests.clear()
    with only_this_machine() as left:
        yield cloud
    assert left == []
    assert cloud.complaints == []


@pytest.fixture
def server(running_cloud: tuple[OCICloud, WireServer], cloud: OCICloud) -> WireServer:
    return running_cloud[1]


@pytest.fixture
def account(identity: Identity) -> Mapping[str, Any]:
    """Settings that need no server."""
    return {
        **identity.settings("http://127.0.0.1:9", COMPARTMENT),
        "availability_domains": list(DOMAINS),
        "shapes": [{"name": SHAPE, "ocpus": 2, "memory_gib": 8}],
        "image_ocid": IMAGE,
        "subnet_ocid": PUBLIC_SUBNET,
    }


@pytest.fixture
def settings(account: Mapping[str, Any]) -> Callable[..., Settings]:
    """Settings with changes."""
    return lambda **changes: Settings.model_validate({**account, **changes})


@pytest.fixture
def open_oci(account: Mapping[str, Any], server: WireServer) -> Open:
    """A provider on the stand-in, with changed settings."""
    return lambda **changes: open_provider({**account, "endpoint_url": server.url, **changes}, "controller-1")
