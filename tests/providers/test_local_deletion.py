import os
import shutil
from collections import Counter
from pathlib import Path

import psutil
import pytest

from poolwright.providers.base import VMState
from poolwright.providers.errors import Conflict
from poolwright.providers.local import processes, provider
from poolwright.providers.local.machines import Machines
from poolwright.providers.local.processes import MARK_VARIABLE
from poolwright.providers.local.provider import LocalProvider
from poolwright.providers.local.settings import Settings
from tests.conformance.specs import OURS, mark_of, spec_of
from tests.providers.local_machines import kill_all, processes_in, wait_for, wait_for_text

# Each tells its pid once it has become what its name says; `wait` keeps the script's bash as the parent.
ORDINARY_CHILD = "bash -c 'echo $$ >pid_of_child; exec sleep 1000' &"
CHILD_IN_ITS_OWN_SESSION = "setsid bash -c 'echo $$ >pid_of_child; exec sleep 1000' &"
CHILD_WITHOUT_ENVIRONMENT = "env -i bash -c 'echo $$ >pid_of_child; exec sleep 1000' &"
CHILD_WITH_NEITHER = "env -i setsid bash -c 'echo $$ >pid_of_child; exec sleep 1000' & wait"
ORPHAN_WITH_NEITHER = "env -i setsid bash -c 'sleep 1000 & echo $! >pid_of_child'"
ORPHAN_THAT_IGNORES_TERM = "env -i setsid bash -c 'trap \"\" TERM; sleep 1000 & echo $! >pid_of_child'"
CHILD_THAT_IGNORES_TERM = "bash -c 'trap \"\" TERM; echo $$ >pid_of_child; exec sleep 1000' &"


class TestEveryProcessOfAMachine:
    @pytest.mark.parametrize(
        "script",
        [
            ORDINARY_CHILD,
            CHILD_IN_ITS_OWN_SESSION,
            CHILD_WITHOUT_ENVIRONMENT,
            CHILD_WITH_NEITHER,
            ORPHAN_WITH_NEITHER,
            ORPHAN_THAT_IGNORES_TERM,
        ],
    )
    def test_is_ended_wherever_it_went(self, local: LocalProvider, root: Path, script: str) -> None:
        vm = local.create(spec_of("a", script=script))
        child = psutil.Process(int(wait_for_text(root / "pw-a" / "pid_of_child")))
        wait_for(lambda: child.name() == "sleep")
        assert wait_for(lambda: local.delete(vm.mark, vm.reference))
        assert not _lives(child)
        assert not (root / "pw-a").exists()

    def test_is_collected_when_it_has_ended_after_its_parents(self, local: LocalProvider, root: Path) -> None:
        local.create(spec_of("a", script="(sleep 0.5 & echo $! >pid_of_child)"))
        child = psutil.Process(int(wait_for_text(root / "pw-a" / "pid_of_child")))
        assert wait_for(lambda: not child.is_running())

    def test_is_ended_when_only_children_are_left(self, local: LocalProvider, root: Path) -> None:
        vm = local.create(spec_of("a", script=CHILD_IN_ITS_OWN_SESSION))
        child = psutil.Process(int(wait_for_text(root / "pw-a" / "pid_of_child")))
        recorded = Machines(root).process("pw-a")
        assert recorded
        psutil.Process(recorded.pid).kill()
        wait_for(lambda: local.get(vm.reference).state is VMState.STOPPED)
        assert wait_for(lambda: local.delete(vm.mark, vm.reference))
        assert not _lives(child)

    def test_is_seen_even_while_it_executes_another_program(
        self, local: LocalProvider, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        vm = local.create(spec_of("a"))
        (pid,) = (process.pid for process in processes_in(root))
        real_environment, real_arguments = psutil.Process.environ, psutil.Process.cmdline
        looks = Counter[str]()

        def environ(process: psutil.Process) -> dict[str, str]:
            looks["environment"] += process.pid == pid
            return {} if process.pid == pid and looks["environment"] < 4 else real_environment(process)

        def cmdline(process: psutil.Process) -> list[str]:
            looks["arguments"] += process.pid == pid
            return [] if process.pid == pid and looks["arguments"] < 2 else real_arguments(process)

        monkeypatch.setattr(psutil.Process, "environ", environ)
        monkeypatch.setattr(psutil.Process, "cmdline", cmdline)
        identity = processes.Identity(vm.mark.text(), root / "pw-a")
        assert [process.pid for process in processes.of_machine(identity, None)] == [pid]

    def test_is_ended_when_the_directory_was_removed_by_hand(self, local: LocalProvider, root: Path) -> None:
        vm = local.create(spec_of("a", script=CHILD_THAT_IGNORES_TERM))
        wait_for_text(root / "pw-a" / "pid_of_child")
        (root / "pw-a").rename(root / "moved")
        assert wait_for(lambda: local.delete(vm.mark, None))
        assert not list(processes_in(root))

    def test_may_tidy_up_before_it_is_killed(
        self, settings: Settings, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(provider, "_STOP_WAIT_SECONDS", 0.02)
        patient = LocalProvider(settings.model_copy(update={"stop_grace_seconds": 60}), OURS)
        vm = patient.create(spec_of("a", script=CHILD_THAT_IGNORES_TERM))
        child = psutil.Process(int(wait_for_text(root / "pw-a" / "pid_of_child")))
        assert patient.delete(vm.mark, None) is False
        assert patient.delete(vm.mark, None) is False
        assert _lives(child)
        assert patient.get(vm.reference).state is VMState.DELETING
        with pytest.raises(Conflict, match="is being deleted"):
            patient.create(spec_of("a"))
        impatient = LocalProvider(settings, OURS)
        assert wait_for(lambda: impatient.delete(vm.mark, None))
        assert not _lives(child)


class TestTheRest:
    def test_processes_of_the_same_mark_in_another_directory_live_on(
        self, local: LocalProvider, root: Path, tmp_path: Path
    ) -> None:
        vm = local.create(spec_of("a"))
        copied = tmp_path / "restored from a backup"
        shutil.copytree(root, copied)
        copy = LocalProvider(Settings(directory=copied, stop_grace_seconds=0), OURS)
        assert copy.get(vm.reference).state is VMState.STOPPED
        assert wait_for(lambda: copy.delete(vm.mark, vm.reference))
        assert local.get(vm.reference) == vm

    def test_processes_of_other_machines_live_on(self, local: LocalProvider, root: Path) -> None:
        leaving, staying = local.create(spec_of("a")), local.create(spec_of("a2"))
        assert wait_for(lambda: local.delete(leaving.mark, None))
        assert local.get(staying.reference) == staying
        assert {process.environ()[MARK_VARIABLE] for process in processes_in(root)} == {staying.mark.text()}

    def test_what_a_link_points_to_is_kept(self, local: LocalProvider, root: Path, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir(mode=0o500)
        (tmp_path / "outside" / "kept").touch()
        script = f"ln -s {outside} link; mkdir -p closed/inside; chmod 0 closed/inside closed; echo done >finished"
        vm = local.create(spec_of("a", script=script))
        wait_for_text(root / "pw-a" / "finished")
        assert wait_for(lambda: local.delete(vm.mark, None))
        assert (outside / "kept").exists()
        assert outside.stat().st_mode & 0o777 == 0o500

    def test_what_a_link_points_to_is_kept_when_directories_are_made_writable(
        self, local: LocalProvider, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        outside = tmp_path / "outside"
        outside.mkdir(mode=0o500)
        vm = local.create(spec_of("a"))
        (root / "pw-a" / "link").symlink_to(outside)
        remove_tree = shutil.rmtree
        refusals = iter([PermissionError(13, "Permission denied")])

        def refuse_once(path: Path) -> None:
            if refusal := next(refusals, None):
                raise refusal
            remove_tree(path)

        monkeypatch.setattr(shutil, "rmtree", refuse_once)
        assert wait_for(lambda: local.delete(vm.mark, None))
        assert not (root / "pw-a").exists()
        assert outside.stat().st_mode & 0o777 == 0o500

    def test_a_removal_that_was_cut_short_is_finished(self, local: LocalProvider, root: Path) -> None:
        vm = local.create(spec_of("a"))
        kill_all(root)
        (root / "pw-a").rename(root / f".pw-a.{OURS}.remains")
        assert wait_for(lambda: local.delete(mark_of("a"), vm.reference))
        assert [path.name for path in root.iterdir()] == [".lock"]


def _lives(process: psutil.Process) -> bool:
    try:
        os.kill(process.pid, 0)
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False
