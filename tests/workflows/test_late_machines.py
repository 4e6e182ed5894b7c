"""VMs that come to be, or to be seen, after the life that asked for them has ended."""

import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from temporalio.testing import WorkflowEnvironment

from activities import patience
from poolwright.domain.servers import Server
from poolwright.domain.states import ServerState
from poolwright.providers.errors import Transient
from poolwright.providers.sim.provider import SimProvider
from poolwright.providers.sim.settings import Failure, Operation
from poolwright.store.tables import ServerRow
from tests.installations import AWAIT_SECONDS
from tests.workflows.scenes import Scene, scene
from tests.workflows.states import creating_unheard

pytestmark = pytest.mark.slow


class HeldCreation:
    """A creation that has made its VM and does not return yet; then it returns, or raises this error."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> None:
        self._done, self._release = threading.Event(), threading.Event()
        create = SimProvider.create

        def held(*arguments: Any) -> Any:
            vm = create(*arguments)
            self._done.set()
            assert self._release.wait(AWAIT_SECONDS)
            if error is not None:
                raise error
            return vm

        monkeypatch.setattr(SimProvider, "create", held)

    async def outlives_its_life(self, poolwright: Scene, server: Server) -> None:
        """End the life without its answer while the call is held, and have all of the server deleted; then let go."""
        await poolwright.soon(self._done.is_set)
        await poolwright.life(server).terminate("somebody pressed the button")
        with poolwright.store.write() as tx:
            tx.execute(update(ServerRow).where(ServerRow.id == server.id).values(state=ServerState.DELETED))
        self._release.set()


class TestAfterTheEnd:
    """Nobody waits for the answer of the creation any more."""

    @pytest.mark.parametrize("error", [None, Transient("the answer was lost")], ids=["heard", "unheard"])
    async def test_its_vm_is_deleted_as_soon_as_the_provider_lets_it(
        self, skipping: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception | None
    ) -> None:
        monkeypatch.setattr(patience, "_FIRST_SECONDS", 0.0)
        async with scene(skipping, tmp_path) as poolwright:
            creation = HeldCreation(monkeypatch, error)
            server = await poolwright.live()
            poolwright.world.fail_next(Operation.DELETE, Failure.TRANSIENT, 3)
            await creation.outlives_its_life(poolwright, server)
            await poolwright.soon(lambda: not poolwright.living())

    async def test_its_vm_is_asked_for_until_it_is_gone(
        self, skipping: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(patience, "_FIRST_SECONDS", 0.0)
        answers = [False, False, True]
        monkeypatch.setattr(SimProvider, "delete", lambda *_: answers.pop(0))
        async with scene(skipping, tmp_path) as poolwright:
            creation = HeldCreation(monkeypatch)
            await creation.outlives_its_life(poolwright, await poolwright.live())
            await poolwright.soon(lambda: not answers)


class TestListsThatLagBehind:
    async def test_a_vm_whose_birth_nobody_heard_of_is_deleted_when_its_server_is(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sim={"stale_list_seconds": 40}) as poolwright:
            server = await creating_unheard(poolwright)
            await poolwright.signals.terminate(server.id, "the building burns")
            poolwright.mend_provider()
            await poolwright.ended(server)
            assert not poolwright.living()
