"""Child processes with an identity that outlives their parent: process id plus time of creation."""

import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from poolwright.domain.base import Model
from starter.stack.components import Component

_KEEP_LOG_BYTES = 10_000_000


class PortTaken(Exception):
    """Somebody else listens where a component wants to."""


class ProcessIdentity(Model):
    """A process that is not mistaken for a later one with the same number."""

    name: str
    process_id: int
    created: float

    @classmethod
    def of(cls, name: str, process_id: int) -> "ProcessIdentity":
        """The process that runs now under this id. Raises `psutil.NoSuchProcess`."""
        return cls(name=name, process_id=process_id, created=psutil.Process(process_id).create_time())

    def process(self) -> psutil.Process | None:
        """The process, or None when it is gone."""
        try:
            process = psutil.Process(self.process_id)
            same = abs(process.create_time() - self.created) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if same else None


def start(component: Component, log: Path) -> subprocess.Popen[bytes]:
    """Start the component in a session of its own, so that Ctrl-C reaches only whoever watches over it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > _KEEP_LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as output:
        return subprocess.Popen(
            component.command,
            env=dict(component.environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def stop(processes: Sequence[ProcessIdentity], patience_seconds: float) -> None:
    """Ask each in turn to end, the next when the one before has; end by force what does not within the time."""
    give_up_at = time.monotonic() + patience_seconds
    for identity in processes:
        process = identity.process()
        if process is None:
            continue
        try:
            process.terminate()
            process.wait(timeout=max(0.1, give_up_at - time.monotonic()))
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(timeout=5)
        except psutil.NoSuchProcess:
            continue


def check_ports(components: Sequence[Component], host: str) -> None:
    """Raise `PortTaken` for the first port that is not free, with the flag that chooses another."""
    seen: dict[int, str] = {}
    for component in components:
        for flag, port in component.ports.items():
            variable = "POOLWRIGHT_" + flag.removeprefix("--").replace("-", "_").upper()
            if port in seen:
                raise PortTaken(f"{seen[port]} and {flag} both are {port}: choose another with {flag} or {variable}")
            seen[port] = flag
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((host, port))
                except OSError as error:
                    raise PortTaken(
                        f"port {port} of {host}, which the {component.name} needs, is not free ({error.strerror}): "
                        f"choose another with {flag} or {variable}, or stop what listens there"
                    ) from None
