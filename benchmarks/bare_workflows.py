"""The floor for comparisons: workflows with the steps of Poolwright's own and nothing in them."""

import asyncio
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy, SearchAttributeKey

BARE_QUEUE = "bare"
BARE_PLACE_QUEUE = "bare-place"
"""As with Poolwright, steps that touch the outside have a queue of their own."""
_STATE = SearchAttributeKey.for_keyword("ServerState")
_RETRY = RetryPolicy(maximum_interval=timedelta(seconds=30))


@activity.defn(name="bare_step", no_thread_cancel_exception=True)
def bare_step(server_id: str) -> str:
    """Does nothing, in a thread as Poolwright's steps do."""
    return server_id


@workflow.defn
class BareLife:
    """The steps of a server's life: begin, create, check-in under a deadline, serve, drain, tear down."""

    @workflow.init
    def __init__(self, server_id: str, tells: bool) -> None:
        self._server_id = server_id
        self._tells = tells
        self._checked_in = False
        self._drained = False

    @workflow.signal
    def check_in(self, status: str, message: str = "") -> None:  # noqa: ARG002
        """The server is up."""
        self._checked_in = True

    @workflow.signal
    def drain(self, reason: str) -> None:  # noqa: ARG002
        """The server is wanted no more."""
        self._drained = True

    @workflow.run
    async def run(self, _server_id: str, _tells: bool) -> str:
        """Live. With `tells`, each state becomes a search attribute, as Poolwright's do for the Web UI."""
        await self._step(BARE_QUEUE)
        self._tell("preparing", "creating")
        await self._step(BARE_PLACE_QUEUE)
        self._tell("booting")
        await workflow.wait_condition(lambda: self._checked_in, timeout=timedelta(minutes=30))
        await self._step(BARE_QUEUE)
        self._tell("running")
        await workflow.wait_condition(lambda: self._drained)
        await self._step(BARE_QUEUE)
        await self._step(BARE_QUEUE)
        self._tell("deleting")
        await self._step(BARE_PLACE_QUEUE)
        await self._step(BARE_QUEUE)
        self._tell("deleted")
        return "done"

    def _tell(self, *states: str) -> None:
        if self._tells:
            for state in states:
                workflow.upsert_search_attributes([_STATE.value_set(state)])

    async def _step(self, queue: str) -> None:
        await workflow.execute_activity(
            bare_step,
            self._server_id,
            task_queue=queue,
            start_to_close_timeout=timedelta(minutes=2),
            heartbeat_timeout=timedelta(seconds=10),
            retry_policy=_RETRY,
        )


@workflow.defn
class BareWaiter:
    """Answers each signal with one activity."""

    def __init__(self) -> None:
        self._signals = 0
        self._answered = 0
        self._ended = False

    @workflow.signal
    def check_in(self, status: str, message: str = "") -> None:  # noqa: ARG002
        """Something to answer."""
        self._signals += 1

    @workflow.signal
    def end(self) -> None:
        """Enough."""
        self._ended = True

    @workflow.run
    async def run(self, server_id: str) -> None:
        """Until it is ended."""
        while not self._ended:
            await workflow.wait_condition(lambda: self._ended or self._signals > self._answered)
            if self._signals > self._answered:
                self._answered += 1
                await workflow.execute_activity(
                    bare_step,
                    server_id,
                    start_to_close_timeout=timedelta(minutes=2),
                    heartbeat_timeout=timedelta(seconds=10),
                    retry_policy=_RETRY,
                )


@workflow.defn
class BareSleeper:
    """Sleeps."""

    def __init__(self) -> None:
        self._asleep = False

    @workflow.query
    def asleep(self) -> bool:
        """Whether it has begun to."""
        return self._asleep

    @workflow.run
    async def run(self, _server_id: str) -> None:
        """Sleep."""
        self._asleep = True
        await asyncio.sleep(30 * 86_400)
