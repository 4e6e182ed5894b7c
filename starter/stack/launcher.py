"""`poolwright up` and its kin."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path

from rich.console import Console
from rich.live import Live
from temporalio.client import Client

from poolwright.domain.resources import VMProviderConfig
from poolwright.providers.local.provider import restart_stopped
from poolwright.providers.local.settings import Settings as LocalSettings
from poolwright.store import documents, scaling
from poolwright.store.check_in_tokens import controller_id
from poolwright.store.engine import Store, utc_now
from poolwright.store.installation import upgrade
from poolwright.store.servers import live_server_ids
from starter.connection import connect
from starter.lives import ensure_loops
from starter.plugin import poolwright_plugin
from starter.settings import Settings
from starter.signals import Signals
from starter.stack import running
from starter.stack.components import temporal_address
from starter.stack.live_view import read_view, render
from starter.stack.processes import stop
from starter.stack.running import RunningStack
from starter.stack.supervisor import Supervisor, stop_leftovers

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "local.yaml"
"""Applied to an empty database, so that the first `up` shows something."""

_FRAME_SECONDS = 0.5
_DETACH_PATIENCE_SECONDS = 90.0
_DOWN_PATIENCE_SECONDS = 60.0
_DELETE_PATIENCE_SECONDS = 300.0

Apply = Callable[[Store, Sequence[Path]], Sequence[str]]
"""Applies configuration files, all or nothing. Gives the autoscale configs whose decisions may come out otherwise."""


class NotStarted(Exception):
    """The detached stack did not become ready. The message says why."""


def up(settings: Settings, files: Sequence[Path], apply: Apply, console: Console, *, view: bool) -> None:
    """Bring the stack up on this data directory and stay until SIGINT or SIGTERM.

    Carries on where an earlier stack stopped, or was killed. Raises `AlreadyRunning`, `PortTaken`,
    `BinaryNotFoundError`, `ComponentDied`, and whatever `apply` raises.
    """
    with running.only_one(settings):
        asyncio.run(_up(settings, files, apply, console, view=view))


def up_detached(settings: Settings, arguments: Sequence[str]) -> RunningStack:
    """Start `poolwright up` in the background and return when it is ready. Raises `NotStarted`."""
    log = settings.data_directory / "logs" / "up.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "starter.cli", "up", "--no-view", *arguments],
            env={**os.environ, **settings.environment()},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    give_up_at = time.monotonic() + _DETACH_PATIENCE_SECONDS
    while time.monotonic() < give_up_at:
        stack = running.load(settings)
        if stack is not None and stack.ready and stack.supervisor.process_id == child.pid:
            return stack
        if child.poll() is not None:
            raise NotStarted(log.read_text(errors="replace").strip() or f"it ended with code {child.returncode}")
        time.sleep(0.05)
    raise NotStarted(f"it was not ready after {_DETACH_PATIENCE_SECONDS:.0f} s: see {log}")


def down(settings: Settings) -> bool:
    """Stop the stack of this data directory. False: none ran. Servers keep running."""
    stack = running.load(settings)
    if stack is None:
        return False
    if stack.supervisor.process() is None:
        return bool(stop_leftovers(settings))
    stop([stack.supervisor], _DOWN_PATIENCE_SECONDS)
    return True


def status(settings: Settings) -> tuple[RunningStack | None, dict[str, bool]]:
    """The stack that was last started, and which of its processes live."""
    stack = running.load(settings)
    if stack is None:
        return None, {}
    return stack, {one.name: one.process() is not None for one in (stack.supervisor, *stack.components)}


async def delete_servers(settings: Settings) -> int:
    """Delete every autoscaled server, with nobody being asked: pools are paused meanwhile. Returns how many.

    Raises `TimeoutError` when they are not all gone in time; they go on going.
    """
    store = settings.open_store()
    try:
        signals = Signals(await connect())
        reason = "all servers are being deleted"
        with store.write() as tx:
            paused = [name for name in scaling.autoscale_names(tx) if not scaling.paused_because(tx, name)]
            for name in paused:
                scaling.set_paused(tx, name, reason)
        ids = _live_servers(store)
        for server_id in ids:
            await signals.terminate(server_id, reason)
        async with asyncio.timeout(_DELETE_PATIENCE_SECONDS):
            await _until_none_lives(store)
        with store.write() as tx:
            for name in paused:
                scaling.set_paused(tx, name, None)
        return len(ids)
    finally:
        store.close()


async def _up(settings: Settings, files: Sequence[Path], apply: Apply, console: Console, *, view: bool) -> None:
    stop_asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop_asked.set)
    store = settings.open_store()
    supervisor = Supervisor(settings, os.getpid())
    try:
        upgrade(store)
        supervisor.start()
        _restart_local_machines(store, settings)
        starting = asyncio.ensure_future(supervisor.until_ready())
        await asyncio.wait({starting, asyncio.ensure_future(stop_asked.wait())}, return_when="FIRST_COMPLETED")
        if stop_asked.is_set():
            starting.cancel()
            return
        starting.result()
        await _apply(settings, store, files, apply, console)
        supervisor.mark_ready()
        stack = running.load(settings)
        assert stack is not None
        console.print(f"ready: Web UI {stack.ui_url}, API {stack.api_url}/docs", highlight=False)
        await _watch(store, supervisor, stack, console, stop_asked, view=view)
    finally:
        console.print("stopping; servers keep running and are found again by the next `poolwright up`")
        supervisor.stop()
        store.close()


async def _watch(
    store: Store,
    supervisor: Supervisor,
    stack: RunningStack,
    console: Console,
    stop_asked: asyncio.Event,
    *,
    view: bool,
) -> None:
    live = Live(console=console, auto_refresh=False, transient=False) if view else None
    said: set[str] = set()
    with live or nullcontext():
        while not stop_asked.is_set():
            problems = supervisor.restart_dead()
            if live is not None:
                live.update(render(read_view(store), stack, problems, utc_now()), refresh=True)
            else:
                for problem in problems:
                    if problem not in said:
                        console.print(problem)
                said = set(problems)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop_asked.wait(), _FRAME_SECONDS)


async def _apply(settings: Settings, store: Store, files: Sequence[Path], apply: Apply, console: Console) -> None:
    with store.read() as tx:
        empty = not documents.rows(tx)
    chosen = list(files) or ([EXAMPLE] if empty and EXAMPLE.exists() else [])
    if chosen:
        autoscales = apply(store, chosen)
        client = await Client.connect(temporal_address(settings), plugins=[poolwright_plugin()])
        await ensure_loops(client, store, autoscales, "the configuration was applied")
        console.print(f"applied {', '.join(str(file) for file in chosen)}", highlight=False)


def _restart_local_machines(store: Store, settings: Settings) -> None:
    """Local machines whose processes died with the computer run again, as a hypervisor does after a power cut."""
    with store.read() as tx:
        controller = controller_id(tx)
        configs = [documents.load(tx, "vm_provider", row.name) for row in documents.rows(tx, "vm_provider")]
    directory = settings.data_directory.absolute() / "local-machines"
    for config in configs:
        if isinstance(config, VMProviderConfig) and config.provider == "local":
            restart_stopped(LocalSettings.model_validate({"directory": directory, **config.settings}), controller)


async def _until_none_lives(store: Store) -> None:
    while True:
        if not await asyncio.to_thread(_live_servers, store):
            return
        await asyncio.sleep(0.2)


def _live_servers(store: Store) -> list[str]:
    with store.read() as tx:
        return live_server_ids(tx)
