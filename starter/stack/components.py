"""What the local stack is made of, as command lines."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from poolwright.domain.base import Model
from poolwright.domain.identities import SEARCH_ATTRIBUTES
from starter.binaries import temporal_binary
from starter.settings import Settings

_KEEP_CLOSED_DAYS = 30
"""Closed workflows stay in the Web UI this long; the embedded server's own default is one day."""
_DECIDE = "--decide-at-once"
"""What the loops wait for may have changed while the stack was down: `down --delete-servers` resumes pools then."""


class Component(Model):
    """One program of the stack."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    ports: Mapping[str, int]
    """Flag that changes it -> port that it listens on."""


def components(settings: Settings) -> Sequence[Component]:
    """In the order in which they are started. Raises `BinaryNotFoundError`."""
    environment = _environment(settings)
    return (
        Component(
            name="temporal",
            command=_temporal_command(settings),
            environment=environment,
            ports={"--temporal-port": settings.temporal_port, "--ui-port": settings.ui_port},
        ),
        Component(
            name="worker",
            command=(sys.executable, "-m", "worker", "--keep-closed-days", str(_KEEP_CLOSED_DAYS), _DECIDE),
            environment=environment,
            ports={"--metrics-port": settings.metrics_port},
        ),
        Component(
            name="endpoint",
            command=(sys.executable, "-m", "starter.cli", "endpoint"),
            environment=environment,
            ports={"--endpoint-port": settings.endpoint_port},
        ),
    )


def temporal_address(settings: Settings) -> str:
    """Where the embedded server listens."""
    return f"{settings.host}:{settings.temporal_port}"


def log_file(settings: Settings, component: str) -> Path:
    """Where a component's output goes."""
    return settings.data_directory / "logs" / f"{component}.log"


def _environment(settings: Settings) -> dict[str, str]:
    # The stack talks to its own server, whatever profile the person's shell points to.
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("TEMPORAL_")}
    absolute = settings.model_copy(update={"data_directory": settings.data_directory.absolute()})
    return {
        **inherited,
        **absolute.environment(),
        "TEMPORAL_ADDRESS": temporal_address(settings),
        "TEMPORAL_CONFIG_FILE": os.devnull,
        "PYTHONUNBUFFERED": "1",
    }


def _temporal_command(settings: Settings) -> tuple[str, ...]:
    command = [str(temporal_binary()), "server", "start-dev", "--ip", settings.host]
    command += ["--port", str(settings.temporal_port), "--ui-port", str(settings.ui_port)]
    command += ["--db-filename", str(settings.data_directory.absolute() / "temporal.db")]
    # The default journal costs five times the server's time under load. A power cut may lose the last transactions of
    # Temporal, not of our store: the watchdog begins lost lives again from their rows.
    command += ["--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=NORMAL"]
    for value in (
        "matching.enableFairness=true",
        "matching.numTaskqueueReadPartitions=1",
        "matching.numTaskqueueWritePartitions=1",
    ):
        command += ["--dynamic-config-value", value]
    for name, kind in SEARCH_ATTRIBUTES.items():
        command += ["--search-attribute", f"{name}={kind}"]
    command += ["--log-level", "warn", "--ui-disable-news-fetch"]
    return tuple(command)
