"""The GCP provider under the suite: Google's SDK against a stand-in that checks tokens and bodies."""

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from poolwright.providers.base import VM, Provider
from tests.conformance.harness import Fault, Feature, Harness
from tests.conformance.suite import ProviderConformance
from tests.wire.gcp_answers import refusal
from tests.wire.gcp_compute import ZONES
from tests.wire.gcp_key import credentials_json
from tests.wire.gcp_rig import Rig, is_insert, running_rig
from tests.wire.server import Cut

pytestmark = pytest.mark.slow


class GCPHarness:
    """One project, reached over HTTP."""

    def __init__(self, rig: Rig, **settings: Any) -> None:
        self._rig, self._settings = rig, settings

    def open(self, controller_id: str) -> Provider:
        return self._rig.open(controller_id, **self._settings)

    def open_misconfigured(self) -> tuple[Provider, Sequence[str]]:
        wrong = {
            "zones": [*ZONES, "us-east4-z"],
            "image": "projects/project-0/global/images/no-such-image",
            "network": "no-such-network",
            "subnetwork": "no-such-subnetwork",
        }
        return self._rig.open(**{**self._settings, **wrong}), list(wrong)

    def provoke(self, fault: Fault) -> AbstractContextManager[None]:
        fault_on = self._rig.server.fault
        match fault:
            case Fault.AUTHENTICATION:
                return fault_on(refusal(401, "authError", "Request had invalid authentication credentials."))
            case Fault.PERMISSION:
                message = "Required 'compute.instances.create' permission for 'projects/project-0'"
                return fault_on(refusal(403, "forbidden", message), is_insert)
            case Fault.QUOTA:
                message = "Quota 'CPUS' exceeded. Limit: 8.0 in region us-east4."
                return fault_on(refusal(403, "quotaExceeded", message), is_insert)
            case Fault.CAPACITY:
                return self._full()
            case Fault.INVALID:
                message = "The resource 'projects/project-0/global/images/linux-1' was not found"
                return fault_on(refusal(404, "notFound", message), is_insert)
            case Fault.THROTTLED:
                # What is not to be waited for in a test is a pause of no seconds.
                return fault_on(refusal(403, "rateLimitExceeded", "Rate Limit Exceeded", {"retry-after": "0"}))
            case Fault.TRANSIENT:
                return fault_on(Cut.BEFORE)
            case Fault.LOST_RESPONSE:
                return fault_on(Cut.AFTER, is_insert)
            case _:
                return self._stale()

    def pass_time(self) -> None:
        self._rig.tick()

    def received_script(self, vm: VM) -> bytes:
        zone, name, _ = vm.reference.split("/")
        items = self._rig.state.instances[zone, name].body.get("metadata", {}).get("items", [])
        return next((item["value"] for item in items if item["key"] == "startup-script"), "").encode()

    def secrets(self) -> Sequence[str]:
        lines = json.loads(credentials_json())["private_key"].split("\n")
        return [credentials_json(), *(line for line in lines if line and "--" not in line)]

    def leftovers(self) -> Sequence[str]:
        return self._rig.engine.leftovers()

    def close(self) -> None:
        """Nothing is left: the next case has a new project."""

    @contextmanager
    def _full(self) -> Iterator[None]:
        message = "The zone does not have enough resources available to fulfill the request."
        self._rig.state.failures[ZONES[0]] = ("ZONE_RESOURCE_POOL_EXHAUSTED", message)
        yield
        self._rig.state.failures.clear()

    @contextmanager
    def _stale(self) -> Iterator[None]:
        self._rig.state.hides_new_instances = True
        yield
        self._rig.state.hides_new_instances = False
        for instance in self._rig.state.instances.values():
            instance.is_listed = True


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with running_rig() as rig:
        yield rig


class GCPConformance(ProviderConformance):
    """What both shapes share."""

    rig: Rig

    @pytest.fixture(autouse=True)
    def _in_a_new_project(self, rig: Rig) -> Iterator[None]:
        self.rig = rig
        with rig.case():
            yield


class TestGCP(GCPConformance):
    abilities = frozenset(Fault) | {
        Feature.PLACES,
        Feature.SLOW_DELETION,
        Feature.SCRIPT_READ_BACK,
        Feature.SCRIPT_LIMIT,
    }

    def make_harness(self, directory: Path) -> Harness:
        return GCPHarness(self.rig, public_ip=True)


class TestGCPInOnePlace(GCPConformance):
    abilities = frozenset(Fault) | {Feature.SLOW_DELETION, Feature.SCRIPT_READ_BACK, Feature.SCRIPT_LIMIT}

    def make_harness(self, directory: Path) -> Harness:
        return GCPHarness(self.rig, zones=[ZONES[0]], spot=True)
