"""The file that says what of the local stack runs, so that a later command finds it again."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from poolwright.domain.base import Model
from starter.settings import Settings
from starter.stack.processes import ProcessIdentity, stop

STOP_PATIENCE_SECONDS = 40.0
"""What does not end within this is ended by force."""


class AlreadyRunning(Exception):
    """Another `poolwright up` works on this data directory."""


class RunningStack(Model):
    """The processes of a stack."""

    supervisor: ProcessIdentity
    components: tuple[ProcessIdentity, ...] = ()
    ready: bool = False
    host: str
    temporal_port: int
    ui_port: int
    endpoint_port: int

    @property
    def ui_url(self) -> str:
        """The Temporal Web UI."""
        return f"http://{self.host}:{self.ui_port}"

    @property
    def api_url(self) -> str:
        """Check-in endpoint and session API."""
        return f"http://{self.host}:{self.endpoint_port}"


def load(settings: Settings) -> RunningStack | None:
    """What was last written, or None."""
    try:
        return RunningStack.model_validate_json(_file(settings).read_text())
    except (FileNotFoundError, ValidationError):
        return None


def save(settings: Settings, stack: RunningStack) -> None:
    """Write it, all or nothing."""
    temporary = _file(settings).with_suffix(".new")
    temporary.write_text(stack.model_dump_json(indent=2))
    temporary.replace(_file(settings))


def clear(settings: Settings) -> None:
    """Nothing runs any more."""
    _file(settings).unlink(missing_ok=True)


def stop_leftovers(settings: Settings) -> list[str]:
    """Stop the components of a stack whose supervisor is gone. Returns their names."""
    stack = load(settings)
    if stack is None:
        return []
    alive = [identity for identity in stack.components if identity.process() is not None]
    stop(list(reversed(alive)), STOP_PATIENCE_SECONDS)
    clear(settings)
    return [identity.name for identity in alive]


@contextmanager
def only_one(settings: Settings) -> Iterator[None]:
    """Hold the data directory. Raises `AlreadyRunning`. The lock dies with its process."""
    settings.data_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (settings.data_directory / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stack = load(settings)
            where = f"; its Web UI is at {stack.ui_url}" if stack else ""
            raise AlreadyRunning(
                f"`poolwright up` already runs on {settings.data_directory}{where}: use that one, stop it with "
                "`poolwright down`, or choose another --data-directory and other ports"
            ) from None
        yield


def _file(settings: Settings) -> Path:
    return settings.data_directory / "stack.json"
