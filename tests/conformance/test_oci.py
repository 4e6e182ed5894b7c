"""The OCI provider under the suite: Oracle's SDK against a stand-in that checks signatures and bodies."""

import gzip
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from poolwright.providers.base import VM, Provider
from poolwright.providers.registry import open_provider
from tests.conformance.harness import Fault, Feature, Harness
from tests.conformance.suite import ProviderConformance
from tests.wire.guard import only_this_machine
from tests.wire.oci_cloud import COMPARTMENT, DOMAINS, IMAGE, PUBLIC_SUBNET, SHAPE, WINDOWS_IMAGE, OCICloud
from tests.wire.oci_requests import Identity, failed, hidden
from tests.wire.server import Cut, Request, Response, WireServer

pytestmark = pytest.mark.slow

WINDOWS_FIRST_LINE = b"#ps1_sysnative\n"
NO_SUCH_IMAGE = "ocid1.image.oc1.iad.missing"


class OCIHarness:
    """One compartment, reached over HTTP."""

    def __init__(self, cloud: OCICloud, server: WireServer, identity: Identity, **settings: Any) -> None:
        cloud.clear()
        server.requests.clear()
        self._cloud, self._server, self._identity = cloud, server, identity
        self._settings: Mapping[str, Any] = {
            **identity.settings(server.url, COMPARTMENT),
            "availability_domains": list(DOMAINS),
            "shapes": [{"name": SHAPE, "ocpus": 2, "memory_gib": 8}],
            "image_ocid": IMAGE,
            "subnet_ocid": PUBLIC_SUBNET,
            **settings,
        }

    def open(self, controller_id: str) -> Provider:
        return open_provider("oci", self._settings, controller_id)

    def open_misconfigured(self) -> tuple[Provider, Sequence[str]]:
        wrong = {
            "image_ocid": NO_SUCH_IMAGE,
            "subnet_ocid": "ocid1.subnet.oc1.iad.missing",
            "nsg_ocids": ["ocid1.networksecuritygroup.oc1.iad.missing"],
            "shapes": [{"name": "VM.Standard9.9"}],
            "availability_domains": ["Uocm:US-ASHBURN-AD-1", "Uocm:US-ASHBURN-AD-9"],
        }
        return open_provider("oci", {**self._settings, **wrong}, "controller-1"), list(wrong)

    def provoke(self, fault: Fault) -> AbstractContextManager[None]:
        match fault:
            case Fault.AUTHENTICATION:
                return self._server.fault(failed(401, "NotAuthenticated", "The required information is missing."))
            case Fault.PERMISSION:
                return self._server.fault(hidden(), _launches)
            case Fault.QUOTA:
                return self._server.fault(failed(400, "LimitExceeded", "The limit of this tenancy is used."), _launches)
            case Fault.CAPACITY:
                return self._server.fault(failed(500, "InternalError", "Out of host capacity."), self._in_first_place)
            case Fault.INVALID:
                answer = failed(400, "RelatedResourceNotAuthorizedOrNotFound", "The image does not exist.")
                return self._server.fault(answer, _launches)
            case Fault.THROTTLED:
                return self._server.fault(Response(429, {"code": "TooManyRequests"}, {"retry-after": "0"}))
            case Fault.TRANSIENT:
                return self._server.fault(Cut.BEFORE)
            case Fault.LOST_RESPONSE:
                return self._server.fault(Cut.AFTER, _launches)
            case Fault.STALE_LIST:
                return self._stale_lists()

    def pass_time(self) -> None:
        self._cloud.now += 1

    def received_script(self, vm: VM) -> bytes:
        script = self._cloud.script(vm.reference)
        script = gzip.decompress(script) if script.startswith(b"\x1f\x8b") else script
        return script.removeprefix(WINDOWS_FIRST_LINE)

    def secrets(self) -> Sequence[str]:
        return self._identity.private_key, self._identity.private_key.splitlines()[1]

    def leftovers(self) -> Sequence[str]:
        return self._cloud.living()

    def close(self) -> None:
        assert self._cloud.complaints == []

    def _in_first_place(self, request: Request) -> bool:
        return _launches(request) and request.json["availabilityDomain"] == DOMAINS[0]

    @contextmanager
    def _stale_lists(self) -> Iterator[None]:
        self._cloud.listed = frozenset(self._cloud.instances)
        yield
        self._cloud.listed = None


def _launches(request: Request) -> bool:
    return request.method == "POST"


@pytest.fixture(scope="module")
def identity() -> Identity:
    return Identity()


@pytest.fixture(scope="module")
def cloud(identity: Identity) -> OCICloud:
    return OCICloud(identity)


@pytest.fixture(scope="module")
def server(cloud: OCICloud) -> Iterator[WireServer]:
    with WireServer(cloud) as server:
        yield server


class OCIConformance(ProviderConformance):
    """What both operating systems share."""

    @pytest.fixture(autouse=True)
    def _here(self, identity: Identity, cloud: OCICloud, server: WireServer) -> Iterator[None]:
        self._parts = cloud, server, identity
        with only_this_machine() as left:
            yield
        assert left == []


class TestOCI(OCIConformance):
    """Linux, in two availability domains."""

    abilities = frozenset(Fault) | {
        Feature.PLACES,
        Feature.LATE_ADDRESS,
        Feature.SLOW_DELETION,
        Feature.SCRIPT_READ_BACK,
    }

    def make_harness(self, directory: Path) -> Harness:
        return OCIHarness(*self._parts)


class TestOCIWindows(OCIConformance):
    """Windows, where scripts are not compressed, and one place."""

    abilities = frozenset(Fault) | {
        Feature.LATE_ADDRESS,
        Feature.SLOW_DELETION,
        Feature.SCRIPT_READ_BACK,
        Feature.SCRIPT_LIMIT,
    }

    def make_harness(self, directory: Path) -> Harness:
        return OCIHarness(
            *self._parts,
            availability_domains=[DOMAINS[0]],
            image_ocid=WINDOWS_IMAGE,
            operating_system="windows",
            public_ip=True,
        )
