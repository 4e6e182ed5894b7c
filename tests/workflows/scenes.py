"""An installation on the time-skipping server whose every clock is that server's, and whose workers come and go."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.api.enums.v1 import EventType, PendingActivityState
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import CancelledError
from temporalio.plugin import SimplePlugin
from temporalio.service import ServiceClient
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import WorkerConfig

from poolwright.domain.identities import scaling_workflow_id
from poolwright.domain.servers import Server, Session
from poolwright.domain.states import ServerState
from poolwright.providers.sim.records import SimulatedVM
from poolwright.providers.sim.settings import Operation
from poolwright.providers.sim.world import World, forget, world
from poolwright.store import documents
from poolwright.store.engine import Store, utc_now
from poolwright.store.identifiers import new_id
from poolwright.store.sessions import get_session, list_sessions
from starter.workers import Workers
from tests.installations import AWAIT_SECONDS, Installation, configure, new_store

DAY_SECONDS = 86_400.0


class Forgetful(SimplePlugin):
    """Workers keep no workflow in memory: each task replays its history. That proves each to be deterministic, and no
    task waits for a worker that has stopped."""

    def __init__(self) -> None:
        super().__init__("forgetful")

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        """See base class."""
        config = super().configure_worker(config)
        config["max_cached_workflows"] = 0
        return config


class Scene(Installation):
    """An installation whose simulated VMs age by the Temporal server's clock, so that a skip carries them along."""

    def __init__(self, store: Store, client: Client, environment: WorkflowEnvironment, provider: World) -> None:
        super().__init__(store, client, environment, provider)
        self._latest = 0.0
        self._stop = asyncio.Event()
        self._working: list[asyncio.Task[None]] = []
        provider.clock = self._clock

    async def now(self) -> datetime:
        """The server's clock."""
        at = await super().now()
        self._latest = max(self._latest, at.timestamp())
        return at

    async def skip(self, seconds: float) -> datetime:
        """Let so much time pass. What falls due meanwhile happens in its order. Returns the time then.

        Do not end just where a timer falls due if a signal is to follow: the test server cannot take both at once.
        """
        async with asyncio.timeout(AWAIT_SECONDS):
            await self.environment.sleep(seconds)
        return await self.now()

    async def until(self, condition: Callable[[], bool], *, within_seconds: float, step_seconds: float = 5) -> None:
        """Skip in small steps until the condition holds. Fails when it does not within this time."""
        gives_up_at = (await self.now()).timestamp() + within_seconds
        while not condition():
            now = await self.skip(step_seconds)
            assert now.timestamp() <= gives_up_at, f"not so within {within_seconds} s"
            await asyncio.sleep(0.01)

    async def soon(self, condition: Callable[[], bool | Awaitable[bool]]) -> None:
        """Wait, without a skip, until the condition holds."""
        async with asyncio.timeout(AWAIT_SECONDS):
            while True:
                holds = condition()
                if await holds if isinstance(holds, Awaitable) else holds:
                    return
                await asyncio.sleep(0.02)

    async def ended(self, server: Server) -> str:
        """How the life ended; skips as far as need be."""
        result = asyncio.ensure_future(self.life(server).result())
        seconds = 1.0
        try:
            async with asyncio.timeout(AWAIT_SECONDS):
                while not (await asyncio.wait({result}, timeout=0.1))[0]:
                    await self.skip(seconds)
                    seconds = min(2 * seconds, DAY_SECONDS)
            return str(result.result())
        finally:
            result.cancel()

    async def ended_by_cancellation(self, server: Server) -> bool:
        """Wait for the end of the life as `ended` does. True: its workflow counts as cancelled."""
        try:
            await self.ended(server)
        except WorkflowFailureError as error:
            return isinstance(error.cause, CancelledError)
        return False

    async def until_told(self, server: Server, *states: ServerState) -> Server:
        """The row once it is in one of these states and its life has heard so. (The test server cannot take a life that
        cancels a step which has just ended.)"""
        found = await self.until_state(server, *states)

        async def has_heard() -> bool:
            return (await self.page(server)).startswith(f"## {found.state}")

        await self.soon(has_heard)
        return found

    async def overslept(self, server: Server, seconds: float) -> None:
        """Wait, without a skip, until the server has been in its state for longer than this. (The clock does not skip
        while a workflow has a task that no worker takes.)"""
        due = self.server(server).state_since.timestamp() + seconds

        async def is_over() -> bool:
            return (await self.now()).timestamp() > due

        await self.soon(is_over)

    async def page(self, server: Server) -> str:
        """What the Temporal Web UI shows of its life."""
        return str(await self.life(server).query("story"))

    async def until_event(self, server: Server, kind: EventType.ValueType) -> None:
        """Wait until the newest run of its life holds such an event."""

        async def holds_it() -> bool:
            return any(event.event_type == kind for event in (await self.life(server).fetch_history()).events)

        await self.soon(holds_it)

    async def until_at_work(self, server: Server, step: str) -> None:
        """Wait until a worker has taken up this activity of its life."""
        await self._until_at_work(self.life(server), step)

    async def until_loop_at_work(self, step: str) -> None:
        """Wait until a worker has taken up this activity of the scaling loop."""
        await self._until_at_work(self.client.get_workflow_handle(scaling_workflow_id("demo")), step)

    async def at_work(self, handle: WorkflowHandle[Any, Any]) -> list[str]:
        """The activities of this workflow that a worker is at."""
        return [
            one.activity_type.name
            for one in (await handle.describe()).raw_description.pending_activities
            if one.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
            # The test server calls one that waits for its next try started, too.
            and one.last_started_time.ToDatetime() >= one.last_attempt_complete_time.ToDatetime()
        ]

    async def running(self) -> Server:
        """A server that has booted and checked in."""
        server = await self.live()
        await self.until_told(server, ServerState.BOOTING)
        await self.check_in(server)
        return await self.until_told(server, ServerState.RUNNING)

    def start_working(self, *, workflows: bool = True, zone: bool = True) -> None:
        """Start workers: for workflows and the store, for what touches the provider, or both."""
        zones = self._zones() if zone else []
        self._working.append(asyncio.create_task(self._work(zones, self._stop, workflows=workflows)))

    async def stop_working(self) -> None:
        """Stop the workers: what they run comes to its end, nothing new begins."""
        self._stop.set()
        await asyncio.gather(*self._working)
        self._stop, self._working = asyncio.Event(), []

    def living(self) -> Sequence[SimulatedVM]:
        """The VMs that exist, as of the newest time that anybody was told."""
        return self.world.living()

    def creations(self) -> int:
        """How many VMs were ever made."""
        return len(self.world.vms())

    def calls(self, operation: Operation) -> int:
        """How often the provider was asked for this."""
        return self.world.calls().get(operation, 0)

    def mend_provider(self) -> None:
        """Let nothing fail that was planned to."""
        with self.world.database.transaction():
            self.world.database.drop_failures()

    def session_on(self, server: Server) -> Session:
        """The one session that is on this server."""
        with self.store.read() as tx:
            (session,) = list_sessions(tx, server_id=server.id)
            return session

    def session(self, session: Session) -> Session:
        """The session as it is now."""
        with self.store.read() as tx:
            return get_session(tx, session.id)

    def reasons(self, server: Server) -> list[str]:
        """The sentences of its story."""
        return [entry.reason for entry in self.story(server)]

    def change(self, kind: str, name: str, facts: dict[str, Any] | None = None, **settings: Any) -> None:
        """Change settings of a document, and what the program found out about it, as an apply would."""
        with self.store.write() as tx:
            row = documents.get_row(tx, kind, name)
            body = {**documents.open_body(tx, row), **settings}
            documents.save_document(
                tx,
                kind=kind,
                name=name,
                body=body,
                facts=row.facts if facts is None else facts,
                revision=documents.next_revision(tx),
                reshapes=False,
                now=utc_now(),
            )

    async def _until_at_work(self, handle: WorkflowHandle[Any, Any], step: str) -> None:
        async def is_at_work() -> bool:
            return step in await self.at_work(handle)

        await self.soon(is_at_work)

    async def _work(self, zones: Sequence[str], stop: asyncio.Event, *, workflows: bool) -> None:
        # A connection of their own: a client never forgets a worker that is stopped while it still starts.
        config = self.client.config()
        config["service_client"] = await ServiceClient.connect(config["service_client"].config)
        await Workers(Client(**config), self.store, "127.0.0.1:8780", zones, workflows=workflows).run(stop)

    def _zones(self) -> list[str]:
        with self.store.read() as tx:
            return [row.name for row in documents.rows(tx, "zone")]

    def _clock(self) -> float:
        # An activity knows when it was started by the server's clock; who calls from elsewhere gets the newest time.
        if activity.in_activity():
            self._latest = max(self._latest, activity.info().started_time.timestamp())
        return self._latest


@asynccontextmanager
async def scene(
    environment: WorkflowEnvironment,
    directory: Path,
    *,
    working: bool = True,
    sticky: bool = False,
    **autoscale: Any,
) -> AsyncIterator[Scene]:
    """A scene with running workers (unless not `working`). Other keywords as for `installation`.

    `sticky`: its workers keep workflows in memory, which takes half the time. Not for scenes whose workers stop: tasks
    would wait for ten seconds for those that are gone.
    """
    store = new_store(f"sqlite:///{directory / 'poolwright.db'}")
    name = new_id("w")
    configure(store, name, f"zone-{name}", **autoscale)
    config = environment.client.config()
    config["plugins"] = [] if sticky else [Forgetful()]
    client = Client(**config)
    poolwright = Scene(store, client, environment, world(name))
    await poolwright.now()
    if working:
        poolwright.start_working()
    try:
        yield poolwright
    finally:
        await poolwright.stop_working()
        store.close()
        forget(name)
