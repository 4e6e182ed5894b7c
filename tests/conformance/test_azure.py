"""The azure provider under the suite: Azure's own SDK, login included, over TLS to a stand-in that checks requests."""

import base64
import gzip
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from poolwright.providers.azure.provider import open_provider
from poolwright.providers.base import VM, Provider
from tests.conformance.harness import Fault, Feature, Harness
from tests.conformance.specs import OURS
from tests.conformance.suite import ProviderConformance
from tests.providers.azure.account import SECRETS, settings_for
from tests.wire.azure_cloud import SIZES, VMS, AzureCloud, Subscription
from tests.wire.azure_login import arm_error
from tests.wire.azure_server import azure_server
from tests.wire.guard import only_this_machine
from tests.wire.server import Cut, Request, Response, WireServer

pytestmark = pytest.mark.slow

FAULTS = frozenset(Fault) - {Fault.STALE_LIST}
FEATURES = frozenset(
    {Feature.PLACES, Feature.LATE_ADDRESS, Feature.SLOW_DELETION, Feature.SCRIPT_READ_BACK, Feature.SCRIPT_LIMIT}
)


class AzureHarness:
    """A subscription of its own at the stand-in."""

    def __init__(self, server: WireServer, cloud: AzureCloud, knobs: Mapping[str, Any]) -> None:
        self._server, self._cloud = server, cloud
        self._subscription: Subscription = cloud.subscription()
        self._subscription.creation_steps = 2
        self._subscription.address_steps = self._subscription.deletion_steps = 2
        self._settings = {**settings_for(server, self._subscription), **knobs}

    def open(self, controller_id: str) -> Provider:
        return open_provider(self._settings, controller_id)

    def open_misconfigured(self) -> tuple[Provider, Sequence[str]]:
        wrong = {"subnet": "network/nowhere", "network_security_group": "nobody", "vm_sizes": ["Standard_A0"]}
        return open_provider({**self._settings, **wrong}, OURS), list(wrong)

    def provoke(self, fault: Fault) -> AbstractContextManager[None]:
        if fault is Fault.INVALID:
            return self._no_subnet()
        answer, which = {
            Fault.AUTHENTICATION: (arm_error(401, "InvalidAuthenticationToken", "The token is invalid."), _any),
            Fault.PERMISSION: (arm_error(403, "AuthorizationFailed", "The client may not do this."), _creation),
            Fault.QUOTA: (
                arm_error(409, "OperationNotAllowed", "It results in exceeding approved DSv5 Cores quota."),
                _creation,
            ),
            Fault.CAPACITY: (arm_error(409, "SkuNotAvailable", "The size is not available now."), self._in_first),
            Fault.THROTTLED: (
                arm_error(429, "TooManyRequests", "Slow down.", {"Retry-After": "0"}),
                _any,
            ),
            Fault.TRANSIENT: (Cut.BEFORE, _any),
            Fault.LOST_RESPONSE: (Cut.AFTER, _creation),
        }[fault]
        assert isinstance(answer, Response | Cut)
        return self._server.fault(answer, which)

    def pass_time(self) -> None:
        self._subscription.pass_time()

    def received_script(self, vm: VM) -> bytes:
        command = self._subscription.get(VMS, f"{vm.reference}/runCommands/poolwright-startup")
        if command:
            found = re.search(r"FromBase64String\('([^']*)'\)", command["properties"]["source"]["script"])
            assert found
            return base64.b64decode(found[1])
        data = self._subscription.custom_data[vm.reference]
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data

    def secrets(self) -> Sequence[str]:
        return SECRETS

    def leftovers(self) -> Sequence[str]:
        return self._subscription.names()

    def close(self) -> None:
        complaints, self._cloud.complaints = self._cloud.complaints, []
        assert complaints == []

    def _in_first(self, request: Request) -> bool:
        return _creation(request) and (
            request.json["properties"]["hardwareProfile"]["vmSize"] == SIZES[0]
            and request.json.get("zones") in (["1"], None)
        )

    @contextmanager
    def _no_subnet(self) -> Iterator[None]:
        subnets, self._subscription.subnets = self._subscription.subnets, set()
        yield
        self._subscription.subnets = subnets


def _any(request: Request) -> bool:
    return request.path.startswith("/subscriptions/")


def _creation(request: Request) -> bool:
    return request.method == "PUT" and "/virtualMachines/" in request.path


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[WireServer, AzureCloud]]:
    with azure_server(tmp_path_factory.mktemp("azure")) as served:
        yield served


class OnAzure(ProviderConformance):
    """Base: one server for all cases of this file."""

    knobs: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture(autouse=True)
    def _use(self, azure: tuple[WireServer, AzureCloud]) -> Iterator[None]:
        self._azure = azure
        with only_this_machine() as left:
            yield
        assert left == []

    def make_harness(self, directory: Path) -> Harness:
        return AzureHarness(*self._azure, self.knobs)


class TestAzure(OnAzure):
    """Linux, several sizes and zones, private addresses."""

    abilities = FAULTS | FEATURES
    knobs: ClassVar[Mapping[str, Any]] = {"vm_sizes": SIZES, "availability_zones": ["1", "2"]}


class TestAzureWithWindows(OnAzure):
    """Windows in one size anywhere in the region, public addresses."""

    abilities = (FAULTS | FEATURES | {Feature.SCRIPT_IN_GUEST}) - {Feature.PLACES}
    knobs: ClassVar[Mapping[str, Any]] = {
        "is_windows": True,
        "ssh_public_key": None,
        "assign_public_ip": True,
        "spot": {},
    }
