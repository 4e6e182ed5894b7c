from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from poolwright.providers.base import VM, VMSpec, VMState
from poolwright.providers.local import machines
from poolwright.providers.local.errors import LockHeld
from poolwright.providers.local.machines import Machines
from poolwright.providers.local.provider import LocalProvider, restart_stopped
from poolwright.providers.local.settings import Settings
from tests.conformance.specs import OURS, THEIRS, mark_of, spec_of
from tests.providers.local_creator import create_and_die, start_worker
from tests.providers.local_machines import kill_all, processes_in, wait_for, wait_for_processes, wait_for_text

COUNTS_ITS_RUNS = "echo run >>runs\n"


class TestTheCreatorDies:
    def test_when_all_is_done_and_the_machine_lives_on(
        self, settings: Settings, local: LocalProvider, root: Path
    ) -> None:
        create_and_die(settings, _spec(), "when all is done")
        found = local.find(mark_of("a"))
        assert found
        assert found.state is VMState.RUNNING
        assert local.list_owned() == [found]
        assert local.create(_spec()) == found
        assert wait_for_text(root / "pw-a" / "runs") == "run\n"
        assert wait_for(lambda: local.delete(mark_of("a"), None))
        assert not list(processes_in(root))

    def test_before_the_start_and_a_repeat_starts_the_machine(
        self, settings: Settings, local: LocalProvider, root: Path
    ) -> None:
        create_and_die(settings, _spec(), "before the start")
        assert local.find(mark_of("a")) is None
        (seen,) = local.list_owned()
        assert seen.state is VMState.STOPPED
        assert local.create(_spec()) == seen.model_copy(update={"state": VMState.RUNNING})
        assert wait_for_text(root / "pw-a" / "runs") == "run\n"

    def test_before_the_start_and_nobody_repeats_it(self, settings: Settings, local: LocalProvider, root: Path) -> None:
        create_and_die(settings, _spec(), "before the start")
        assert local.delete(mark_of("a"), None)
        assert local.list_owned() == []

    @pytest.mark.parametrize("repeat", ["create", "find", "list_owned"])
    def test_after_the_start_and_the_process_is_taken_over(
        self, settings: Settings, local: LocalProvider, root: Path, repeat: str
    ) -> None:
        create_and_die(settings, _spec(), "after the start")
        assert Machines(root).process("pw-a") is None
        ways: Mapping[str, Callable[[], VM | None]] = {
            "create": lambda: local.create(_spec()),
            "find": lambda: local.find(mark_of("a")),
            "list_owned": lambda: local.list_owned()[0],
        }
        vm = ways[repeat]()
        assert vm
        assert vm.state is VMState.RUNNING
        wait_for_text(root / "pw-a" / "exit_code")
        assert (root / "pw-a" / "runs").read_text() == "run\n"
        wait_for_processes(root, 1)

    def test_during_the_start_and_everybody_waits_until_the_process_can_be_found(
        self, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shell, asked, go = tmp_path / "slow-bash", tmp_path / "asked", tmp_path / "go"
        shell.write_text(f'#!/bin/bash\n>{asked}\nuntil [ -e {go} ]; do sleep 0.01; done\nexec bash "$@"\n')
        shell.chmod(0o700)
        settings = Settings(directory=root, shell=str(shell))
        worker = start_worker(settings, _spec())
        wait_for(asked.exists)
        worker.kill()
        worker.join()
        local = LocalProvider(settings, OURS)
        with monkeypatch.context() as hurried:
            hurried.setattr(machines, "LOCK_SECONDS", 0.02)
            with pytest.raises(LockHeld):
                local.create(_spec())
        go.touch()
        assert local.create(_spec()).state is VMState.RUNNING
        wait_for_text(root / "pw-a" / "exit_code")
        assert (root / "pw-a" / "runs").read_text() == "run\n"

    def test_after_the_start_and_the_machine_is_deleted_by_its_mark(
        self, settings: Settings, local: LocalProvider, root: Path
    ) -> None:
        create_and_die(settings, _spec(), "after the start")
        assert wait_for(lambda: local.delete(mark_of("a"), None))
        assert not list(processes_in(root))

    def test_and_what_is_no_process_id_is_taken_for_none(
        self, settings: Settings, local: LocalProvider, root: Path
    ) -> None:
        # A machine's directory is its script's own, which may write there what it likes.
        create_and_die(settings, _spec(), "before the start")
        (root / "pw-a" / "pid").write_text("-1\n")
        (root / "pw-a" / "process.json").write_text('{"pid": -1, "session": 0, "create_time_seconds": 0}')
        assert [vm.state for vm in local.list_owned()] == [VMState.STOPPED]
        assert local.delete(mark_of("a"), None)
        assert local.list_owned() == []

    def test_while_it_wrote_and_the_draft_is_replaced(
        self, settings: Settings, local: LocalProvider, root: Path
    ) -> None:
        draft = root / f".pw-a.{OURS}.draft"
        draft.mkdir(parents=True)
        (draft / "startup.sh").touch()
        assert local.list_owned() == []
        local.create(_spec())
        assert not draft.exists()


class TestManyCreators:
    def test_make_one_machine_of_one_mark_and_share_no_address(
        self, settings: Settings, local: LocalProvider, root: Path
    ) -> None:
        servers = ["a", "a", "a", "b", "c"]
        workers = [start_worker(settings, spec_of(server, script=COUNTS_ITS_RUNS)) for server in servers]
        for worker in workers:
            worker.join()
        assert {worker.exitcode for worker in workers} == {0}
        listed = local.list_owned()
        assert {vm.mark.server_id for vm in listed} == set(servers)
        assert len({vm.address for vm in listed}) == len(listed) == 3
        for vm in listed:
            wait_for_text(root / vm.reference / "exit_code")
            assert (root / vm.reference / "runs").read_text() == "run\n"
        wait_for_processes(root, 3)


class TestThePowerIsCut:
    def test_and_machines_come_back_as_they_were(self, settings: Settings, local: LocalProvider, root: Path) -> None:
        vm = local.create(_spec())
        wait_for_text(root / "pw-a" / "exit_code")
        _cut_the_power(local, root)
        assert restart_stopped(settings, OURS) == [vm.mark]
        assert local.get(vm.reference) == vm
        wait_for_text(root / "pw-a" / "exit_code")
        assert (root / "pw-a" / "runs").read_text() == "run\nrun\n"
        assert restart_stopped(settings, OURS) == []
        wait_for_processes(root, 1)

    def test_and_leftover_processes_of_a_dead_machine_do_not_run_twice(
        self, settings: Settings, local: LocalProvider, root: Path
    ) -> None:
        vm = local.create(spec_of("a", script="setsid sleep 1000 & echo $! >child\n"))
        wait_for_text(root / "pw-a" / "exit_code")
        recorded = Machines(root).process("pw-a")
        assert recorded
        (first,) = (process for process in processes_in(root) if process.pid == recorded.pid)
        first.kill()
        wait_for(lambda: local.get(vm.reference).state is VMState.STOPPED)
        restart_stopped(settings, OURS)
        wait_for_text(root / "pw-a" / "exit_code")
        wait_for_processes(root, 2)

    def test_and_only_our_own_machines_come_back(self, settings: Settings, local: LocalProvider, root: Path) -> None:
        theirs = LocalProvider(settings, THEIRS)
        vm = theirs.create(spec_of("theirs", controller_id=THEIRS))
        _cut_the_power(theirs, root)
        assert restart_stopped(settings, OURS) == []
        assert theirs.get(vm.reference).state is VMState.STOPPED

    def test_and_a_machine_being_deleted_stays_off(self, settings: Settings, local: LocalProvider, root: Path) -> None:
        vm = local.create(_spec())
        Machines(root).record_deletion(vm.reference, 0.0)
        _cut_the_power(local, root, VMState.DELETING)
        assert restart_stopped(settings, OURS) == []
        assert local.delete(vm.mark, None)

    def test_and_one_machine_that_cannot_start_does_not_keep_the_others_down(
        self, settings: Settings, local: LocalProvider, root: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        local.create(_spec())
        other = local.create(spec_of("b"))
        _cut_the_power(local, root)
        (root / "pw-a" / "pid").unlink()
        (root / "pw-a" / "pid").mkdir()
        assert restart_stopped(settings, OURS) == [other.mark]
        assert "restarting pw-a failed" in caplog.text

    def test_and_the_first_restart_is_cut_short_as_well(
        self, settings: Settings, local: LocalProvider, root: Path
    ) -> None:
        vm = local.create(_spec())
        wait_for_text(root / "pw-a" / "exit_code")
        _cut_the_power(local, root)
        Machines(root).forget_process("pw-a")
        assert restart_stopped(settings, OURS) == [vm.mark]
        assert local.get(vm.reference) == vm


def _spec() -> VMSpec:
    return spec_of("a", script=COUNTS_ITS_RUNS)


def _cut_the_power(provider: LocalProvider, root: Path, expected: VMState = VMState.STOPPED) -> None:
    kill_all(root)
    wait_for(lambda: not list(processes_in(root)))
    assert {vm.state for vm in provider.list_owned()} == {expected}
