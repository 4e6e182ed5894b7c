"""Computer records and DNS names in the lives of servers, against a real domain controller and a real name server."""

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import update
from temporalio.api.enums.v1 import EventType
from temporalio.testing import WorkflowEnvironment

from activities import patience
from activities.lifeline import start_life
from poolwright.directory.active_directory import ComputerDirectory
from poolwright.directory.errors import NameTaken, Unreachable
from poolwright.dns.errors import Transient
from poolwright.dns.rfc2136.provider import RFC2136DNS
from poolwright.domain.identities import OwnerMark
from poolwright.domain.servers import Server
from poolwright.domain.states import ServerState
from poolwright.providers.sim.settings import Operation
from poolwright.store.secrets import get_secret, join_password_id
from poolwright.store.tables import ServerRow
from tests.installations import AWAIT_SECONDS, save
from tests.servers.bind9 import ZONE, Nameserver, Record
from tests.servers.organizational_unit import OrganizationalUnit, new_organizational_unit
from tests.servers.samba import DomainController
from tests.workflows.scenes import Scene, scene

pytestmark = pytest.mark.slow

BASE = f"vdi.{ZONE}"
MINUTE, HOUR = 60, 3600
DEAD = "ldaps://127.0.0.1:9"
FOREIGN = Record(f"www.{BASE}", "A", "192.0.2.99")


@pytest.fixture(scope="module")
def unit(domain_controller: DomainController) -> OrganizationalUnit:
    """An OU of these tests' own."""
    return new_organizational_unit(domain_controller)


@pytest.fixture
def names(bind9: Nameserver) -> Iterator[Nameserver]:
    """The run's name server, with one foreign record in its zones."""
    bind9.add(FOREIGN)
    yield bind9
    bind9.clear()


def dns_settings(names: Nameserver, **changes: Any) -> dict[str, Any]:
    key = names.keys.updater
    settings = {
        "servers": [f"127.0.0.1:{names.port}"],
        "key": {"name": key.name, "algorithm": key.algorithm, "secret": SecretStr(key.secret)},
        "zones": [ZONE],
        "timeout_seconds": 2,
    }
    return {"provider": "rfc2136", "settings": {**settings, **changes}}


@asynccontextmanager
async def scene_with(
    environment: WorkflowEnvironment,
    directory: Path,
    unit: OrganizationalUnit | None = None,
    names: Nameserver | None = None,
    *,
    pattern: str = "rec-{n:04}",
    **autoscale: Any,
) -> AsyncIterator[Scene]:
    """A scene whose servers get what is given: a computer record in this OU, a name on this server."""
    records: dict[str, Any] = {"hostname_pattern": pattern}
    if unit is not None:
        records["computer_record"] = {"ldap": "corp", "ou_dn": unit.dn}
    if names is not None:
        records["dns"] = {"provider": "campus", "base_domain": BASE}
    async with scene(environment, directory, working=False, **autoscale, **records) as poolwright:
        script = "#!/bin/sh\n# {checkin_jwt}\n" + ("# join {ad_join_credential} {domain}\n" if unit else "")
        poolwright.change("vm_provider", "sim", startup_script=script)
        if unit is not None:
            ldap = {**unit.ldap, "service_account_password": SecretStr(unit.password)}
            save(poolwright.store, "ldap", "corp", ldap)
        if names is not None:
            save(poolwright.store, "dns_provider", "campus", dns_settings(names))
        poolwright.start_working()
        yield poolwright


def join_password(poolwright: Scene, server: Server) -> str | None:
    with poolwright.store.read() as tx:
        secret = get_secret(tx, join_password_id(server.id))
    return secret.get_secret_value() if secret else None


def database_bytes(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.glob("poolwright.db*"))


async def gone(poolwright: Scene, server: Server) -> None:
    """Wait until everything of it is."""
    await poolwright.until(lambda: poolwright.states(server)[-1] == "deleted", within_seconds=10 * MINUTE)


async def goes(poolwright: Scene, server: Server) -> None:
    """It is terminated, and everything of it is gone."""
    await poolwright.signals.terminate(server.id, "the test is over")
    await poolwright.ended(server)
    assert poolwright.states(server)[-1] == "deleted"
    assert not poolwright.living()


def loses_its_answer(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, meanwhile: Callable[[], object]
) -> threading.Event:
    """Let the first call do its work, then this, and fail. Returns what is set by then."""
    lost, call = threading.Event(), getattr(owner, name)

    def losing(*arguments: Any) -> Any:
        result = call(*arguments)
        if lost.is_set():
            return result
        meanwhile()
        lost.set()
        raise ConnectionResetError("the answer was lost")

    monkeypatch.setattr(owner, name, losing)
    return lost


class Held:
    """A call to the outside that has done its work and does not return yet; then it returns, or raises this error."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, error: Exception | None = None) -> None:
        self._done, self._release = threading.Event(), threading.Event()
        call = getattr(owner, name)

        def held(*arguments: Any) -> Any:
            result = call(*arguments)
            self._done.set()
            assert self._release.wait(AWAIT_SECONDS)
            if error is not None:
                raise error
            return result

        monkeypatch.setattr(owner, name, held)

    async def outlives_its_life(self, poolwright: Scene, server: Server) -> None:
        """End the life without its answer while the call is held, and have all of the server deleted; then let go."""
        await poolwright.soon(self._done.is_set)
        await poolwright.life(server).terminate("somebody pressed the button")
        with poolwright.store.write() as tx:
            tx.execute(update(ServerRow).where(ServerRow.id == server.id).values(state=ServerState.DELETED))
        self._release.set()

    async def is_terminated_meanwhile(self, poolwright: Scene, server: Server) -> None:
        """Terminate the server while the call is held, then let go of it, and wait for the end."""
        await poolwright.soon(self._done.is_set)
        await poolwright.signals.terminate(server.id, "changed my mind")
        await poolwright.until_event(server, EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED)
        assert poolwright.server(server).state is not ServerState.DELETING
        self._release.set()
        await gone(poolwright, server)


def fails(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, *errors: Exception) -> Callable[[], bool]:
    """Let the first calls fail with these errors. Returns whether they have."""
    call, to_come = getattr(owner, name), list(errors)

    def failing(*arguments: Any, **options: Any) -> Any:
        if to_come:
            raise to_come.pop(0)
        return call(*arguments, **options)

    monkeypatch.setattr(owner, name, failing)
    return lambda: not to_come


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two tries there is no pause."""
    monkeypatch.setattr(patience, "_FIRST_SECONDS", 0.0)


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


class TestNames:
    async def test_the_name_comes_after_the_address_and_before_a_check_in_counts(
        self, skipping: WorkflowEnvironment, tmp_path: Path, names: Nameserver
    ) -> None:
        async with scene_with(skipping, tmp_path, None, names, sim={"address_delay_seconds": 30}) as poolwright:
            poolwright.change("dns_provider", "campus", **dns_settings(names, servers=["127.0.0.1:9"]))
            server = await poolwright.live()
            await poolwright.until_state(server, ServerState.BOOTING)
            await poolwright.check_in(server)
            await poolwright.until(
                lambda: poolwright.server(server).message.startswith("Transient: "), within_seconds=5 * MINUTE
            )
            assert poolwright.server(server).state is ServerState.BOOTING
            poolwright.change("dns_provider", "campus", **dns_settings(names))
            await poolwright.until(lambda: poolwright.states(server)[-1] == "running", within_seconds=5 * MINUTE)
            address = poolwright.server(server).address
            assert {(one.name, one.data) for one in names.records() if one.kind == "A"} == {
                (f"{server.id}.{BASE}", address),
                (FOREIGN.name, FOREIGN.data),
            }
            await goes(poolwright, server)
            assert names.records() == {FOREIGN}

    async def test_a_base_domain_as_anybody_writes_it_will_do(
        self, skipping: WorkflowEnvironment, tmp_path: Path, names: Nameserver
    ) -> None:
        async with scene_with(skipping, tmp_path, None, names) as poolwright:
            # With the line's end that a block of YAML leaves.
            poolwright.change("autoscale", "demo", dns={"provider": "campus", "base_domain": f" {BASE.upper()}.\n"})
            server = await poolwright.running()
            assert poolwright.server(server).fqdn == f"{server.id}.{BASE}"
            await goes(poolwright, server)
            assert names.records() == {FOREIGN}

    async def test_terminating_while_it_is_written_leaves_nothing(
        self,
        skipping: WorkflowEnvironment,
        tmp_path: Path,
        names: Nameserver,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        async with scene_with(skipping, tmp_path, None, names) as poolwright:
            call = Held(monkeypatch, RFC2136DNS, "upsert")
            server = await poolwright.live()
            await call.is_terminated_meanwhile(poolwright, server)
            assert names.records() == {FOREIGN}
            assert not poolwright.living()

    @pytest.mark.usefixtures("hasty")
    async def test_one_that_is_written_after_the_end_is_removed_as_soon_as_the_dns_server_lets_it(
        self, skipping: WorkflowEnvironment, tmp_path: Path, names: Nameserver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        has_failed = fails(monkeypatch, RFC2136DNS, "delete", *(Transient("no DNS server answers") for _ in range(3)))
        async with scene_with(skipping, tmp_path, None, names) as poolwright:
            call = Held(monkeypatch, RFC2136DNS, "upsert")
            server = await poolwright.live()
            await call.outlives_its_life(poolwright, server)
            await poolwright.soon(lambda: has_failed() and names.records() == {FOREIGN})

    async def test_a_dead_dns_server_does_not_keep_the_vm(
        self, skipping: WorkflowEnvironment, tmp_path: Path, names: Nameserver
    ) -> None:
        async with scene_with(skipping, tmp_path, None, names) as poolwright:
            server = await poolwright.running()
            poolwright.change("dns_provider", "campus", **dns_settings(names, servers=["127.0.0.1:9"]))
            await poolwright.signals.terminate(server.id, "the test is over")
            await poolwright.until_told(server, ServerState.DELETING)
            await poolwright.until(lambda: not poolwright.living(), within_seconds=5 * MINUTE)
            assert poolwright.server(server).state is ServerState.DELETING
            assert len(names.records()) == 3
            await poolwright.skip(20 * MINUTE)
            assert "its DNS records: " in poolwright.server(server).message
            poolwright.change("dns_provider", "campus", **dns_settings(names))
            await gone(poolwright, server)
            assert names.records() == {FOREIGN}

    async def test_a_name_that_is_somebody_elses_fails_the_server_and_is_left_alone(
        self, skipping: WorkflowEnvironment, tmp_path: Path, names: Nameserver
    ) -> None:
        async with scene_with(skipping, tmp_path, None, names) as poolwright:
            server = await poolwright.reserve()
            theirs = Record(f"{server.id}.{BASE}", "TXT", '"theirs"')
            names.add(theirs)
            await start_life(poolwright.client, server)
            await poolwright.ended(server)
            assert str(poolwright.server(server).failure_reason).startswith("NameTaken: ")
            assert names.records() == {FOREIGN, theirs}
            assert not poolwright.living()

    async def test_a_name_whose_config_was_changed_in_between_is_removed_where_it_was_written(
        self, skipping: WorkflowEnvironment, tmp_path: Path, names: Nameserver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with scene_with(skipping, tmp_path, None, names) as poolwright:
            save(poolwright.store, "dns_provider", "elsewhere", dns_settings(names, servers=["127.0.0.1:9"]))
            registration = {"provider": "elsewhere", "base_domain": BASE}
            losing = loses_its_answer(
                monkeypatch,
                RFC2136DNS,
                "upsert",
                lambda: poolwright.change("autoscale", "demo", dns=registration),
            )
            server = await poolwright.live()
            await gone(poolwright, server)
            assert losing.is_set()
            assert "'campus'" in str(poolwright.server(server).failure_reason)
            assert names.records() == {FOREIGN}
            assert not poolwright.living()


class TestBoth:
    async def test_they_are_undone_in_reverse(
        self, skipping: WorkflowEnvironment, tmp_path: Path, unit: OrganizationalUnit, names: Nameserver
    ) -> None:
        async with scene_with(skipping, tmp_path, unit, names, pattern="both-{n:04}") as poolwright:
            server = await poolwright.running()
            assert unit.computers() == {"BOTH-0001"}
            await goes(poolwright, server)
            events = (await poolwright.life(server).fetch_history()).events
            steps = [event.activity_task_scheduled_event_attributes.activity_type.name for event in events]
            assert [step for step in steps if step] == [
                "begin_life",
                "create_computer_record",
                "create_machine",
                *(["await_machine"] if "await_machine" in steps else []),
                "write_dns",
                "mark_running",
                "begin_deleting",
                "remove_dns",
                "delete_machine",
                "delete_computer_record",
                "mark_deleted",
            ]
            assert unit.computers() == set()
            assert names.records() == {FOREIGN}
