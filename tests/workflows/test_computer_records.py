"""Computer records in the lives of servers, against a real domain controller."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from temporalio.testing import WorkflowEnvironment

from activities.lifeline import start_life
from poolwright.directory.active_directory import ComputerDirectory
from poolwright.directory.errors import NameTaken, Unreachable
from poolwright.domain.identities import OwnerMark
from poolwright.domain.servers import Server
from poolwright.domain.states import ServerState
from poolwright.providers.sim.settings import Operation
from poolwright.store.secrets import get_secret, join_password_id
from poolwright.store.tables import ServerRow
from tests.installations import save
from tests.servers.organizational_unit import OrganizationalUnit
from tests.workflows.outside_calls import Held, fails, loses_its_answer
from tests.workflows.record_scenes import HOUR, MINUTE, goes, gone, scene_with
from tests.workflows.scenes import Scene

pytestmark = pytest.mark.slow

DEAD = "ldaps://127.0.0.1:9"


def join_password(poolwright: Scene, server: Server) -> str | None:
    with poolwright.store.read() as tx:
        secret = get_secret(tx, join_password_id(server.id))
    return secret.get_secret_value() if secret else None


def database_bytes(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.glob("poolwright.db*"))


class TestComputerRecords:
    async def test_it_is_there_before_the_vm_and_gone_after_it(
        self, skipping: WorkflowEnvironment, tmp_path: Path, unit: OrganizationalUnit
    ) -> None:
        async with scene_with(skipping, tmp_path, unit, pattern="life-{n:04}") as poolwright:
            server = await poolwright.running()
            assert unit.computers() == {"LIFE-0001"}
            reasons = poolwright.reasons(server)
            record = next(
                i for i, reason in enumerate(reasons) if reason.startswith("the computer record CN=LIFE-0001")
            )
            assert record < reasons.index("asks the provider for a VM")
            await goes(poolwright, server)
            assert unit.computers() == set()

    async def test_the_join_password_is_in_the_script_and_sealed_and_in_no_history(
        self, skipping: WorkflowEnvironment, tmp_path: Path, unit: OrganizationalUnit
    ) -> None:
        async with scene_with(skipping, tmp_path, unit, pattern="seal-{n:04}") as poolwright:
            server = await poolwright.running()
            password = join_password(poolwright, server)
            assert password is not None
            (vm,) = poolwright.living()
            assert f"# join {password} ad.test\n" in vm.startup_script.get_secret_value()
            await goes(poolwright, server)
            history = (await poolwright.life(server).fetch_history()).to_json()
            database = database_bytes(tmp_path)
            for secret in (password, unit.password):
                assert secret not in history
                assert secret.encode() not in database
            assert join_password(poolwright, server) is None

    async def test_names_that_are_somebody_elses_are_passed_over(
        self, skipping: WorkflowEnvironment, tmp_path: Path, unit: OrganizationalUnit
    ) -> None:
        foreign = [unit.administrator.add_computer(f"TAKEN-000{number}", unit.dn) for number in (1, 2)]
        async with scene_with(skipping, tmp_path, unit, pattern="taken-{n:04}") as poolwright:
            server = await poolwright.live()
            await poolwright.until(lambda: poolwright.states(server)[-1] == "booting", within_seconds=MINUTE)
            assert poolwright.server(server).hostname == "taken-0003"
            assert any("it takes the name taken-0003" in reason for reason in poolwright.reasons(server))
            await goes(poolwright, server)
            assert unit.computers() == {"TAKEN-0001", "TAKEN-0002"}
        for dn in foreign:
            unit.administrator.delete(dn)

    async def test_a_pattern_that_has_no_other_name_fails_the_server(
        self, skipping: WorkflowEnvironment, tmp_path: Path, unit: OrganizationalUnit
    ) -> None:
        async with scene_with(skipping, tmp_path, unit, pattern="{id}") as poolwright:
            server = await poolwright.reserve()
            foreign = unit.administrator.add_computer(server.hostname.upper(), unit.dn)
            await start_life(poolwright.client, server)
            await poolwright.ended(server)
            assert "gives no other name" in str(poolwright.server(server).failure_reason)
            assert poolwright.calls(Operation.CREATE) == 0
            unit.administrator.delete(foreign)

    async def test_names_without_end_that_are_somebody_elses_are_given_up_in_time(
        self,
        skipping: WorkflowEnvironment,
        tmp_path: Path,
        unit: OrganizationalUnit,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def is_taken(_directory: ComputerDirectory, _mark: OwnerMark, hostname: str, *_rest: str) -> None:
            raise NameTaken(f"the computer name {hostname} is taken by an object that nobody can see", "take another")

        monkeypatch.setattr(ComputerDirectory, "create_or_reset", is_taken)
        failure = {"boot_deadline_seconds": 10}
        async with scene_with(skipping, tmp_path, unit, pattern="many-{n:04}", failure=failure) as poolwright:
            server = await poolwright.live()
            await poolwright.until(lambda: poolwright.states(server)[-1] == "deleted", within_seconds=MINUTE)
            reason = str(poolwright.server(server).failure_reason)
            assert "no computer record after 10 s: the computer name many-" in reason
            assert "it takes the name many-0002" in " ".join(poolwright.reasons(server))

    async def test_a_script_names_the_domain_of_the_record_whatever_the_config_names_by_then(
        self, skipping: WorkflowEnvironment, tmp_path: Path, unit: OrganizationalUnit, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with scene_with(skipping, tmp_path, unit, pattern="late-{n:04}") as poolwright:
            elsewhere = {**unit.ldap, "search_base": "DC=else,DC=where"}
            elsewhere["service_account_password"] = SecretStr(unit.password)
            save(poolwright.store, "ldap", "elsewhere", elsewhere)
            call = ComputerDirectory.create_or_reset

            def then_changed(*arguments: Any) -> Any:
                made = call(*arguments)
                record = {"ldap": "elsewhere", "ou_dn": "OU=Desktops,DC=else,DC=where"}
                poolwright.change("autoscale", "demo", computer_record=record)
                return made

            monkeypatch.setattr(ComputerDirectory, "create_or_reset", then_changed)
            server = await poolwright.running()
            (vm,) = poolwright.living()
            assert vm.startup_script.get_secret_value().endswith(" ad.test\n")
            await goes(poolwright, server)
            assert unit.computers() == set()

    async def test_a_dead_directory_holds_creation_up_and_says_so_until_it_is_given_up(
        self, skipping: WorkflowEnvironment, tmp_path: Path, unit: OrganizationalUnit
    ) -> None:
        async with scene_with(skipping, tmp_path, unit, pattern="wait-{n:04}") as poolwright:
            poolwright.change("ldap", "corp", urls=[DEAD])
            server = await poolwright.live()
            await poolwright.soon(lambda: poolwright.server(server).message.startswith("Unreachable: "))
            await poolwright.until(
                lambda: poolwright.states(server)[-1] == "deleting", within_seconds=HOUR, step_seconds=MINUTE
            )
            assert "no computer record after 1800 s" in str(poolwright.server(server).failure_reason)
            assert poolwright.calls(Operation.CREATE) == 0
            # Only the directory itself can say that nothing was made.
            poolwright.change("ldap", "corp", urls=unit.ldap["urls"])
            await gone(poolwright, server)

    async def test_terminating_while_it_is_made_leaves_nothing(
        self,
        skipping: WorkflowEnvironment,
        tmp_path: Path,
        unit: OrganizationalUnit,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        async with scene_with(skipping, tmp_path, unit, pattern="term-{n:04}") as poolwright:
            call = Held(monkeypatch, ComputerDirectory, "create_or_reset")
            server = await poolwright.live()
            await call.is_terminated_meanwhile(poolwright, server)
            await gone(poolwright, server)
            assert unit.computers() == set()
            assert poolwright.calls(Operation.CREATE) == 0

    @pytest.mark.usefixtures("hasty")
    async def test_one_that_is_made_after_the_end_is_deleted_as_soon_as_the_directory_lets_it(
        self,
        skipping: WorkflowEnvironment,
        tmp_path: Path,
        unit: OrganizationalUnit,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        errors = [Unreachable("no domain controller can be used", "see that one runs") for _ in range(3)]
        has_failed = fails(monkeypatch, ComputerDirectory, "delete", *errors)
        async with scene_with(skipping, tmp_path, unit, pattern="over-{n:04}") as poolwright:
            call = Held(monkeypatch, ComputerDirectory, "create_or_reset")
            server = await poolwright.live()
            await call.outlives_its_life(poolwright, server)
            await poolwright.soon(lambda: has_failed() and unit.computers() == set())

    @pytest.mark.usefixtures("hasty")
    async def test_so_is_one_of_which_no_answer_said_that_it_was_made(
        self,
        skipping: WorkflowEnvironment,
        tmp_path: Path,
        unit: OrganizationalUnit,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        lost = Unreachable("the answer was lost", "see that the domain controller runs")
        async with scene_with(skipping, tmp_path, unit, pattern="mute-{n:04}") as poolwright:
            call = Held(monkeypatch, ComputerDirectory, "create_or_reset", lost)
            server = await poolwright.live()
            await call.outlives_its_life(poolwright, server)
            await poolwright.soon(lambda: unit.computers() == set())

    @pytest.mark.usefixtures("hasty")
    async def test_one_that_was_never_made_is_gone_at_once(
        self, skipping: WorkflowEnvironment, tmp_path: Path, unit: OrganizationalUnit, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        deletions, delete = [], ComputerDirectory.delete

        def counted(*arguments: Any, **options: Any) -> bool:
            deletions.append(delete(*arguments, **options))
            return deletions[-1]

        monkeypatch.setattr(ComputerDirectory, "delete", counted)
        monkeypatch.setattr(ComputerDirectory, "create_or_reset", lambda *_: None)
        lost = Unreachable("the call was lost", "see that the domain controller runs")
        async with scene_with(skipping, tmp_path, unit, pattern="none-{n:04}") as poolwright:
            call = Held(monkeypatch, ComputerDirectory, "create_or_reset", lost)
            await call.outlives_its_life(poolwright, await poolwright.live())
            await poolwright.soon(lambda: bool(deletions))
        assert deletions == [False]

    async def test_what_its_error_advises_lets_a_record_with_objects_below_it_go(
        self, skipping: WorkflowEnvironment, tmp_path: Path, unit: OrganizationalUnit
    ) -> None:
        async with scene_with(skipping, tmp_path, unit, pattern="tree-{n:04}") as poolwright:
            server = await poolwright.running()
            unit.administrator.add_child(f"CN=TREE-0001,{unit.dn}", "SCP")
            await poolwright.signals.terminate(server.id, "the test is over")
            await poolwright.until_told(server, ServerState.DELETING)
            await poolwright.skip(20 * MINUTE)
            assert "set recursive_cleanup of the computer record" in poolwright.server(server).message
            record = {"ldap": "corp", "ou_dn": unit.dn, "recursive_cleanup": True}
            poolwright.change("autoscale", "demo", computer_record=record)
            await gone(poolwright, server)
            assert unit.computers() == set()

    async def test_a_record_whose_config_was_changed_in_between_is_deleted_where_it_was_made(
        self,
        skipping: WorkflowEnvironment,
        tmp_path: Path,
        unit: OrganizationalUnit,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        async with scene_with(skipping, tmp_path, unit, pattern="move-{n:04}") as poolwright:
            elsewhere = {**unit.ldap, "urls": [DEAD], "service_account_password": SecretStr(unit.password)}
            save(poolwright.store, "ldap", "elsewhere", elsewhere)
            record = {"ldap": "elsewhere", "ou_dn": unit.dn}
            losing = loses_its_answer(
                monkeypatch,
                ComputerDirectory,
                "create_or_reset",
                lambda: poolwright.change("autoscale", "demo", computer_record=record),
            )
            server = await poolwright.live()
            await gone(poolwright, server)
            assert losing.is_set()
            assert "'corp'" in str(poolwright.server(server).failure_reason)
            assert unit.computers() == set()
            assert poolwright.calls(Operation.CREATE) == 0

    async def test_a_dead_directory_is_asked_for_days_with_alerts_and_does_not_keep_the_vm(
        self, skipping: WorkflowEnvironment, tmp_path: Path, unit: OrganizationalUnit
    ) -> None:
        async with scene_with(skipping, tmp_path, unit, pattern="days-{n:04}") as poolwright:
            server = await poolwright.running()
            poolwright.change("ldap", "corp", urls=[DEAD])
            await poolwright.signals.terminate(server.id, "the test is over")
            await poolwright.until_told(server, ServerState.DELETING)
            await poolwright.until(lambda: not poolwright.living(), within_seconds=5 * MINUTE)
            await poolwright.skip(20 * MINUTE)
            assert poolwright.server(server).message.startswith("warning: not deleted after ")
            assert "its computer record: " in poolwright.server(server).message
            with poolwright.store.write() as tx:
                tx.get_one(ServerRow, server.id).state_since -= timedelta(days=3)
            await poolwright.skip(2 * MINUTE)
            assert poolwright.server(server).message.startswith("ALARM: not deleted after 72 h ")
            poolwright.change("ldap", "corp", urls=unit.ldap["urls"])
            await gone(poolwright, server)
            assert unit.computers() == set()
