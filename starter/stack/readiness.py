"""When the local stack is ready. Asked over plain HTTP: Temporal's client would weigh more than all else here."""

import asyncio
from collections.abc import Callable

import httpx

from starter.settings import Settings

_POLLERS_OF_WORKFLOW_TASKS = 'poller_type="workflow_task"'


async def until_ready(settings: Settings, raise_if_dead: Callable[[], None]) -> None:
    """Until the worker asks Temporal for workflow tasks, and the endpoint reaches Temporal and the database.

    `raise_if_dead` is called again and again meanwhile, and ends the wait by raising.
    """
    worker = f"http://{settings.host}:{settings.metrics_port}/metrics"
    endpoint = f"http://{settings.host}:{settings.endpoint_port}/readyz"
    async with httpx.AsyncClient(trust_env=False, timeout=2) as http:
        for url, is_ready in ((worker, _polls), (endpoint, _is_success)):
            while not await _answers(http, url, is_ready):
                raise_if_dead()
                await asyncio.sleep(0.05)


async def _answers(http: httpx.AsyncClient, url: str, is_ready: Callable[[httpx.Response], bool]) -> bool:
    try:
        return is_ready(await http.get(url))
    except httpx.TransportError:
        return False


def _polls(metrics: httpx.Response) -> bool:
    """Whether the gauge of pollers, which Temporal's SDK keeps for each kind of task, is not 0."""
    return any(
        line.startswith("temporal_num_pollers{") and _POLLERS_OF_WORKFLOW_TASKS in line and not line.endswith(" 0")
        for line in metrics.text.splitlines()
    )


def _is_success(response: httpx.Response) -> bool:
    return response.is_success
