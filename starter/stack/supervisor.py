"""Starts the components of the local stack, watches over them, stops them."""

import asyncio
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from starter.settings import Settings
from starter.stack import running
from starter.stack.components import Component, components, log_file
from starter.stack.processes import ProcessIdentity, check_ports, start, stop
from starter.stack.running import STOP_PATIENCE_SECONDS, RunningStack, stop_leftovers

_READY_PATIENCE_SECONDS = 60.0
_RESTART_PAUSE_SECONDS = 2.0


class ComponentDied(Exception):
    """A component ended before the stack was ready."""


class Supervisor:
    """The running stack of one data directory. Not for use by several threads."""

    def __init__(self, settings: Settings, process_id: int) -> None:
        """Raises `BinaryNotFoundError` when a program is missing."""
        self._settings = settings
        self._components: Sequence[Component] = components(settings)
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._identity = ProcessIdentity.of("supervisor", process_id)
        self._restart_at: dict[str, float] = {}
        self._ready = False

    def start(self) -> None:
        """Start everything, after what an earlier stack left behind is stopped. Raises `PortTaken`."""
        stop_leftovers(self._settings)
        check_ports(self._components, self._settings.host)
        for component in self._components:
            self._start(component)

    async def until_ready(self) -> None:
        """Until everything can do its work. Raises `ComponentDied` or `TimeoutError`."""
        from starter.stack.readiness import until_ready

        async with asyncio.timeout(_READY_PATIENCE_SECONDS):
            await until_ready(self._settings, self._raise_if_dead)

    def mark_ready(self) -> None:
        """Tell whoever started this in the background that all is well."""
        self._ready = True
        self._save()

    def restart_dead(self) -> list[str]:
        """Start components that died again, after a pause. Returns a sentence about each that is dead."""
        sentences = []
        for component in self._components:
            child = self._children[component.name]
            if child.poll() is None:
                continue
            due = self._restart_at.setdefault(component.name, time.monotonic() + _RESTART_PAUSE_SECONDS)
            log = log_file(self._settings, component.name)
            sentences.append(f"the {component.name} ended with code {child.returncode} and is started again; see {log}")
            if time.monotonic() >= due:
                del self._restart_at[component.name]
                self._start(component)
        return sentences

    def stop(self) -> None:
        """Stop everything in reverse order. The worker first lets running activities end."""
        stop(list(reversed(self._identities())), STOP_PATIENCE_SECONDS)
        for child in self._children.values():
            child.wait()
        running.clear(self._settings)

    def _start(self, component: Component) -> None:
        self._children[component.name] = start(component, log_file(self._settings, component.name))
        self._save()

    def _save(self) -> None:
        stack = RunningStack(
            supervisor=self._identity,
            components=tuple(self._identities()),
            ready=self._ready,
            host=self._settings.host,
            temporal_port=self._settings.temporal_port,
            ui_port=self._settings.ui_port,
            endpoint_port=self._settings.endpoint_port,
        )
        running.save(self._settings, stack)

    def _identities(self) -> list[ProcessIdentity]:
        return [ProcessIdentity.of(name, child.pid) for name, child in self._children.items() if child.poll() is None]

    def _raise_if_dead(self) -> None:
        for name, child in self._children.items():
            if child.poll() is not None:
                log = log_file(self._settings, name)
                raise ComponentDied(f"the {name} ended with code {child.returncode}: {_last_line(log)} (see {log})")


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it wrote nothing"
