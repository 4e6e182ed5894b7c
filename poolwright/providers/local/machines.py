"""The records of machines on disk: one directory each, written so that a crash at any point leaves a readable state."""

import fcntl
import hashlib
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import IO, Final

from pydantic import Field, PositiveInt, ValidationError

from poolwright.domain.base import Model
from poolwright.domain.identities import OwnerMark, machine_name
from poolwright.providers.errors import CapacityUnavailable, InvalidSettings
from poolwright.providers.local.errors import BrokenRecord, LockHeld

LOCK_SECONDS: Final = 10.0
_LOCK_POLL_SECONDS: Final = 0.005
RECORD: Final = "machine.json"
"""File that makes a directory a machine."""

_PREFIX: Final = machine_name("")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Machine(Model):
    """`machine.json`: what was asked for, written before anything is started."""

    mark: OwnerMark
    token: str
    address: IPv4Address
    hostname: str
    created: datetime
    labels: Mapping[str, str] = Field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the machine and of its directory."""
        return machine_name(self.mark.server_id)


class MachineProcess(Model):
    """`process.json`: the machine's first process. The times tell it from a later process with the same pid."""

    pid: PositiveInt
    session: int
    """Session that the process and its ordinary children are in."""
    create_time_seconds: float
    """Since the epoch, as psutil gives it."""


class Machines:
    """All machines in one directory, whoever they belong to.

    Every method may raise OSError. Changes are made under `locked`; reading needs no lock, as each file and each
    machine directory appears and disappears whole.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def locked(self) -> Iterator[IO[str]]:
        """Hold the lock of this directory against all threads and processes; raises `LockHeld` after `LOCK_SECONDS`.

        The lock lasts as long as any process has the yielded file open.
        """
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._root / ".lock"
        with path.open("a+", encoding="utf-8") as file:
            _lock(file, path)
            yield file

    def names(self) -> list[str]:
        """Names of all machine directories; empty when the root does not exist yet."""
        try:
            return sorted(path.name for path in self._root.iterdir() if path.name.startswith(_PREFIX))
        except FileNotFoundError:
            return []

    def directory(self, name: str) -> Path:
        """Directory of the machine with this name."""
        return self._root / name

    def read(self, name: str) -> Machine | None:
        """The machine with this name, or None when there is no such directory.

        Raises `BrokenRecord` for a directory that does not say whose it is.
        """
        if not _NAME.fullmatch(name):
            return None
        path = self.directory(name) / RECORD
        try:
            return Machine.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            if not self.directory(name).exists():
                return None
            problem = f"has no {RECORD}"
        except ValidationError as error:
            problem = f"has a {RECORD} that cannot be understood ({error.error_count()} errors)"
        raise BrokenRecord(f"{path.parent} {problem}; look whose machine it was and remove the directory by hand")

    def add(self, machine: Machine, startup_script: str) -> None:
        """Write the machine's directory. It appears complete or not at all."""
        draft = self._aside(machine.mark, "draft")
        _remove_tree(draft)
        draft.mkdir(mode=0o700)
        _write(draft / "startup.sh", startup_script)
        (draft / "console.log").touch(mode=0o600)
        _write(draft / RECORD, machine.model_dump_json(indent=2))
        draft.rename(self.directory(machine.name))

    def remove(self, mark: OwnerMark) -> None:
        """Remove the machine's directory, if it is there and bears this mark, and what an earlier crash left of it.

        Raises `BrokenRecord` for a directory of its name that does not say whose it is.
        """
        remains = self._aside(mark, "remains")
        _remove_tree(remains)
        _remove_tree(self._aside(mark, "draft"))
        machine = self.read(machine_name(mark.server_id))
        if machine and machine.mark == mark:
            self.directory(machine.name).rename(remains)
            _remove_tree(remains)

    def free_address(self, address_range: IPv4Network, server_id: str) -> IPv4Address:
        """An address that no machine has: the same for the same server while nobody else took it.

        Raises `CapacityUnavailable` when the range is full.
        """
        taken = {machine.address for machine in self._readable()}
        usable = address_range.num_addresses - 2
        start = int.from_bytes(hashlib.sha256(server_id.encode()).digest()[:8], "big")
        for step in range(min(usable, len(taken) + 1)):
            address = address_range[1 + (start + step) % usable]
            if address not in taken:
                return address
        raise CapacityUnavailable(
            f"all {usable} addresses of address_range {address_range} are in use; delete machines or widen the range"
        )

    def process(self, name: str) -> MachineProcess | None:
        """The process last recorded for this machine, dead or alive; None when none was."""
        try:
            return MachineProcess.model_validate_json((self.directory(name) / "process.json").read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def record_process(self, name: str, process: MachineProcess) -> None:
        """Remember the machine's process."""
        _replace(self.directory(name) / "process.json", process.model_dump_json())

    def forget_process(self, name: str) -> None:
        """Make the machine one that was never started."""
        for file in ("process.json", "pid", "exit_code"):
            (self.directory(name) / file).unlink(missing_ok=True)

    def unrecorded_process(self, name: str) -> MachineProcess | None:
        """What a process that its creator did not live to record wrote about itself; it may be dead."""
        path = self.directory(name) / "pid"
        try:
            return MachineProcess(pid=int(path.read_text()), session=0, create_time_seconds=path.stat().st_mtime)
        except (FileNotFoundError, ValueError):
            return None

    def deletion_asked_at(self, name: str) -> float | None:
        """When deletion was first asked for, in seconds since the epoch; None when it was not."""
        try:
            return float((self.directory(name) / "deletion_asked_at").read_text())
        except FileNotFoundError:
            return None
        except ValueError:
            return 0.0

    def record_deletion(self, name: str, now: float) -> None:
        """Remember that deletion was asked for: from now on nothing is started in this machine."""
        _replace(self.directory(name) / "deletion_asked_at", f"{now}\n")

    def _readable(self) -> Iterator[Machine]:
        for name in self.names():
            with suppress(BrokenRecord):
                if machine := self.read(name):
                    yield machine

    def _aside(self, mark: OwnerMark, kind: str) -> Path:
        name = f"{machine_name(mark.server_id)}.{mark.controller_id}.{kind}"
        if not _NAME.fullmatch(name):
            raise InvalidSettings(f"{mark.text()!r} cannot name a directory; use letters, digits, '.', '_' and '-'")
        return self._root / f".{name}"


def _lock(file: IO[str], path: Path) -> None:
    give_up_at = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= give_up_at:
                raise LockHeld(f"{path} was not free for {LOCK_SECONDS} s; see which process holds it") from None
        time.sleep(_LOCK_POLL_SECONDS)


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    _write(draft, text)
    draft.rename(path)


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        # A machine must be found again after a power cut.
        os.fsync(file.fileno())


def _remove_tree(path: Path) -> None:
    if not path.exists():
        return
    try:
        shutil.rmtree(path)
    except PermissionError:
        _make_writable(path)
        shutil.rmtree(path)


def _make_writable(path: Path) -> None:
    """Scripts may leave directories that not even their owner may write to."""
    for parent, directories, _ in os.walk(path):
        for directory in directories:
            inside = Path(parent, directory)
            if not inside.is_symlink():
                inside.chmod(stat.S_IRWXU)
