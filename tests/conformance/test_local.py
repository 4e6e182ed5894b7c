"""The local provider under the suite: real processes in a directory of the case."""

import errno
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any
from unittest.mock import patch

from poolwright.providers.base import VM, Provider
from poolwright.providers.local.machines import Machine, Machines
from poolwright.providers.local.provider import open_provider
from tests.conformance.harness import Fault, Feature, Harness
from tests.conformance.specs import mark_of
from tests.conformance.suite import ProviderConformance
from tests.providers.local_machines import kill_all, processes_in

ADDRESS_RANGE = IPv4Network("127.99.0.0/28")
STRANGER = "stranger"


class LocalHarness:
    """A directory with machines, and a bash of its own that can be taken away."""

    def __init__(self, directory: Path) -> None:
        self._root = directory / "machines"
        self._shell = directory / "bash"
        self._shell.symlink_to(shutil.which("bash") or "")
        self._not_a_directory = directory / "file"
        self._not_a_directory.touch()

    def open(self, controller_id: str) -> Provider:
        return open_provider(self._settings(), controller_id)

    def open_misconfigured(self) -> tuple[Provider, Sequence[str]]:
        wrong = {"directory": self._not_a_directory / "machines", "shell": "no-such-shell"}
        return open_provider({**self._settings(), **wrong}, "controller-1"), list(wrong)

    def provoke(self, fault: Fault) -> AbstractContextManager[None]:
        return {
            Fault.CAPACITY: self._no_address_left,
            Fault.INVALID: self._no_shell,
            Fault.LOST_RESPONSE: self._broken_after_the_start,
        }[fault]()

    def pass_time(self) -> None:
        time.sleep(0.01)

    def received_script(self, vm: VM) -> bytes:
        return (self._root / vm.reference / "startup.sh").read_bytes()

    def secrets(self) -> Sequence[str]:
        return ()

    def leftovers(self) -> Sequence[str]:
        files = [path.name for path in self._root.glob("*") if path.name != ".lock"] if self._root.exists() else []
        return [*files, *(f"process {process.pid}" for process in processes_in(self._root))]

    def close(self) -> None:
        kill_all(self._root)

    def _settings(self) -> Mapping[str, Any]:
        return {"directory": self._root, "shell": str(self._shell), "address_range": ADDRESS_RANGE}

    @contextmanager
    def _no_address_left(self) -> Iterator[None]:
        machines = Machines(self._root)
        taken = [machine_at(address) for address in ADDRESS_RANGE.hosts()]
        with machines.locked():
            for machine in taken:
                machines.add(machine, "")
        yield
        with machines.locked():
            for machine in taken:
                machines.remove(machine.mark)

    @contextmanager
    def _no_shell(self) -> Iterator[None]:
        bash = self._shell.readlink()
        self._shell.unlink()
        yield
        self._shell.symlink_to(bash)

    @contextmanager
    def _broken_after_the_start(self) -> Iterator[None]:
        with patch.object(Machines, "record_process", side_effect=OSError(errno.EIO, os.strerror(errno.EIO))):
            yield


def machine_at(address: IPv4Address) -> Machine:
    """A stranger's machine that has this address."""
    mark = mark_of(f"at-{address}", STRANGER)
    return Machine(mark=mark, token="", address=address, hostname="stranger", created=datetime.now(UTC))


class TestLocal(ProviderConformance):
    abilities = frozenset({Fault.CAPACITY, Fault.INVALID, Fault.LOST_RESPONSE, Feature.SCRIPT_READ_BACK})

    def make_harness(self, directory: Path) -> Harness:
        return LocalHarness(directory)
