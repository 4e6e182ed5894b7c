"""What a server costs that runs and does nothing: `python -m benchmarks.idle`.

Events of a quiet day, on the server whose clock skips, and the worker's memory for each life in its cache beside a bare
workflow that sleeps. Each memory figure comes from a process of its own.
"""

import asyncio
import gc
import json
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

import psutil
from rich.table import Table
from temporalio.client import Client
from temporalio.plugin import SimplePlugin
from temporalio.worker import Worker

from activities.lifeline import start_life
from benchmarks.bare_workflows import BARE_QUEUE, BareSleeper
from benchmarks.dev_server import StepWatch, dev_server, poolwright
from benchmarks.reporting import Aim, Conditions, report
from poolwright.domain.identities import server_workflow_id
from poolwright.domain.servers import CheckInStatus, Server
from poolwright.domain.states import ServerState
from starter.plugin import poolwright_plugin
from tests.installations import AWAIT_SECONDS, Installation, installation
from tests.servers.temporal import start_time_skipping

CACHED: Final = 500
REPETITIONS: Final = 3
AT_ONCE: Final = 20
WARM_UP: Final = 40
KINDS: Final = ("server life", "bare workflow")


More = Callable[[int], Awaitable[None]]
"""Brings so many more workflows to where they wait."""


def main() -> None:
    """Measure both, or, as `idle.py KIND ADDRESS`, the memory of one kind in this process."""
    if len(sys.argv) == 3:
        print(json.dumps(asyncio.run(_memory_of(sys.argv[1], sys.argv[2]))))
        return
    conditions = Conditions()
    events = asyncio.run(_events_of_a_day())
    memory = asyncio.run(_memory())
    ours, bare = (median(one["kib_each"] for one in memory if one["kind"] == kind) for kind in KINDS)
    aims = [
        Aim("events of an idle server in a day", events, "", at_most=10),
        Aim("memory per idle life in the worker's cache, times a bare workflow", ours / bare, "x", at_most=1.2),
    ]
    table = Table("kind", "KiB each, median", title=f"Unique memory per workflow, {CACHED} in the cache")
    table.add_row(KINDS[0], f"{ours:.0f}")
    table.add_row(KINDS[1], f"{bare:.0f}")
    report("idle", "An idle server", conditions, aims, {"cached": CACHED, "runs": memory}, [table])


async def _events_of_a_day() -> float:
    with tempfile.TemporaryDirectory() as directory:
        async with start_time_skipping() as environment, installation(environment, Path(directory)) as poolwright:
            server = await poolwright.live()
            await poolwright.until_state(server, ServerState.BOOTING)
            await poolwright.check_in(server)
            await _until_told(poolwright, server)
            before = await _events(poolwright.client, server_workflow_id(server.id))
            await environment.sleep(86_400)
            after = await _events(poolwright.client, server_workflow_id(server.id))
            await poolwright.signals.terminate(server.id, "the benchmark is over")
            await poolwright.ended(server)
            return after - before


async def _until_told(installation: Installation, server: Server) -> None:
    """Until its workflow too knows that it runs: from then on it waits for nothing but sessions to end."""
    async with asyncio.timeout(AWAIT_SECONDS):
        told = ""
        while not told.startswith("## running"):
            told = str(await installation.life(server).query("story"))


async def _events(client: Client, workflow_id: str) -> int:
    return len((await client.get_workflow_handle(workflow_id).fetch_history()).events)


async def _memory() -> list[dict[str, Any]]:
    """In turns, each on a fresh server and in a fresh process."""
    found = []
    for _ in range(REPETITIONS):
        for kind in KINDS:
            async with dev_server() as (environment, _server):
                address = environment.client.service_client.config.target_host
                found.append(await asyncio.to_thread(_in_a_process_of_its_own, kind, address))
    return found


def _in_a_process_of_its_own(kind: str, address: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.idle", kind, address]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    # The SDK writes its warnings there too.
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


async def _memory_of(kind: str, address: str) -> dict[str, Any]:
    watch = StepWatch()
    plugins = [poolwright_plugin(), SimplePlugin("step-watch", interceptors=[watch])]
    client = await Client.connect(address, plugins=plugins)
    fall_asleep = _live if kind == KINDS[0] else _sleep
    async with fall_asleep(client, watch) as more:
        # The first ones load what every process needs once.
        await more(WARM_UP)
        before = _memory_now()
        await more(CACHED)
        unique, resident = (now - then for now, then in zip(_memory_now(), before, strict=True))
    return {
        "kind": kind,
        "kib_each": round(unique / CACHED / 1024, 1),
        "resident_kib_each": round(resident / CACHED / 1024, 1),
    }


@asynccontextmanager
async def _live(client: Client, watch: StepWatch) -> AsyncIterator[More]:
    # The simulated cloud's own memory is none of the worker's: it goes into a file.
    with tempfile.TemporaryDirectory() as directory:
        sim = {"file": str(Path(directory) / "cloud.db")}
        async with poolwright(client, provider_cap=CACHED + WARM_UP, sim=sim) as installation:
            yield partial(_more_lives, installation, watch)


async def _more_lives(installation: Installation, watch: StepWatch, count: int) -> None:
    async def until_it_serves(server: Server) -> None:
        await start_life(installation.client, server)
        await watch.steps(server_workflow_id(server.id), 2)
        await installation.signals.check_in(server.id, CheckInStatus.RUNNING, "")
        await watch.steps(server_workflow_id(server.id), 3)

    servers = [await installation.reserve() for _ in range(count)]
    for start in range(0, count, AT_ONCE):
        await asyncio.gather(*map(until_it_serves, servers[start : start + AT_ONCE]))


@asynccontextmanager
async def _sleep(client: Client, _watch: StepWatch) -> AsyncIterator[More]:
    async with Worker(client, task_queue=BARE_QUEUE, workflows=[BareSleeper]):

        async def until_it_sleeps(workflow_id: str) -> None:
            handle = await client.start_workflow(BareSleeper.run, workflow_id, id=workflow_id, task_queue=BARE_QUEUE)
            await handle.query(BareSleeper.asleep)

        async def more(count: int) -> None:
            ids = [f"sleeper-{count}-{number}" for number in range(count)]
            for start in range(0, count, AT_ONCE):
                await asyncio.gather(*map(until_it_sleeps, ids[start : start + AT_ONCE]))

        yield more


def _memory_now() -> tuple[int, int]:
    """Unique and resident bytes of this process, once garbage is gone."""
    gc.collect()
    memory = psutil.Process().memory_full_info()
    return memory.uss, memory.rss


if __name__ == "__main__":
    main()
