"""Steps of a life that come to write only after the life has gone on without them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from temporalio import activity
from temporalio.testing import WorkflowEnvironment

from activities import lives
from activities.boundary import boundary
from activities.contract import DRAIN
from activities.lifeline import start_life
from poolwright.domain.servers import Server
from poolwright.domain.states import ServerState
from poolwright.store.engine import Store
from tests.installations import AWAIT_SECONDS
from tests.workflows.scenes import Scene, scene

pytestmark = pytest.mark.slow


class LateStep:
    """The first attempt of a step, which is held before it writes until it hears that nobody waits for it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
        self._step = step
        self._begun, self._over = threading.Event(), threading.Event()
        monkeypatch.setattr(lives, "boundary", self._held)

    @contextmanager
    def _held(self, store: Store) -> Iterator[None]:
        with boundary(store):
            if activity.info().activity_type != self._step or self._begun.is_set():
                yield
                return
            self._begun.set()
            activity.wait_for_cancelled_sync(AWAIT_SECONDS)
            try:
                yield
            finally:
                self._over.set()

    async def outlives_its_life(self, poolwright: Scene, server: Server) -> None:
        """Let the life begin anew from its row while the step is held; then see the step come to its end."""
        await poolwright.soon(self._begun.is_set)
        state = poolwright.server(server).state
        await poolwright.life(server).terminate("somebody pressed the button")
        await start_life(poolwright.client, poolwright.server(server))
        await poolwright.until_told(server, state)
        await poolwright.soon(self._over.is_set)


class TestAStepThatIsTooLate:
    async def test_drains_no_server_whose_new_life_would_not_hear_of_it(
        self, skipping: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        step = LateStep(monkeypatch, DRAIN)
        async with scene(skipping, tmp_path) as poolwright:
            server = await poolwright.running()
            await poolwright.signals.drain(server.id, "the image is old")
            await step.outlives_its_life(poolwright, server)
            assert poolwright.server(server).state is ServerState.RUNNING
