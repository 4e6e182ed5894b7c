"""A life that is ended at the very moment at which a step of it ends."""

import asyncio
from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from poolwright.domain.servers import Server
from poolwright.domain.states import ServerState
from tests.installations import Installation, installation

pytestmark = pytest.mark.slow

LIVES = 12
"""The moment is met by luck: with so many the test has failed every time without the rule that it proves."""


async def end_when_it_becomes_ready(poolwright: Installation, server: Server) -> str:
    """Terminate it while the answer of the step that made it `running` is on its way to its workflow."""
    await poolwright.until_state(server, ServerState.BOOTING)
    await poolwright.check_in(server)
    while poolwright.server(server).state is not ServerState.RUNNING:
        await asyncio.sleep(0.001)
    await poolwright.signals.terminate(server.id, "the building burns")
    return await poolwright.ended(server)


class TestTheSameMoment:
    """A result and a cancellation that come together."""

    async def test_a_server_that_has_just_become_ready_hears_that_it_is_ended(
        self, temporal_env: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with installation(temporal_env, tmp_path, provider_cap=LIVES) as poolwright:
            for _ in range(LIVES):
                server = await poolwright.live()
                assert await end_when_it_becomes_ready(poolwright, server) == "the building burns"
            assert not poolwright.servers()
