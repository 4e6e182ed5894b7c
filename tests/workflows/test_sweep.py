"""Sweeps of VMs on the time-skipping server: what has no server is found, and deleted where that is wanted."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from activities.lifeline import start_sweep
from activities.sweeping import SweepActivities
from poolwright.domain.identities import OwnerMark, sweep_workflow_id
from poolwright.domain.states import ServerState
from poolwright.domain.sweep_round import Outcome, SweepRound
from poolwright.providers.errors import Transient
from poolwright.providers.sim.provider import SimProvider
from poolwright.providers.sim.records import SimulatedVM
from poolwright.providers.sim.settings import Failure, Operation
from poolwright.store import documents, sweeps
from poolwright.store.check_in_tokens import controller_id
from poolwright.store.tables import ServerRow
from tests.workflows.scenes import Scene, scene

pytestmark = pytest.mark.slow

PERIOD, HOUR = 600, 3600
DELETE = {"mode": "delete", "period_seconds": PERIOD, "grace_seconds": HOUR, "cap": 10}


async def begin(poolwright: Scene, **settings: Any) -> WorkflowHandle[Any, Any]:
    """The sweep of the simulated provider with these settings, once its first round is over."""
    poolwright.change("vm_provider", "sim", sweep={"period_seconds": PERIOD, **settings})
    await start_sweep(poolwright.client, "vm_provider", "sim")
    await poolwright.soon(lambda: last_round(poolwright) is not None)
    return poolwright.client.get_workflow_handle(sweep_workflow_id("vm_provider", "sim"))


def last_round(poolwright: Scene) -> SweepRound | None:
    with poolwright.store.read() as tx:
        return sweeps.sweep_state(tx, "vm_provider", "sim").last_round


def last(poolwright: Scene) -> SweepRound:
    swept = last_round(poolwright)
    assert swept is not None
    return swept


def outcomes(poolwright: Scene) -> list[Outcome]:
    return [entry.outcome for entry in last(poolwright).entries]


def plant(poolwright: Scene, server_id: str, controller: str | None = None) -> SimulatedVM:
    """A VM whose server does not exist: ours, unless another controller is named."""
    with poolwright.store.read() as tx:
        ours = controller_id(tx)
    return poolwright.world.plant(OwnerMark(controller_id=controller or ours, server_id=server_id))


def references(vms: Sequence[SimulatedVM]) -> set[str]:
    return {vm.reference for vm in vms}


class TestReport:
    """What a sweep does unless it is told to delete."""

    async def test_orphans_are_reported_with_a_sentence_and_kept(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path) as poolwright:
            orphan = plant(poolwright, "sgone")
            living = await poolwright.running()
            sweep = await begin(poolwright, grace_seconds=HOUR)
            assert outcomes(poolwright) == [Outcome.WAITING]
            await poolwright.skip(2 * HOUR)
            (entry,) = last(poolwright).entries
            assert entry.outcome is Outcome.REPORTED
            assert entry.sentence.startswith(
                f"The VM {orphan.reference} of server sgone has had no living server since"
            )
            assert entry.sentence.endswith(
                "it would be deleted, but this sweep only reports: set its mode to `delete`."
            )
            assert last(poolwright).summary == "0 orphans to delete, 1 would be deleted, 1 with a living server"
            assert len(poolwright.living()) == 2
            turn = await sweep.query("last_turn")
            assert entry.sentence in turn["details"]
            assert poolwright.server(living).state is ServerState.RUNNING


class TestDelete:
    """With mode `delete`."""

    async def test_orphans_go_after_the_grace_period_and_nothing_else_does(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path) as poolwright:
            orphan = plant(poolwright, "sgone")
            foreign = plant(poolwright, "sforeign", controller="somebody-else")
            unmarked = poolwright.world.plant(None)
            living = await poolwright.running()
            await begin(poolwright, **DELETE)
            await poolwright.skip(HOUR - PERIOD)
            assert orphan.reference in references(poolwright.living())
            await poolwright.skip(2 * PERIOD)
            assert references(poolwright.living()) == {
                foreign.reference,
                unmarked.reference,
                poolwright.server(living).provider_reference,
            }

    async def test_a_new_orphan_gets_a_grace_period_of_its_own(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path) as poolwright:
            await begin(poolwright, **DELETE)
            await poolwright.skip(2 * HOUR)
            orphan = plant(poolwright, "slate")
            await poolwright.skip(HOUR - PERIOD)
            assert orphan.reference in references(poolwright.living())
            await poolwright.skip(3 * PERIOD)
            assert not poolwright.living()

    async def test_the_cap_holds_for_each_round(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path) as poolwright:
            for number in range(5):
                plant(poolwright, f"sgone{number}")
            await begin(poolwright, **DELETE | {"grace_seconds": 0, "cap": 2})
            for left in (3, 1, 0):
                assert len(poolwright.living()) == left
                if left:
                    assert sorted(outcomes(poolwright)) == ["deleted"] * 2 + ["waiting"] * left
                await poolwright.skip(PERIOD + 5)

    async def test_one_that_cannot_be_deleted_does_not_keep_the_others(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path) as poolwright:
            for number in range(3):
                plant(poolwright, f"sgone{number}")
            poolwright.world.fail_next(Operation.DELETE, Failure.PERMISSION_DENIED)
            await begin(poolwright, **DELETE | {"grace_seconds": 0})
            assert outcomes(poolwright) == [Outcome.FAILED, Outcome.DELETED, Outcome.DELETED]
            assert "could not be deleted: PermissionDenied: " in last(poolwright).entries[0].sentence
            await poolwright.skip(PERIOD + 5)
            assert not poolwright.living()

    async def test_as_many_as_the_cap_that_cannot_be_deleted_do_not_keep_the_others(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path) as poolwright:
            for number in range(2):
                plant(poolwright, f"sgone{number}")
            poolwright.world.fail_next(Operation.DELETE, Failure.PERMISSION_DENIED)
            await begin(poolwright, **DELETE | {"grace_seconds": 0, "cap": 1})
            stuck = last(poolwright).entries[0]
            assert stuck.outcome is Outcome.FAILED
            await poolwright.skip(PERIOD + 5)
            assert references(poolwright.living()) == {stuck.reference}
            await poolwright.skip(PERIOD + 5)
            assert not poolwright.living()

    async def test_one_that_takes_its_time_is_being_deleted(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sim={"delete_seconds": 60}) as poolwright:
            plant(poolwright, "sgone")
            await begin(poolwright, **DELETE | {"grace_seconds": 0})
            assert outcomes(poolwright) == [Outcome.DELETING]
            await poolwright.skip(PERIOD + 5)
            assert last(poolwright).entries == ()

    async def test_servers_that_are_made_meanwhile_are_never_taken_for_orphans(
        self, skipping: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with scene(skipping, tmp_path) as poolwright:
            server = await poolwright.reserve()
            with poolwright.store.write() as tx:
                mark = OwnerMark(controller_id=controller_id(tx), server_id=server.id)
                tx.get_one(ServerRow, server.id).state = ServerState.DELETED
            listed = SimProvider.list_owned

            def list_what_is_just_being_made(provider: SimProvider) -> Any:
                # The row of a server is always there before its VM.
                with poolwright.store.write() as tx:
                    tx.get_one(ServerRow, server.id).state = ServerState.CREATING
                poolwright.world.plant(mark)
                return listed(provider)

            monkeypatch.setattr(SimProvider, "list_owned", list_what_is_just_being_made)
            await begin(poolwright, **DELETE | {"grace_seconds": 0})
            assert len(poolwright.living()) == 1
            assert last(poolwright).summary == "0 orphans to delete, 1 with a living server"


class TestCrashes:
    async def test_a_round_that_is_begun_again_deletes_nothing_more(
        self, skipping: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with scene(skipping, tmp_path) as poolwright:
            for number in range(6):
                plant(poolwright, f"sgone{number}")
            recorded = SweepActivities._delete
            tries: list[int] = []

            def dies_once(*arguments: Any) -> Any:
                deletions = recorded(*arguments)
                tries.append(len(deletions))
                if len(tries) == 1:
                    raise RuntimeError("the worker dies")
                return deletions

            monkeypatch.setattr(SweepActivities, "_delete", dies_once)
            await begin(poolwright, **DELETE | {"grace_seconds": 0, "cap": 2})
            assert tries == [2, 0]
            assert len(poolwright.living()) == 4


class TestMissingMachines:
    async def test_a_running_server_without_a_vm_is_reported_after_two_rounds(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path) as poolwright:
            server = await poolwright.running()
            poolwright.world.vanish(poolwright.living()[0].reference)
            await begin(poolwright)
            assert last(poolwright).entries == ()
            await poolwright.skip(PERIOD + 5)
            (entry,) = last(poolwright).entries
            assert entry.outcome is Outcome.MISSING
            assert entry.sentence.startswith(f"Server {server.id} ({server.hostname}) counts as running, but its VM")
            assert poolwright.server(server).state is ServerState.RUNNING

    async def test_an_error_says_nothing_of_a_vm(
        self, skipping: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with scene(skipping, tmp_path) as poolwright:
            await poolwright.running()
            monkeypatch.setattr(SimProvider, "list_owned", lambda _: [])
            monkeypatch.setattr(SimProvider, "get", _always_transient)
            await begin(poolwright)
            await poolwright.skip(3 * PERIOD)
            assert last(poolwright).entries == ()


def _always_transient(*_: object) -> None:
    raise Transient("the line is dead; ask again")


class TestTrouble:
    async def test_a_provider_that_cannot_be_listed_is_a_problem_and_deletes_nothing(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path) as poolwright:
            plant(poolwright, "sgone")
            poolwright.world.fail_next(Operation.LIST_OWNED, Failure.AUTHENTICATION_FAILED)
            sweep = await begin(poolwright, **DELETE | {"grace_seconds": 0})
            assert str(last(poolwright).problem).startswith("AuthenticationFailed: ")
            assert "**It could not look**: AuthenticationFailed" in (await sweep.query("last_turn"))["details"]
            await poolwright.skip(PERIOD + 5)
            assert last(poolwright).problem is None
            assert not poolwright.living()

    async def test_the_grace_period_goes_on_over_a_round_that_could_not_look(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path) as poolwright:
            plant(poolwright, "sgone")
            await begin(poolwright, **DELETE)
            poolwright.world.fail_next(Operation.LIST_OWNED, Failure.TRANSIENT, 2)
            await poolwright.skip(HOUR + 2 * PERIOD)
            assert not poolwright.living()

    async def test_a_round_that_comes_to_no_end_is_said_and_does_not_end_the_loop(
        self, skipping: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with scene(skipping, tmp_path) as poolwright:
            with monkeypatch.context() as patched:
                patched.setattr(SweepActivities, "_swept", _cut_off)
                await begin(poolwright)
            assert "no worker of zone zone-" in str(last(poolwright).problem)
            assert "cut off" in str(last(poolwright).problem)
            await poolwright.skip(PERIOD + 5)
            assert last(poolwright).problem is None


def _cut_off(*_: object) -> None:
    raise ApplicationError("cut off", non_retryable=True)


class TestLoop:
    async def test_nothing_is_done_while_no_autoscale_config_uses_it(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path) as poolwright:
            with poolwright.store.write() as tx:
                documents.delete_document(tx, "autoscale", "demo")
            await start_sweep(poolwright.client, "vm_provider", "sim")
            sweep = poolwright.client.get_workflow_handle(sweep_workflow_id("vm_provider", "sim"))

            async def says_so() -> bool:
                turn = await sweep.query("last_turn")
                return turn is not None and "no zone to look from: **nothing to do**" in turn["details"]

            await poolwright.soon(says_so)
            assert poolwright.calls(Operation.LIST_OWNED) == 0

    async def test_it_ends_with_its_config(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path) as poolwright:
            sweep = await begin(poolwright)
            with poolwright.store.write() as tx:
                documents.delete_document(tx, "vm_provider", "sim")
            await poolwright.signals.sweep_settings_changed("vm_provider", "sim")
            assert await sweep.result() == "the vm_provider sim is gone"

    async def test_it_can_be_paused_asked_and_resumed(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path) as poolwright:
            await begin(poolwright)
            rounds = poolwright.calls(Operation.LIST_OWNED)
            await poolwright.signals.pause_sweep("vm_provider", "sim", "maintenance")
            await poolwright.soon(lambda: state(poolwright).paused_because == "maintenance")
            await poolwright.skip(5 * PERIOD)
            assert poolwright.calls(Operation.LIST_OWNED) == rounds
            await poolwright.signals.resume_sweep("vm_provider", "sim")
            await poolwright.soon(lambda: poolwright.calls(Operation.LIST_OWNED) == rounds + 1)
            await poolwright.signals.sweep_now("vm_provider", "sim", "a test wants it")
            await poolwright.soon(lambda: poolwright.calls(Operation.LIST_OWNED) == rounds + 2)

    async def test_a_look_at_the_settings_makes_no_round_before_its_time(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path) as poolwright:
            sweep = await begin(poolwright)
            rounds = poolwright.calls(Operation.LIST_OWNED)
            for _ in range(3):
                await poolwright.signals.sweep_settings_changed("vm_provider", "sim")
            # The test server cannot take a termination while a task is under way.
            await poolwright.skip(10)
            await sweep.terminate("an operator slipped")
            await start_sweep(poolwright.client, "vm_provider", "sim")
            await poolwright.skip(PERIOD / 2)
            assert poolwright.calls(Operation.LIST_OWNED) == rounds
            await poolwright.skip(PERIOD)
            assert poolwright.calls(Operation.LIST_OWNED) >= rounds + 1
            description = await poolwright.client.get_workflow_handle(sweep.id).describe()
            assert description.status is WorkflowExecutionStatus.RUNNING

    async def test_configs_of_one_name_and_several_kinds_have_a_loop_each(self) -> None:
        ids = {sweep_workflow_id(kind, "corp") for kind in sweeps.SWEPT_KINDS}
        assert len(ids) == 3


def state(poolwright: Scene) -> sweeps.SweepState:
    with poolwright.store.read() as tx:
        return sweeps.sweep_state(tx, "vm_provider", "sim")
