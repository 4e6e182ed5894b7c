"""Connects and runs the worker: `python worker.py [--zone NAME ...]`.

Everything comes from the environment: `POOLWRIGHT_*` for this installation, Temporal's own variables for its server.
"""

import argparse
import asyncio
import logging
import signal
import sys
from functools import partial

from temporalio.client import Client
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from poolwright.store.installation import upgrade
from starter.connection import TemporalSettingsProblem, TemporalUnreachable, connect
from starter.lives import wake_loops
from starter.preparation import NamespaceNotReady, keep_closed_workflows, keep_prepared, prepare_namespace
from starter.settings import Settings, load_settings
from starter.workers import Workers


async def run(
    settings: Settings,
    zones: list[str] | None,
    *,
    workflows: bool,
    keep_closed_days: int | None = None,
    decide_at_once: bool = False,
) -> None:
    """Work until SIGTERM or SIGINT. `keep_closed_days` and `decide_at_once`: see the flags; None: as the namespace has
    it."""
    store = settings.open_store()
    try:
        await asyncio.to_thread(upgrade, store)
        client = await connect(patience_seconds=60, runtime=_runtime(settings))
        workers = Workers(client, store, settings.advertised_address, zones, workflows=workflows)
        await _prepare(client, keep_closed_days)
        if decide_at_once:
            await wake_loops(client, store, "a worker was started")
        keeping = asyncio.create_task(keep_prepared(client, partial(_prepare, client, keep_closed_days)))
        try:
            await workers.run(_stop_event())
        finally:
            keeping.cancel()
    finally:
        store.close()


def main() -> None:
    """Parse flags and run."""
    parser = argparse.ArgumentParser(description="Runs Poolwright's workflows and activities.")
    parser.add_argument("--zone", action="append", help="serve only this zone (repeatable); default: all")
    parser.add_argument(
        "--no-workflows", action="store_true", help="only the zones' activities: for a worker in a zone"
    )
    parser.add_argument(
        "--keep-closed-days", type=int, help="let Temporal's namespace keep workflows for so many days after their end"
    )
    parser.add_argument(
        "--decide-at-once", action="store_true", help="have every pool decide now: after everything stood still"
    )
    flags = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        work = run(
            load_settings(),
            flags.zone,
            workflows=not flags.no_workflows,
            keep_closed_days=flags.keep_closed_days,
            decide_at_once=flags.decide_at_once,
        )
        asyncio.run(work)
    except (TemporalUnreachable, TemporalSettingsProblem, NamespaceNotReady) as error:
        sys.exit(f"worker: {error}")


async def _prepare(client: Client, keep_closed_days: int | None) -> None:
    await prepare_namespace(client)
    if keep_closed_days is not None:
        await keep_closed_workflows(client, keep_closed_days)


def _runtime(settings: Settings) -> Runtime:
    address = f"{settings.host}:{settings.metrics_port}"
    metrics = PrometheusConfig(bind_address=address, durations_as_seconds=True, counters_total_suffix=True)
    return Runtime(telemetry=TelemetryConfig(metrics=metrics))


def _stop_event() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


if __name__ == "__main__":
    main()
