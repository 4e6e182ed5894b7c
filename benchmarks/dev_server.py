"""A Temporal server of the benchmark's own, set up as `poolwright up` does, and a pool on the simulated provider."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import psutil
from temporalio import activity
from temporalio.client import Client
from temporalio.plugin import SimplePlugin
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor, Worker

from benchmarks.bare_workflows import BARE_PLACE_QUEUE, BARE_QUEUE, bare_step
from poolwright.domain.identities import SEARCH_ATTRIBUTES
from poolwright.providers.sim.world import world
from poolwright.store.identifiers import new_id
from starter import binaries
from starter.plugin import poolwright_plugin
from starter.workers import Workers
from tests.installations import Installation, configure, new_store

_PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL")
_DYNAMIC = (
    "matching.enableFairness=true",
    "matching.numTaskqueueReadPartitions=1",
    "matching.numTaskqueueWritePartitions=1",
)


@dataclass
class StepWatch(Interceptor):
    """Tells when a workflow has come through so many activities. It watches every worker of its client alike."""

    done: dict[str, int] = field(default_factory=dict)
    """Workflow id -> activities that have ended."""
    ended_at: dict[str, float] = field(default_factory=dict)
    """Workflow id -> when the newest one ended, by `perf_counter`."""
    changed: dict[str, asyncio.Event] = field(default_factory=dict)

    async def steps(self, workflow_id: str, count: int) -> None:
        """Wait until so many activities of this workflow have ended."""
        event = self.changed.setdefault(workflow_id, asyncio.Event())
        async with asyncio.timeout(120):
            while self.done.get(workflow_id, 0) < count:
                event.clear()
                await event.wait()

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """See base class."""
        return _Watched(next, self)


class _Watched(ActivityInboundInterceptor):
    def __init__(self, following: ActivityInboundInterceptor, watch: StepWatch) -> None:
        super().__init__(following)
        self._watch = watch

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        result = await self.next.execute_activity(input)
        workflow_id = activity.info().workflow_id or ""
        self._watch.ended_at[workflow_id] = perf_counter()
        self._watch.done[workflow_id] = self._watch.done.get(workflow_id, 0) + 1
        if workflow_id in self._watch.changed:
            self._watch.changed[workflow_id].set()
        return result


@asynccontextmanager
async def dev_server(watch: StepWatch | None = None) -> AsyncIterator[tuple[WorkflowEnvironment, psutil.Process]]:
    """A server with its database in a file, and its process."""
    arguments = [part for pragma in _PRAGMAS for part in ("--sqlite-pragma", pragma)]
    arguments += [part for value in _DYNAMIC for part in ("--dynamic-config-value", value)]
    arguments += [f"--search-attribute={name}={kind}" for name, kind in SEARCH_ATTRIBUTES.items()]
    plugins = [poolwright_plugin()]
    if watch is not None:
        plugins.append(SimplePlugin("step-watch", interceptors=[watch]))
    with tempfile.TemporaryDirectory() as directory:
        async with await WorkflowEnvironment.start_local(
            dev_server_existing_path=str(binaries.temporal_binary()),
            dev_server_database_filename=str(Path(directory) / "temporal.db"),
            dev_server_log_level="error",
            dev_server_extra_args=arguments,
            plugins=plugins,
        ) as environment:
            yield environment, _server_process()


@asynccontextmanager
async def poolwright(client: Client, **autoscale: Any) -> AsyncIterator[Installation]:
    """An installation whose VMs exist as soon as they are asked for, with its workers in this process."""
    with tempfile.TemporaryDirectory() as directory:
        store = new_store(f"sqlite:///{Path(directory) / 'poolwright.db'}")
        name = new_id("w")
        configure(store, name, f"zone-{name}", **autoscale)
        stop = asyncio.Event()
        workers = Workers(client, store, "127.0.0.1:8780", [f"zone-{name}"], workflows=True)
        working = asyncio.create_task(workers.run(stop))
        try:
            yield Installation(store, client, WorkflowEnvironment.from_client(client), world(name))
        finally:
            stop.set()
            await working
            store.close()


@asynccontextmanager
async def bare_workers(client: Client, workflows: Sequence[type]) -> AsyncIterator[None]:
    """Workers for the floor, with Poolwright's layout: one with the workflows, one for the steps outside."""
    with ThreadPoolExecutor(24) as threads:
        main = Worker(
            client, task_queue=BARE_QUEUE, workflows=workflows, activities=[bare_step], activity_executor=threads
        )
        place = Worker(client, task_queue=BARE_PLACE_QUEUE, activities=[bare_step], activity_executor=threads)
        async with main, place:
            yield


def _server_process() -> psutil.Process:
    children = psutil.Process().children(recursive=True)
    return next(child for child in children if "temporal" in child.name())
