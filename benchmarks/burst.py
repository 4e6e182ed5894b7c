"""A thousand VMs at once, from create to gone, against EC2's throttle: `python -m benchmarks.burst`.

boto3 talks over HTTP to a stand-in with EC2's token buckets (for RunInstances 5 at once, 2 a second), whose answers
take 0.3 seconds, whose instances take 30 seconds to boot and 20 to end, all on a clock that runs ten times as fast.
Sixteen threads make the calls, as in a worker; what is not yet, or was refused, is asked again when Temporal would ask
again. The floor is what the throttle and the boot take by themselves. Aims: at most 3 calls for a VM from create to
gone, and all running within 1.2 times the floor.
"""

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Final

from rich.table import Table

from benchmarks.reporting import Aim, Conditions, report
from benchmarks.throttled_ec2 import (
    BOOT_SECONDS,
    CREATIONS_AT_ONCE,
    CREATIONS_PER_SECOND,
    SlowServer,
    ThrottledEC2,
)
from poolwright.domain.identities import OwnerMark
from poolwright.providers.aws.provider import AWSProvider
from poolwright.providers.aws.settings import Settings
from poolwright.providers.base import VM, VMSpec, VMState
from poolwright.providers.errors import NotFound, Throttled
from tests.conformance.specs import OURS, spec_of

VMS: Final = 1000
THREADS: Final = 16
SPEED: Final = 10.0
FIRST_PAUSE_SECONDS: Final = 2.0
PAUSE_GROWTH: Final = 1.2
LONGEST_PAUSE_SECONDS: Final = 30.0
LONGEST_REFUSAL_SECONDS: Final = 60.0
"""These four as in `activities`: the pauses between looks, and after a call that came too early."""
FLOOR_SECONDS: Final = (VMS - CREATIONS_AT_ONCE) / CREATIONS_PER_SECOND + BOOT_SECONDS

Step = Callable[[], bool]
"""Asks once. False: not yet."""


def clock() -> float:
    """Seconds of the fast clock."""
    return time.monotonic() * SPEED


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
            self._later(0, 1, lambda spec=spec: self._create(spec, made))  # type: ignore[misc]
        self._run()
        return made

    def delete_all(self, marks: dict[str, OwnerMark], made: dict[str, VM]) -> None:
        """Delete every VM and wait until it is gone."""
        for server_id, vm in made.items():
            self._later(0, 1, lambda mark=marks[server_id], vm=vm: self._provider.delete(mark, vm.reference))  # type: ignore[misc]
        self._run()

    def _create(self, spec: VMSpec, made: dict[str, VM]) -> bool:
        vm = self._provider.create(spec)
        made[spec.mark.server_id] = vm
        self._later(0, 1, lambda: self._runs(spec.mark.server_id, vm.reference))
        return True

    def _runs(self, server_id: str, reference: str) -> bool:
        try:
            running = self._provider.get(reference, waiting=True).state is VMState.RUNNING
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
            pause = max(refused.retry_after_seconds or 0.0, min(LONGEST_REFUSAL_SECONDS, 2.0 ** min(attempt, 10)))
        self._later(pause, attempt + 1, step)


def main() -> None:
    """Run the burst."""
    conditions = Conditions()
    processor_before = time.process_time()
    ec2 = ThrottledEC2(clock)
    with SlowServer(ec2, speed=SPEED) as server:
        provider = AWSProvider(Settings.model_validate(_settings(server.url)), OURS, clock=clock)
        # As the activity asks for servers that are new.
        specs = [spec_of(f"server-{number}", token_suffices=True) for number in range(VMS)]
        burst = Burst(provider)
        begun = clock()
        made = burst.create_all(specs)
        took = max(burst.finished_at.values()) - begun
        until_running = dict(ec2.calls)
        burst.delete_all({spec.mark.server_id: spec.mark for spec in specs}, made)
    assert not ec2.living()
    assert len({vm.reference for vm in made.values()}) == VMS
    aims = [
        Aim("calls for a VM from create to gone", round(ec2.calls.total() / VMS, 2), "", at_most=3),
        Aim("from the burst until all run, times the floor", round(took / FLOOR_SECONDS, 3), "x", at_most=1.2),
    ]
    facts: dict[str, Any] = {
        "vms": VMS,
        "threads": THREADS,
        "speed": SPEED,
        "seconds_until_all_run": round(took, 1),
        "floor_seconds": FLOOR_SECONDS,
        "refused_by_ec2": ec2.refused,
        "calls": ec2.calls,
        "calls_until_all_run": until_running,
        "processor_seconds": round(time.process_time() - processor_before, 1),
    }
    tables = [_table(ec2.calls, until_running)]
    report("burst", f"{VMS:,} VMs at once", conditions, aims, facts, tables)


def _settings(endpoint_url: str) -> dict[str, Any]:
    return {
        "access_key_id": "AKIAIOSFODNN7EXAMPLE",
        "secret_access_key": "nobody checks it",
        "endpoint_url": endpoint_url,
        "region": "us-east-1",
        "ami_id": "ami-0123456789abcdef0",
        "instance_types": ["t3.micro"],
    }


def _table(calls: Mapping[str, int], until_running: Mapping[str, int]) -> Table:
    table = Table("action", "calls", "until all ran", "for a VM", title="Calls")
    for action, count in sorted(calls.items(), key=lambda item: -item[1]):
        table.add_row(action, f"{count:,}", f"{until_running.get(action, 0):,}", f"{count / VMS:.2f}")
    return table


if __name__ == "__main__":
    main()
