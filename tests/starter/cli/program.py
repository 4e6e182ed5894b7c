"""Running commands in this process, on a real database, with signals that are only recorded."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from poolwright.domain.servers import CheckInStatus, Server
from poolwright.domain.states import ServerState
from poolwright.store import documents, ledger, scaling
from poolwright.store.engine import Store
from poolwright.store.identifiers import new_id
from poolwright.store.servers import get_server, lock_server, transition
from poolwright.store.sessions import SessionRequest, request_session
from starter.cli import app
from starter.cli.exit_codes import ExitCode

CONFIGURATION = """
kind: zone
name: here
---
kind: pool
name: desks
type: server
description: For tests
---
kind: vm_provider
name: small
provider: sim
max_instances: 4
---
kind: autoscale
name: desks-here
type: server
pool: desks
zone: here
vm_provider: small
minimum_available_sessions: 1
connection: {type: rdp, username: ada, password: pl4nt3d-s3cr3t}
"""

_WAY_TO_RUNNING = (
    ServerState.PREPARING,
    ServerState.CREATING,
    ServerState.BOOTING,
    ServerState.CONFIGURING,
    ServerState.RUNNING,
)


class RecordedSignals:
    """What was asked of workflows, in order."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, ...]] = []
        self.running = True
        """False: no workflow takes a signal."""
        self.effects: dict[str, Any] = {}
        """Signal -> what happens to the server, called with its id."""

    async def check_in(self, server_id: str, status: CheckInStatus, message: str) -> bool:
        return self._take("check_in", server_id, status.value, message)

    async def drain(self, server_id: str, reason: str) -> bool:
        return self._take("drain", server_id, reason)

    async def undrain(self, server_id: str, reason: str) -> bool:
        return self._take("undrain", server_id, reason)

    async def delete(self, server_id: str, reason: str) -> bool:
        return self._take("delete", server_id, reason)

    async def terminate(self, server_id: str, reason: str) -> bool:
        return self._take("terminate", server_id, reason)

    async def sessions_changed(self, server_id: str) -> bool:
        return self._take("sessions_changed", server_id)

    async def scale_now(self, autoscales: Iterable[str], why: str) -> None:
        for name in autoscales:
            self._take("scale_now", name, why)

    async def pause(self, autoscale: str, reason: str) -> bool:
        return self._take("pause", autoscale, reason)

    async def resume(self, autoscale: str) -> bool:
        return self._take("resume", autoscale)

    async def sweep_now(self, kind: str, name: str, why: str) -> bool:
        return self._take("sweep_now", kind, name, why)

    async def sweep_settings_changed(self, kind: str, name: str) -> bool:
        return self._take("sweep_settings_changed", kind, name)

    def names(self) -> list[tuple[str, str]]:
        """Signals and whom they went to."""
        return [(one[0], one[1]) for one in self.sent]

    def _take(self, *signal: str) -> bool:
        self.sent.append(signal)
        if signal[0] in self.effects:
            self.effects[signal[0]](signal[1])
        return self.running


class Program:
    """The program `poolwright` on one data directory."""

    def __init__(self, store: Store, directory: Path, signals: RecordedSignals) -> None:
        self.store = store
        self.directory = directory
        self.signals = signals

    def run(self, *arguments: str, expect: ExitCode = ExitCode.OK, stdin: str | None = None) -> Result:
        """The result of a command. Fails the test on another exit code than expected, and on any traceback."""
        result = CliRunner().invoke(app, list(arguments), input=stdin)
        assert result.exit_code == expect, f"{arguments}: {result.exit_code}\n{result.stdout}\n{result.stderr}"
        assert "Traceback" not in result.output
        return result

    def json(self, *arguments: str, expect: ExitCode = ExitCode.OK, stdin: str | None = None) -> Any:
        """The answer with `-o json`."""
        return json.loads(self.run(*arguments, "-o", "json", expect=expect, stdin=stdin).stdout)

    def error(self, *arguments: str, expect: ExitCode) -> str:
        """What the command says on standard error."""
        result = self.run(*arguments, expect=expect)
        assert result.stderr.count("Error: ") == 1
        return result.stderr

    def server(self, state: ServerState = ServerState.RUNNING) -> Server:
        """A server of `desks-here` that came to this state on the usual way."""
        with self.store.write() as tx:
            config = scaling.load_autoscale(tx, "desks-here")
            slot = ledger.Slot(vm_provider=config.vm_provider, reason="a test wants it")
            (server_id,) = ledger.reserve(tx, config, [slot], new_id("d"), self.store.clock())
        for step in _WAY_TO_RUNNING:
            if self.find(server_id).state == state:
                break
            self.move(server_id, step)
        if self.find(server_id).state != state:
            self.move(server_id, state)
        return self.find(server_id)

    def find(self, server_id: str) -> Server:
        """The server as it is now."""
        with self.store.read() as tx:
            return get_server(tx, server_id)

    def move(self, server_id: str, *states: ServerState) -> None:
        """Take the server through these states."""
        for state in states:
            with self.store.write() as tx:
                row = lock_server(tx, server_id)
                row.address = "10.0.0.7"
                transition(tx, row, state, f"a test made it {state}", self.store.clock())

    def forget_pool(self, name: str) -> None:
        """Delete the document of the pool, whatever is left of it."""
        with self.store.write() as tx:
            documents.delete_document(tx, "pool", name)

    def session(self, user: str = "ada") -> str:
        """The id of a session that this person asked for."""
        with self.store.write() as tx:
            return request_session(tx, SessionRequest(pool="desks", user=user), self.store.clock()).id
