"""`PoolScaling`: one loop per autoscale config. Decide, wait for the period or a wake, again."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

from workflows.reasons import in_words

with workflow.unsafe.imports_passed_through():
    from activities.contract import DECIDE, LOOK_FOR_INTERRUPTIONS, Decided, DecideRequest, ScalingInput
    from poolwright.domain.identities import POOL_SCALING, zone_task_queue

_LOOK_TIMEOUT = timedelta(seconds=60)
_HELP = """
### What you can do

| signal | effect |
|---|---|
| `scale_now` | decide at once |
| `pause` | make no change until `resume`; the input is the reason, as a JSON string |
| `resume` | decide again |
"""


@workflow.defn(name=POOL_SCALING)
class PoolScaling:
    """The loop of one autoscale config."""

    @workflow.init
    def __init__(self, scaling: ScalingInput) -> None:
        self._autoscale = scaling.autoscale
        self._wake: str | None = "the loop began"
        self._pause_because: str | None = None
        self._resume = False
        self._decided: Decided | None = None
        self._look: asyncio.Task[None] | None = None

    @workflow.signal(description="Decide at once")
    def scale_now(self, why: object = None, *_surplus: object) -> None:
        """Decide at once. Any number of these during a decision make one more."""
        self._wake = in_words(why, "an operator asked for it")

    @workflow.signal(description="Make no change until resumed; the input is the reason")
    def pause(self, reason: object = None, *_surplus: object) -> None:
        """Make no change until `resume`. The reason is shown wherever the decision is."""
        because = in_words(reason, "an operator paused it")
        self._pause_because, self._resume, self._wake = because, False, f"paused: {because}"

    @workflow.signal(description="Decide again after a pause")
    def resume(self, *_surplus: object) -> None:
        """End a pause."""
        self._pause_because, self._resume, self._wake = None, True, "resumed"

    @workflow.query(description="The last decision")
    def last_decision(self) -> Decided | None:
        """What was last decided, or None before the first decision."""
        return self._decided

    @workflow.run
    async def run(self, scaling: ScalingInput) -> str:
        """Loop until the config is gone."""
        while True:
            decided = await self._decide()
            if not decided.exists:
                return f"the autoscale config {self._autoscale} is gone"
            workflow.set_current_details(decided.details + "\n" + _HELP)
            if decided.interruptible_in is not None and (self._look is None or self._look.done()):
                self._look = asyncio.create_task(self._look_for_interruptions(decided.interruptible_in))
            try:
                await workflow.wait_condition(
                    lambda: self._wake is not None,
                    timeout=timedelta(seconds=decided.wait_seconds),
                    timeout_summary=decided.paused or decided.summary,
                )
            except TimeoutError:
                self._wake = "the period is over"
            if workflow.info().is_continue_as_new_suggested() and self._pause_because is None and not self._resume:
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(scaling)

    async def _decide(self) -> Decided:
        # Cleared before the decision: a wake that lands while it is made leads to one more.
        request = DecideRequest(
            autoscale=self._autoscale, why=self._wake or "", pause_because=self._pause_because, resume=self._resume
        )
        self._wake, self._pause_because, self._resume = None, None, False
        self._decided = await workflow.execute_activity(
            DECIDE,
            request,
            result_type=Decided,
            start_to_close_timeout=timedelta(seconds=60),
            retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=30)),
            summary=f"decide: {request.why}",
        )
        return self._decided

    async def _look_for_interruptions(self, zone: str) -> None:
        """Beside the decisions: these must not wait for a zone whose worker is away. The next look sees the rest."""
        try:
            await workflow.execute_activity(
                LOOK_FOR_INTERRUPTIONS,
                self._autoscale,
                task_queue=zone_task_queue(zone),
                schedule_to_close_timeout=_LOOK_TIMEOUT,
                retry_policy=RetryPolicy(maximum_attempts=1),
                summary="will the provider take VMs away?",
            )
        except ActivityError as error:
            workflow.logger.warning("could not look for interruptions of %s: %s", self._autoscale, error.cause)
