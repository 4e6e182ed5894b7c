"""When the local stack counts as ready, with answers as its worker and its endpoint give them."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from starter.settings import Settings
from starter.stack.readiness import until_ready

NO_POLLERS = """\
# TYPE temporal_num_pollers gauge
temporal_num_pollers{namespace="default",poller_type="activity_task",task_queue="poolwright"} 5
temporal_num_pollers{namespace="default",poller_type="workflow_task",task_queue="poolwright"} 0
"""
POLLERS = NO_POLLERS.replace('"workflow_task",task_queue="poolwright"} 0', '"workflow_task",task_queue="poolwright"} 2')


class Died(Exception):
    """Stands for a component that ended."""


class Answers:
    """One HTTP server that gives an answer, which may change."""

    def __init__(self, status: int, body: str = "") -> None:
        self.status, self.body = status, body
        answers = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(answers.status)
                self.end_headers()
                self.wfile.write(answers.body.encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name it is called by
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def worker() -> Iterator[Answers]:
    answers = Answers(200, POLLERS)
    yield answers
    answers.close()


@pytest.fixture
def endpoint() -> Iterator[Answers]:
    answers = Answers(200)
    yield answers
    answers.close()


def settings(worker: Answers, endpoint: Answers) -> Settings:
    return Settings(metrics_port=worker.port, endpoint_port=endpoint.port)


async def looks(stack: Settings, most: int) -> int:
    """How often it was looked, `most` if it was not ready then."""
    looked = 0

    def look() -> None:
        nonlocal looked
        looked += 1
        if looked == most:
            raise Died

    try:
        await until_ready(stack, look)
    except Died:
        return looked
    return looked


class TestUntilReady:
    async def test_a_worker_that_polls_and_a_ready_endpoint_are_all_it_takes(
        self, worker: Answers, endpoint: Answers
    ) -> None:
        assert await looks(settings(worker, endpoint), 3) == 0

    @pytest.mark.parametrize("metrics", ["", NO_POLLERS])
    async def test_a_worker_that_does_not_poll_for_workflow_tasks_is_waited_for(
        self, worker: Answers, endpoint: Answers, metrics: str
    ) -> None:
        worker.body = metrics
        assert await looks(settings(worker, endpoint), 3) == 3

    async def test_an_endpoint_that_lacks_temporal_is_waited_for(self, worker: Answers, endpoint: Answers) -> None:
        endpoint.status = 503
        assert await looks(settings(worker, endpoint), 3) == 3

    async def test_nobody_who_listens_yet_is_waited_for(self, worker: Answers, endpoint: Answers) -> None:
        stack = settings(worker, endpoint)
        worker.close()
        assert await looks(stack, 3) == 3

    async def test_it_ends_when_what_was_missing_has_come(self, worker: Answers, endpoint: Answers) -> None:
        endpoint.status = 503
        waiting = asyncio.create_task(until_ready(settings(worker, endpoint), lambda: None))
        endpoint.status = 200
        await asyncio.wait_for(waiting, 30)
