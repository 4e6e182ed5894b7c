"""Server lives on the time-skipping server."""

from pathlib import Path

from temporalio.testing import WorkflowEnvironment

from poolwright.domain.states import ServerState
from tests.installations import installation


class TestHappyPath:
    """From the row to `deleted`."""

    async def test_a_server_lives_and_goes(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with installation(skipping, tmp_path) as poolwright:
            server = await poolwright.live()
            await poolwright.until_state(server, ServerState.BOOTING)
            await poolwright.check_in(server, "configuring", "installing")
            await poolwright.until_state(server, ServerState.CONFIGURING)
            await poolwright.check_in(server)
            await poolwright.until_state(server, ServerState.RUNNING)
            await poolwright.signals.drain(server.id, "the test is over")
            assert await poolwright.ended(server) == "the test is over"
            assert poolwright.states(server) == [
                "requested",
                "preparing",
                "creating",
                "booting",
                "configuring",
                "running",
                "draining",
                "deleting",
                "deleted",
            ]
