"""A change that must not pass: a workflow that looks at the clock of its machine."""

from datetime import UTC, datetime

from temporalio import workflow

from workflows.server_lifecycle import ServerLifecycle

with workflow.unsafe.imports_passed_through():
    from activities.contract import LifeInput
    from poolwright.domain.identities import SERVER_LIFECYCLE


@workflow.defn(name=SERVER_LIFECYCLE)
class LooksAtTheClock(ServerLifecycle):
    """Its commands are right, and would be even so at another time of day."""

    @workflow.init
    def __init__(self, life: LifeInput) -> None:
        super().__init__(life)

    @workflow.run
    async def run(self, life: LifeInput) -> str:
        """See base class."""
        self._story.say(f"{datetime.now(UTC)}")
        return await super().run(life)
