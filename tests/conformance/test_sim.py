"""The simulated provider under the suite: at once in memory, slowly in a file, and with scripts run in the guest."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from poolwright.providers.base import VM, Provider
from poolwright.providers.sim.provider import open_provider
from poolwright.providers.sim.settings import Failure, Operation
from poolwright.providers.sim.world import forget, world
from tests.conformance.harness import Fault, Feature, Harness
from tests.conformance.suite import ProviderConformance

NAME = "conformance"
SLOW = {
    "create_seconds": {"least_seconds": 5, "most_seconds": 50},
    "address_delay_seconds": 7,
    "boot_seconds": 20,
    "delete_seconds": {"least_seconds": 5, "most_seconds": 30},
}
IN_GUEST = {"runs_script_in_guest": True, "create_seconds": 10, "boot_seconds": 20}


class SimHarness:
    """A world with a clock that stands still until it is told to go on."""

    def __init__(self, knobs: Mapping[str, Any], file: Path | None = None) -> None:
        self._file = file
        self._settings = {"world": NAME, "file": file, **knobs}
        self._now = 1_000_000.0
        self._world = world(NAME, file)
        self._world.clock = lambda: self._now

    def open(self, controller_id: str) -> Provider:
        return open_provider(self._settings, controller_id)

    def open_misconfigured(self) -> tuple[Provider, Sequence[str]]:
        capacity = {"nowhere": 1, "elsewhere": 2}
        return open_provider({**self._settings, "capacity": capacity}, "controller-1"), [
            f"capacity.{place}" for place in capacity
        ]

    def provoke(self, fault: Fault) -> AbstractContextManager[None]:
        places = self._settings.get("places") or ()
        match fault:
            case Fault.AUTHENTICATION:
                return self._failing(Failure.AUTHENTICATION_FAILED, *Operation)
            case Fault.PERMISSION:
                return self._failing(Failure.PERMISSION_DENIED, Operation.CREATE)
            case Fault.INVALID:
                return self._failing(Failure.INVALID_SETTINGS, Operation.CREATE)
            case Fault.TRANSIENT:
                return self._failing(Failure.TRANSIENT, *Operation)
            case Fault.QUOTA:
                return self._changed(quota=0)
            case Fault.CAPACITY:
                return self._changed(capacity={places[0]: 0} if places else 0)
            case Fault.STALE_LIST:
                return self._changed(stale_list_seconds=100_000)
            case Fault.THROTTLED:
                return self._throttled()
            case Fault.LOST_RESPONSE:
                return self._deaf()

    def pass_time(self) -> None:
        self._now += 1

    def received_script(self, vm: VM) -> bytes:
        (found,) = (one for one in self._world.vms() if one.reference == vm.reference)
        return found.startup_script.get_secret_value().encode()

    def secrets(self) -> Sequence[str]:
        return ()

    def leftovers(self) -> Sequence[str]:
        return [vm.reference for vm in self._world.living()]

    def close(self) -> None:
        forget(NAME, self._file)

    @contextmanager
    def _changed(self, **knobs: Any) -> Iterator[None]:
        self._world.change(**knobs)
        yield
        self._world.restore()

    @contextmanager
    def _failing(self, failure: Failure, *operations: Operation) -> Iterator[None]:
        for operation in operations:
            self._world.fail_next(operation, failure, times=100)
        yield
        self._world.restore()

    @contextmanager
    def _throttled(self) -> Iterator[None]:
        with self._changed(throttle_calls_per_second=0.001, throttle_burst=1):
            self.open("controller-1").list_owned()
            yield

    @contextmanager
    def _deaf(self) -> Iterator[None]:
        self._world.lose_next_response()
        yield
        self._world.restore()


FAULTS = frozenset(Fault)


class TestSimInMemory(ProviderConformance):
    abilities = FAULTS | {Feature.SCRIPT_READ_BACK}

    def make_harness(self, directory: Path) -> Harness:
        return SimHarness({})


class TestSimInFile(ProviderConformance):
    abilities = FAULTS | {
        Feature.PLACES,
        Feature.LATE_ADDRESS,
        Feature.SLOW_DELETION,
        Feature.SCRIPT_READ_BACK,
        Feature.SCRIPT_LIMIT,
    }

    def make_harness(self, directory: Path) -> Harness:
        knobs = {**SLOW, "places": ("north", "south"), "startup_script_limit_bytes": 16384}
        return SimHarness(knobs, directory / "world.db")


class TestSimWithScriptsInGuest(ProviderConformance):
    abilities = FAULTS | {Feature.SCRIPT_IN_GUEST, Feature.SCRIPT_READ_BACK}

    def make_harness(self, directory: Path) -> Harness:
        return SimHarness(IN_GUEST)
