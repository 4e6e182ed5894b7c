"""A small installation with a recording stand-in for Temporal, for tests of what stands on the store."""

import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pydantic import SecretStr
from temporalio.service import RPCError, RPCStatusCode

from poolwright.domain.servers import CheckInStatus, Session
from poolwright.domain.states import ServerState
from poolwright.store import documents, ledger, scaling, sessions
from poolwright.store.api_keys import Role, create_key
from poolwright.store.check_in_tokens import controller_id, mint, signing_key
from poolwright.store.engine import Store
from poolwright.store.installation import upgrade
from poolwright.store.servers import lock_server, transition
from poolwright.store.sessions import SessionRequest

POOL = "desk"
AUTOSCALE = "desk-local"
PASSWORD = "correct-horse-battery"

_WAY = (
    ServerState.REQUESTED,
    ServerState.PREPARING,
    ServerState.CREATING,
    ServerState.BOOTING,
    ServerState.CONFIGURING,
    ServerState.RUNNING,
    ServerState.DRAINING,
    ServerState.DELETING,
    ServerState.DELETED,
)


@dataclass
class RecordingSignals:
    """Writes down what workflows are told."""

    away: bool = False
    """Temporal cannot be reached."""
    lives: bool = True
    """Workflows run."""
    check_ins: list[tuple[str, CheckInStatus, str]] = field(default_factory=list)
    scaled: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    async def check_in(self, server_id: str, status: CheckInStatus, message: str) -> bool:
        self._reach()
        self.check_ins.append((server_id, status, message))
        return self.lives

    async def scale_now(self, autoscales: Iterable[str], why: str) -> None:
        self._reach()
        self.scaled += autoscales

    async def sessions_changed(self, server_id: str) -> bool:
        self._reach()
        self.changed.append(server_id)
        return self.lives

    async def reachable(self) -> bool:
        return not self.away

    def _reach(self) -> None:
        if self.away:
            raise RPCError("nobody is there", RPCStatusCode.UNAVAILABLE, b"")


class World:
    """The pool `desk` with the autoscale config `desk-local`, and what tests put into it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.signals = RecordingSignals()

    @classmethod
    def new(cls, store: Store) -> "World":
        """A new installation in this empty store."""
        upgrade(store)
        world = cls(store)
        world.declare("zone", "north", {})
        world.declare("vm_provider", "machines", {"provider": "sim", "max_instances": 50})
        world.declare_pool(POOL, AUTOSCALE)
        return world

    def declare(self, kind: str, name: str, body: dict[str, Any], facts: dict[str, Any] | None = None) -> None:
        """As `poolwright apply` would."""
        with self.store.write() as tx:
            revision = documents.next_revision(tx)
            documents.save_document(
                tx,
                kind=kind,
                name=name,
                body={"kind": kind, "name": name, **body},
                facts=facts or {},
                revision=revision,
                reshapes=True,
                now=self.store.clock(),
            )

    def declare_pool(self, pool: str, *autoscales: str, connection: dict[str, Any] | None = None) -> None:
        """A server pool whose servers take two sessions each."""
        self.declare("pool", pool, {"type": "server"})
        for name in autoscales:
            body = {
                "type": "server",
                "pool": pool,
                "zone": "north",
                "vm_provider": "machines",
                "max_sessions_per_server": 2,
                "max_users_per_server": 2,
                "reusable": True,
                "agent_installed": True,
                "connection": connection
                or {"type": "vnc", "username": "user", "password": SecretStr(PASSWORD), "info": {"colours": 24}},
            }
            self.declare("autoscale", name, body)

    def server(self, state: ServerState = ServerState.RUNNING, autoscale: str = AUTOSCALE) -> str:
        """A server that has come to this state."""
        with self.store.write() as tx:
            slot = ledger.Slot(vm_provider="machines", reason="a test wants it")
            config = scaling.load_autoscale(tx, autoscale)
            [server_id] = ledger.reserve(tx, config, [slot], secrets.token_hex(8), self.store.clock())
        self.move(server_id, *_WAY[1 : _WAY.index(state) + 1])
        return server_id

    def move(self, server_id: str, *states: ServerState) -> None:
        """Let the server go through these states; whoever waits is placed when it runs."""
        for state in states:
            with self.store.write() as tx:
                row = lock_server(tx, server_id)
                row.address = "192.0.2.7"
                transition(tx, row, state, f"it is {state}", self.store.clock())
                tx.flush()
                if state is ServerState.RUNNING:
                    sessions.assign_waiting(tx, row.pool, self.store.clock())

    def token(self, server_id: str, *, issued_at: datetime | None = None) -> str:
        """The check-in token of this server."""
        with self.store.read() as tx:
            key, controller = signing_key(tx), controller_id(tx)
        issued = issued_at or self.store.clock() - timedelta(minutes=1)
        return mint(key, controller, server_id, 1, issued).get_secret_value()

    def key(self, role: Role) -> str:
        """A new API key with this role."""
        with self.store.write() as tx:
            _, secret = create_key(tx, f"{role}-{os.urandom(3).hex()}", role, self.store.clock())
        return secret.get_secret_value()

    def request(self, user: str = "ada", **more: Any) -> Session:
        """A session, requested past the API."""
        with self.store.write() as tx:
            request = SessionRequest(**({"pool": POOL, "user": user} | more))
            return sessions.request_session(tx, request, self.store.clock())

    def session(self, session_id: str) -> Session:
        """The session as it is stored."""
        with self.store.read() as tx:
            return sessions.get_session(tx, session_id)
