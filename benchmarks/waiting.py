"""How long people and machines wait for an answer: `python -m benchmarks.waiting`.

Three figures. From a server's last check-in to the session that waited for it being assigned, beside a bare signal
that is answered with one activity. From a request over HTTP to `assigned` when capacity is ready. Check-ins over HTTP
per second, beside bare signals to the same workflows.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any, Final

import httpx
from rich.table import Table
from sqlalchemy import event
from sqlalchemy.orm import Session as Transaction
from temporalio.client import Client

from benchmarks.bare_workflows import BARE_QUEUE, BareWaiter
from benchmarks.dev_server import StepWatch, bare_workers, dev_server, poolwright
from benchmarks.endpoint import broker_key, fill, request_all, running_endpoint
from benchmarks.reporting import Aim, Conditions, report
from poolwright.domain.identities import server_workflow_id
from poolwright.domain.servers import CheckInStatus, SessionState
from poolwright.domain.states import ServerState
from poolwright.store.check_in_tokens import controller_id, mint, signing_key
from poolwright.store.installation import upgrade
from poolwright.store.sessions import get_session
from starter.settings import Settings
from tests.installations import Installation
from tests.servers.ports import reserved_port

ASSIGNMENTS: Final = 40
REQUESTS: Final = 300
READY_SERVERS: Final = 200
REPORTING_SERVERS: Final = 32
AT_ONCE: Final = 16
CHECK_INS: Final = 640
ROUNDS: Final = 5
WARM_UP: Final = 5

Report = Callable[[int], Awaitable[Any]]
"""The report of this number, as a check-in or as a bare signal."""


def main() -> None:
    """Measure all three and report."""
    conditions = Conditions()
    ours, bare = asyncio.run(_assignments())
    requests = quantiles(_requests(), n=100)
    check_ins, signals = asyncio.run(_check_ins())
    assigned = median(ours) / median(bare)
    rate = median(mine / floor for mine, floor in zip(check_ins, signals, strict=True))
    aims = [
        Aim("last check-in to assigned, times a bare signal and activity", assigned, "x", at_most=1.5),
        Aim("request to assigned over HTTP, p99", requests[98], "ms", at_most=100),
        Aim("check-ins per second, times bare signals", rate, "x", at_least=0.8),
    ]
    facts = {
        "assigned_milliseconds": _spread(ours),
        "signal_and_activity_milliseconds": _spread(bare),
        "ready_servers": READY_SERVERS,
        "request_milliseconds": {"median": round(requests[49], 1), "p99": round(requests[98], 1)},
        "at_once": AT_ONCE,
        "check_ins_per_second": [round(one, 1) for one in check_ins],
        "signals_per_second": [round(one, 1) for one in signals],
    }
    table = Table("what", "median", "p90", title="Milliseconds to an answer")
    for what, took in (("last check-in to assigned", ours), ("bare signal and activity", bare)):
        table.add_row(what, *(f"{value:.1f}" for value in _spread(took).values()))
    report("waiting", "Waiting", conditions, aims, facts, [table])


async def _assignments() -> tuple[list[float], list[float]]:
    """Milliseconds from the signal to the commit that assigns, and to the end of the bare activity, in turns."""
    watch, ours, bare = StepWatch(), [], []
    async with (
        dev_server(watch) as (environment, _),
        poolwright(environment.client, provider_cap=10_000) as installation,
        bare_workers(environment.client, [BareWaiter]),
    ):
        for number in range(-WARM_UP, ASSIGNMENTS):
            mine = await _assigned(installation, watch)
            floor = await _answered(environment.client, watch, f"waiter-{number}")
            if number >= 0:
                ours.append(mine)
                bare.append(floor)
    return ours, bare


async def _assigned(installation: Installation, watch: StepWatch) -> float:
    server = await installation.live()
    await watch.steps(server_workflow_id(server.id), 2)
    await installation.until_state(server, ServerState.BOOTING)
    session = await installation.request()
    # The life may still be on its way to where it waits for the check-in.
    await asyncio.sleep(0.2)
    with _last_commit() as committed:
        began = perf_counter()
        await installation.signals.check_in(server.id, CheckInStatus.RUNNING, "")
        await watch.steps(server_workflow_id(server.id), 3)
        took = committed[-1] - began
    with installation.store.read() as tx:
        assert get_session(tx, session.id).state is SessionState.ASSIGNED
    await installation.signals.terminate(server.id, "the benchmark is over")
    await installation.life(server).result()
    return took * 1000


async def _answered(client: Client, watch: StepWatch, workflow_id: str) -> float:
    handle = await client.start_workflow(BareWaiter.run, workflow_id, id=workflow_id, task_queue=BARE_QUEUE)
    await asyncio.sleep(0.2)
    began = perf_counter()
    await handle.signal(BareWaiter.check_in, args=["running", ""])
    await watch.steps(workflow_id, 1)
    took = watch.ended_at[workflow_id] - began
    await handle.signal(BareWaiter.end)
    await handle.result()
    return took * 1000


@contextmanager
def _last_commit() -> Iterator[list[float]]:
    """Times at which write transactions ended meanwhile."""
    times: list[float] = []

    def ended(transaction: Transaction) -> None:
        if transaction.info.get("sealer") is not None:
            times.append(perf_counter())

    event.listen(Transaction, "after_commit", ended)
    try:
        yield times
    finally:
        event.remove(Transaction, "after_commit", ended)


def _requests() -> list[float]:
    async def measure() -> list[float]:
        async with dev_server() as (environment, _):
            address = environment.client.service_client.config.target_host
            with _endpoint(address, READY_SERVERS, ServerState.RUNNING) as (url, key, _tokens):
                return await asyncio.to_thread(request_all, url, key, REQUESTS)

    return asyncio.run(measure())


async def _check_ins() -> tuple[list[float], list[float]]:
    """Check-ins and bare signals per second, in turns, to the same workflows, which no worker takes up."""
    check_ins, signals = [], []
    async with dev_server() as (environment, _):
        client = environment.client
        with _endpoint(client.service_client.config.target_host, REPORTING_SERVERS, ServerState.BOOTING) as served:
            url, _key, tokens = served
            ids = [server_workflow_id(server_id) for server_id in tokens]
            for workflow_id in ids:
                await client.start_workflow(BareWaiter.run, workflow_id, id=workflow_id, task_queue=BARE_QUEUE)
            async with _http(url) as http:
                for number in range(ROUNDS + 1):
                    over_http = await _per_second(_check_in(http, list(tokens.values())))
                    bare = await _per_second(_signal(client, ids))
                    if number:
                        check_ins.append(over_http)
                        signals.append(bare)
    return check_ins, signals


async def _per_second(report_once: Report) -> float:
    numbers = iter(range(CHECK_INS))

    async def work() -> None:
        for number in numbers:
            await report_once(number)

    began = perf_counter()
    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return CHECK_INS / (perf_counter() - began)


def _check_in(http: httpx.AsyncClient, tokens: list[str]) -> Report:
    async def check_in(number: int) -> None:
        # Each differs from the one before, or it would be stored and not signalled.
        status = ("starting", "configuring")[number // len(tokens) % 2]
        headers = {"Authorization": f"Bearer {tokens[number % len(tokens)]}"}
        answer = await http.post("/api/set_server_status", json={"status": status}, headers=headers)
        answer.raise_for_status()

    return check_in


def _signal(client: Client, workflow_ids: list[str]) -> Report:
    async def signal(number: int) -> None:
        handle = client.get_workflow_handle(workflow_ids[number % len(workflow_ids)])
        await handle.signal("check_in", args=["starting", ""])

    return signal


@asynccontextmanager
async def _http(url: str) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=AT_ONCE)
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60, limits=limits) as http:
        yield http


@contextmanager
def _endpoint(temporal_address: str, servers: int, state: ServerState) -> Iterator[tuple[str, str, dict[str, str]]]:
    """URL, API key, and check-in tokens by server."""
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(data_directory=Path(directory), endpoint_port=reserved_port())
        store = settings.open_store()
        upgrade(store)
        ids = fill(store, servers, REQUESTS + WARM_UP, state)
        key = broker_key(store)
        with store.read() as tx:
            signing, controller = signing_key(tx), controller_id(tx)
        tokens = {one: mint(signing, controller, one, 1, store.clock()).get_secret_value() for one in ids}
        store.close()
        with running_endpoint(settings, temporal_address) as url:
            yield url, key, tokens


def _spread(took: list[float]) -> dict[str, float]:
    return {"median": round(median(took), 1), "p90": round(quantiles(took, n=10)[8], 1)}


if __name__ == "__main__":
    main()
