"""`Watchdog`: started each minute by a Temporal Schedule, it mends what was lost."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.contract import ENSURE_LIVES, Ensured
    from poolwright.domain.identities import WATCHDOG


@workflow.defn(name=WATCHDOG)
class Watchdog:
    """One round: every config has its loops, every server that is not deleted has its life."""

    @workflow.run
    async def run(self) -> Ensured:
        """What was mended."""
        ensured: Ensured = await workflow.execute_activity(
            ENSURE_LIVES,
            result_type=Ensured,
            start_to_close_timeout=timedelta(minutes=5),
            heartbeat_timeout=timedelta(seconds=60),
            retry_policy=RetryPolicy(maximum_attempts=3),
            summary="start what should run and does not",
        )
        if ensured.loops_started or ensured.sweeps_started or ensured.lives_started:
            workflow.logger.info(
                "watchdog started loops %s, sweeps %s, lives %s",
                ensured.loops_started,
                ensured.sweeps_started,
                ensured.lives_started,
            )
        return ensured
