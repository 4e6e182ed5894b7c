"""Starts the components of the local stack, watches over them, stops them."""

import asyncio
import subprocess
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import httpx
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, UpdateNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from poolwright.domain.identities import TASK_QUEUE
from starter.settings import Settings
from starter.stack import running
from starter.stack.components import Component, components, log_file, temporal_address
from starter.stack.processes import ProcessIdentity, check_ports, start, stop
from starter.stack.running import RunningStack

_RETENTION = timedelta(days=30)
"""Closed workflows stay in the Web UI this long; the embedded server's own default is one day."""
_STOP_PATIENCE_SECONDS = 40.0
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
        """Until Temporal, the worker and the endpoint answer. Raises `ComponentDied` or `TimeoutError`."""
        async with asyncio.timeout(_READY_PATIENCE_SECONDS):
            client = await self._temporal()
            await self._keep_closed_workflows(client)
            await asyncio.gather(self._worker_polls(client), self._endpoint_is_ready())

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
        stop(list(reversed(self._identities())), _STOP_PATIENCE_SECONDS)
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

    async def _temporal(self) -> Client:
        while True:
            self._raise_if_dead()
            try:
                return await Client.connect(temporal_address(self._settings))
            except (RPCError, RuntimeError):
                await asyncio.sleep(0.05)

    async def _keep_closed_workflows(self, client: Client) -> None:
        config = NamespaceConfig()
        config.workflow_execution_retention_ttl.FromTimedelta(_RETENTION)
        await client.workflow_service.update_namespace(
            UpdateNamespaceRequest(namespace=client.namespace, config=config)
        )

    async def _worker_polls(self, client: Client) -> None:
        request = DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=TASK_QUEUE),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
        while True:
            self._raise_if_dead()
            worker = self._children["worker"].pid
            answer = await client.workflow_service.describe_task_queue(request)
            # Pollers of a worker that was killed are listed for minutes; only ours counts.
            if any(poller.identity.startswith(f"{worker}@") for poller in answer.pollers):
                return
            await asyncio.sleep(0.05)

    async def _endpoint_is_ready(self) -> None:
        url = f"http://{self._settings.host}:{self._settings.endpoint_port}/readyz"
        async with httpx.AsyncClient(trust_env=False) as http:
            while True:
                self._raise_if_dead()
                try:
                    if (await http.get(url, timeout=2)).status_code == httpx.codes.OK:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.05)

    def _raise_if_dead(self) -> None:
        for name, child in self._children.items():
            if child.poll() is not None:
                log = log_file(self._settings, name)
                raise ComponentDied(f"the {name} ended with code {child.returncode}: {_last_line(log)} (see {log})")


def stop_leftovers(settings: Settings) -> list[str]:
    """Stop the components of a stack whose supervisor is gone. Returns their names."""
    stack = running.load(settings)
    if stack is None:
        return []
    alive = [identity for identity in stack.components if identity.process() is not None]
    stop(list(reversed(alive)), _STOP_PATIENCE_SECONDS)
    running.clear(settings)
    return [identity.name for identity in alive]


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it wrote nothing"
