"""The local stack as other commands see it: start it in the background, stop it, ask what of it runs.

Imports little, so that those commands are quick.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence

from starter.settings import Settings
from starter.stack import running
from starter.stack.processes import stop
from starter.stack.running import RunningStack

_DETACH_PATIENCE_SECONDS = 90.0
_DOWN_PATIENCE_SECONDS = 60.0


class NotStarted(Exception):
    """The detached stack did not become ready. The message says why."""

    def __init__(self, message: str, code: int = 1) -> None:
        """`code`: the exit code that it ended with."""
        super().__init__(message)
        self.code = code


def up(settings: Settings, arguments: Sequence[str]) -> RunningStack:
    """Start `poolwright up` in the background and return when it is ready. Raises `NotStarted`."""
    # Closed to others before anything is in it, its logs too.
    settings.data_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
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
            said = log.read_text(errors="replace").strip().removeprefix("Error: ")
            raise NotStarted(said or f"it ended with code {child.returncode}", child.returncode)
        time.sleep(0.05)
    raise NotStarted(f"it was not ready after {_DETACH_PATIENCE_SECONDS:.0f} s: see {log}")


def down(settings: Settings) -> bool:
    """Stop the stack of this data directory. False: none ran. Servers keep running."""
    stack = running.load(settings)
    if stack is None:
        return False
    if stack.supervisor.process() is None:
        return bool(running.stop_leftovers(settings))
    stop([stack.supervisor], _DOWN_PATIENCE_SECONDS)
    return True


def status(settings: Settings) -> tuple[RunningStack | None, dict[str, bool]]:
    """The stack that was last started, and which of its processes live."""
    stack = running.load(settings)
    if stack is None:
        return None, {}
    return stack, {one.name: one.process() is not None for one in (stack.supervisor, *stack.components)}
