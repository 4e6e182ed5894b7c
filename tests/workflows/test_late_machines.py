"""VMs that come to be, or to be seen, after the life that asked for them has ended."""

from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from poolwright.providers.errors import Transient
from poolwright.providers.sim.provider import SimProvider
from poolwright.providers.sim.settings import Failure, Operation
from tests.workflows.outside_calls import Held
from tests.workflows.scenes import scene
from tests.workflows.states import creating_unheard

pytestmark = pytest.mark.slow


@pytest.mark.usefixtures("hasty")
class TestAfterTheEnd:
    """Nobody waits for the answer of the creation any more."""

    @pytest.mark.parametrize("error", [None, Transient("the answer was lost")], ids=["heard", "unheard"])
    async def test_its_vm_is_deleted_as_soon_as_the_provider_lets_it(
        self, skipping: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception | None
    ) -> None:
        async with scene(skipping, tmp_path) as poolwright:
            creation = Held(monkeypatch, SimProvider, "create", error)
            server = await poolwright.live()
            poolwright.world.fail_next(Operation.DELETE, Failure.TRANSIENT, 3)
            await creation.outlives_its_life(poolwright, server)
            await poolwright.soon(lambda: not poolwright.living())

    async def test_its_vm_is_asked_for_until_it_is_gone(
        self, skipping: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answers = [False, False, True]
        monkeypatch.setattr(SimProvider, "delete", lambda *_: answers.pop(0))
        async with scene(skipping, tmp_path) as poolwright:
            creation = Held(monkeypatch, SimProvider, "create")
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
