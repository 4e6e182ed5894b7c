"""A whole small installation for tests: a store with a configuration, a simulated provider, workers on a server."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from activities.lifeline import start_life, start_loop
from poolwright.domain.identities import scaling_workflow_id, server_workflow_id
from poolwright.domain.servers import CheckInStatus, HistoryEntry, Server, Session
from poolwright.domain.states import ServerState
from poolwright.providers.sim.world import World, world
from poolwright.store import documents, ledger, scaling, sessions
from poolwright.store.check_ins import record_check_in
from poolwright.store.engine import Store, open_store, utc_now
from poolwright.store.identifiers import new_id
from poolwright.store.installation import upgrade
from poolwright.store.sealing import Sealer, new_key
from poolwright.store.servers import get_server, history, list_servers
from starter.signals import Signals
from starter.workers import Workers

AWAIT_SECONDS = 90
"""No test waits longer than this for anything: a workflow that is stuck is a failure, not a hang."""


class Installation:
    """One pool `demo` in zone `zone` on the simulated provider."""

    def __init__(self, store: Store, client: Client, environment: WorkflowEnvironment, provider: World) -> None:
        self.store = store
        self.client = client
        self.environment = environment
        self.world = provider
        self.signals = Signals(client)

    async def now(self) -> datetime:
        """The server's clock, which may skip."""
        return await self.environment.get_current_time()

    async def reserve(self) -> Server:
        """One row, as a decision makes it, without a life."""
        at = await self.now()
        with self.store.write() as tx:
            autoscale = scaling.load_autoscale(tx, "demo")
            slot = ledger.Slot(vm_provider=autoscale.vm_provider, reason="a test wants it")
            ids = ledger.reserve(tx, autoscale, [slot], new_id("d"), at)
            return get_server(tx, ids[0])

    async def live(self) -> Server:
        """A row with its life started."""
        server = await self.reserve()
        await start_life(self.client, server)
        return server

    async def loop(self) -> WorkflowHandle[Any, Any]:
        """The scaling loop, started."""
        await start_loop(self.client, "demo", "demo")
        return self.client.get_workflow_handle(scaling_workflow_id("demo"))

    def life(self, server: Server) -> WorkflowHandle[Any, Any]:
        """The handle of a server's life."""
        return self.client.get_workflow_handle(server_workflow_id(server.id))

    def server(self, server: Server) -> Server:
        """The row as it is now."""
        with self.store.read() as tx:
            return get_server(tx, server.id)

    def servers(self, *, deleted: bool = False) -> list[Server]:
        """All rows."""
        with self.store.read() as tx:
            return list_servers(tx, deleted=deleted)

    def story(self, server: Server) -> list[HistoryEntry]:
        """The row's history."""
        with self.store.read() as tx:
            return history(tx, server.id)

    def states(self, server: Server) -> list[str]:
        """The states that it went through."""
        return [entry.to_state.value for entry in self.story(server) if entry.to_state != entry.from_state]

    async def check_in(self, server: Server, status: str = "running", message: str = "") -> None:
        """What the endpoint does with a report."""
        at = await self.now()
        with self.store.write() as tx:
            record_check_in(tx, server.id, CheckInStatus(status), message, None, at)
        await self.signals.check_in(server.id, CheckInStatus(status), message)

    async def request(self, user: str = "ada") -> Session:
        """Ask for a session."""
        at = await self.now()
        with self.store.write() as tx:
            return sessions.request_session(tx, sessions.SessionRequest(pool="demo", user=user), at)

    async def end(self, session: Session) -> None:
        """End a session, and tell its server."""
        at = await self.now()
        with self.store.write() as tx:
            sessions.end_session(tx, session.id, "done", at)
        if session.server_id:
            await self.signals.sessions_changed(session.server_id)

    async def until_state(self, server: Server, *states: ServerState) -> Server:
        """The row once it is in one of these states, in real time: the clock does not skip."""
        async with asyncio.timeout(AWAIT_SECONDS):
            while (found := self.server(server)).state not in states:
                await asyncio.sleep(0.02)
        return found

    async def ended(self, server: Server) -> str:
        """How the life ended; the clock skips meanwhile."""
        async with asyncio.timeout(AWAIT_SECONDS):
            return str(await self.life(server).result())


def new_store(url: str) -> Store:
    """A store with all tables and a key of its own."""
    store = open_store(url, Sealer([new_key()]))
    upgrade(store)
    return store


def save(store: Store, kind: str, name: str, body: Mapping[str, Any]) -> None:
    """Save one document as an apply would."""
    with store.write() as tx:
        revision = documents.next_revision(tx)
        documents.save_document(
            tx,
            kind=kind,
            name=name,
            body={"name": name, **body},
            facts={},
            revision=revision,
            reshapes=True,
            now=utc_now(),
        )


def configure(store: Store, world_name: str, zone: str, **autoscale: Any) -> None:
    """The configuration of an `Installation`."""
    save(store, "zone", zone, {})
    provider = {"provider": "sim", "max_instances": autoscale.pop("provider_cap", 5)}
    settings = {"world": world_name, **autoscale.pop("sim", {})}
    save(
        store,
        "vm_provider",
        "sim",
        {**provider, "settings": settings, "startup_script": "#!/bin/sh\n# {checkin_jwt}\n"},
    )
    save(store, "pool", "demo", {"type": "server"})
    body = {"pool": "demo", "zone": zone, "vm_provider": "sim", "type": "server", "hostname_pattern": "demo-{n:03}"}
    save(store, "autoscale", "demo", {**body, **autoscale})


@asynccontextmanager
async def installation(
    environment: WorkflowEnvironment, directory: Path, **autoscale: Any
) -> AsyncIterator[Installation]:
    """An installation with running workers. Keywords are settings of its autoscale config; `sim` holds the provider's
    knobs and `provider_cap` its `max_instances`."""
    store = new_store(f"sqlite:///{directory / 'poolwright.db'}")
    name = new_id("w")
    configure(store, name, f"zone-{name}", **autoscale)
    stop = asyncio.Event()
    workers = Workers(environment.client, store, "127.0.0.1:8780", [f"zone-{name}"], workflows=True)
    working = asyncio.create_task(workers.run(stop))
    try:
        yield Installation(store, environment.client, environment, world(name))
    finally:
        stop.set()
        await working
        store.close()
