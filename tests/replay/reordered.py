"""A change that must not pass: the steps of `ServerLifecycle` in another order, and no `workflow.patched` around it."""

from temporalio import workflow

from workflows.server_lifecycle import ServerLifecycle
from workflows.undoing import undo_all

with workflow.unsafe.imports_passed_through():
    from activities.contract import LifeInput
    from poolwright.domain.identities import SERVER_LIFECYCLE
    from poolwright.domain.states import ServerState


@workflow.defn(name=SERVER_LIFECYCLE)
class FreedTooEarly(ServerLifecycle):
    """Says that the server is gone before its parts are."""

    @workflow.init
    def __init__(self, life: LifeInput) -> None:
        super().__init__(life)

    @workflow.run
    async def run(self, life: LifeInput) -> str:
        """See base class."""
        return await super().run(life)

    async def _tear_down(self, reason: str) -> bool:
        teardown = await self._steps.begin_deleting(reason, unless_serving=False)
        self._story.enter(ServerState.DELETING, reason)
        await self._steps.mark_deleted()
        await undo_all(self._steps, self._story, teardown)
        self._story.enter(ServerState.DELETED, "every part of it is gone")
        return True
