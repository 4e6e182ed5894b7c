"""The processes of machines: started so that they outlive us, and recognised without doubt."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import psutil

from poolwright.providers.errors import Transient
from poolwright.providers.local.machines import RECORD, MachineProcess

MARK_VARIABLE: Final = "POOLWRIGHT_MACHINE"
"""Environment variable of every process of a machine; its value is the owner mark."""

START_SECONDS: Final = 10.0
_FIRST_PROCESS: Final = Path(__file__).with_name("machine.sh")
# Job control, without which bash lets background processes ignore interrupts.
_LAUNCH: Final = 'set -m; "$2" -ISc "$3" "$0" "$1" <&0 &'
# Whatever the script starts stays a descendant of the machine's first process, also when its own parents are gone.
_ADOPT_ORPHANS: Final = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    PR_SET_CHILD_SUBREAPER = 36
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
    signal.signal(ignored_by_python, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""
_SAME_START_SECONDS: Final = 5.0
_EXEC_SECONDS: Final = 1.0
_BARE_LOOKS: Final = 3
_LOOK_SECONDS: Final = 0.001
_POLL_SECONDS: Final = 0.005


@dataclass(frozen=True)
class Identity:
    """What the processes of a machine carry in their environment."""

    mark: str
    directory: Path

    def is_in(self, environment: Mapping[str, str]) -> bool:
        """Whether this is the environment of a process of the machine.

        A copy of all machines in another directory has the same marks: there, the home tells whose process it is.
        """
        if environment.get(MARK_VARIABLE) != self.mark:
            return False
        home = Path(environment.get("HOME", self.directory))
        if home == self.directory or not (home / RECORD).exists():
            return True
        return self.directory.exists() and home.samefile(self.directory)


def start(directory: Path, shell: str, environment: Mapping[str, str], lock: IO[str]) -> MachineProcess:
    """Start the first process of the machine in `directory`, detached from this one, and return when it stands.

    `lock` is the held lock of all machines; see machine.sh for why the process is given it. Raises OSError,
    subprocess.TimeoutExpired, psutil.Error, or `Transient` when the process ended before it stood.
    """
    launched = subprocess.run(
        [shell, "-c", _LAUNCH, shell, str(_FIRST_PROCESS), sys.executable, _ADOPT_ORPHANS],
        cwd=directory,
        env=dict(environment),
        stdin=lock,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        timeout=START_SECONDS,
        check=False,
    )
    try:
        return observed(int((directory / "pid").read_text()))
    except (FileNotFoundError, ValueError):
        said = launched.stdout.decode(errors="replace").strip()
        raise Transient(f"the process of {directory} did not start: {said or launched.returncode}") from None


def observed(pid: int) -> MachineProcess:
    """What to record of a living process. Raises psutil.Error or OSError when it is not there."""
    return MachineProcess(pid=pid, session=os.getsid(pid), create_time_seconds=psutil.Process(pid).create_time())


def is_alive(recorded: MachineProcess, identity: Identity) -> bool:
    """Whether the recorded process still runs. Another process that got its pid later is not taken for it."""
    try:
        process = psutil.Process(recorded.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        environment = environments_of([process]).get(process)
        if environment is None:
            return False
        # The environment decides where it can be read: unlike the times, it survives a corrected clock.
        if environment:
            return identity.is_in(environment)
        return abs(process.create_time() - recorded.create_time_seconds) < _SAME_START_SECONDS
    except psutil.NoSuchProcess:
        return False


def of_machine(identity: Identity, recorded: MachineProcess | None) -> list[psutil.Process]:
    """Every living process of this machine.

    Those are the ones that carry its identity in their environment, all of the machine's session, and the descendants
    of either: leaving the session, or clearing the environment, is no escape.
    """
    seen = list(_all_processes(identity))
    ours = {one.process for one in seen if one.marked}
    if recorded and is_alive(recorded, identity):
        ours |= {one.process for one in seen if one.process.pid == recorded.pid}
    # A session's number is only free for others once all its processes are gone.
    if recorded and any(one.session == recorded.session for one in seen if one.process in ours):
        ours |= {one.process for one in seen if one.session == recorded.session}
    for process in tuple(ours):
        with suppress(psutil.NoSuchProcess):
            ours |= set(process.children(recursive=True))
    return [process for process in ours if _lives(process)]


def send(number: signal.Signals, processes: Iterable[psutil.Process]) -> None:
    """Send the signal to all of them; those that are gone are passed over. Raises psutil.AccessDenied."""
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue


def wait_until_gone(processes: Iterable[psutil.Process], seconds: float) -> None:
    """Return once none of them lives, and after `seconds` at the latest."""
    give_up_at = time.monotonic() + seconds
    left = [process for process in processes if _lives(process)]
    while left and time.monotonic() < give_up_at:
        time.sleep(_POLL_SECONDS)
        left = [process for process in left if _lives(process)]


def environments_of(found: Iterable[psutil.Process]) -> Mapping[psutil.Process, Mapping[str, str]]:
    """The environment of each process that lives; empty where it may not be read.

    For a moment during exec a process shows neither environment nor arguments. That is no proof that it is not ours, so
    one without environment is looked at until it has shown its arguments a few times.
    """
    known: dict[psutil.Process, Mapping[str, str]] = {}
    bare_looks = dict.fromkeys(found, 0)
    give_up_at = time.monotonic() + _EXEC_SECONDS
    while bare_looks:
        for process in tuple(bare_looks):
            try:
                environment = process.environ()
                bare_looks[process] = bare_looks[process] + 1 if environment or process.cmdline() else 0
            except psutil.NoSuchProcess:
                del bare_looks[process]
                continue
            except psutil.AccessDenied:
                environment, bare_looks[process] = {}, _BARE_LOOKS
            if environment or bare_looks[process] >= _BARE_LOOKS or time.monotonic() > give_up_at:
                known[process] = environment
                del bare_looks[process]
        if bare_looks:
            time.sleep(_LOOK_SECONDS)
    return known


@dataclass(frozen=True)
class _Seen:
    process: psutil.Process
    session: int
    marked: bool


def _all_processes(identity: Identity) -> Iterator[_Seen]:
    sessions: dict[psutil.Process, int] = {}
    for pid in psutil.pids():
        with suppress(psutil.Error, ProcessLookupError, PermissionError):
            # Those of the kernel have no session.
            if session := os.getsid(pid):
                sessions[psutil.Process(pid)] = session
    for process, environment in environments_of(sessions).items():
        yield _Seen(process, sessions[process], identity.is_in(environment))


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
