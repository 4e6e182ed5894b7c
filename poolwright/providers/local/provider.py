"""The provider protocol on processes of this computer."""

import logging
import os
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import IO, Any, Final

import psutil
from pydantic import SecretStr

from poolwright.domain.findings import Finding
from poolwright.domain.identities import OwnerMark, machine_name
from poolwright.providers.base import VM, Capabilities, Preview, ScriptResult, VMSpec, VMState
from poolwright.providers.errors import Conflict, InvalidSettings, NotFound, ProviderError
from poolwright.providers.local import processes
from poolwright.providers.local.checks import check
from poolwright.providers.local.errors import BrokenRecord, translated
from poolwright.providers.local.machines import Machine, MachineProcess, Machines
from poolwright.providers.local.settings import Settings

_STOP_WAIT_SECONDS: Final = 0.25

logger = logging.getLogger(__name__)


def open_provider(settings: Mapping[str, Any], controller_id: str) -> "LocalProvider":
    """The local provider with these settings. Raises pydantic's ValidationError."""
    return LocalProvider(Settings.model_validate(settings), controller_id)


def restart_stopped(settings: Settings, controller_id: str) -> Sequence[OwnerMark]:
    """Start again all machines of this controller whose processes died: what a hypervisor's autostart does when the
    power is back.

    A machine comes back with its directory and its address, and runs its startup script once more. Machines that are
    being deleted stay off. One that cannot be started is logged and does not keep the others down. Returns the marks of
    those started; repeatable. Raises the errors of the tree when the machines cannot be listed.
    """
    return LocalProvider(settings, controller_id).restart_stopped()


class LocalProvider:
    """Machines of one controller on this computer. A machine's reference is its name.

    Where nobody collects dead processes of dead parents (a container whose first process is this one), they stay in
    the process table as zombies; they count as dead here.
    """

    def __init__(self, settings: Settings, controller_id: str) -> None:
        self._settings = settings
        self._controller_id = controller_id
        self._root = settings.directory.absolute()
        self._machines = Machines(self._root)

    def capabilities(self) -> Capabilities:
        """A machine runs and has its address as soon as it is created."""
        return Capabilities(address_at_creation=True)

    def places(self) -> Sequence[str]:
        """None: there is one computer."""
        return ()

    def preview(self, spec: VMSpec) -> Preview:
        """The machine's directory and what is run in it."""
        self._refuse_what_never_works(spec)
        return Preview(
            request={
                "directory": str(self._root / spec.name),
                "owner": spec.mark.text(),
                "hostname": spec.hostname,
                "startup_script": spec.startup_script.get_secret_value(),
            }
        )

    def check(self) -> Sequence[Finding]:
        """Whether the directory can be written, the shell exists and the addresses can be used."""
        return check(self._settings)

    def find(self, mark: OwnerMark) -> VM | None:
        """See the protocol. A machine whose creator died before it was started is not there yet: `create` starts it."""
        with translated(f"looking for {mark.text()}"):
            machine = self._machines.read(machine_name(mark.server_id))
            if machine is None or machine.mark != mark or not self._is_ours(mark) or self._process(machine) is None:
                return None
            return self._vm(machine)

    def create(self, spec: VMSpec) -> VM:
        """See the protocol. The machine is written to disk before its process is started."""
        self._refuse_what_never_works(spec)
        with translated(f"creating {spec.name}"), self._machines.locked() as lock:
            machine = self._machines.read(spec.name)
            if machine and machine.mark != spec.mark:
                raise Conflict(f"{spec.name} exists and belongs to {machine.mark.text()}; give each server its own id")
            if self._machines.deletion_asked_at(spec.name) is not None:
                raise Conflict(f"{spec.name} is being deleted; create it again when it is gone")
            if machine is None or self._settled_process(machine) is None:
                shell = self._shell()
                machine = machine or self._add(spec)
                self._start(machine, shell, lock)
            return self._vm(machine)

    def get(self, reference: str, *, waiting: bool = False) -> VM:  # noqa: ARG002
        """See the protocol."""
        with translated(f"reading {reference}"):
            machine = self._machines.read(reference)
            if machine is None or not self._is_ours(machine.mark):
                raise NotFound(
                    f"{reference} does not exist in {self._root}; it was deleted, or is not of this controller"
                )
            return self._vm(machine)

    def list_owned(self) -> Sequence[VM]:
        """See the protocol. Directories that do not say whose they are, are logged and left out."""
        with translated(f"listing {self._root}"):
            return [self._vm(machine) for machine in self._owned()]

    def delete(self, mark: OwnerMark, reference: str | None) -> bool:
        """See the protocol. `reference` is not needed, as the mark gives the name.

        The first call sends TERM, a call after `stop_grace_seconds` KILL, to every process of the machine wherever
        it went.
        """
        if not self._is_ours(mark):
            raise Conflict(f"{mark.text()} belongs to another controller; only that one may delete it")
        with translated(f"deleting {reference or mark.text()}"):
            asked_at = self._ask_deletion(mark)
            if not self._stop(mark, asked_at):
                return False
            with self._machines.locked():
                self._machines.remove(mark)
        return True

    def run_startup_script(self, reference: str, script: SecretStr) -> ScriptResult:  # noqa: ARG002
        """Never of use: the script is handed over at creation. Raises `InvalidSettings`."""
        raise InvalidSettings(f"{reference} got its startup script at creation; do not run it a second time")

    def password(self, reference: str) -> SecretStr | None:  # noqa: ARG002
        """None, always: `capabilities` promises no passwords."""
        return None

    def restart_stopped(self) -> Sequence[OwnerMark]:
        """See the module's function of this name."""
        with translated(f"listing {self._root}"):
            owned = self._owned()
        started = []
        for machine in owned:
            try:
                with translated(f"restarting {machine.name}"), self._machines.locked() as lock:
                    if self._is_off(machine):
                        self._restart(machine, lock)
                        started.append(machine.mark)
            except ProviderError as error:
                logger.error("%s", error)  # noqa: TRY400 (the message says it all)
        return started

    def _is_ours(self, mark: OwnerMark) -> bool:
        return mark.controller_id == self._controller_id

    def _refuse_what_never_works(self, spec: VMSpec) -> None:
        if not self._is_ours(spec.mark):
            raise InvalidSettings(f"{spec.mark.text()} is not of controller {self._controller_id}; open its provider")
        if spec.place is not None:
            raise InvalidSettings(f"there is no place {spec.place!r}; the local provider has none to choose from")

    def _shell(self) -> str:
        shell = shutil.which(self._settings.shell)
        if shell is None:
            raise InvalidSettings(f"shell {self._settings.shell!r} is no program here; install bash or name its path")
        return shell

    def _add(self, spec: VMSpec) -> Machine:
        machine = Machine(
            mark=spec.mark,
            token=spec.token,
            address=self._machines.free_address(self._settings.address_range, spec.mark.server_id),
            hostname=spec.hostname,
            created=datetime.now(UTC),
            labels=spec.labels,
        )
        self._machines.add(machine, spec.startup_script.get_secret_value())
        return machine

    def _start(self, machine: Machine, shell: str, lock: IO[str]) -> None:
        directory = self._machines.directory(machine.name)
        # Nothing else of ours is passed on: our own environment may hold secrets.
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(directory),
            "LANG": os.environ.get("LANG", "C.UTF-8"),
            "POOLWRIGHT_SERVER_ID": machine.mark.server_id,
            processes.MARK_VARIABLE: machine.mark.text(),
            "POOLWRIGHT_ADDRESS": str(machine.address),
        }
        self._machines.record_process(machine.name, processes.start(directory, shell, environment, lock))

    def _restart(self, machine: Machine, lock: IO[str]) -> None:
        shell = self._shell()
        processes.send(signal.SIGKILL, self._living(machine.mark))
        self._machines.forget_process(machine.name)
        self._start(machine, shell, lock)

    def _process(self, machine: Machine) -> MachineProcess | None:
        """The machine's process, dead or alive. None when it was never started; a start under way is waited for."""
        recorded = self._machines.process(machine.name)
        if recorded:
            return recorded
        with self._machines.locked():
            return self._settled_process(machine)

    def _settled_process(self, machine: Machine) -> MachineProcess | None:
        """As `_process`, under the lock: a process whose creator died before recording it is recorded now."""
        recorded = self._machines.process(machine.name)
        unrecorded = self._machines.unrecorded_process(machine.name)
        if recorded or unrecorded is None or not processes.is_alive(unrecorded, self._identity(machine.mark)):
            return recorded
        recorded = processes.observed(unrecorded.pid)
        self._machines.record_process(machine.name, recorded)
        return recorded

    def _vm(self, machine: Machine) -> VM:
        address = str(machine.address)
        return VM(reference=machine.name, mark=machine.mark, state=self._state(machine), address=address)

    def _state(self, machine: Machine) -> VMState:
        if self._machines.deletion_asked_at(machine.name) is not None:
            return VMState.DELETING
        process = self._process(machine)
        alive = process is not None and processes.is_alive(process, self._identity(machine.mark))
        return VMState.RUNNING if alive else VMState.STOPPED

    def _owned(self) -> Sequence[Machine]:
        owned = []
        for name in self._machines.names():
            try:
                machine = self._machines.read(name)
            except BrokenRecord as error:
                logger.warning("%s", error)
                continue
            if machine and self._is_ours(machine.mark):
                owned.append(machine)
        return owned

    def _is_off(self, machine: Machine) -> bool:
        """Under the lock: whether the machine still exists, is to stay, and does not run."""
        if self._machines.read(machine.name) != machine or self._machines.deletion_asked_at(machine.name) is not None:
            return False
        process = self._settled_process(machine)
        return process is None or not processes.is_alive(process, self._identity(machine.mark))

    def _ask_deletion(self, mark: OwnerMark) -> float:
        """Record that the machine is to go; returns when that was first asked, long ago where nothing tells."""
        name = machine_name(mark.server_id)
        with self._machines.locked():
            try:
                machine = self._machines.read(name)
            except BrokenRecord:
                # Its processes are stopped all the same; removing the directory is what will be refused.
                return 0.0
            if machine is None or machine.mark != mark:
                return 0.0
            asked_at = self._machines.deletion_asked_at(name)
            if asked_at is None:
                asked_at = time.time()
                self._machines.record_deletion(name, asked_at)
            return asked_at

    def _stop(self, mark: OwnerMark, asked_at: float) -> bool:
        """Signal every process of the machine; returns whether none is left.

        The first one goes last: those that left its session and its environment are found as its descendants.
        """
        patient = 0 <= time.time() - asked_at < self._settings.stop_grace_seconds
        number = signal.SIGTERM if patient else signal.SIGKILL
        self._signal(number, self._all_but_the_first(mark))
        if self._all_but_the_first(mark):
            return False
        self._signal(number, self._living(mark))
        return not self._living(mark)

    def _signal(self, number: signal.Signals, living: Sequence[psutil.Process]) -> None:
        processes.send(number, living)
        processes.wait_until_gone(living, _STOP_WAIT_SECONDS)

    def _all_but_the_first(self, mark: OwnerMark) -> list[psutil.Process]:
        first = self._machines.process(machine_name(mark.server_id))
        return [process for process in self._living(mark) if first is None or process.pid != first.pid]

    def _living(self, mark: OwnerMark) -> list[psutil.Process]:
        return processes.of_machine(self._identity(mark), self._machines.process(machine_name(mark.server_id)))

    def _identity(self, mark: OwnerMark) -> processes.Identity:
        return processes.Identity(mark.text(), self._machines.directory(machine_name(mark.server_id)))
