"""`poolwright up`: starts the local stack, watches over it, and stops it."""

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from starter.settings import Settings
from starter.stack import running
from starter.stack.running import RunningStack
from starter.stack.supervisor import Supervisor

if TYPE_CHECKING:
    from poolwright.store.engine import Store
    from starter.stack.data_directory import Apply

_FRAME_SECONDS = 0.5


def up(settings: Settings, files: Sequence[Path], apply: "Apply", *, view: bool) -> None:
    """Bring the stack up on this data directory and stay until SIGINT or SIGTERM. `view`: show servers and decisions.

    Carries on where an earlier stack stopped, or was killed. Raises `AlreadyRunning`, `PortTaken`,
    `BinaryNotFoundError`, `ComponentDied`, and whatever `apply` and `Settings.open_store` raise.
    """
    with running.only_one(settings):
        asyncio.run(_up(settings, files, apply, view=view))


async def _up(settings: Settings, files: Sequence[Path], apply: "Apply", *, view: bool) -> None:
    stop_asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop_asked.set)
    supervisor = Supervisor(settings, os.getpid())
    try:
        supervisor.start()
        # Only now, since it takes a while: the components start meanwhile.
        from starter.stack.data_directory import apply_files, open_upgraded, restart_local_machines

        with closing(open_upgraded(settings)) as store:
            restart_local_machines(store, settings)
            starting = asyncio.ensure_future(supervisor.until_ready())
            await asyncio.wait({starting, asyncio.ensure_future(stop_asked.wait())}, return_when="FIRST_COMPLETED")
            if stop_asked.is_set():
                starting.cancel()
                return
            starting.result()
            if applied := await apply_files(settings, store, files, apply):
                _say(f"applied {', '.join(str(file) for file in applied)}")
            supervisor.mark_ready()
            stack = running.load(settings)
            assert stack is not None
            _say(f"ready: Web UI {stack.ui_url}, API {stack.api_url}/docs")
            await (_show(store, supervisor, stack, stop_asked) if view else _watch(supervisor, stop_asked))
    finally:
        if stop_asked.is_set():
            _say("stopping; servers keep running and are found again by the next `poolwright up`")
        supervisor.stop()


async def _show(store: "Store", supervisor: Supervisor, stack: RunningStack, stop_asked: asyncio.Event) -> None:
    from rich.live import Live

    from poolwright.store.engine import utc_now
    from starter.stack.live_view import read_view, render

    with Live(auto_refresh=False) as live:
        while not stop_asked.is_set():
            problems = supervisor.restart_dead()
            live.update(render(read_view(store), stack, problems, utc_now()), refresh=True)
            await _next_look(stop_asked)


async def _watch(supervisor: Supervisor, stop_asked: asyncio.Event) -> None:
    said: set[str] = set()
    while not stop_asked.is_set():
        problems = supervisor.restart_dead()
        for problem in problems:
            if problem not in said:
                _say(problem)
        said = set(problems)
        await _next_look(stop_asked)


async def _next_look(stop_asked: asyncio.Event) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop_asked.wait(), _FRAME_SECONDS)


def _say(sentence: str) -> None:
    print(sentence, flush=True)
