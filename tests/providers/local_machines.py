"""Looking at, waiting for and clearing away the processes of local machines."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import psutil

from poolwright.providers.local.processes import MARK_VARIABLE, environments_of

PATIENCE_SECONDS = 60.0

Answer = TypeVar("Answer")


def processes_in(root: Path) -> Iterator[psutil.Process]:
    """Living processes of all machines below this directory that have not cleared their environment."""
    everything = []
    for pid in psutil.pids():
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getsid(pid):
                everything.append(psutil.Process(pid))
    for process, environment in environments_of(everything).items():
        if MARK_VARIABLE in environment and environment["HOME"].startswith(str(root)):
            yield process


def kill_all(root: Path) -> None:
    """End the processes of all machines below this directory."""
    for process in processes_in(root):
        # One that dies may take another with it.
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)


def wait_for(ask: Callable[[], Answer]) -> Answer:
    """The first answer that is true."""
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while True:
        if answer := ask():
            return answer
        assert time.monotonic() < give_up_at, f"waited {PATIENCE_SECONDS} s in vain"
        time.sleep(0.005)


def wait_for_processes(root: Path, count: int) -> None:
    """Until so many processes of machines live below this directory: a shell forks one for a moment now and then."""
    wait_for(lambda: len(list(processes_in(root))) == count)


def wait_for_text(path: Path) -> str:
    """The file's text once it ends with a line end."""

    def text() -> str:
        read = path.read_text() if path.exists() else ""
        return read if read.endswith("\n") else ""

    return wait_for(text)
