"""`Sweep`: one loop per VM provider, DNS and LDAP config. Look whether a round is due, make it, wait, again."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

from workflows.reasons import in_words

with workflow.unsafe.imports_passed_through():
    from activities.contract import BEGIN_SWEEP, SWEEP_ROUND, SweepInput, SweepLook, SweepRequest, SweepTurn
    from poolwright.domain.identities import SWEEP, zone_task_queue

_ROUND_TIMEOUT = timedelta(minutes=10)
_ROUND_PATIENCE = timedelta(hours=1)
"""A round that no worker of the zone has made by then is given up: the zone may be another one by now."""
_HEARTBEAT = timedelta(seconds=10)

_HELP = """

### What you can do

| signal | effect |
|---|---|
| `sweep_now` | make a round at once |
| `pause` | make no round until `resume`; the input is the reason, as a JSON string |
| `resume` | make rounds again |
"""


@workflow.defn(name=SWEEP)
class Sweep:
    """The sweep of one config. Ends when the config is gone."""

    @workflow.init
    def __init__(self, sweep: SweepInput) -> None:
        self._kind, self._name = sweep.kind, sweep.name
        self._look = True
        self._asked = False
        self._pause_because: str | None = None
        self._resume = False
        self._turn: SweepTurn | None = None

    @workflow.signal(description="Make a round at once")
    def sweep_now(self, why: object = None, *_surplus: object) -> None:
        """Make a round at once. Any number of these during a round make one more."""
        because = in_words(why, "an operator asked for it")
        workflow.logger.info("a round of the sweep of %s %s is asked for: %s", self._kind, self._name, because)
        self._look = self._asked = True

    @workflow.signal(description="Make no round until resumed; the input is the reason")
    def pause(self, reason: object = None, *_surplus: object) -> None:
        """Make no round until `resume`."""
        because = in_words(reason, "an operator paused it")
        self._pause_because, self._resume, self._look = because, False, True

    @workflow.signal(description="Make rounds again after a pause")
    def resume(self, *_surplus: object) -> None:
        """End a pause."""
        self._pause_because, self._resume, self._look = None, True, True

    @workflow.signal(description="Look at the settings again")
    def settings_changed(self, *_surplus: object) -> None:
        """Look at the settings again; a round is made only if they say that one is due."""
        self._look = True

    @workflow.query(description="What came of the last look")
    def last_turn(self) -> SweepTurn | None:
        """What came of the last look, or None before the first one."""
        return self._turn

    @workflow.run
    async def run(self, sweep: SweepInput) -> str:
        """Loop until the config is gone."""
        while True:
            turn = await self._next_turn()
            if not turn.exists:
                return f"the {self._kind} {self._name} is gone"
            workflow.set_current_details(turn.details + _HELP)
            try:
                await workflow.wait_condition(
                    lambda: self._look, timeout=timedelta(seconds=turn.wait_seconds), timeout_summary=turn.summary
                )
            except TimeoutError:
                self._look = True
            nothing_asked = self._pause_because is None and not (self._resume or self._asked)
            if workflow.info().is_continue_as_new_suggested() and nothing_asked:
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(sweep)

    async def _next_turn(self) -> SweepTurn:
        turn = self._turn = await self._begin()
        if turn.round is None:
            return turn
        try:
            self._turn = await self._make_round(turn.zone, turn.round)
        except ActivityError as error:
            problem = f"no worker of zone {turn.zone} made the round: {error.cause or error}"
            self._turn = await self._begin(problem)
        return self._turn

    async def _begin(self, problem: str | None = None) -> SweepTurn:
        look = SweepLook(kind=self._kind, name=self._name, problem=problem)
        if problem is None:
            # Cleared before the look: what is asked while it and its round last leads to one more.
            look = look.model_copy(
                update={"asked": self._asked, "pause_because": self._pause_because, "resume": self._resume}
            )
            self._look, self._asked, self._pause_because, self._resume = False, False, None, False
        turn: SweepTurn = await workflow.execute_activity(
            BEGIN_SWEEP,
            look,
            result_type=SweepTurn,
            start_to_close_timeout=timedelta(minutes=1),
            retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=30)),
            summary="see whether a round is due",
        )
        return turn

    async def _make_round(self, zone: str, number: int) -> SweepTurn:
        turn: SweepTurn = await workflow.execute_activity(
            SWEEP_ROUND,
            SweepRequest(kind=self._kind, name=self._name, round=number),
            result_type=SweepTurn,
            task_queue=zone_task_queue(zone),
            start_to_close_timeout=_ROUND_TIMEOUT,
            schedule_to_close_timeout=_ROUND_PATIENCE,
            heartbeat_timeout=_HEARTBEAT,
            retry_policy=RetryPolicy(initial_interval=timedelta(seconds=2), maximum_interval=timedelta(minutes=1)),
            summary=f"round {number}",
        )
        return turn
