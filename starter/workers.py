"""Workers: one for workflows and store activities, one per zone for everything that touches the outside."""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from importlib.metadata import version

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.worker import Worker, WorkerDeploymentConfig
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.accounts import Accounts
from activities.guests import GuestActivities
from activities.heartbeats import Heartbeats
from activities.interruptions import InterruptionActivities
from activities.lives import LifeActivities
from activities.machines import MachineActivities
from activities.records import RecordActivities
from activities.scaling import ScalingActivities
from activities.sweeping import SweepActivities
from activities.watchdog import WatchdogActivities
from poolwright.domain.identities import TASK_QUEUE, zone_task_queue
from poolwright.store import documents
from poolwright.store.engine import Store
from workflows.registry import ALL_WORKFLOWS

_LOGGER = logging.getLogger(__name__)
_WORKFLOW_RUNNER = SandboxedWorkflowRunner(SandboxRestrictions.default.with_passthrough_modules("workflows"))
"""One copy of the workflows' code for all servers: one for each would be half of what a server takes here. That this
code does nothing that a sandbox forbids is proven by the replay tests, which run it under every restriction."""
_GRACE = timedelta(seconds=30)
_HEARTBEAT_THROTTLE = timedelta(seconds=5)
"""Cancellation reaches an activity with a heartbeat: this bounds the delay."""
_BUILD = WorkerDeploymentConfig(
    version=WorkerDeploymentVersion(deployment_name="poolwright", build_id=version("poolwright")),
    use_worker_versioning=False,
)
"""Which program did a task, as Temporal keeps it; the SDK would else read all code of the process again to hash it."""
_STORE_THREADS = 8
_PROVIDER_THREADS = 16
_LOOK_FOR_ZONES_SECONDS = 1.0


class Workers:
    """All workers of this process. Zones that are applied later get theirs within seconds."""

    def __init__(
        self, client: Client, store: Store, advertised_address: str, zones: Sequence[str] | None, *, workflows: bool
    ) -> None:
        """`zones`: serve these zones only; None: all, those of the future too. `workflows`: run the workflows here."""
        self._client = client
        self._store = store
        self._zones = zones
        self._workflows = workflows
        accounts = Accounts(store)
        self._machines = MachineActivities(store, accounts, advertised_address)
        self._guests = GuestActivities(store, accounts, advertised_address)
        self._interruptions = InterruptionActivities(store, accounts)
        self._records = RecordActivities(store, accounts)
        self._sweeps = SweepActivities(store, accounts)
        self._threads = ThreadPoolExecutor(_STORE_THREADS + _PROVIDER_THREADS, thread_name_prefix="activity")
        self._serving: dict[str, asyncio.Task[None]] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then let running activities end. Raises what a worker died of."""
        if self._workflows:
            self._serving[TASK_QUEUE] = asyncio.create_task(self._main_worker().run())
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stopping.done():
                await self._serve_wanted_zones()
                done, _ = await asyncio.wait(
                    {stopping, *self._serving.values()},
                    timeout=_LOOK_FOR_ZONES_SECONDS,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for task in done - {stopping}:
                    task.result()
        finally:
            stopping.cancel()
            await self._shut_down()

    async def _serve_wanted_zones(self) -> None:
        try:
            zones = await asyncio.to_thread(self._wanted_zones)
        except (OperationalError, InterfaceError, PoolTimeoutError) as error:
            # The next look mends it. What runs goes on: its activities are tried again by themselves.
            _LOGGER.warning("the database does not answer: %s", getattr(error, "orig", None) or type(error).__name__)
            return
        for zone in zones:
            self._serve(zone)

    def _serve(self, zone: str) -> None:
        queue = zone_task_queue(zone)
        if queue not in self._serving:
            _LOGGER.info("serving zone %s", zone)
            self._serving[queue] = asyncio.create_task(self._zone_worker(queue).run())

    async def _shut_down(self) -> None:
        for task in self._serving.values():
            task.cancel()
        await asyncio.gather(*self._serving.values(), return_exceptions=True)
        self._threads.shutdown(wait=False)

    def _wanted_zones(self) -> Sequence[str]:
        if self._zones is not None:
            return self._zones
        with self._store.read() as tx:
            return [row.name for row in documents.rows(tx, "zone")]

    def _main_worker(self) -> Worker:
        lives, watchdog, scaling = (
            LifeActivities(self._store),
            WatchdogActivities(self._store),
            ScalingActivities(self._store),
        )
        return Worker(
            self._client,
            task_queue=TASK_QUEUE,
            workflows=ALL_WORKFLOWS,
            workflow_runner=_WORKFLOW_RUNNER,
            activities=[
                lives.begin_life,
                lives.note_configuring,
                lives.mark_running,
                lives.drain,
                lives.retire_if_empty,
                lives.undrain,
                lives.fail,
                lives.begin_deleting,
                lives.mark_deleted,
                scaling.decide,
                self._sweeps.begin_sweep,
                watchdog.ensure_lives,
            ],
            activity_executor=self._threads,
            max_concurrent_activities=_STORE_THREADS,
            graceful_shutdown_timeout=_GRACE,
            deployment_config=_BUILD,
            max_heartbeat_throttle_interval=_HEARTBEAT_THROTTLE,
            interceptors=[Heartbeats()],
        )

    def _zone_worker(self, queue: str) -> Worker:
        return Worker(
            self._client,
            task_queue=queue,
            activities=[
                self._records.create_computer_record,
                self._records.write_dns,
                self._records.remove_dns,
                self._records.delete_computer_record,
                self._machines.create_machine,
                self._machines.await_machine,
                self._guests.run_startup_script,
                self._guests.retrieve_password,
                self._machines.delete_machine,
                self._interruptions.look_for_interruptions,
                self._sweeps.sweep,
            ],
            activity_executor=self._threads,
            max_concurrent_activities=_PROVIDER_THREADS,
            graceful_shutdown_timeout=_GRACE,
            deployment_config=_BUILD,
            max_heartbeat_throttle_interval=_HEARTBEAT_THROTTLE,
            interceptors=[Heartbeats()],
        )
