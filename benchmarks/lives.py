"""What a server's life costs in Temporal: `python -m benchmarks.lives`.

Lives on the simulated provider take turns, in batches on the same server, with bare workflows that do as many steps
with nothing in them. The aim is 1.25 times the bare workflow in events and in processor time, of the Temporal server
and this process together.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median
from time import perf_counter, process_time
from typing import Final

import psutil
from rich.table import Table
from temporalio.client import Client
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from activities.lifeline import start_life
from benchmarks.bare_workflows import BARE_QUEUE, BareLife
from benchmarks.dev_server import StepWatch, bare_workers, dev_server, poolwright
from benchmarks.reporting import Aim, Conditions, report
from poolwright.domain.identities import SEARCH_ATTRIBUTES, server_workflow_id
from poolwright.domain.servers import CheckInStatus, Server
from tests.installations import Installation

OURS, BARE, TELLING = "server life", "bare workflow", "bare, with search attributes"
ROUNDS: Final = 7
LIVES: Final = 24
AT_ONCE: Final = 8
AIM: Final = 1.25
BORN_AFTER: Final = 2
RUNS_AFTER: Final = 3
STEPS: Final = 7

TELLS: Final = TypedSearchAttributes(
    [SearchAttributePair(SearchAttributeKey.for_keyword(name), "bare") for name in SEARCH_ATTRIBUTES]
)

Life = Callable[[], Awaitable[str]]
"""Lives through one life and returns its workflow's id."""
Prepare = Callable[[int], Awaitable[list[Life]]]
"""Makes the lives of a batch ready to begin: what happens here is not measured. Takes the number of the batch."""


@dataclass(frozen=True)
class Batch:
    """What one life of a batch cost on average."""

    kind: str
    events: float
    server_milliseconds: float
    process_milliseconds: float
    seconds: float
    """Wall clock of the whole batch."""

    @property
    def milliseconds(self) -> float:
        """Processor time of both processes."""
        return self.server_milliseconds + self.process_milliseconds


def main() -> None:
    """Measure and report."""
    conditions = Conditions()
    batches = asyncio.run(_measure())
    ours, bare, telling = ([one for one in batches if one.kind == kind] for kind in (OURS, BARE, TELLING))
    ratios = _ratios(ours, bare)
    events = median(one.events for one in ours) / median(one.events for one in bare)
    aims = [
        Aim("events per life, times the bare workflow", events, "x", at_most=AIM),
        Aim("processor time per life, times the bare workflow", median(ratios), "x", at_most=AIM),
    ]
    facts = {
        "lives_per_batch": LIVES,
        "at_once": AT_ONCE,
        "steps": STEPS,
        "processor_ratios": ratios,
        "processor_ratios_to_bare_with_search_attributes": _ratios(ours, telling),
        "batches": [asdict(one) for one in batches],
    }
    report("lives", "A server's life", conditions, aims, facts, [_table([ours, bare, telling])])


def _ratios(ours: list[Batch], floor: list[Batch]) -> list[float]:
    return [round(mine.milliseconds / other.milliseconds, 3) for mine, other in zip(ours, floor, strict=True)]


async def _measure() -> list[Batch]:
    watch, batches = StepWatch(), []
    async with (
        dev_server(watch) as (environment, server),
        poolwright(environment.client, provider_cap=10_000) as installation,
        bare_workers(environment.client, [BareLife]),
    ):
        kinds = {
            OURS: _server_lives(installation, watch),
            BARE: _bare(environment.client, watch, tells=False),
            TELLING: _bare(environment.client, watch, tells=True),
        }
        for number in range(ROUNDS + 1):
            for kind, prepare in kinds.items():
                batch = await _batch(environment.client, server, kind, await prepare(number))
                # The first round warms up caches on both sides.
                if number:
                    batches.append(batch)
    return batches


async def _batch(client: Client, server: psutil.Process, kind: str, lives: list[Life]) -> Batch:
    slots = asyncio.Semaphore(AT_ONCE)

    async def in_turn(live: Life) -> str:
        async with slots:
            return await live()

    before, own, began = _processor_seconds(server), process_time(), perf_counter()
    ids = await asyncio.gather(*map(in_turn, lives))
    own, spent, seconds = process_time() - own, _processor_seconds(server) - before, perf_counter() - began
    events = [len((await client.get_workflow_handle(workflow_id).fetch_history()).events) for workflow_id in ids]
    return Batch(kind, sum(events) / LIVES, spent / LIVES * 1000, own / LIVES * 1000, seconds)


def _server_lives(installation: Installation, watch: StepWatch) -> Prepare:
    async def live(server: Server) -> str:
        workflow_id = server_workflow_id(server.id)
        await start_life(installation.client, server)
        await watch.steps(workflow_id, BORN_AFTER)
        await installation.signals.check_in(server.id, CheckInStatus.RUNNING, "")
        await watch.steps(workflow_id, RUNS_AFTER)
        await installation.signals.drain(server.id, "the benchmark is over")
        await installation.life(server).result()
        return workflow_id

    async def prepare(_batch_number: int) -> list[Life]:
        return [partial(live, await installation.reserve()) for _ in range(LIVES)]

    return prepare


def _bare(client: Client, watch: StepWatch, *, tells: bool) -> Prepare:
    async def live(workflow_id: str) -> str:
        handle = await client.start_workflow(
            BareLife.run,
            args=[workflow_id, tells],
            id=workflow_id,
            task_queue=BARE_QUEUE,
            search_attributes=TELLS if tells else None,
        )
        await watch.steps(workflow_id, BORN_AFTER)
        await handle.signal(BareLife.check_in, args=["running", ""])
        await watch.steps(workflow_id, RUNS_AFTER)
        await handle.signal(BareLife.drain, "the benchmark is over")
        await handle.result()
        return workflow_id

    async def prepare(batch_number: int) -> list[Life]:
        return [partial(live, f"bare-{tells}-{batch_number}-{number}") for number in range(LIVES)]

    return prepare


def _processor_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _table(kinds: list[list[Batch]]) -> Table:
    table = Table("per life, medians", "events", "server ms", "worker and driver ms", "both ms", title="Lives")
    for batches in kinds:
        middle = [
            median(getattr(one, name) for one in batches)
            for name in ("events", "server_milliseconds", "process_milliseconds", "milliseconds")
        ]
        table.add_row(batches[0].kind, *(f"{value:.1f}" for value in middle))
    return table


if __name__ == "__main__":
    main()
