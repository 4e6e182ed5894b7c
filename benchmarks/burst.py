"""A hundred and fifty VMs at once, from create to gone, against EC2's throttle: `python -m benchmarks.burst`.

boto3 talks to moto behind a token bucket as EC2 has it for RunInstances (5 at once, 2 a second) and a boot latency of
30 seconds, all on a clock that runs four times as fast. Sixteen threads make the calls, as in a worker; what is not
yet, or was refused, is asked again when Temporal would ask again. The floor is what the throttle and the latency take
by themselves. With many more VMs moto's own lists become what is measured. Aims: at most 3 calls for a VM from create
to gone, and all running within 1.2 times the floor.
"""

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Final

from rich.table import Table

from benchmarks.reporting import Aim, Conditions, report
from poolwright.domain.identities import OwnerMark
from poolwright.providers.aws.provider import AWSProvider
from poolwright.providers.aws.settings import Settings
from poolwright.providers.base import VM, VMSpec, VMState
from poolwright.providers.errors import NotFound, Throttled
from tests.conformance.specs import OURS, spec_of
from tests.wire.aws import AWSHarness
from tests.wire.ec2 import EC2, asks_for, error, form_of
from tests.wire.server import Request, Response, WireServer

VMS: Final = 150
THREADS: Final = 16
SPEED: Final = 4.0
CREATIONS_AT_ONCE: Final = 5
CREATIONS_PER_SECOND: Final = 2.0
BOOT_SECONDS: Final = 30.0
FIRST_PAUSE_SECONDS: Final = 2.0
PAUSE_GROWTH: Final = 1.2
LONGEST_PAUSE_SECONDS: Final = 30.0
FLOOR_SECONDS: Final = (VMS - CREATIONS_AT_ONCE) / CREATIONS_PER_SECOND + BOOT_SECONDS

Step = Callable[[], bool]
"""Asks once. False: not yet."""


def clock() -> float:
    """Seconds of the fast clock."""
    return time.monotonic() * SPEED


class ThrottledEC2:
    """EC2 with its token bucket; instances run once their latency is over."""

    def __init__(self, ec2: EC2) -> None:
        self._ec2 = ec2
        self._lock = threading.Lock()
        self._tokens, self._counted_at = float(CREATIONS_AT_ONCE), clock()
        self._asked_at: dict[str, float] = {}
        self.refused = 0

    def __call__(self, request: Request) -> Response:
        """As the real one answers."""
        if not asks_for("RunInstances")(request):
            self._boot()
            return self._ec2(request)
        with self._lock:
            now = clock()
            self._tokens = min(CREATIONS_AT_ONCE, self._tokens + (now - self._counted_at) * CREATIONS_PER_SECOND)
            self._counted_at = now
            if self._tokens < 1:
                self.refused += 1
                return error("RequestLimitExceeded", status=503)
            self._tokens -= 1
        return self._ec2(request)

    def _boot(self) -> None:
        now = clock()
        for instance in self._ec2.instances():
            since = self._asked_at.setdefault(instance.id, now)
            if instance._state.name == "pending" and now - since >= BOOT_SECONDS:
                instance._state.name, instance._state.code = "running", 16
            elif instance._state.name == "shutting-down":
                self._ec2.end(instance.id)


class Burst:
    """Lives of VMs as workflows live them: a step that is not done yet is repeated after its pause."""

    def __init__(self, provider: AWSProvider) -> None:
        self._provider = provider
        self._due: list[tuple[float, int, int, Step]] = []
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self.finished_at: dict[str, float] = {}

    def create_all(self, specs: list[VMSpec]) -> dict[str, VM]:
        """Create every VM and wait until it runs."""
        made: dict[str, VM] = {}
        for spec in specs:
            self._later(0, 0, lambda spec=spec: self._create(spec, made))  # type: ignore[misc]
        self._run()
        return made

    def delete_all(self, marks: dict[str, OwnerMark], made: dict[str, VM]) -> None:
        """Delete every VM and wait until it is gone."""
        for server_id, vm in made.items():
            self._later(0, 0, lambda mark=marks[server_id], vm=vm: self._provider.delete(mark, vm.reference))  # type: ignore[misc]
        self._run()

    def _create(self, spec: VMSpec, made: dict[str, VM]) -> bool:
        vm = self._provider.create(spec)
        made[spec.mark.server_id] = vm
        self._later(FIRST_PAUSE_SECONDS, 1, lambda: self._runs(spec.mark.server_id, vm.reference))
        return True

    def _runs(self, server_id: str, reference: str) -> bool:
        try:
            running = self._provider.get(reference).state is VMState.RUNNING
        except NotFound:
            return False
        if running:
            self.finished_at[server_id] = clock()
        return running

    def _later(self, seconds: float, attempt: int, step: Step) -> None:
        with self._lock:
            heapq.heappush(self._due, (clock() + seconds, next(self._numbers), attempt, step))

    def _run(self) -> None:
        running: set[Future[None]] = set()
        with ThreadPoolExecutor(THREADS) as threads:
            while self._due or running:
                with self._lock:
                    free = THREADS - len(running)
                    due = [heapq.heappop(self._due) for _ in range(free) if self._due and self._due[0][0] <= clock()]
                running |= {threads.submit(self._take, attempt, step) for _, _, attempt, step in due}
                done, running = wait(running, timeout=0.005, return_when="FIRST_COMPLETED")
                for future in done:
                    future.result()
                if not running:
                    time.sleep(0.002)

    def _take(self, attempt: int, step: Step) -> None:
        try:
            if step():
                return
            pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * PAUSE_GROWTH**attempt)
        except Throttled as refused:
            pause = refused.retry_after_seconds or FIRST_PAUSE_SECONDS
        self._later(pause, attempt + 1, step)


def main() -> None:
    """Run the burst."""
    conditions = Conditions()
    ec2 = EC2()
    cloud = ThrottledEC2(ec2)
    with WireServer(cloud) as server:
        harness = AWSHarness(ec2, server)
        provider = AWSProvider(Settings.model_validate(harness.settings), OURS, clock=clock)
        specs = [spec_of(f"server-{number}") for number in range(VMS)]
        burst = Burst(provider)
        begun = clock()
        made = burst.create_all(specs)
        took = max(burst.finished_at.values()) - begun
        burst.delete_all({spec.mark.server_id: spec.mark for spec in specs}, made)
        calls: dict[str, int] = {}
        for request in server.requests:
            action = form_of(request)["Action"]
            calls[action] = calls.get(action, 0) + 1
        left = harness.leftovers()
    assert not left, left
    assert len({vm.reference for vm in made.values()}) == VMS
    aims = [
        Aim("calls for a VM from create to gone", round(sum(calls.values()) / VMS, 2), "", at_most=3),
        Aim("from the burst until all run, times the floor", round(took / FLOOR_SECONDS, 3), "x", at_most=1.2),
    ]
    facts: dict[str, Any] = {
        "vms": VMS,
        "threads": THREADS,
        "speed": SPEED,
        "seconds_until_all_run": round(took, 1),
        "floor_seconds": FLOOR_SECONDS,
        "creations_refused_by_ec2": cloud.refused,
        "calls": calls,
    }
    report("burst", "A hundred and fifty VMs at once", conditions, aims, facts, [_table(calls)])


def _table(calls: dict[str, int]) -> Table:
    table = Table("action", "calls", "for a VM", title="Calls")
    for action, count in sorted(calls.items(), key=lambda item: -item[1]):
        table.add_row(action, f"{count:,}", f"{count / VMS:.2f}")
    return table


if __name__ == "__main__":
    main()
