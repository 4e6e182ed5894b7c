import os
import socket
import stat
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from pydantic import ValidationError

from poolwright.providers.base import VMState
from poolwright.providers.errors import CapacityUnavailable, Conflict, InvalidSettings, NotFound
from poolwright.providers.local import machines
from poolwright.providers.local.errors import BrokenRecord, LockHeld
from poolwright.providers.local.machines import Machines
from poolwright.providers.local.provider import LocalProvider
from poolwright.providers.local.settings import Settings, default_directory
from tests.conformance.specs import OURS, TOKEN_IN_SCRIPT, mark_of, spec_of
from tests.providers.local_machines import kill_all, processes_in, wait_for, wait_for_text


class TestTheMachine:
    def test_runs_the_script_and_stays(self, local: LocalProvider, root: Path) -> None:
        vm = local.create(spec_of("a", script="echo hello\necho Grüße >&2\nexit 3\n"))
        assert wait_for_text(root / "pw-a" / "exit_code") == "3\n"
        assert (root / "pw-a" / "console.log").read_text() == "hello\nGrüße\n"
        assert local.get(vm.reference).state is VMState.RUNNING

    def test_has_an_environment_of_its_own(
        self, local: LocalProvider, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PASSWORD_OF_THE_WORKER", "not for machines")
        vm = local.create(spec_of("a", script="env >environment; echo done >finished"))
        wait_for_text(root / "pw-a" / "finished")
        found = dict(line.split("=", 1) for line in (root / "pw-a" / "environment").read_text().splitlines())
        from_bash = {"PWD", "SHLVL", "_", "OLDPWD"}
        ours = {"POOLWRIGHT_SERVER_ID", "POOLWRIGHT_MACHINE", "POOLWRIGHT_ADDRESS"}
        assert found.keys() - from_bash == {"PATH", "HOME", "LANG", *ours}
        assert found["HOME"] == str(root / "pw-a")
        assert found["POOLWRIGHT_SERVER_ID"] == "a"
        assert found["POOLWRIGHT_MACHINE"] == mark_of("a").text()
        assert found["POOLWRIGHT_ADDRESS"] == vm.address

    def test_shows_no_secret_to_those_who_list_processes(self, local: LocalProvider, root: Path) -> None:
        local.create(spec_of("a", script=f"# {TOKEN_IN_SCRIPT}\necho started >started\nsleep 100\n"))
        wait_for_text(root / "pw-a" / "started")
        shown = [f"{process.cmdline()} {process.environ()}" for process in processes_in(root)]
        assert shown
        assert not any(TOKEN_IN_SCRIPT in line for line in shown)

    def test_lets_the_script_handle_interrupts(self, local: LocalProvider, root: Path) -> None:
        local.create(spec_of("a", script="trap -p >ignored; echo done >finished"))
        wait_for_text(root / "pw-a" / "finished")
        assert (root / "pw-a" / "ignored").read_text() == ""

    def test_is_private_to_its_user(self, local: LocalProvider, root: Path) -> None:
        local.create(spec_of("a"))
        directory = root / "pw-a"
        assert _mode(root) == _mode(directory) == 0o700
        files = ("startup.sh", "machine.json", "process.json", "console.log")
        assert {_mode(directory / file) for file in files} == {0o600}

    def test_is_stopped_when_its_process_died(self, local: LocalProvider, root: Path) -> None:
        vm = local.create(spec_of("a"))
        kill_all(root)
        wait_for(lambda: local.get(vm.reference).state is VMState.STOPPED)
        assert local.find(mark_of("a")) == local.get(vm.reference)
        assert local.create(spec_of("a")).state is VMState.STOPPED

    def test_is_not_taken_for_another_process_with_its_pid(self, local: LocalProvider, root: Path) -> None:
        vm = local.create(spec_of("a"))
        recorded = Machines(root).process("pw-a")
        assert recorded
        later = recorded.model_copy(update={"pid": os.getpid(), "session": os.getsid(0)})
        Machines(root).record_process("pw-a", later)
        assert local.get(vm.reference).state is VMState.STOPPED
        assert wait_for(lambda: local.delete(vm.mark, vm.reference))
        assert not list(processes_in(root))

    def test_keeps_its_labels(self, local: LocalProvider, root: Path) -> None:
        local.create(spec_of("a").model_copy(update={"labels": {"team": "blue"}}))
        machine = Machines(root).read("pw-a")
        assert machine
        assert machine.labels == {"team": "blue"}


class TestAddresses:
    def test_can_be_listened_on(self, local: LocalProvider) -> None:
        vm = local.create(spec_of("a"))
        assert vm.address
        assert IPv4Address(vm.address) in IPv4Network("127.77.0.0/16")
        with socket.create_server((vm.address, 0)) as listener:
            assert listener.getsockname()[0] == vm.address

    def test_come_from_the_server_so_that_a_new_attempt_has_the_same(self, local: LocalProvider) -> None:
        vm = local.create(spec_of("a"))
        wait_for(lambda: local.delete(vm.mark, None))
        assert local.create(spec_of("a", attempt=2)).address == vm.address

    def test_are_never_given_twice_and_come_back_with_deletion(self, root: Path) -> None:
        local = LocalProvider(
            Settings(directory=root, address_range=IPv4Network("127.88.0.0/30"), stop_grace_seconds=0), OURS
        )
        first, second = local.create(spec_of("a")), local.create(spec_of("b"))
        assert {first.address, second.address} == {"127.88.0.1", "127.88.0.2"}
        with pytest.raises(CapacityUnavailable, match=r"all 2 addresses of address_range 127\.88\.0\.0/30"):
            local.create(spec_of("c"))
        wait_for(lambda: local.delete(first.mark, None))
        assert local.create(spec_of("c")).address == first.address


class TestTheDirectory:
    def test_with_a_record_that_is_broken_is_reported_and_left_alone(
        self, local: LocalProvider, root: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        kept = local.create(spec_of("kept"))
        broken = local.create(spec_of("broken"))
        (root / broken.reference / "machine.json").write_text("{")
        assert [vm.reference for vm in local.list_owned()] == [kept.reference]
        assert "remove the directory by hand" in caplog.text
        for call in (
            lambda: local.get(broken.reference),
            lambda: local.find(broken.mark),
            lambda: local.create(spec_of("broken")),
            lambda: wait_for(lambda: local.delete(broken.mark, None)),
        ):
            with pytest.raises(BrokenRecord):
                call()
        assert (root / broken.reference / "startup.sh").exists()
        # What bears the mark without doubt is stopped all the same.
        assert {process.environ()["POOLWRIGHT_SERVER_ID"] for process in processes_in(root)} == {"kept"}

    def test_that_is_not_a_machine_is_never_touched(self, local: LocalProvider, root: Path) -> None:
        (root / "pw-notes").mkdir(parents=True)
        (root / "pw-notes" / "text").touch()
        (root / "other").touch()
        with pytest.raises(Conflict):
            local.create(spec_of("notes"))
        with pytest.raises(Conflict):
            local.delete(mark_of("notes"), None)
        assert (root / "pw-notes" / "text").exists()
        assert (root / "other").exists()

    @pytest.mark.parametrize("reference", ["../pw-a", ".lock", "", "pw-a/..", "no-such-machine"])
    def test_is_not_left_by_a_strange_reference(self, local: LocalProvider, reference: str) -> None:
        local.create(spec_of("a"))
        with pytest.raises(NotFound):
            local.get(reference)

    def test_is_not_left_by_a_strange_server_id(self, local: LocalProvider, root: Path) -> None:
        with pytest.raises(InvalidSettings, match="cannot name a directory"):
            local.create(spec_of("../../outside"))
        assert [path.name for path in root.parent.iterdir()] == ["machines"]

    def test_is_locked_against_others_only_for_a_while(
        self, local: LocalProvider, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(machines, "LOCK_SECONDS", 0.02)
        with Machines(root).locked(), pytest.raises(LockHeld, match="see which process holds it"):
            local.create(spec_of("a"))
        local.create(spec_of("a"))


class TestSettings:
    def test_the_directory_follows_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("POOLWRIGHT_DATA_DIRECTORY", "/data")
        assert Settings().directory == Path("/data/local-machines")
        monkeypatch.delenv("POOLWRIGHT_DATA_DIRECTORY")
        assert default_directory() == Path(".poolwright/local-machines")

    @pytest.mark.parametrize(
        ("address_range", "reason"),
        [
            ("10.0.0.0/16", "not inside 127.0.0.0/8"),
            ("127.0.0.0/8", "the computer itself"),
            ("127.5.0.0/31", "no address for a machine"),
            ("127.77.0.1/16", "not a valid IPv4 network"),
        ],
    )
    def test_the_address_range_is_of_the_loopback(self, address_range: str, reason: str) -> None:
        with pytest.raises(ValidationError, match=reason):
            Settings.model_validate({"address_range": address_range})

    def test_a_shell_that_is_not_bash_is_found(self, root: Path) -> None:
        (finding,) = LocalProvider(Settings(directory=root, shell="cat"), OURS).check()
        assert (finding.setting, finding.problem) == ("shell", "'cat' is not bash")


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
