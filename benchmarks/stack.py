"""How fast the local stack starts and what it weighs: `python -m benchmarks.stack`.

From `poolwright up` on a new data directory to the first server that has checked in, from `poolwright up --detach` on
existing data to its return, and the memory of all its processes with the demo's servers running.
"""

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Final

import psutil
from rich.table import Table

from benchmarks.reporting import Aim, Conditions, report
from tests.e2e.stacks import Stack, stack_in

RESTARTS: Final = 5
DEMO_SERVERS: Final = 2
SETTLE_SECONDS: Final = 10.0
COMPONENTS: Final = ("supervisor", "temporal", "worker", "endpoint")


@dataclass(frozen=True)
class Weight:
    """Memory of one part of the stack, in MiB."""

    part: str
    resident: float
    proportional: float
    """Pages that several processes share count in part for each: these add up."""


def main() -> None:
    """Measure and report."""
    conditions = Conditions()
    with tempfile.TemporaryDirectory() as directory, stack_in(Path(directory) / "data") as stack:
        first = _first_check_in(stack)
        stack.until_running(DEMO_SERVERS)
        sleep(SETTLE_SECONDS)
        weights = _weigh(stack)
        restarts = [_restart(stack) for _ in range(RESTARTS)]
        floor = _empty_command(stack)
        stack.run("down", "--delete-servers")
    whole = sum(one.proportional for one in weights)
    aims = [
        Aim("`up --detach` on existing data until ready, median", median(restarts), "s", at_most=5),
        Aim("`up` on a new directory until the first server checked in", first, "s", at_most=30),
        Aim("the whole stack with the demo, proportional memory", whole, "MiB", at_most=600),
    ]
    facts = {
        "restart_seconds": [round(one, 2) for one in restarts],
        "help_command_seconds": round(floor, 2),
        "weights_mib": [asdict(one) for one in weights],
        "resident_mib": round(sum(one.resident for one in weights), 1),
    }
    report("stack", "The local stack", conditions, aims, facts, [_table(weights)])


def _first_check_in(stack: Stack) -> float:
    began = perf_counter()
    stack.up()
    stack.until(lambda: bool(stack.running()), "the first server")
    return perf_counter() - began


def _restart(stack: Stack) -> float:
    stack.down()
    began = perf_counter()
    stack.up()
    return perf_counter() - began


def _empty_command(stack: Stack) -> float:
    """What any command takes: starting Python and reading the program."""
    began = perf_counter()
    stack.run("--help")
    return perf_counter() - began


def _weigh(stack: Stack) -> list[Weight]:
    weights = [_weight(name, [stack.component(name)]) for name in COMPONENTS]
    return [*weights, _weight(f"the demo's {DEMO_SERVERS} machines", stack.machines())]


def _weight(part: str, processes: list[psutil.Process]) -> Weight:
    memories = [process.memory_full_info() for process in processes]
    resident, proportional = (sum(getattr(one, kind) for one in memories) / 2**20 for kind in ("rss", "pss"))
    return Weight(part, round(resident, 1), round(proportional, 1))


def _table(weights: list[Weight]) -> Table:
    table = Table("part", "resident MiB", "proportional MiB", title="Memory")
    for one in weights:
        table.add_row(one.part, f"{one.resident:.0f}", f"{one.proportional:.0f}")
    return table


if __name__ == "__main__":
    main()
